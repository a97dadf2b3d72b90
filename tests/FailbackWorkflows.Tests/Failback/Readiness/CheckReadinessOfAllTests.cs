using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Failback.Readiness;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Testing.Failback;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Failback.Readiness;

/// <summary>The schedule looks at whoever is due, and so does whoever asks for all.</summary>
public sealed class CheckReadinessOfAllTests
{
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(15);

    [Fact]
    public async Task Sweep_LooksAtEachOnce_AndAgainWhenItsTimeHasCome()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var all = All(world, new() { Interval = Interval });

        (await all.SweepAsync(default)).ShouldBe(3);
        (await all.SweepAsync(default)).ShouldBe(0);
        world.Time.Advance(Interval - TimeSpan.FromSeconds(1));
        (await all.SweepAsync(default)).ShouldBe(0);
        world.Time.Advance(Interval / 4);
        (await all.SweepAsync(default)).ShouldBe(3);

        var results = await world.Get<IReadinessResults>().ListAsync(new(), default);
        results.Select(r => (r.ServerId, r.Kind, r.CheckedBy)).ShouldBe(
        [
            (FailbackWorld.Failed, ReadinessKind.Failback, "Schedule"),
            (FailbackWorld.Failover, ReadinessKind.Failover, "Schedule"),
            (FailbackWorld.Spare, ReadinessKind.Failover, "Schedule"),
        ]);
        results.Select(r => r.DueAt!.Value - r.CheckedAt).ShouldAllBe(wait => wait >= Interval && wait <= Interval * 1.2);
        results.Select(r => r.DueAt).Distinct().Count().ShouldBe(3, "they drift apart");
    }

    [Fact]
    public async Task Request_WithoutASchedule_LooksAtAllOnceInTheNameOfWhoAsked()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var all = All(world, new() { Interval = null });

        (await all.SweepAsync(default)).ShouldBe(0);
        await all.RequestAsync(DryRuns.Olga, default);
        (await all.SweepAsync(default)).ShouldBe(3);
        world.Time.Advance(TimeSpan.FromDays(1));
        (await all.SweepAsync(default)).ShouldBe(0);
        await all.RequestAsync(DryRuns.Olga, default);
        (await all.SweepAsync(default)).ShouldBe(3);

        var results = await world.Get<IReadinessResults>().ListAsync(new(), default);
        results.ShouldAllBe(r => r.CheckedBy == "Olga Operator" && r.DueAt == null);
    }

    [Fact]
    public async Task Sweep_AfterARequestWasServed_IsTheScheduleAgain()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var all = All(world, new() { Interval = Interval });
        await all.RequestAsync(DryRuns.Olga, default);
        await all.SweepAsync(default);
        world.Time.Advance(Interval * 2);

        (await all.SweepAsync(default)).ShouldBe(3);

        (await world.Get<IReadinessResults>().ListAsync(new(), default)).ShouldAllBe(r => r.CheckedBy == "Schedule");
    }

    // A server whose failover begins meanwhile has no result that counts, so it is looked at next.
    [Fact]
    public async Task Sweep_ServerHasFailedOver_IsDueAtOnce()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var all = All(world, new() { Interval = Interval });
        await all.SweepAsync(default);
        await world.ApplyAsync(new SaveFailoverLogEntry(
            FailbackWorld.NewEntry("entry-2", world.Time.GetUtcNow()) with { FailedServerId = FailbackWorld.Spare }));

        (await all.SweepAsync(default)).ShouldBe(1);

        (await world.Get<IReadinessResults>().FindAsync(FailbackWorld.Spare, ReadinessKind.Failback, default))!.EntryId.ShouldBe("entry-2");
    }

    [Fact]
    public async Task Sweep_ManyServers_LooksAtNoMoreAtATimeThanAllowed()
    {
        await using var world = await FailbackWorld.CreateAsync();
        for (var i = 0; i < 20; i++)
        {
            world.Recorders.Add($"many-{i:D2}");
            await world.ApplyAsync(new SaveVmsServer((await world.ServerAsync(FailbackWorld.Spare)) with { Id = $"many-{i:D2}", MachineId = null, FailoverGroup = "north", Revision = 0 }));
        }

        var gate = new Lock();
        var (now, most) = (0, 0);
        for (var i = 0; i < 20; i++)
        {
            world.Recorders.Before($"many-{i:D2}", "GetStatus", async () =>
            {
                lock (gate)
                {
                    most = Math.Max(most, ++now);
                }

                await Task.Yield();
                lock (gate)
                {
                    now--;
                }
            }, times: 1_000_000);
        }

        (await All(world, new() { MaxConcurrency = 3 }).SweepAsync(default)).ShouldBe(23);

        most.ShouldBeLessThanOrEqualTo(3);
    }

    // A check that breaks is a result as well: the run would be stopped by the same error.
    [Fact]
    public async Task Sweep_ACheckBreaks_SaysSoAndLooksAtTheOthers()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.Before(FailbackWorld.Failed, "Probe", () => throw new InvalidOperationException("A bug."), times: 1000);

        (await All(world, new() { Interval = Interval }).SweepAsync(default)).ShouldBe(3);

        var broken = await world.Get<IReadinessResults>().FindAsync(FailbackWorld.Failed, ReadinessKind.Failback, default);
        (broken!.Outcome, broken.Number).ShouldBe((ReadinessOutcome.NotReady, 3));
        broken.Sentence!.ShouldContain("A bug.");
    }

    [Fact]
    public async Task Sweep_ServerIsNotReadyAnyMore_IsToldOncePerChange()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var all = All(world, new() { Interval = Interval });
        await SweepAsync(world, all);
        var ready = await ResultAsync(world);
        (await NewsAsync(world)).ShouldBeEmpty("that a server is ready from the first is no news");

        world.FailedRecorder.CannotWriteBecause = "disk 1 is read-only.";
        await SweepAsync(world, all);
        var turnedAt = (await ResultAsync(world)).CheckedAt;
        await SweepAsync(world, all);
        world.FailedRecorder.CannotWriteBecause = "disk 2 is read-only.";
        await SweepAsync(world, all);
        var still = await ResultAsync(world);
        world.FailedRecorder.CannotWriteBecause = null;
        await SweepAsync(world, all);
        await SweepAsync(world, all);
        var again = await ResultAsync(world);
        world.FailedRecorder.CannotWriteBecause = "disk 1 is read-only.";
        await SweepAsync(world, all);

        (ready.Outcome, ready.TurnedNotReadyAt).ShouldBe((ReadinessOutcome.Ready, null));
        (still.Outcome, still.TurnedNotReadyAt).ShouldBe((ReadinessOutcome.NotReady, turnedAt));
        (again.Outcome, again.TurnedNotReadyAt).ShouldBe((ReadinessOutcome.Ready, null));
        (await NewsAsync(world)).ShouldBe(
        [
            $"Recorder 1 is not ready for a failback any more. {Sentence("disk 1")}",
            "Recorder 1 is ready for a failback again.",
            $"Recorder 1 is not ready for a failback any more. {Sentence("disk 1")}",
        ]);

        static string Sentence(string disk) => $"Recorder 1 answers but cannot write: {disk} is read-only. Repair its storage, then start the failback again.";
    }

    // A person sees the answer of his own look; everybody else is told all the same.
    [Fact]
    public async Task Look_OfAPerson_ThatFindsAServerNotReadyAnyMore_IsToldAndNotToldAgainByTheSchedule()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var options = new ReadinessOptions { Interval = Interval };
        var all = All(world, options);
        await SweepAsync(world, all);
        world.FailedRecorder.CannotWriteBecause = "disk 1 is read-only.";

        var seen = await world.Check(options).ExecuteAsync(FailbackWorld.Failed, DryRuns.Olga, default);
        await SweepAsync(world, all);

        seen!.TurnedNotReadyAt.ShouldBe(seen.CheckedAt);
        (await NewsAsync(world)).Count.ShouldBe(1);
    }

    // A run that is at work says nothing of whether the next one would be possible.
    [Fact]
    public async Task Sweep_WhileARunIsAtWork_IsNoNews_AndWhatComesAfterItIs()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var all = All(world, new() { Interval = Interval });
        await SweepAsync(world, all);
        await world.ApplyAsync(new FailbackWorkflows.Failback.Duties.TakeClaims(
            "another-run", "settings-rollback", [FailbackWorkflows.Failback.Duties.DutyClaim.Identity(FailbackWorld.Failed)], world.Time.GetUtcNow()));

        await SweepAsync(world, all);
        var meanwhile = await ResultAsync(world);
        await world.ApplyAsync(new FailbackWorkflows.Failback.Duties.ReleaseClaims("another-run"));
        world.FailedRecorder.CannotWriteBecause = "disk 1 is read-only.";
        await SweepAsync(world, all);

        meanwhile.Outcome.ShouldBe(ReadinessOutcome.Ready);
        (await NewsAsync(world)).ShouldHaveSingleItem()!.ShouldContain("not ready for a failback any more");
    }

    // What was found about an earlier failover is not what this one is compared with.
    [Fact]
    public async Task Sweep_FirstLookAtANewFailover_IsNoNews()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var all = All(world, new() { Interval = Interval });
        await SweepAsync(world, all);
        (await world.FailBackAsync()).Result.ShouldBe("done");
        await world.FailOverAgainAsync("entry-2");
        world.FailedRecorder.CannotWriteBecause = "disk 1 is read-only.";

        await SweepAsync(world, all);

        var result = await ResultAsync(world);
        (result.EntryId, result.Outcome, result.TurnedNotReadyAt).ShouldBe(("entry-2", ReadinessOutcome.NotReady, null));
        (await NewsAsync(world)).ShouldBeEmpty();
    }

    private static async Task SweepAsync(FailbackWorld world, CheckReadinessOfAll all)
    {
        world.Time.Advance(Interval * 2);
        (await all.SweepAsync(default)).ShouldBeGreaterThan(0);
    }

    private static async Task<ReadinessResult> ResultAsync(FailbackWorld world) =>
        (await world.Get<IReadinessResults>().FindAsync(FailbackWorld.Failed, ReadinessKind.Failback, default))!;

    private static async Task<IReadOnlyList<string?>> NewsAsync(FailbackWorld world) =>
        [.. (await world.NewsAsync()).Where(n => n is { Kind: "readiness", Subject: FailbackWorld.Failed }).Select(n => n.Text)];

    private static CheckReadinessOfAll All(FailbackWorld world, ReadinessOptions options)
    {
        var node = world.Node;
        return new(
            node.Get<IReadinessResults>(),
            node.Get<IVmsServers>(),
            node.Get<ISystemSettings>(),
            node.Get<ReadinessStamps>(),
            world.Check(options),
            options,
            node.Get<IDomainWriter>(),
            world.Time,
            NullLogger<CheckReadinessOfAll>.Instance);
    }
}
