using System.Globalization;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Testing.Failback;
using FailbackWorkflows.Testing.Persistence;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Postgres;

/// <summary>The published workflow, on a real engine and a real PostgreSQL server.</summary>
public sealed class PostgresFailbackTests
{
    [Fact]
    public async Task Failback_NothingGoesWrong_BringsDutyAndStatesHome()
    {
        await using var world = await FailbackWorld.CreateOnPostgresAsync();

        // The world proves that the run's journal folds to what is stored.
        var run = await world.FailBackAsync();

        run.Result.ShouldBe("done", run.Message);
        run.Report.Steps.Where(s => s.Number is not null).Select(s => s.State).ShouldBe(Enumerable.Repeat(RunStepState.Done, 11));
        var duty = await world.DutyAsync();
        (duty.HolderServerId, duty.Epoch).ShouldBe((FailbackWorld.Failed, FailbackWorld.FailoverEpoch + 1));
        (await world.EntryAsync()).Failback.ShouldBe(FailbackState.Done);
        (await world.ServerAsync()).State.ShouldBe(VmsServerState.Ok);
        (await world.ClaimsAsync()).ShouldBeEmpty();
        world.FailoverRecorder.Holds[FailbackWorld.Entry].ToUtc.ShouldBe((await world.EntryAsync()).LastTimes!.Values.Max());
    }

    /// <summary>A thousand with <c>FAILBACK_SOAK_FAILBACKS=1000</c>.</summary>
    [Fact]
    public async Task Failbacks_ManyAtOnceOnTwoNodes_AreDoneOnceEach()
    {
        var count = int.TryParse(Environment.GetEnvironmentVariable("FAILBACK_SOAK_FAILBACKS"), CultureInfo.InvariantCulture, out var given) ? given : 40;
        await using var world = await FailbackWorld.CreateOnPostgresAsync(time: TimeProvider.System);
        var nodes = new[] { world.Node, await world.StartNodeAsync("node-2") };
        await world.InstallAsync(TestLicense.Valid(world.Clock.GetUtcNow()) with { Recorders = (2 * count) + 10 });
        var entries = new List<string>();
        for (var n = 0; n < count; n++)
        {
            entries.Add(await world.AddFailedOverAsync($"failed-{n}", $"failover-{n}"));
        }

        var started = await Task.WhenAll(entries.Select((entry, n) => Task.Run(() => world.StartFailbackAsync($"request-{entry}", entry, nodes[n % 2]))));
        started.Select(s => s.Outcome).ShouldAllBe(o => o == StartRunOutcome.Started);

        foreach (var (start, n) in started.Select((s, n) => (s, n)))
        {
            // The journal is proven on the way.
            var run = await world.EndAsync(start.RunId!);
            run.Result.ShouldBe("done", run.Message);
            (await world.EntryAsync(entries[n])).Failback.ShouldBe(FailbackState.Done);
            var duty = await world.DutyAsync($"failed-{n}");
            (duty.HolderServerId, duty.Epoch).ShouldBe(($"failed-{n}", FailbackWorld.FailoverEpoch + 1));
        }

        world.Recorders.Effects.GroupBy(c => (c.ServerId, c.Key)).ShouldAllBe(calls => calls.Count() == 1, "each command took effect once");
    }

    [Fact]
    public async Task Failback_StartedByManyAtOnce_IsOneRun()
    {
        await using var world = await FailbackWorld.CreateOnPostgresAsync();

        var started = await Together.RunAsync(6, n => world.StartFailbackAsync($"request-{n}"));

        started.Select(s => s.Exception).ShouldAllBe(e => e == null);
        var runId = started.Single(s => s.Result!.Outcome == StartRunOutcome.Started).Result!.RunId!;
        (await world.EndAsync(runId)).Result.ShouldBe("done");
    }
}
