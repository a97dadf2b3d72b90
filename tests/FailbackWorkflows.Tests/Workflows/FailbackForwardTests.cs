using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>From step 9d on there is only a way forward, or back to the failover server under a new epoch while it was not stopped.</summary>
public sealed class FailbackForwardTests
{
    private const long NewEpoch = FailbackWorld.FailoverEpoch + 2;

    // Scenario 22, after 9d.
    [Fact]
    public async Task FailedServer_DiesAfter9dBeforeTheStop_FailoverServerRecordsOn()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.DieAt(FailbackWorld.Failed, "GetRecording", nth: 2);

        var run = await world.FailBackAsync();

        await world.ShouldBeUndoneAsync(run, NewEpoch);
        world.Recorders.Calls.ShouldNotContain(c => c.Name == "StopRecording");
        run.Report.Steps.Single(s => s.Number == 9).Outcome.ShouldBe("FailedServerLost");
    }

    // The management server was away between the first look, which is always too early, and the second.
    [Fact]
    public async Task FailedServer_MissedOnceAfterTheManagementServerWasAway_IsLookedAtAgain()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.Before(FailbackWorld.Failed, "GetRecording", () => world.Time.Advance(TimeSpan.FromHours(1)), nth: 2);
        world.Recorders.Fail(FailbackWorld.Failed, "GetRecording", nth: 2, times: 2);

        var run = await world.FailBackAsync();

        await world.ShouldBeDoneAsync(run);
        run.Report.Steps.Single(s => s.Number == 9).Outcome.ShouldBe("Restored");
    }

    [Fact]
    public async Task FailedServer_StopsWritingFrames_FailoverServerIsNotStopped()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.After(FailbackWorld.Failed, "GetRecording", () =>
        {
            // It wrote frames until 9c; the point of no return is passed a second later.
            world.FailedRecorder.FramesEndAt = world.Time.GetUtcNow();
            world.Time.Advance(TimeSpan.FromSeconds(1));
        });

        var run = await world.FailBackAsync();

        await world.ShouldBeUndoneAsync(run, NewEpoch);
        world.Recorders.Calls.ShouldNotContain(c => c.Name == "StopRecording");
    }

    [Fact]
    public async Task FailedServer_DiesAfterTheStop_IsDoneStaysBrokenAndRaisesAnAlarm()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.After(FailbackWorld.Failover, "StopRecording", world.FailedRecorder.Die);

        var run = await world.FailBackAsync();

        run.Result.ShouldBe("done");
        (await world.EntryAsync()).Failback.ShouldBe(FailbackState.Done);
        (await world.ServerAsync()).State.ShouldBe(VmsServerState.Broken);
        (await world.AlarmsAsync()).Single().ShouldContain("failed again");
        world.FailoverRecorder.Holds[FailbackWorld.Entry].ToUtc.ShouldNotBeNull();
        world.FailoverDuty.IsRecording.ShouldBeFalse();
        (await world.ClaimsAsync()).ShouldBeEmpty();
        world.ShouldHaveCommandedOnce();
    }

    // Without last times each attempt names a later end; under one key the second was refused as another command, behind the point of no return.
    [Fact]
    public async Task HoldEnd_NothingWasRecordedAndTheAnswerIsLost_IsGivenAgain()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailoverRecorder.DarkChannels.UnionWith(FakeSettings.Channels);
        world.Recorders.LoseAnswer(FailbackWorld.Failover, "PutRetentionHold");

        var run = await world.FailBackAsync();

        run.Result.ShouldBe("done");
        (await world.EntryAsync()).LastTimes.ShouldNotBeNull().ShouldBeEmpty();
        world.Recorders.Calls.Where(c => c.Name == "PutRetentionHold").Select(c => c.Key).Distinct().Count().ShouldBe(2);
        world.FailoverRecorder.Holds[FailbackWorld.Entry].ToUtc.ShouldBe((await world.Get<FailbackWorkflows.Failback.MaterialCopy.IMaterialCopies>().FindHoldAsync(FailbackWorld.Entry, FailbackWorld.Failover, default))!.ToUtc);
    }

    [Fact]
    public async Task FailedServer_DiesAfterTheStop_RunAndEntrySayThatNobodyRecords()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.After(FailbackWorld.Failover, "StopRecording", world.FailedRecorder.Die);

        var run = await world.FailBackAsync();

        run.Report.NobodyRecords.ShouldBe(FailbackWorld.Failed);
        run.Message!.ShouldContain("Recorder 1 failed again: it stopped answering");
        run.Report.Alarms.Single().Text.ShouldContain("Start a failover of Recorder 1 now");
        run.Report.Steps.Single(s => s.Number == 9).Parts.Single(p => p.ActivityType == "Failback.MarkFailedServerOk").Message!.ShouldContain("failed again");
        var entry = await world.EntryAsync();
        entry.Message!.ShouldContain("nobody recorded its channels from then on");
        var alert = await AlertAsync(world);
        (alert!.Kind, alert.Identity, alert.Title).ShouldBe((EntryAlerts.NobodyRecords, FailbackWorld.Failed, "Nobody records Recorder 1 now"));
        alert.Next.ShouldContain("Start a failover");
    }

    [Fact]
    public async Task FailedServer_DiesAfterTheStopAndRecordsAgain_IsMarkedOkAndTheAlertIsGone()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.After(FailbackWorld.Failover, "StopRecording", world.FailedRecorder.Die);
        await world.FailBackAsync();
        world.FailedRecorder.Boot();

        await world.Node.Get<PollRecorders>().ExecuteAsync(default);
        var stateWhenTold = (await world.ServerAsync()).State;
        await world.Node.Get<PollRecorders>().ExecuteAsync(default);

        stateWhenTold.ShouldBe(VmsServerState.Broken);
        (await world.ServerAsync()).State.ShouldBe(VmsServerState.Ok);
        world.FailedDuty.IsRecording.ShouldBeTrue();
        (await AlertAsync(world)).ShouldBeNull();
        (await world.EntryAsync()).Message.ShouldNotBeNull();
    }

    [Fact]
    public async Task FailedServer_DiesAfterTheStopAndIsFailedOver_TheAlertIsGoneFromTheOlderEntry()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.After(FailbackWorld.Failover, "StopRecording", world.FailedRecorder.Die);
        await world.FailBackAsync();

        var started = await world.StartFailoverAsync("again", FailbackWorld.Failed, FailbackWorld.Spare);
        var run = await world.EndAsync(started.RunId!);

        run.Result.ShouldBe("done", run.Message);
        (await AlertAsync(world)).ShouldBeNull();
        (await AlertAsync(world, started.EntryId!)).ShouldBeNull();
    }

    [Theory]
    [InlineData("StopRecording", 1)]
    [InlineData("PutRetentionHold", 1)]
    [InlineData("AssignDuty", 1)]
    [InlineData("FreezeSettings", 2)]
    public async Task FailoverServer_BackWithinTheHandOverTimeout_IsWaitedFor(string call, int nth)
    {
        await using var world = await FailbackWorld.CreateAsync();
        var back = world.Time.GetUtcNow().AddSeconds(20);
        world.Recorders.Before(FailbackWorld.Failover, call, () => world.FailoverRecorder.CutOffUntil = back, nth);

        var run = await world.FailBackAsync();

        await world.ShouldBeDoneAsync(run);
        world.Time.GetUtcNow().ShouldBeGreaterThanOrEqualTo(back);
        (await world.AlarmsAsync()).ShouldBeEmpty();
        (await world.OwedAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task FailedServer_HiccupsWhileTheFailoverServerIsAwaited_StillGoesForward()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var start = world.Time.GetUtcNow();
        var hasHiccuped = false;
        world.Recorders.Before(FailbackWorld.Failover, "StopRecording", () => world.FailoverRecorder.CutOffUntil = start.AddSeconds(20));
        world.Recorders.Before(
            FailbackWorld.Failover,
            "StopRecording",
            () =>
            {
                if (!hasHiccuped && world.Time.GetUtcNow() - start > TimeSpan.FromSeconds(5))
                {
                    hasHiccuped = true;
                    world.FailedRecorder.CutOffUntil = world.Time.GetUtcNow().AddSeconds(7);
                }
            },
            times: int.MaxValue);

        var run = await world.FailBackAsync();

        hasHiccuped.ShouldBeTrue();
        await world.ShouldBeDoneAsync(run);
    }

    [Theory]
    [InlineData(FailbackWorld.Failover, "StopRecording")]
    [InlineData(FailbackWorld.Failover, "PutRetentionHold")]
    public async Task Cancel_After9d_IsRefusedAndTheRunFinishes(string server, string call)
    {
        await using var world = await FailbackWorld.CreateAsync();
        var runId = new TaskCompletionSource<string>();
        WorkflowRefusedException? refusal = null;
        world.Recorders.Before(server, call, async () =>
            refusal = await Should.ThrowAsync<WorkflowRefusedException>(async () =>
                await world.Node.Runtime.CancelAsync(await runId.Task, FailbackWorld.Operator, null, CancellationToken.None)));
        var started = await world.StartFailbackAsync();
        runId.SetResult(started.RunId!);

        var run = await world.EndAsync(started.RunId!);

        refusal!.Code.ShouldBe("run-only-forward");
        await world.ShouldBeDoneAsync(run);
    }

    [Theory]
    [InlineData(FailbackWorld.Failover, "StopRecording")]
    [InlineData(FailbackWorld.Failover, "PutRetentionHold")]
    [InlineData(FailbackWorld.Failover, "AssignDuty")]
    [InlineData(FailbackWorld.Failed, "GetRecording")]
    public async Task Fault_From9dOn_KeepsTheIdentityAndFinishesWhenRedriven(string server, string call)
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.Fail(server, call, RecorderErrorKind.Conflict, nth: call == "GetRecording" ? 3 : 1);

        var faulted = await world.FailBackAsync();
        var claims = await world.ClaimsAsync();
        var busy = await world.StartFailbackAsync("request-2");
        await world.Node.Runtime.RedriveAsync(faulted.Id, FailbackWorld.Operator, "Try again.", CancellationToken.None);
        var run = await world.EndAsync(faulted.Id, faulted.LastSequence);

        (faulted.SubStatus, faulted.Result).ShouldBe((WorkflowSubStatus.Faulted, "faulted"));
        claims.ShouldBe([DutyClaim.Identity(FailbackWorld.Failed)]);
        (busy.Outcome, busy.RunId).ShouldBe((StartRunOutcome.Busy, faulted.Id));
        await world.ShouldBeDoneAsync(run);
    }

    // What is owed must not depend on a look at the right second: the management server may have been down just then.
    [Fact]
    public async Task FailoverServer_AwayWhileTheManagerWasDown_IsOwedOnceAfterwards()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var start = world.Time.GetUtcNow();
        var hasSlept = false;
        world.Recorders.Before(FailbackWorld.Failover, "StopRecording", () => world.FailoverRecorder.CutOffUntil = start.AddMinutes(5));
        world.Store.Waiting = _ =>
        {
            if (!hasSlept && world.Time.GetUtcNow() - start > TimeSpan.FromSeconds(10))
            {
                hasSlept = true;
                world.Time.Advance(TimeSpan.FromMinutes(2));
            }

            return Task.CompletedTask;
        };

        var run = await world.FailBackAsync();

        run.Result.ShouldBe("done");
        (await world.AlarmsAsync()).Single().ShouldContain("did not confirm its stop");
        run.Report.Alarms.Single().Text.ShouldContain("did not confirm its stop");
        run.Report.NobodyRecords.ShouldBeNull();
        (await AlertAsync(world)).ShouldBeNull();
        (await world.OwedAsync()).Count.ShouldBe(5);
    }

    private static async Task<EntryAlert?> AlertAsync(FailbackWorld world, string entryId = FailbackWorld.Entry) =>
        await world.Node.Get<EntryAlerts>().FindAsync(await world.EntryAsync(entryId), default);
}
