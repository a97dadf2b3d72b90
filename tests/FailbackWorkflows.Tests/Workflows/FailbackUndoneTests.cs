using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Licensing;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>What goes wrong in steps 6 to 9c is taken back: the failover server goes on recording, the failed server is as before.</summary>
public sealed class FailbackUndoneTests
{
    private const long SameEpoch = FailbackWorld.FailoverEpoch;
    private const long NewEpoch = FailbackWorld.FailoverEpoch + 2;

    // Scenario 5.
    [Fact]
    public async Task Licence_ExpiresBetweenCheck4AndTheSwitch_IsUndone()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.After(FailbackWorld.Failed, "ActivateSettings", world.ExpireLicenseAsync);

        var run = await world.FailBackAsync();

        await world.ShouldBeUndoneAsync(run, SameEpoch);
        world.ShouldStandByAsBefore();
        run.Message!.ShouldContain("licence expired");
    }

    [Theory]
    [InlineData("wrong site", "issued for the site")]
    [InlineData("too few recorders", "covers 2 recorders")]
    [InlineData("without failover", "does not cover failover")]
    [InlineData("tampered", "signature does not fit")]
    public async Task Licence_ExchangedBetweenCheck4AndTheSwitch_IsUndoneWithItsSentence(string situation, string sentence)
    {
        await using var world = await FailbackWorld.CreateAsync();
        var valid = TestLicense.Valid(world.Time.GetUtcNow());
        var signed = TestLicense.Sign(
            situation switch
            {
                "wrong site" => valid with { Site = "elsewhere" },
                "too few recorders" => valid with { Recorders = 2 },
                "without failover" => valid with { Features = [] },
                _ => valid,
            },
            world.Time.GetUtcNow());
        world.Recorders.After(
            FailbackWorld.Failed, "ActivateSettings", () => world.ApplyAsync(new InstallLicense(situation == "tampered" ? signed with { Document = $"{signed.Document} " } : signed)));

        var run = await world.FailBackAsync();

        await world.ShouldBeUndoneAsync(run, SameEpoch);
        world.ShouldStandByAsBefore();
        run.Message!.ShouldContain(sentence);
    }

    // Scenario 13: what the cache holds may be out of date, and what was changed since would be lost.
    [Fact]
    public async Task FailoverServer_GoneBeforeItsSettingsWereRead_IsUndoneAndSaysSinceWhenTheCacheIsStale()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.Node.Get<RefreshSettings>().ExecuteAsync(default);
        world.Recorders.Fail(FailbackWorld.Failover, "GetSettings", times: 3);
        world.Time.Advance(TimeSpan.FromMinutes(7));

        var run = await world.FailBackAsync();

        await world.ShouldBeUndoneAsync(run, SameEpoch);
        world.ShouldStandByAsBefore();
        run.Message!.ShouldContain("are stale since 2026-03-01 12:00:00 UTC, when rec-2 last confirmed them (revision 2)");
        world.Recorders.Effects.ShouldNotContain(c => c.Name == "ActivateSettings");
    }

    // Scenarios 14, 15, 17.
    [Theory]
    [InlineData("activation breaks off", "No room")]
    [InlineData("settings do not fit", "drive E: is missing")]
    [InlineData("digest differs", "another digest")]
    [InlineData("digest differs after the transfer", "failed to")]
    public async Task Settings_CannotBeApplied_IsUndoneOnTheOldRevision(string situation, string sentence)
    {
        await using var world = await FailbackWorld.CreateAsync();
        switch (situation)
        {
            case "activation breaks off":
                world.FailedRecorder.BreaksAtActivation = true;
                break;
            case "settings do not fit":
                world.FailedRecorder.RejectsSettingsBecause = "drive E: is missing";
                break;
            case "digest differs":
                world.FailoverRecorder.StatesDigest = new string('a', 64);
                break;
            default:
                world.Recorders.Before(FailbackWorld.Failed, "StageSettings", () => throw new RecorderException(RecorderErrorKind.Rejected, "The settings failed to arrive whole.", RecorderProblems.DigestMismatch));
                break;
        }

        var run = await world.FailBackAsync();

        world.FailoverRecorder.StatesDigest = null;
        await world.ShouldBeUndoneAsync(run, SameEpoch);
        run.Message!.ShouldContain(sentence);
        (world.FailedDuty.Revision, world.FailedDuty.Sha256).ShouldBe((1, Outcomes.OldDigest));
    }

    [Fact]
    public async Task Settings_ChangedEachTime_AreTakenOverThreeTimesAndThenUndone()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var version = 3;
        world.Recorders.After(FailbackWorld.Failover, "FreezeSettings", () => world.FailoverDuty.Activate(FakeSettings.Content(version++)), times: 3);

        var run = await world.FailBackAsync();

        await world.ShouldBeUndoneAsync(run, SameEpoch);
        run.Message!.ShouldContain("changed again each time");
        run.Report.Steps.Single(s => s.Number == 7).Times.ShouldBe(3);
        world.ShouldStandByAsBefore();
    }

    [Fact]
    public async Task Settings_RefusedInTheSecondRound_FailedServerIsBackOnWhatItHadBeforeTheFirst()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.After(FailbackWorld.Failover, "FreezeSettings", () =>
        {
            world.FailoverDuty.Activate(FakeSettings.Content(3));
            world.FailedRecorder.RejectsSettingsBecause = "too many masks";
        });

        var run = await world.FailBackAsync();

        await world.ShouldBeUndoneAsync(run, SameEpoch);
        run.Message!.ShouldContain("too many masks");
        world.ShouldStandByAsBefore();
    }

    // The answers of the activation are lost until the run gives up: whether it took effect is not known, and it did.
    [Fact]
    public async Task Settings_ActivatedButNoAnswerEverCame_AreRolledBack()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.LoseAnswer(FailbackWorld.Failed, "ActivateSettings", times: 100);

        var run = await world.FailBackAsync();

        await world.ShouldBeUndoneAsync(run, SameEpoch);
        world.ShouldStandByAsBefore();
    }

    // Scenario 20.
    [Fact]
    public async Task DarkChannel_PolicyRefuses_IsUndoneAfterTheConfirmTimeout()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedRecorder.DarkChannels.Add("video-2");
        var before = world.Time.GetUtcNow();

        var run = await world.FailBackAsync();

        await world.ShouldBeUndoneAsync(run, NewEpoch);
        world.ShouldStandByAsBefore();
        run.Message!.ShouldContain("video-2");
        (world.Time.GetUtcNow() - before).ShouldBeGreaterThanOrEqualTo(TimeSpan.FromSeconds(30));
        world.FailedDuty.Epoch.ShouldBe(NewEpoch);
    }

    // Scenario 22.
    [Theory]
    [InlineData("StageSettings", false, SameEpoch)]
    [InlineData("StageSettings", true, SameEpoch)]
    [InlineData("ActivateSettings", false, SameEpoch)]
    [InlineData("ActivateSettings", true, SameEpoch)]
    [InlineData("AssignDuty", false, NewEpoch)]
    [InlineData("AssignDuty", true, NewEpoch)]
    [InlineData("StartRecording", false, NewEpoch)]
    [InlineData("StartRecording", true, NewEpoch)]
    [InlineData("GetRecording", false, NewEpoch)]
    public async Task FailedServer_DiesBeforeThePointOfNoReturn_IsUndoneAndLearnsItWhenItIsBack(string call, bool afterEffect, long epoch)
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.DieAt(FailbackWorld.Failed, call, afterEffect);

        var run = await world.FailBackAsync();

        await world.ShouldBeUndoneAsync(run, epoch);
        run.Message!.ShouldContain("failover server goes on recording");

        world.FailedRecorder.Boot();
        await world.PollAsync();
        world.FailedDuty.IsRecording.ShouldBeFalse();
        world.FailedDuty.ToState().Role.ShouldBe(DutyRole.Standby);
        world.FailedDuty.Sha256.ShouldBe(Outcomes.OldDigest);
        (await world.OwedAsync()).ShouldBeEmpty();
        await world.ShouldBeDoneAsync(await world.FailBackAsync("request-2"));
    }

    // The network is cut instead: the failed server records on its own until it hears of the new epoch.
    [Fact]
    public async Task FailedServer_CutOffAfterItBeganToRecord_IsStoppedWhenItIsSeenAgain()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.After(FailbackWorld.Failed, "StartRecording", () => world.FailedRecorder.IsCutOff = true);

        var run = await world.FailBackAsync();

        run.Result.ShouldBe("undone");
        (world.FailedDuty.IsRecording, world.FailedDuty.Epoch).ShouldBe((true, NewEpoch - 1));
        world.FailedRecorder.IsCutOff = false;
        await world.PollAsync();
        await world.ShouldBeUndoneAsync(run, NewEpoch);
    }

    [Fact]
    public async Task FailoverServer_UnreachableWhenItsSettingsShouldBeFrozen_IsUndoneWhenItIsBack()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.Before(FailbackWorld.Failover, "FreezeSettings", () => world.FailoverRecorder.CutOffUntil = world.Time.GetUtcNow().AddSeconds(20));

        var run = await world.FailBackAsync();

        await world.ShouldBeUndoneAsync(run, SameEpoch);
        world.ShouldStandByAsBefore();
        run.Message!.ShouldContain("did not answer");
    }

    [Theory]
    [InlineData(FailbackWorld.Failover, "GetSettings", 1, SameEpoch)]
    [InlineData(FailbackWorld.Failed, "ValidateSettings", 1, SameEpoch)]
    [InlineData(FailbackWorld.Failed, "StageSettings", 1, SameEpoch)]
    [InlineData(FailbackWorld.Failed, "ActivateSettings", 1, SameEpoch)]
    [InlineData(FailbackWorld.Failover, "FreezeSettings", 1, SameEpoch)]
    [InlineData(FailbackWorld.Failover, "GetSettings", 2, SameEpoch)]
    [InlineData(FailbackWorld.Failed, "AssignDuty", 1, NewEpoch)]
    [InlineData(FailbackWorld.Failed, "StartRecording", 1, NewEpoch)]
    [InlineData(FailbackWorld.Failed, "GetRecording", 1, NewEpoch)]
    public async Task Cancel_InSteps7To9c_UndoesAndTheRunIsCancelled(string server, string call, int nth, long epoch)
    {
        await using var world = await FailbackWorld.CreateAsync();
        var runId = new TaskCompletionSource<string>();
        world.Recorders.Before(server, call, async () => await world.Node.Runtime.CancelAsync(await runId.Task, FailbackWorld.Operator, "Not now.", CancellationToken.None), nth);
        var started = await world.StartFailbackAsync();
        runId.SetResult(started.RunId!);

        var run = await world.EndAsync(started.RunId!);

        await world.ShouldBeUndoneAsync(run, epoch, isCancelled: true);
        world.ShouldStandByAsBefore();
        run.Message!.ShouldContain("cancelled");
    }

    [Theory]
    [InlineData(FailbackWorld.Failover, "RaiseFence")]
    [InlineData(FailbackWorld.Failed, "Probe")]
    public async Task Cancel_InTheChecks_EndsTheRunAndTouchesNothing(string server, string call)
    {
        await using var world = await FailbackWorld.CreateAsync();
        var runId = new TaskCompletionSource<string>();
        world.Recorders.Before(server, call, async () => await world.Node.Runtime.CancelAsync(await runId.Task, FailbackWorld.Operator, null, CancellationToken.None));
        var started = await world.StartFailbackAsync();
        runId.SetResult(started.RunId!);

        var run = await world.EndAsync(started.RunId!);

        (run.SubStatus, run.Result).ShouldBe((WorkflowSubStatus.Cancelled, "cancelled"));
        (await world.EntryAsync()).Failback.ShouldBe(FailbackState.NotStarted);
        (await world.ClaimsAsync()).ShouldBeEmpty();
        world.Recorders.Effects.ShouldBeEmpty();
    }

    [Fact]
    public async Task Cancel_WhileItIsUndone_IsRefused()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedRecorder.DarkChannels.Add("video-1");
        var runId = new TaskCompletionSource<string>();
        WorkflowRefusedException? refusal = null;
        world.Recorders.Before(FailbackWorld.Failover, "AssignDuty", async () =>
            refusal = await Should.ThrowAsync<WorkflowRefusedException>(async () =>
                await world.Node.Runtime.CancelAsync(await runId.Task, FailbackWorld.Operator, null, CancellationToken.None)));
        var started = await world.StartFailbackAsync();
        runId.SetResult(started.RunId!);

        await world.ShouldBeUndoneAsync(await world.EndAsync(started.RunId!), NewEpoch);

        refusal!.Code.ShouldBe("run-only-forward");
    }

    [Fact]
    public async Task Undo_Faults_KeepsTheIdentityAndFinishesWhenRedriven()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedRecorder.DarkChannels.Add("video-1");
        world.Recorders.Fail(FailbackWorld.Failover, "FreezeSettings", RecorderErrorKind.Rejected, nth: 2);

        var faulted = await world.FailBackAsync();
        var claims = await world.ClaimsAsync();
        var busy = await world.StartFailbackAsync("request-2");
        await world.Node.Runtime.RedriveAsync(faulted.Id, FailbackWorld.Operator, "Try again.", CancellationToken.None);
        var run = await world.EndAsync(faulted.Id, faulted.LastSequence);

        (faulted.SubStatus, faulted.Report.CanRedrive).ShouldBe((WorkflowSubStatus.Faulted, true));
        claims.ShouldBe([DutyClaim.Identity(FailbackWorld.Failed)]);
        (busy.Outcome, busy.RunId).ShouldBe((StartRunOutcome.Busy, faulted.Id));
        await world.ShouldBeUndoneAsync(run, NewEpoch);
        world.ShouldStandByAsBefore();
    }

    [Fact]
    public async Task Undone_TriedAgain_IsDone()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedRecorder.DarkChannels.Add("video-1");
        (await world.FailBackAsync()).Result.ShouldBe("undone");
        world.FailedRecorder.DarkChannels.Clear();

        await world.ShouldBeDoneAsync(await world.FailBackAsync("request-2"));
    }
}
