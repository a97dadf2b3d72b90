using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback.Clocks;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing.Engine;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>What a recorder could not be told is kept, and told when it is seen again: by a run with the claim and a new fence, before anything else.</summary>
public sealed class ObligationsTests
{
    private static readonly string[] StopOwed = ["rec-2 Stop", "rec-2 LastTimes", "rec-2 HoldEnd", "rec-2 StandBy", "rec-2 Unfreeze"];

    // Scenarios 21 and 23.
    [Theory]
    [InlineData("StopRecording", 1, new[] { "rec-2 Stop", "rec-2 LastTimes", "rec-2 HoldEnd", "rec-2 StandBy", "rec-2 Unfreeze" })]
    [InlineData("PutRetentionHold", 1, new[] { "rec-2 HoldEnd", "rec-2 StandBy", "rec-2 Unfreeze" })]
    [InlineData("AssignDuty", 1, new[] { "rec-2 StandBy", "rec-2 Unfreeze" })]
    [InlineData("FreezeSettings", 2, new[] { "rec-2 Unfreeze" })]
    public async Task FailoverServer_SilentInTheHandOver_IsOwedAndToldWhenSeenAgain(string call, int nth, string[] owed)
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.Before(FailbackWorld.Failover, call, () => world.FailoverRecorder.IsCutOff = true, nth);

        var run = await world.FailBackAsync();

        run.Result.ShouldBe("done", run.Message);
        (await world.OwedAsync()).ShouldBe(owed);
        (await world.EntryAsync()).Failback.ShouldBe(FailbackState.Done);
        (await world.ServerAsync()).State.ShouldBe(VmsServerState.Ok);
        (await world.ClaimsAsync()).ShouldBeEmpty();
        var isStopOwed = call == "StopRecording";
        world.FailoverDuty.IsRecording.ShouldBe(isStopOwed);
        (world.FailoverRecorder.Holds[FailbackWorld.Entry].ToUtc is null).ShouldBe(call is "StopRecording" or "PutRetentionHold");
        (await world.PollAsync()).ShouldBeEmpty();

        world.Time.Advance(TimeSpan.FromDays(21));
        world.FailoverRecorder.IsCutOff = false;
        var delivery = (await world.PollAsync()).Single();

