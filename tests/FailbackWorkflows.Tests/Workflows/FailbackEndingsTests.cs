using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing.Engine;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>
/// The endings of the design's table that <see cref="FailbackDoneTests"/>, <see cref="FailbackUndoneTests"/> and <see cref="FailbackForwardTests"/> do not have: what
/// becomes of a failback when a server is away for good. Each checks claims, hold and entry.
/// </summary>
public sealed class FailbackEndingsTests
{
    // Scenario 23.
    [Fact]
    public async Task FailoverServer_DeadFromTheStart_NeedsAConfirmation()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailoverRecorder.Die();

        var run = await world.FailBackAsync();
        var withoutReason = await world.Node.Get<StartFailback>().ExecuteAsync(new(FailbackWorld.Entry, "request-2", FailbackWorld.Operator, " ", WithoutFailoverServer: true), default);

        (run.Result, run.RefusedCheck, run.Report.Offer).ShouldBe(("refused", 2, RunOffers.WithoutFailoverServer));
        run.Message!.ShouldContain("confirm");
        withoutReason.Outcome.ShouldBe(StartRunOutcome.Refused);
        await ShouldBeAsync(world, FailbackState.NotStarted, isHoldOpen: true);
        (await world.OwedAsync()).ShouldBeEmpty();
    }

    // Scenario 13, with consent; Scenario 23, and a debt that outlives weeks.
    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public async Task FailoverServer_DeadFromTheStartAndConfirmedOrByPolicy_IsDoneWithCachedSettingsAndOwed(bool isConfirmed, bool isPolicy)
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.SetPolicyAsync(new() { FailbackWithoutFailoverServer = isPolicy });
        world.FailoverRecorder.Die();

        var run = await world.FailBackAsync(withoutFailoverServer: isConfirmed);

        run.Result.ShouldBe("done", run.Message);
        run.Report.Alarms.ShouldContain(a => a.Text.Contains("come from the cache: stale since 2026-03-01 11:00:00 UTC, when rec-1 last confirmed them (revision 1)"));
        run.Report.Alarms.ShouldContain(a => a.Text.Contains(isConfirmed ? "Olga Operator has confirmed it: Repaired." : "policy"));
        (world.FailedDuty.ToState().Role, world.FailedDuty.IsRecording, world.FailedDuty.Sha256).ShouldBe((DutyRole.Recorder, true, Outcomes.OldDigest));
        (await world.ServerAsync()).State.ShouldBe(VmsServerState.Ok);
        await ShouldBeAsync(world, FailbackState.Done, isHoldOpen: true);
        (await world.OwedAsync()).ShouldBe(["rec-2 Stop", "rec-2 LastTimes", "rec-2 HoldEnd", "rec-2 StandBy", "rec-2 Unfreeze"]);

        world.Time.Advance(TimeSpan.FromDays(30));
        world.FailoverRecorder.Boot();
        await world.PollAsync();

        (await world.OwedAsync()).ShouldBeEmpty();
        (world.FailoverDuty.ToState().Role, world.FailoverDuty.IsRecording).ShouldBe((DutyRole.FailoverServer, false));
        await ShouldBeAsync(world, FailbackState.Done, isHoldOpen: false);
    }

    // Scenario 13: consent to settings that nobody has helps nobody.
    [Fact]
    public async Task FailoverServer_DeadAndTheCacheIsEmpty_IsUndoneAndSaysWhatIsMissing()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await using (var session = await world.Get<FailbackWorkflows.Persistence.IDatabase>().BeginWriteAsync(default))
        {
            await session.ExecuteAsync("DELETE FROM settings_bundles", default);
            await session.CommitAsync(default);
        }

        world.FailoverRecorder.Die();

        var run = await world.FailBackAsync(withoutFailoverServer: true);

        run.Result.ShouldNotBe("done");
        run.Report.Steps.Single(s => s.Number == 7).Message!.ShouldContain("the settings cache holds nothing for rec-1. Bring rec-2 back on the network");
        (world.FailedDuty.IsRecording, world.FailedDuty.Sha256).ShouldBe((false, Outcomes.OldDigest));
        (await world.EntryAsync()).Failback.ShouldBe(FailbackState.Failed);
        (await world.DutyAsync()).HolderServerId.ShouldBe(FailbackWorld.Failover);
        (await world.ClaimsAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task FailoverServer_LostInAnUndo_FailedServerThatRecordsGoesForwardWithItsDarkChannels()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedRecorder.DarkChannels.Add("video-2");
        world.Recorders.After(FailbackWorld.Failed, "StartRecording", () => world.FailoverRecorder.IsCutOff = true);

        var run = await world.FailBackAsync();

        run.Result.ShouldBe("done", run.Message);
        (await world.AlarmsAsync()).ShouldContain(a => a.Contains("video-2") && a.Contains("stay dark"));
        (await world.AlarmsAsync()).ShouldContain(a => a.Contains("goes forward"));
        (world.FailedDuty.ToState().Role, world.FailedDuty.IsRecording, world.FailedDuty.Epoch).ShouldBe((DutyRole.Recorder, true, (await world.DutyAsync()).Epoch));
        (await world.DutyAsync()).HolderServerId.ShouldBe(FailbackWorld.Failed);
        await ShouldBeAsync(world, FailbackState.Done, isHoldOpen: true);
        (await world.OwedAsync()).Count.ShouldBe(5);
    }

    // The look that decides whether it records fails or finds it between two frames: it is looked at again before the duty is given to somebody who cannot hear it.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task FailoverServer_LostInAnUndo_FailedServerMissedAtOneLook_GoesForward(bool doesNotAnswer)
    {
        await using var world = await FailbackWorld.CreateAsync();
        DateTimeOffset? cutOffAt = null;
        world.FailedRecorder.DarkChannels.Add("video-2");
        world.Recorders.After(FailbackWorld.Failed, "StartRecording", () => world.FailoverRecorder.IsCutOff = true);
        world.Recorders.Before(
            FailbackWorld.Failed,
            "GetRecording",
            () =>
            {
                // The confirm timeout is over: what looks now is the undo.
                cutOffAt ??= world.Time.GetUtcNow() + new FailbackPolicy().ConfirmTimeout + TimeSpan.FromSeconds(1);
                var isFirstLook = world.Time.GetUtcNow() > cutOffAt && world.FailedRecorder.FramesEndAt is null;
                if (isFirstLook && doesNotAnswer)
                {
                    cutOffAt = DateTimeOffset.MaxValue;
                    throw new RecorderException(RecorderErrorKind.Unreachable, "It did not answer this once.");
                }

                world.FailedRecorder.FramesEndAt = isFirstLook ? world.Time.GetUtcNow() - TimeSpan.FromSeconds(6) : null;
                cutOffAt = isFirstLook ? DateTimeOffset.MaxValue : cutOffAt;
            },
            times: int.MaxValue);

        var run = await world.FailBackAsync();

        cutOffAt.ShouldBe(DateTimeOffset.MaxValue, "the undo has looked");
        run.Result.ShouldBe("done", run.Message);
        (await world.DutyAsync()).HolderServerId.ShouldBe(FailbackWorld.Failed);
    }

    [Fact]
    public async Task BothServers_LostInAnUndo_EndsFailedAndTheReGrantIsOwed()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.After(FailbackWorld.Failed, "StartRecording", () =>
        {
            world.FailedRecorder.Die();
            world.FailoverRecorder.IsCutOff = true;
        });

        var run = await world.FailBackAsync();

        (run.Result, run.Report.NobodyRecords).ShouldBe(("failed", FailbackWorld.Failed));
        await ShouldBeAsync(world, FailbackState.Failed, isHoldOpen: true);
        (await world.OwedAsync()).ShouldBe(["rec-1 StandBy", "rec-1 Rollback", "rec-2 Grant", "rec-2 Unfreeze"]);
        (await world.DutyAsync()).HolderServerId.ShouldBe(FailbackWorld.Failover);
        (await world.AlarmsAsync()).ShouldContain(a => a.Contains("Start a failover"));
        (await AlertAsync(world))!.Kind.ShouldBe(EntryAlerts.NobodyRecords);

        world.FailoverRecorder.IsCutOff = false;
        await world.PollAsync();
        (await AlertAsync(world)).ShouldBeNull();
        (world.FailoverDuty.ToState().Role, world.FailoverDuty.IsRecording, world.FailoverDuty.Epoch, world.FailoverDuty.Frozen)
            .ShouldBe((DutyRole.Recorder, true, (await world.DutyAsync()).Epoch, false));

        world.FailedRecorder.Boot();
        await world.PollAsync();
        (await world.OwedAsync()).ShouldBeEmpty();
        world.ShouldStandByAsBefore();
        await world.ShouldBeDoneAsync(await world.FailBackAsync("request-2"));
    }

    // Nobody was stopped: the failover server may be recording all along, it just cannot be asked.
    [Fact]
    public async Task FailoverServer_AwayForGoodBeforeTheDutyMoved_EndsFailedAndIsOwedTheEndOfTheFreeze()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.After(FailbackWorld.Failover, "FreezeSettings", () => world.FailoverRecorder.IsCutOff = true);

        var run = await world.FailBackAsync();

        run.Result.ShouldBe("failed");
        await ShouldBeAsync(world, FailbackState.Failed, isHoldOpen: true);
        (await world.DutyAsync()).Epoch.ShouldBe(FailbackWorld.FailoverEpoch);
        world.FailoverRecorder.IsCutOff = false;
        await world.PollAsync();
        (world.FailoverDuty.Frozen, world.FailoverDuty.IsRecording).ShouldBe((false, true));
    }

    // From 9d on as before it: a run that waited would keep the claims, and no third server could take over.
    [Fact]
    public async Task BothServers_LostAfter9d_EndsFailedAndTheReGrantIsOwed()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.Before(FailbackWorld.Failed, "GetRecording", () =>
        {
            world.FailedRecorder.Die();
            world.FailoverRecorder.IsCutOff = true;
        }, nth: 2);

        var run = await world.FailBackAsync();

        (run.Result, run.Report.NobodyRecords).ShouldBe(("failed", FailbackWorld.Failed), run.Message);
        run.Report.Steps.Single(s => s.Number == 9).Outcome.ShouldBe("FailedServerLost");
        await ShouldBeAsync(world, FailbackState.Failed, isHoldOpen: true);
        (await world.OwedAsync()).ShouldBe(["rec-1 StandBy", "rec-1 Rollback", "rec-2 Grant", "rec-2 Unfreeze"]);
        var elsewhere = await world.EndAsync((await world.StartFailoverAsync("elsewhere", FailbackWorld.Failed, FailbackWorld.Spare)).RunId!);
        elsewhere.Result.ShouldBe("done", elsewhere.Message);
    }

    // The failed server writes frames while the failover server, which has the duty back, is dark: nobody is stopped for a server that does not record.
    [Fact]
    public async Task FailoverServer_DarkAfterAnUndo_FailedServerRecordsOnUntilItIsSeenToRecord()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedRecorder.DarkChannels.Add("video-2");
        world.Recorders.After(FailbackWorld.Failed, "StartRecording", () =>
        {
            foreach (var channel in FakeSettings.Channels)
            {
                world.FailoverRecorder.DarkChannels.Add(channel);
            }
        });

        var run = await world.FailBackAsync();
        var owed = await world.OwedAsync();
        var recordsOn = world.FailedDuty.IsRecording;
        world.FailoverRecorder.DarkChannels.Clear();
        await world.PollAsync();

        run.Result.ShouldBe("undone", run.Message);
        owed.ShouldBe(["rec-1 StandBy", "rec-1 Rollback"]);
        recordsOn.ShouldBeTrue();
        await world.ShouldBeUndoneAsync(run, FailbackWorld.FailoverEpoch + 2);
        world.ShouldStandByAsBefore();
    }

    // Scenario 22 with a debt: dead after the stop, and the failover server gone too.
    [Fact]
    public async Task FailedServer_DeadAfterTheStopAndFailoverServerGone_IsDoneBrokenAlarmedAndOwed()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.Before(FailbackWorld.Failover, "PutRetentionHold", () =>
        {
            world.FailedRecorder.Die();
            world.FailoverRecorder.IsCutOff = true;
        });

        var run = await world.FailBackAsync();

        (run.Result, run.Report.NobodyRecords).ShouldBe(("done", FailbackWorld.Failed));
        (await world.ServerAsync()).State.ShouldBe(VmsServerState.Broken);
        await ShouldBeAsync(world, FailbackState.Done, isHoldOpen: true);
        (await world.OwedAsync()).ShouldBe(["rec-2 HoldEnd", "rec-2 StandBy", "rec-2 Unfreeze"]);
        (await AlertAsync(world))!.Kind.ShouldBe(EntryAlerts.NobodyRecords);
    }

    // Scenario 23: a failover of a failover; the first failover server owes its times and its hold's end.
    [Fact]
    public async Task FailoverServer_FailsAndIsFailedOver_ItsPeriodEndsAndIsOwed()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailoverRecorder.Die();
        world.FailedRecorder.IsCutOff = true;

        var started = await world.StartFailoverAsync("over", FailbackWorld.Failed, FailbackWorld.Spare);
        var over = await world.EndAsync(started.RunId!);
        var owed = await world.OwedAsync();
        world.FailoverRecorder.Boot();
        await world.PollAsync();

        over.Result.ShouldBe("done", over.Message);
        owed.ShouldBe(["rec-2 Stop", "rec-2 LastTimes", "rec-2 HoldEnd", "rec-2 StandBy"]);
        (await world.OwedAsync()).ShouldBeEmpty();
        world.FailoverDuty.IsRecording.ShouldBeFalse();
        world.FailoverRecorder.Holds[FailbackWorld.Entry].ToUtc.ShouldBe((await world.EntryAsync()).LastTimes!.Values.Max());
        world.Recorders[FailbackWorld.Spare].Duty(FailbackWorld.Failed).IsRecording.ShouldBeTrue();

        world.FailedRecorder.IsCutOff = false;
        (await world.FailBackAsync("home", started.EntryId!)).Result.ShouldBe("done");
        (await world.EntryAsync()).ClosedByEntryId.ShouldBe(started.EntryId);
    }

    // Scenario 26 for the endings with a debt.
    [Theory]
    [InlineData("owed", CrashMoment.BeforeCommit)]
    [InlineData("owed", CrashMoment.AfterCommit)]
    [InlineData("regrant", CrashMoment.BeforeCommit)]
    [InlineData("regrant", CrashMoment.AfterCommit)]
    public async Task Manager_KilledAtEachCommit_EndsTheSameAndOwesOnce(string ending, CrashMoment moment)
    {
        var commits = 0;
        IReadOnlyList<string> owed;
        await using (var undisturbed = await ArrangeAsync(ending))
        {
            await undisturbed.StartNodeAsync();
            await undisturbed.FailBackAsync();
            commits = undisturbed.Store.Commits.Count;
            owed = await undisturbed.OwedAsync();
        }

        owed.ShouldNotBeEmpty();

        // The waits in between are the same step many times over; every third commit of a run this long is enough of them.
        for (var commit = 1; commit <= commits; commit += commit < 15 || commit > commits - 12 ? 1 : 7)
        {
            await using var world = await ArrangeAsync(ending);
            var crashing = new CrashingWorkflowStore(world.Store, moment, commit);
            var first = await world.StartNodeAsync(behind: crashing);
            try
            {
                await world.StartFailbackAsync(node: first);
            }
            catch (NodeDiedException)
            {
                // The start itself was the commit it died at; the operator clicks again.
            }

            await crashing.Died.WaitAsync(TimeSpan.FromSeconds(30));
            await first.StopAsync();
            var second = await world.StartNodeAsync();
            var run = await world.EndAsync((await world.StartFailbackAsync(node: second)).RunId!);

            run.Result.ShouldBe(ending == "owed" ? "done" : "failed", $"{moment} {commit}: {run.Message}");
            (await world.OwedAsync()).ShouldBe(owed, $"{moment} {commit}");
            (await world.ClaimsAsync()).ShouldBeEmpty($"{moment} {commit}");
            world.ShouldHaveCommandedOnce();
        }
    }

    private static async Task<FailbackWorld> ArrangeAsync(string ending)
    {
        var world = await FailbackWorld.CreateAsync(startsNode: false);
        await world.SetPolicyAsync(new() { HandOverTimeout = TimeSpan.FromSeconds(1), ConfirmTimeout = TimeSpan.FromSeconds(1) });
        if (ending == "owed")
        {
            world.Recorders.Before(FailbackWorld.Failover, "StopRecording", () => world.FailoverRecorder.IsCutOff = true);
        }
        else
        {
            world.Recorders.After(FailbackWorld.Failed, "StartRecording", () =>
            {
                world.FailedRecorder.Die();
                world.FailoverRecorder.IsCutOff = true;
            });
        }

        return world;
    }

    /// <summary>The three columns of the table.</summary>
    private static async Task ShouldBeAsync(FailbackWorld world, FailbackState failback, bool isHoldOpen)
    {
        (await world.ClaimsAsync()).ShouldBeEmpty();
        (await world.EntryAsync()).Failback.ShouldBe(failback);
        (world.FailoverRecorder.Holds[FailbackWorld.Entry].ToUtc is null).ShouldBe(isHoldOpen);
    }

    private static async Task<EntryAlert?> AlertAsync(FailbackWorld world) => await world.Node.Get<EntryAlerts>().FindAsync(await world.EntryAsync(), default);
}
