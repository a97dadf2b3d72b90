using System.Diagnostics;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Persistence.Workflows;
using FailbackWorkflows.Server.Replay;
using FailbackWorkflows.Testing.Evidence;
using FailbackWorkflows.Testing.Persistence;
using Microsoft.Extensions.DependencyInjection;

namespace FailbackWorkflows.Benchmarks.Evidence;

/// <summary>How long it takes to open the replay of a very long run that nobody has looked at, and to show any of its events.</summary>
internal static class PlayRun
{
    private const double MostMillisecondsToOpen = 300;
    private const double MostMillisecondsToShow = 100;

    public static async Task<int> RunAsync(Options options)
    {
        var events = Math.Max(1_000, options.Number("events", 100_000));
        var rounds = Math.Max(1, options.Number("rounds", 5));
        await using var database = await TestDatabase.CreateSqliteAsync();
        var run = await LoopingRun.WriteAsync(database.Get<IWorkflowStore>(), events);
        var (opened, first, shown, waited) = (new List<double>(), new List<double>(), new List<double>(), new List<double>());
        var random = new Random(1);
        for (var round = 0; round < rounds; round++)
        {
            await using var services = LoopingRun.Services(database.Get<IWorkflowStore>());
            using var replays = new RunReplays(
                services.GetRequiredService<IWorkflowStore>(), database.Get<IJournalOutline>(), services.GetRequiredService<WorkflowDefinitions>(), services.GetRequiredService<IWorkflowRuntime>());
            var begun = Stopwatch.GetTimestamp();
            var head = (await replays.OpenAsync(run, CancellationToken.None))!;
            opened.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);

            // At once the farthest, while its state is still being worked out.
            begun = Stopwatch.GetTimestamp();
            await replays.ReadAsync(run, head.Events, 1, CancellationToken.None);
            first.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
            begun = Stopwatch.GetTimestamp();
            while ((await replays.ReadAsync(run, head.Events, 1, CancellationToken.None))!.Frames[0].State is null)
            {
                await Task.Yield();
            }

            waited.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
            for (var i = 0; i < 100; i++)
            {
                begun = Stopwatch.GetTimestamp();
                var read = await replays.ReadAsync(run, random.NextInt64(1, head.Events + 1), 1, CancellationToken.None);
                shown.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
                if (read!.Frames is not [{ State: not null }])
                {
                    throw new InvalidOperationException("An event was not shown whole.");
                }
            }
        }

        Console.WriteLine(FormattableString.Invariant($"{events} events: opened in {opened.Median():N0} ms (first time {opened.Max():N0} ms), target {MostMillisecondsToOpen:N0} ms: {Figures.Verdict(opened.Median() <= MostMillisecondsToOpen)}"));
        Console.WriteLine(FormattableString.Invariant($"the last event at once after that: {first.Median():N0} ms; its variables {waited.Median():N0} ms later"));
        Console.WriteLine(FormattableString.Invariant($"any event with its variables: p50 {shown.At(0.5):N1} ms, p99 {shown.At(0.99):N1} ms, target {MostMillisecondsToShow:N0} ms: {Figures.Verdict(shown.At(0.99) <= MostMillisecondsToShow)}"));
        return 0;
    }
}