        delivery.Result.ShouldBe("done", delivery.Message);
        (await world.OwedAsync()).ShouldBeEmpty();
        await world.ShouldBeDoneAsync(run);
        (await world.EntryAsync()).LastTimes!.Count.ShouldBe(FakeSettings.Channels.Count);
        world.FailoverRecorder.Holds[FailbackWorld.Entry].ToUtc.ShouldBe((await world.EntryAsync()).LastTimes!.Values.Max());
        if (isStopOwed)
        {
            // What it recorded after the failed server's first frame is disputed: it hears where that begins.
            var told = await world.EntryAsync();
            world.FailoverDuty.AuthorityEnds.ShouldBe(new FailoverServerTimes(told).AuthorityEnds(told.AuthorityEnds), ignoreOrder: true);
        }
    }

    // Nobody could measure its clock at the hand-over: it is measured, and written down, before it is told an instant.
    [Fact]
    public async Task FailoverServer_AwayFromTheStart_HearsByItsOwnClockWhenItsAuthorityEnded()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailoverRecorder.ClockOffset = TimeSpan.FromMinutes(1);
        world.FailoverRecorder.IsCutOff = true;
        await world.PollAsync();
        var run = await world.FailBackAsync(withoutFailoverServer: true);
        run.Result.ShouldBe("done", run.Message);
        (await world.EntryAsync()).Clocks?.FailoverServerAtEnd.ShouldBeNull();
        world.FailoverRecorder.IsCutOff = false;

        (await world.PollAsync()).Single().Result.ShouldBe("done");

        var entry = await world.EntryAsync();
        entry.Clocks!.FailoverServerAtEnd!.Offset.ShouldBe(TimeSpan.FromMinutes(1));
        world.FailoverDuty.AuthorityEnds.ShouldBe(new FailoverServerTimes(entry).AuthorityEnds(entry.AuthorityEnds), ignoreOrder: true);
        world.FailoverDuty.AuthorityEnds!.ShouldAllBe(e => e.Value >= entry.AuthorityEnds![e.Key] + TimeSpan.FromMinutes(1));
        world.ShouldHaveCommandedOnce();
    }

    [Fact]
    public async Task Delivery_RunsWithTheClaimAndANewFence_BeforeAnythingElse()
    {
        await using var world = await OweTheStopAsync();
        var fence = (await world.DutyAsync()).Fence;
        world.FailoverRecorder.IsCutOff = false;
        var before = world.Recorders.Calls.Count;

        await world.PollAsync();

        var calls = world.Recorders.Calls.Skip(before).Where(c => c.ServerId == FailbackWorld.Failover && c.Authority is not null && c.Identity == FailbackWorld.Failed).ToList();
        calls.Select(c => c.Name).Distinct().ShouldBe(["RaiseFence", "StopRecording", "PutRetentionHold", "AssignDuty", "FreezeSettings"]);
        calls.ShouldAllBe(c => c.Authority!.Fence > fence);
        world.Store.Commits.Last(c => c.IsStart).Changes.OfType<TakeClaims>().Single().Keys.ShouldBe([DutyClaim.Identity(FailbackWorld.Failed), DutyClaim.Recorder(FailbackWorld.Failover)]);
    }

    [Fact]
    public async Task Server_ThatMustBeToldFirst_GetsTheDutyNotBeforeThat()
    {
        await using var world = await OweTheStopAsync();
        world.FailoverRecorder.IsCutOff = false;

        var early = await world.StartFailoverAsync("early");
        var otherIdentity = await world.EndAsync((await world.StartFailoverAsync("other", FailbackWorld.Spare, FailbackWorld.Failover)).RunId!);
        await world.PollAsync();
        var late = await world.StartFailoverAsync("late");

        (early.Outcome, late.Outcome).ShouldBe((FailbackWorkflows.Failback.StartRunOutcome.Refused, FailbackWorkflows.Failback.StartRunOutcome.Started));
        early.Message!.ShouldContain("must first be told");
        otherIdentity.Result.ShouldBe("done", "what is owed about one identity holds up no other");
        await world.EndAsync(late.RunId!);
    }

    // The duty was given to it again while it was away: it is not stopped, and what it recorded before is reported.
    [Fact]
    public async Task Obligation_OvertakenByAHigherEpoch_StopsNoDutyTheServerHolds()
    {
        await using var world = await OweTheStopAsync();
        var epoch = (await world.DutyAsync()).Epoch + 1;
        world.FailedRecorder.Die();
        world.FailoverDuty.Become(DutyRole.Recorder, epoch, "again", isRecording: true);
        await world.ApplyAsync(new GrantEpoch(FailbackWorld.Failed, FailbackWorld.Failover, epoch, "again"));
        world.FailoverRecorder.IsCutOff = false;

        var delivery = (await world.PollAsync()).Single();

        delivery.Result.ShouldBe("done", delivery.Message);
        (world.FailoverDuty.ToState().Role, world.FailoverDuty.IsRecording, world.FailoverDuty.Epoch).ShouldBe((DutyRole.Recorder, true, epoch));
        world.Recorders.Effects.ShouldNotContain(c => c.ServerId == FailbackWorld.Failover && c.Name == "StopRecording");
        (await world.EntryAsync()).LastTimes.ShouldNotBeNull();
        (await world.Get<IObligations>().ListOfEntryAsync(FailbackWorld.Entry, default)).Where(o => o.Kind is ObligationKind.Stop or ObligationKind.StandBy).ShouldAllBe(o => o.Settlement!.StartsWith("Overtaken"));
    }

    // It was granted the duty unseen, and hears of it before any other call under that epoch could stop it.
    [Fact]
    public async Task Obligation_OfAHolderThatHasNotHeard_GivesItTheDutyFirst()
    {
        await using var world = await OweTheStopAsync();
        var epoch = (await world.DutyAsync()).Epoch + 1;
        world.FailedRecorder.Die();
        await world.ApplyAsync(new GrantEpoch(FailbackWorld.Failed, FailbackWorld.Failover, epoch, "again"));
        world.FailoverRecorder.IsCutOff = false;
        var wasEverStopped = false;
        world.Store.Committed = _ =>
        {
            wasEverStopped |= !world.FailoverDuty.IsRecording;
            return Task.CompletedTask;
        };

        await world.PollAsync();

        wasEverStopped.ShouldBeFalse();
        (world.FailoverDuty.ToState().Role, world.FailoverDuty.IsRecording, world.FailoverDuty.Epoch).ShouldBe((DutyRole.Recorder, true, epoch));
        (await world.OwedAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task Server_RecordingWhileTheHolderIsNotSeenToRecord_IsNotStopped()
    {
        await using var world = await OweTheStopAsync();
        world.FailedRecorder.Die();
        world.FailoverRecorder.IsCutOff = false;

        var postponed = (await world.PollAsync()).Single();
        var attempts = (await world.Get<IObligations>().ListOpenAsync(default)).Select(o => o.Attempts).Distinct().Single();
        var tooSoon = await world.PollAsync();

        (postponed.Result, world.FailoverDuty.IsRecording).ShouldBe(("failed", true));
        postponed.Message!.ShouldContain("nobody is stopped for a server that does not record");
        attempts.ShouldBe(1);
        tooSoon.ShouldBeEmpty();
        (await world.OwedAsync()).ShouldBe(StopOwed);

        world.FailedRecorder.Boot();
        await world.PollAsync();
        world.Time.Advance(TimeSpan.FromMinutes(1));
        await world.PollAsync();
        world.FailoverDuty.IsRecording.ShouldBeFalse();
        (await world.OwedAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task Machine_WithAnotherId_IsToldNothing()
    {
        await using var world = await OweTheStopAsync();
        world.FailoverRecorder.IsCutOff = false;
        world.FailoverRecorder.MachineId = "another-machine";
        await world.ApplyAsync(new SaveVmsServer((await world.ServerAsync(FailbackWorld.Failover)) with { Connection = ConnectionState.Connected }));
        var effects = world.Recorders.Effects.Count;

        var runs = await world.Node.Get<DeliverObligations>().ExecuteAsync(default);
        var run = await world.EndAsync(runs.Single());

        run.Message!.ShouldContain("Another machine");
        world.Recorders.Effects.Count.ShouldBe(effects);
    }

    [Fact]
    public async Task Delivery_StoppedByAnIncident_GivesTheClaimsBackAndIsTriedAgainLater()
    {
        await using var world = await OweTheStopAsync();
        world.FailoverRecorder.IsCutOff = false;
        world.Recorders.Before(FailbackWorld.Failover, "StopRecording", () => throw new InvalidOperationException("A mistake of ours."));

        var faulted = (await world.PollAsync()).Single();
        var claims = await world.ClaimsAsync();
        var attempts = (await world.Get<IObligations>().ListOpenAsync(default)).Select(o => (o.Attempts, o.LastError)).Distinct().Single();
        world.Time.Advance(TimeSpan.FromMinutes(15));
        await world.PollAsync();

        faulted.SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
        claims.ShouldBeEmpty();
        attempts.ShouldBe((1, "An incident stopped its delivery; the run says why."));
        (await world.OwedAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task FailedServer_AwayWhenItIsUndone_IsOwedStandbyAndItsFormerSettings()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.After(FailbackWorld.Failed, "StartRecording", () => world.FailedRecorder.IsCutOff = true);

        var run = await world.FailBackAsync();
        var owed = await world.OwedAsync();
        world.FailedRecorder.IsCutOff = false;
        await world.PollAsync();

        owed.ShouldBe(["rec-1 StandBy", "rec-1 Rollback"]);
        await world.ShouldBeUndoneAsync(run, FailbackWorld.FailoverEpoch + 2);
        world.ShouldStandByAsBefore();
        (await world.OwedAsync()).ShouldBeEmpty();
    }

    // A database restored from yesterday's backup (28), or any other recorder that acts under an older epoch than was granted.
    [Fact]
    public async Task Recorder_FoundActingUnderAnOlderEpoch_IsOwedItsStandbyAndToldByARun()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedDuty.Become(DutyRole.Recorder, 1, "seed", isRecording: true);
        world.FailoverRecorder.IsCutOff = true;

        await world.PollAsync();
        var isRecordingWhileNobodyElseIsSeen = world.FailedDuty.IsRecording;
        world.FailoverRecorder.IsCutOff = false;
        world.Time.Advance(TimeSpan.FromSeconds(10));
        await world.PollAsync();

        isRecordingWhileNobodyElseIsSeen.ShouldBeTrue();
        (world.FailedDuty.ToState().Role, world.FailedDuty.IsRecording).ShouldBe((DutyRole.Standby, false));
        (await world.OwedAsync()).ShouldBeEmpty();
    }

    // Scenario 26: killed at every commit of a delivery; each command takes effect once.
    [Theory]
    [InlineData(CrashMoment.BeforeCommit)]
    [InlineData(CrashMoment.AfterCommit)]
    public async Task Manager_KilledAtEachCommitOfADelivery_DeliversOnce(CrashMoment moment)
    {
        var commits = 0;
        await using (var undisturbed = await OweTheStopAsync())
        {
            undisturbed.FailoverRecorder.IsCutOff = false;
            var before = undisturbed.Store.Commits.Count;
            await undisturbed.PollAsync();
            commits = undisturbed.Store.Commits.Count - before;
        }

        commits.ShouldBeGreaterThan(6);
        for (var commit = 2; commit <= commits; commit++)
        {
            await using var world = await OweTheStopAsync();
            await world.Node.StopAsync();
            world.FailoverRecorder.IsCutOff = false;
            await world.ApplyAsync(new SaveVmsServer((await world.ServerAsync(FailbackWorld.Failover)) with { Connection = ConnectionState.Connected }));
            var crashing = new CrashingWorkflowStore(world.Store, moment, commit);
            var first = await world.StartNodeAsync("node-2", crashing);
            var runId = (await first.Get<DeliverObligations>().ExecuteAsync(default)).Single();
            await crashing.Died.WaitAsync(TimeSpan.FromSeconds(30));
            await first.StopAsync();
            await world.StartNodeAsync("node-2");

            var run = await world.EndAsync(runId);

            run.Result.ShouldBe("done", $"{moment} {commit}: {run.Message}");
            (await world.OwedAsync()).ShouldBeEmpty($"{moment} {commit}");
            (world.FailoverDuty.IsRecording, world.FailoverDuty.ToState().Role).ShouldBe((false, DutyRole.FailoverServer), $"{moment} {commit}");
            world.ShouldHaveCommandedOnce();
            (await world.ClaimsAsync()).ShouldBeEmpty();
        }
    }

    private static async Task<FailbackWorld> OweTheStopAsync()
    {
        var world = await FailbackWorld.CreateAsync();
        world.Recorders.Before(FailbackWorld.Failover, "StopRecording", () => world.FailoverRecorder.IsCutOff = true);
        (await world.FailBackAsync()).Result.ShouldBe("done");
        (await world.OwedAsync()).ShouldBe(StopOwed);
        await world.PollAsync();
        return world;
    }
}
