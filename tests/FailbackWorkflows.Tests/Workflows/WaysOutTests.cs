using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing.Engine;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>What people can do about a failback that is refused or stopped: adopt, replace the machine, abandon.</summary>
public sealed class WaysOutTests
{
    // Scenario 4.
    [Fact]
    public async Task FailedServer_RestoredByHandAndRecording_IsOfferedAdoptionAndAdopted()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedDuty.Become(DutyRole.Recorder, 1, "seed", isRecording: true);

        var refused = await world.FailBackAsync();
        var run = await world.AdoptAsync();
        await world.PollAsync();

        (refused.Result, refused.RefusedCheck, refused.Report.Offer).ShouldBe(("refused", 3, RunOffers.Adopt));
        (await world.AlarmsAsync()).ShouldContain(a => a.Contains("split brain"));
        run.Result.ShouldBe("done", run.Message);
        await ShouldBeAdoptedAsync(world, run);
        world.FailedDuty.Sha256.ShouldBe(Outcomes.OldDigest, "it stays as it stands");
        var play = new MaterialCopyPlay(world);
        await play.ShouldBeCopiedAsync(await play.CopyAsync());
    }

    // Scenario 3.
    [Fact]
    public async Task FailoverServer_NotActingAnyMore_IsOfferedAdoptionAndTheFailedServerIsAdopted()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailoverDuty.Become(DutyRole.Standby, FailbackWorld.FailoverEpoch, "failover-run", isRecording: false);

        var refused = await world.FailBackAsync();
        var run = await world.AdoptAsync();
        await world.PollAsync();

        (refused.RefusedCheck, refused.Report.Offer).ShouldBe((2, RunOffers.Adopt));
        run.Result.ShouldBe("done", run.Message);
        await ShouldBeAdoptedAsync(world, run);

        // And what was recorded during the failover comes home from whoever holds it.
        var play = new MaterialCopyPlay(world);
        await play.ShouldBeCopiedAsync(await play.CopyAsync());
        (await play.TaskAsync()).Definition!.SourceRecorderId.ShouldBe("machine-of-rec-2");
    }

    [Fact]
    public async Task Adoption_FailoverServerAway_IsDoneAndOwed()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedDuty.Become(DutyRole.Recorder, 1, "seed", isRecording: true);
        world.FailoverRecorder.IsCutOff = true;

        var run = await world.AdoptAsync();
        await world.PollAsync();
        var owed = await world.OwedAsync();
        var hold = world.FailoverRecorder.Holds[FailbackWorld.Entry].ToUtc;
        world.FailoverRecorder.IsCutOff = false;
        await world.PollAsync();

        owed.Count.ShouldBe(5);
        hold.ShouldBeNull();
        await ShouldBeAdoptedAsync(world, run);
    }

    // The draw was the decision: whoever answers, it is done.
    [Fact]
    public async Task Adoption_FailedServerLostAfterTheDraw_IsDoneAndItGetsTheDutyWhenSeenAgain()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.Before(FailbackWorld.Failed, "AssignDuty", () => world.FailedRecorder.IsCutOff = true);

        var run = await world.AdoptAsync();
        var owed = await world.OwedAsync();
        await world.PollAsync();
        var wasStopped = !world.FailoverDuty.IsRecording;
        world.FailedRecorder.IsCutOff = false;
        world.Time.Advance(TimeSpan.FromMinutes(20));
        await world.PollAsync();
        world.Time.Advance(TimeSpan.FromMinutes(20));
        await world.PollAsync();

        run.Result.ShouldBe("done", run.Message);
        owed.ShouldContain("rec-1 Grant");
        wasStopped.ShouldBeFalse("nobody is stopped for a server that does not record");
        await ShouldBeAdoptedAsync(world, run);
    }

    [Fact]
    public async Task Adoption_OfAnEntryThatIsDoneOrOfAServerThatIsAway_IsRefusedAndTouchesNothing()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedRecorder.IsCutOff = true;
        var away = await world.AdoptAsync();
        world.FailedRecorder.IsCutOff = false;
        var withoutReason = await world.StartAdoptionAsync("adopt-2", " ");
        await world.FailBackAsync();
        var done = await world.EndAsync((await world.StartAdoptionAsync("adopt-3")).RunId!);

        (away.Result, away.RefusedCheck).ShouldBe(("refused", 1));
        away.Message!.ShouldContain("does not answer");
        withoutReason.Outcome.ShouldBe(StartRunOutcome.Refused);
        done.Message!.ShouldContain("has been done already");
        (await world.ClaimsAsync()).ShouldBeEmpty();
    }

    [Theory]
    [InlineData(CrashMoment.BeforeCommit)]
    [InlineData(CrashMoment.AfterCommit)]
    public async Task Manager_KilledAtEachCommitOfAnAdoption_AdoptsOnce(CrashMoment moment)
    {
        var commits = 0;
        await using (var undisturbed = await FailbackWorld.CreateAsync())
        {
            undisturbed.FailedDuty.Become(DutyRole.Recorder, 1, "seed", isRecording: true);
            await undisturbed.AdoptAsync();
            commits = undisturbed.Store.Commits.Count;
        }

        for (var commit = 1; commit <= commits; commit++)
        {
            await using var world = await FailbackWorld.CreateAsync(startsNode: false);
            world.FailedDuty.Become(DutyRole.Recorder, 1, "seed", isRecording: true);
            var crashing = new CrashingWorkflowStore(world.Store, moment, commit);
            var first = await world.StartNodeAsync(behind: crashing);
            try
            {
                await world.StartAdoptionAsync(node: first);
            }
            catch (NodeDiedException)
            {
                // The start itself was the commit it died at; the operator clicks again.
            }

            await crashing.Died.WaitAsync(TimeSpan.FromSeconds(30));
            await first.StopAsync();
            await world.StartNodeAsync();
            var run = await world.EndAsync((await world.StartAdoptionAsync()).RunId!);
            await world.PollAsync();

            await ShouldBeAdoptedAsync(world, run);
            (await world.DutyAsync()).Epoch.ShouldBe(FailbackWorld.FailoverEpoch + 1, $"{moment} {commit}");
        }
    }

    // Scenario 10.
    [Fact]
    public async Task AnotherMachine_IsReplacedWithConfirmationReasonAndNewCredential_AndTheFailbackIsDone()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedRecorder.MachineId = "new-machine";
        var refused = await world.FailBackAsync();
        world.FailedRecorder.Credential = "token-of-the-new-machine";
        var replace = world.Node.Get<ReplaceMachine>();

        var seen = await replace.LookAsync(FailbackWorld.Failed, null, "token-of-the-new-machine", default);
        var oldCredential = await replace.ExecuteAsync(Request("new-machine", "token-of-rec-1"), default);
        var otherMachine = await replace.ExecuteAsync(Request("a third machine", "token-of-the-new-machine"), default);
        var withoutReason = await replace.ExecuteAsync(Request("new-machine", "token-of-the-new-machine") with { Reason = "" }, default);
        var untouched = await world.ServerAsync();
        var replaced = await replace.ExecuteAsync(Request("new-machine", "token-of-the-new-machine"), default);
        var again = await replace.ExecuteAsync(Request("new-machine", "token-of-the-new-machine"), default);

        (refused.RefusedCheck, refused.Report.Offer).ShouldBe((3, RunOffers.ReplaceMachine));
        refused.Message!.ShouldContain("new-machine");
        refused.Message!.ShouldContain("machine-of-rec-1");
        seen.ShouldBe(new SeenMachine("machine-of-rec-1", "new-machine", "1.4.0", null));
        oldCredential.Message!.ShouldContain("credential of its own");
        otherMachine.Message!.ShouldContain("not a third machine as confirmed");
        withoutReason.Message!.ShouldContain("reason");
        untouched.MachineId.ShouldBe("machine-of-rec-1");
        replaced.Server!.MachineId.ShouldBe("new-machine");
        again.Server.ShouldNotBeNull();
        (await world.ServerAsync()).ConnectionEpisode.ShouldBe(untouched.ConnectionEpisode + 1, "those who wait for the server are told of its new machine, once");
        (await world.Get<IConnectivityHistory>().ListAsync(FailbackWorld.Failed, null, 200, default)).Count(t => t.By == "machineReplacement").ShouldBe(1);
        (await world.ClaimsAsync()).ShouldBeEmpty();
        (await world.NewsAsync()).ShouldContain(n => n.Text!.Contains("new-machine instead of machine-of-rec-1"));
        await world.ShouldBeDoneAsync(await world.FailBackAsync("request-2"));
    }

    [Fact]
    public async Task Machine_OfAServerInServiceOrOfARunAtWork_IsNotReplaced()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedRecorder.MachineId = "new-machine";
        world.FailedRecorder.Credential = "token-of-the-new-machine";
        await world.ApplyAsync(new TakeClaims("run", "failback", [DutyClaim.Identity(FailbackWorld.Failed)], world.Time.GetUtcNow()));
        var replace = world.Node.Get<ReplaceMachine>();

        var busy = await replace.ExecuteAsync(Request("new-machine", "token-of-the-new-machine"), default);
        var inService = await replace.ExecuteAsync(Request("new-machine", "x") with { ServerId = FailbackWorld.Spare }, default);
        var unknown = await replace.ExecuteAsync(Request("new-machine", "x") with { ServerId = "nobody" }, default);

        busy.RunId.ShouldBe("run");
        inService.Message!.ShouldContain("is in service");
        unknown.IsUnknown.ShouldBeTrue();
        (await world.ServerAsync()).MachineId.ShouldBe("machine-of-rec-1");
    }

    [Theory]
    [InlineData(FailbackWorld.Failed)]
    [InlineData(FailbackWorld.Failover)]
    public async Task Failback_StoppedFrom9dOn_IsAbandonedAndTheServerNamedHasTheDuty(string holder)
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.Fail(FailbackWorld.Failover, "StopRecording", RecorderErrorKind.Conflict);
        var faulted = await world.FailBackAsync();
        var epoch = (await world.DutyAsync()).Epoch;

        var started = await world.StartAbandonmentAsync(faulted.Id, holder);
        var again = await world.StartAbandonmentAsync(faulted.Id, holder);
        var run = await world.EndAsync(started.RunId!);
        await world.PollAsync();

        faulted.SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
        again.ShouldBe(new StartRunResult(StartRunOutcome.AlreadyStarted, started.RunId, FailbackWorld.Entry, null));
        run.SubStatus.ShouldBe(WorkflowSubStatus.Finished, run.Message);
        (await world.ClaimsAsync()).ShouldBeEmpty();
        var duty = await world.DutyAsync();
        (duty.HolderServerId, duty.Epoch).ShouldBe((holder, epoch + 1));
        world.Recorders[holder].Duty(FailbackWorld.Failed).IsRecording.ShouldBeTrue();
        world.Recorders[holder == FailbackWorld.Failed ? FailbackWorld.Failover : FailbackWorld.Failed].Duty(FailbackWorld.Failed).IsRecording.ShouldBeFalse();
        world.FailoverDuty.Frozen.ShouldBeFalse();
        (await world.OwedAsync()).ShouldBeEmpty();
        var entry = await world.EntryAsync();
        entry.Failback.ShouldBe(holder == FailbackWorld.Failed ? FailbackState.Done : FailbackState.Failed);
        entry.Message!.ShouldContain("Nobody can repair it.");
        (world.FailoverRecorder.Holds[FailbackWorld.Entry].ToUtc is null).ShouldBe(holder == FailbackWorld.Failover);
        (await world.ServerAsync()).State.ShouldBe(holder == FailbackWorld.Failed ? VmsServerState.Ok : VmsServerState.Broken);
    }

    [Fact]
    public async Task Failback_StoppedInItsUndo_IsAbandoned_AndARedriveOfItCommandsNobodyAnyMore()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedRecorder.DarkChannels.Add("video-1");
        world.Recorders.Fail(FailbackWorld.Failover, "FreezeSettings", RecorderErrorKind.Rejected, nth: 2);
        var faulted = await world.FailBackAsync();

        var run = await world.EndAsync((await world.StartAbandonmentAsync(faulted.Id, FailbackWorld.Failover)).RunId!);
        await world.PollAsync();
        var effects = world.Recorders.Effects.Count;
        await Should.ThrowAsync<WorkflowRefusedException>(() => world.Node.Runtime.RedriveAsync(faulted.Id, FailbackWorld.Operator, "Too late.", default));

        // As when it was accepted a moment before the abandonment.
        await world.Store.PostAsync(faulted.Id, new InboxMessage(0, InboxMessageKind.Redrive, null, null, FailbackWorld.Operator, "Too late."), world.Time.GetUtcNow(), default);
        world.Node.Get<WorkflowDispatcher>().Posted(faulted.Id);
        var redriven = await world.EndAsync(faulted.Id, faulted.LastSequence);

        run.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        (await world.EntryAsync()).Failback.ShouldBe(FailbackState.Failed);
        (world.FailoverDuty.IsRecording, world.FailoverDuty.Frozen, world.FailedDuty.IsRecording).ShouldBe((true, false, false));
        redriven.SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
        world.Recorders.Effects.Count.ShouldBe(effects);
        (await world.ClaimsAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task Abandonment_OfARunThatIsNotStopped_OrWithoutReason_OrForAThirdServer_IsRefused()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.Fail(FailbackWorld.Failover, "StopRecording", RecorderErrorKind.Conflict);
        var faulted = await world.FailBackAsync();

        var noReason = await world.StartAbandonmentAsync(faulted.Id, FailbackWorld.Failed, reason: null);
        var third = await world.StartAbandonmentAsync(faulted.Id, FailbackWorld.Spare);
        var unknown = await world.StartAbandonmentAsync("no-run", FailbackWorld.Failed);
        await world.Node.Runtime.RedriveAsync(faulted.Id, FailbackWorld.Operator, null, default);
        await world.EndAsync(faulted.Id, faulted.LastSequence);
        var ended = await world.StartAbandonmentAsync(faulted.Id, FailbackWorld.Failed);

        new[] { noReason, third, ended }.ShouldAllBe(r => r.Outcome == StartRunOutcome.Refused);
        unknown.Outcome.ShouldBe(StartRunOutcome.Unknown);
        ended.Message!.ShouldContain("Only a failback that an error stopped");
    }

    private static ReplaceMachineRequest Request(string newMachineId, string credential) =>
        new(FailbackWorld.Failed, "machine-of-rec-1", newMachineId, null, credential, FailbackWorld.Operator, "Its board was exchanged.");

    private static async Task ShouldBeAdoptedAsync(FailbackWorld world, EndedRun run)
    {
        var duty = await world.DutyAsync();
        duty.HolderServerId.ShouldBe(FailbackWorld.Failed);
        (world.FailedDuty.ToState().Role, world.FailedDuty.IsRecording, world.FailedDuty.Epoch).ShouldBe((DutyRole.Recorder, true, duty.Epoch));
        (world.FailoverDuty.ToState().Role, world.FailoverDuty.IsRecording, world.FailoverDuty.Epoch).ShouldBe((DutyRole.FailoverServer, false, duty.Epoch));
        world.FailoverRecorder.Holds[FailbackWorld.Entry].ToUtc.ShouldNotBeNull();
        var entry = await world.EntryAsync();
        (entry.Failback, entry.MaterialCopy, entry.FailbackRunId).ShouldBe((FailbackState.Done, MaterialCopyState.Queued, run.Id));
        entry.Message!.ShouldContain("Adopted as it stood: Somebody repaired it by hand.");
        (await world.ServerAsync()).State.ShouldBe(VmsServerState.Ok);
        (await world.ClaimsAsync()).ShouldBeEmpty();
        (await world.OwedAsync()).ShouldBeEmpty();
        world.ShouldHaveCommandedOnce();
    }
}
