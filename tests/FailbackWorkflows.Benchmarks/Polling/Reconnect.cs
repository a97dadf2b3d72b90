using System.Diagnostics;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Testing.Failback;

namespace FailbackWorkflows.Benchmarks.Polling;

/// <summary>
/// How soon a recorder that is back is being failed back by itself: until the commit of step 6 (<c>LogFailbackStarted</c>) has returned, once
/// from the poll that sees it, once from the moment it can be reached again, with sweeps as the server makes them. The recorders answer from
/// memory; the database is SQLite with every step synced to disk.
/// </summary>
internal static class Reconnect
{
    private const int WarmUps = 30;
    private static readonly TimeSpan Target = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan SweepEvery = TimeSpan.FromMilliseconds(100);

    public static async Task<int> RunAsync(Options options)
    {
        var rounds = options.Number("rounds", 100);
        var interval = TimeSpan.FromSeconds(options.Number("interval", 5));
        var folder = Path.GetFullPath(options.Text("folder", Path.GetTempPath()));
        Environment.SetEnvironmentVariable("FAILBACK_TEST_FOLDER", folder);
        await using var world = await FailbackWorld.CreateAsync(time: TimeProvider.System);
        await world.InstallAsync(TestLicense.Valid(world.Clock.GetUtcNow()));
        await world.ApplyAsync(new SaveVmsServer((await world.ServerAsync()) with { IsFailoverEnabled = true, IsAutomaticFailbackEnabled = true, PollInterval = interval }));
        var poll = world.Node.Get<PollRecorders>();
        for (var i = 0; i < WarmUps; i++)
        {
            await MeasureAsync(world, $"warm-up-{i}", () => poll.ExecuteAsync(CancellationToken.None));
        }

        var seen = new List<TimeSpan>();
        for (var i = 0; i < rounds; i++)
        {
            seen.Add(await MeasureAsync(world, $"seen-{i}", () => poll.ExecuteAsync(CancellationToken.None)));
        }

        Print("seen by a poll -> step 6", seen, Target);
        var chance = new Random(1);
        var listening = new List<TimeSpan>();
        using var stop = new CancellationTokenSource();
        var sweeps = SweepAsync(poll, stop.Token);
        for (var i = 0; i < rounds; i++)
        {
            listening.Add(await MeasureAsync(world, $"listening-{i}", () => Task.CompletedTask, chance.NextDouble() * interval));
        }

        await stop.CancelAsync();
        await sweeps;
        Print("listening again -> step 6", listening, interval + Target);
        return 0;
    }

    private static async Task SweepAsync(PollRecorders poll, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(SweepEvery);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                await poll.SweepAsync(cancellationToken);
            }
        }
        catch (OperationCanceledException)
        {
            // Enough.
        }
    }

    private static async Task<TimeSpan> MeasureAsync(FailbackWorld world, string entryId, Func<Task> look, TimeSpan awayFor = default)
    {
        world.Store.ForgetCommits();
        world.Recorders.ForgetCalls();
        var committed = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        world.Store.Committed = step =>
        {
            if (step.Events.OfType<ActivityCompleted>().Any(e => e.NodeId == "flowchart:LogFailbackStarted"))
            {
                committed.TrySetResult(Stopwatch.GetTimestamp());
            }

            if (step is { Releases: true, Instance: { DefinitionId: "automatic-failback", Status: FailbackWorkflows.Engine.WorkflowStatus.Finished } })
            {
                ended.TrySetResult();
            }

            return Task.CompletedTask;
        };
        world.FailedRecorder.IsCutOff = true;
        await world.Node.Get<PollRecorders>().ExecuteAsync(CancellationToken.None);
        await FailOverAsync(world, entryId);
        await Task.Delay(awayFor);
        world.FailedRecorder.IsCutOff = false;
        var started = Stopwatch.GetTimestamp();
        await look();
        var took = Stopwatch.GetElapsedTime(started, await committed.Task.WaitAsync(TimeSpan.FromMinutes(2)));
        await ended.Task.WaitAsync(TimeSpan.FromMinutes(2));
        return took;
    }

    private static async Task FailOverAsync(FailbackWorld world, string entryId)
    {
        while (true)
        {
            try
            {
                await world.FailOverAgainAsync(entryId);
                return;
            }
            catch (FailbackWorkflows.Failback.ConcurrentChangeException)
            {
                // A poll has just written the server.
            }
        }
    }

    private static void Print(string what, List<TimeSpan> took, TimeSpan target)
    {
        took.Sort();
        var p99 = took[(int)Math.Min(took.Count - 1, took.Count * 0.99)];
        Console.WriteLine(FormattableString.Invariant(
            $"{what,-26} {took.Count} times   median {took[took.Count / 2].TotalMilliseconds,7:N1} ms   p99 {p99.TotalMilliseconds,7:N1} ms   max {took[^1].TotalMilliseconds,7:N1} ms   target p99 {target.TotalMilliseconds:N0} ms: {(p99 <= target ? "met" : "missed")}"));
    }
}
