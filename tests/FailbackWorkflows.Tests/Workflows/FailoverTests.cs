using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Clocks;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>The failover workflow: the spare recorder fails, the failover server takes its duty over too.</summary>
public sealed class FailoverTests
{
    private const string Broken = FailbackWorld.Spare;
    private const string Taker = FailbackWorld.Failover;

    [Fact]
    public async Task Failover_NothingGoesWrong_MovesTheDutyWithItsSettingsAndOpensTheHold()
    {
        await using var world = await CreateAsync();
        world.Recorders[Broken].Die();
        var at = world.Time.GetUtcNow();

        var (run, entry) = await FailOverAsync(world);

        (run.SubStatus, run.Result, run.Message).ShouldBe((WorkflowSubStatus.Finished, "done", null));
        (entry.Failover, entry.Failback, entry.FailedServerId, entry.FailoverServerId, entry.FailoverStartedAt).ShouldBe((FailoverState.Done, FailbackState.NotStarted, Broken, Taker, at));
        (entry.StartedBy, entry.Reason, entry.FailoverRunId).ShouldBe((FailbackWorld.Operator.Name, "It is broken.", run.Id));
        var duty = await world.DutyAsync(Broken);
        (duty.HolderServerId, duty.Epoch).ShouldBe((Taker, 2));
        var taken = world.Recorders[Taker].Duty(Broken);
        (taken.ToState().Role, taken.Epoch, taken.IsRecording, taken.Sha256).ShouldBe((DutyRole.Recorder, 2, true, Outcomes.OldDigest));
        var hold = world.Recorders[Taker].Holds[entry.Id];
        (hold.Identity, hold.FromUtc, hold.ToUtc).ShouldBe((Broken, new FailoverServerTimes(entry).Start, null));
        (await world.ServerAsync(Broken)).State.ShouldBe(VmsServerState.Broken);
        (await world.ClaimsAsync()).ShouldBeEmpty();
        (await world.NewsAsync()).ShouldContain(n => n.Kind == "systemChange");
        world.Recorders.Effects.Where(c => c.ServerId == Taker).Select(c => c.Name).ShouldBe(["StageSettings", "ActivateSettings", "AssignDuty", "StartRecording"]);
    }

    // What was changed at the failover server goes on to the next one, also when the failed server itself is there with its old settings.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Failover_OfAFailover_TakesTheNewestSettingsAlong(bool answers)
    {
        await using var world = await CreateAsync();
        await world.AddServerAsync("rec-4", null);
        world.FailedDuty.Sha256.ShouldBe(Outcomes.OldDigest);
        if (!answers)
        {
            world.FailoverRecorder.Die();
        }

        var run = await world.EndAsync((await world.StartFailoverAsync("request-1", FailbackWorld.Failed, "rec-4")).RunId!);

        run.Result.ShouldBe("done", run.Message);
        world.Recorders["rec-4"].Duty(FailbackWorld.Failed).Sha256.ShouldBe(Outcomes.NewDigest);
        (await world.OwedAsync()).Count.ShouldBe(4);
    }

    // Design §5, Failover: the earlier period is over as soon as its server lost the duty, also when the failover that took it ends without a successor.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Failover_OfAFailoverThatFails_OwesTheEndOfTheEarlierPeriod(bool answers)
    {
        await using var world = await CreateAsync();
        await world.AddServerAsync("rec-4", null);
        world.Recorders["rec-4"].DarkChannels.UnionWith(FakeSettings.Channels);
        world.FailedRecorder.Die();
        if (!answers)
        {
            world.FailoverRecorder.Die();
        }

        var run = await world.EndAsync((await world.StartFailoverAsync("request-1", FailbackWorld.Failed, "rec-4")).RunId!);
        var owed = await world.OwedAsync();
        var held = world.FailoverRecorder.Holds[FailbackWorld.Entry].ToUtc;

        // Then the failed server records its own duty again, and the earlier failover server hears what it missed.
        world.FailedRecorder.Boot();
        if (!answers)
        {
            world.FailoverRecorder.Boot();
        }

        await PollAsync(world);
        world.Time.Advance(TimeSpan.FromMinutes(2));
        await PollAsync(world);

        run.Result.ShouldBe("failed");
        owed.Where(o => o.StartsWith(FailbackWorld.Failover, StringComparison.Ordinal)).ShouldBe(["rec-2 Stop", "rec-2 LastTimes", "rec-2 HoldEnd", "rec-2 StandBy"]);
        held.ShouldBeNull();
        var entry = await world.EntryAsync();
        entry.LastTimes!.Keys.ShouldBe(FakeSettings.Channels, ignoreOrder: true);
        world.FailoverRecorder.Holds[FailbackWorld.Entry].ToUtc.ShouldBe(entry.LastTimes!.Values.Max());
        (world.FailedDuty.IsRecording, world.FailoverDuty.IsRecording).ShouldBe((true, false));
        (await world.OwedAsync()).ShouldBeEmpty();
    }

    // A failover that fails before it has taken the duty ends no period.
    [Fact]
    public async Task Failover_OfAFailoverThatFailsBeforeTheDutyMoved_OwesNothing()
    {
        await using var world = await CreateAsync();
        await world.AddServerAsync("rec-4", null);
        world.Recorders["rec-4"].RejectsSettingsBecause = "too many masks";

        var run = await world.EndAsync((await world.StartFailoverAsync("request-1", FailbackWorld.Failed, "rec-4")).RunId!);

        run.Result.ShouldBe("failed");
        (await world.OwedAsync()).ShouldBeEmpty();
        (await world.DutyAsync()).HolderServerId.ShouldBe(FailbackWorld.Failover);
    }

    // What is told to settle a failed failover is told under no run's fence, and not while a run is at work on the duty.
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Settlement_OvertakenByARun_TellsNothing_AndIsMadeUpForLater(int look)
    {
        await using var world = await CreateAsync();
        var (_, entry) = await FailInTheDarkAsync(world);
        await BringHomeAsync(world);
        var fence = 0L;

        // As a run does that begins now: it takes the claim, draws a fence and raises it before it looks.
        world.Recorders.Before(
            Taker,
            "GetRecording",
            async () =>
            {
                fence = (await world.DutyAsync(Broken)).Fence + 1;
                await world.ApplyAsync(new TakeClaims("another", "failback", [DutyClaim.Identity(Broken)], world.Time.GetUtcNow()), new RaiseFence(Broken, fence));
                world.Recorders[Taker].Duty(Broken).Fence = fence;
            },
            nth: look);

        await SettleAsync(world);

        fence.ShouldBeGreaterThan(0);
        world.Recorders[Taker].Holds[entry.Id].ToUtc.ShouldBeNull();
        (await world.EntryAsync(entry.Id)).IsUnsettled.ShouldBeTrue();
        world.Recorders.Effects.Where(c => c.ServerId == Taker && c.Authority?.Fence == fence).ShouldBeEmpty("only the run speaks under its fence");

        await world.ApplyAsync(new ReleaseClaims("another"));
        await SettleAsync(world);
        world.Recorders[Taker].Released[entry.Id].ShouldBe(HoldRelease.NothingRecorded);
        (await world.EntryAsync(entry.Id)).IsUnsettled.ShouldBeFalse();
        (await world.ClaimsAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task Failover_ThenFailback_TheDutyIsHome()
    {
        await using var world = await CreateAsync();
        world.Recorders[Broken].Die();
        var (_, entry) = await FailOverAsync(world);
        world.Recorders[Broken].Boot();
        await world.Node.Get<PollRecorders>().ExecuteAsync(default);

        var run = await world.FailBackAsync("back", entry.Id);

        run.Result.ShouldBe("done");
        (world.Recorders[Broken].Duty(Broken).IsRecording, world.Recorders[Taker].Duty(Broken).IsRecording).ShouldBe((true, false));
        (await world.ServerAsync(Broken)).State.ShouldBe(VmsServerState.Ok);
        world.Recorders[Taker].Holds[entry.Id].ToUtc.ShouldNotBeNull();
    }

    [Fact]
    public async Task Failover_ReportedByAnotherSystem_IsTakenOverOncePerExternalId()
    {
        await using var world = await CreateAsync();
        world.Recorders[Broken].Die();
        world.Recorders[Taker].Duty(Broken).Become(DutyRole.Recorder, 1, "theirs", isRecording: true).Activate(FakeSettings.Content(5));
        var began = world.Time.GetUtcNow();

        var started = await world.StartFailoverAsync("request-1", Broken, Taker, "their-7", isPerformed: true);
        var run = await world.EndAsync(started.RunId!);
        var again = await world.StartFailoverAsync("request-2", Broken, Taker, "their-7", isPerformed: true);
        var atOnce = await Task.WhenAll(Enumerable.Range(3, 3).Select(i => Task.Run(() => world.StartFailoverAsync($"request-{i}", Broken, Taker, "their-7", isPerformed: true))));

        run.Result.ShouldBe("done");
        again.ShouldBe(new StartRunResult(StartRunOutcome.AlreadyStarted, run.Id, started.EntryId, null));
        atOnce.ShouldAllBe(r => r.Outcome == StartRunOutcome.AlreadyStarted && r.RunId == run.Id);
        var entry = await world.EntryAsync(started.EntryId!);
        (entry.ExternalId, entry.Failover).ShouldBe(("their-7", FailoverState.Done));
        world.Recorders[Taker].Holds[entry.Id].FromUtc.ShouldBe(began - TimeSpan.FromMilliseconds(1), "as much as its clock is uncertain by");
        var taken = world.Recorders[Taker].Duty(Broken);
        (taken.Epoch, taken.IsRecording, taken.Revision).ShouldBe((2, true, 1));
        (await world.Get<IFailoverLog>().ListAsync(new(FailoverLogView.All) { ServerIds = [Broken] }, default)).Count.ShouldBe(1);
        world.Recorders.Effects.ShouldNotContain(c => c.Name == "ActivateSettings");
    }

    [Fact]
    public async Task Failover_ReportRefused_IsTakenWhenItIsMadeAgain()
    {
        await using var world = await CreateAsync();
        world.Recorders[Broken].Die();
        world.Recorders[Taker].IsCutOff = true;
        var refused = await world.EndAsync((await world.StartFailoverAsync("request-1", Broken, Taker, "their-9")).RunId!);
        world.Recorders[Taker].IsCutOff = false;

        var again = await world.StartFailoverAsync("request-1", Broken, Taker, "their-9");
        var run = await world.EndAsync(again.RunId!);
        var repeated = await world.StartFailoverAsync("request-1", Broken, Taker, "their-9");

        (refused.Result, again.Outcome, run.Result).ShouldBe(("refused", StartRunOutcome.Started, "done"));
        (repeated.Outcome, repeated.RunId, repeated.EntryId).ShouldBe((StartRunOutcome.AlreadyStarted, run.Id, again.EntryId));
        (await world.EntryAsync(again.EntryId!)).ExternalId.ShouldBe("their-9");
    }

    [Fact]
    public async Task Failover_ReportedTwiceAtTheSameMoment_IsOne()
    {
        await using var world = await CreateAsync();
        world.Recorders[Broken].Die();

        var starts = await Task.WhenAll(Enumerable.Range(1, 4).Select(i => Task.Run(() => world.StartFailoverAsync($"request-{i}", Broken, Taker, "their-8"))));
        await world.EndAsync(starts[0].RunId!);

        starts.Count(s => s.Outcome == StartRunOutcome.Started).ShouldBe(1);
        starts.Select(s => s.RunId).Distinct().Count().ShouldBe(1);
    }

    [Theory]
    [InlineData("no licence", "expired")]
    [InlineData("failover server is broken", "marked broken itself")]
    [InlineData("failover server is away", "does not answer")]
    [InlineData("failover server cannot write", "cannot write")]
    [InlineData("failover server is another machine", "is not Recorder 2")]
    [InlineData("failover server refuses the credential", "refused to be asked")]
    public async Task Failover_NotPossible_IsRefusedAndTouchesNothing(string situation, string sentence)
    {
        await using var world = await CreateAsync();
        switch (situation)
        {
            case "no licence":
                await world.ExpireLicenseAsync();
                break;
            case "failover server is broken":
                await world.ApplyAsync(new SaveVmsServer((await world.ServerAsync(Taker)) with { State = VmsServerState.Broken }));
                break;
            case "failover server is away":
                world.Recorders[Taker].IsCutOff = true;
                break;
            case "failover server cannot write":
                world.Recorders[Taker].CannotWriteBecause = "the disk is full.";
                break;
            case "failover server is another machine":
                world.Recorders[Taker].MachineId = "another-machine";
                break;
            default:
                world.Recorders[Taker].Credential = "changed";
                break;
        }

        var started = await world.StartFailoverAsync("request-1", Broken, Taker);
        var run = await world.EndAsync(started.RunId!);

        (run.Result, run.RefusedCheck).ShouldBe(("refused", 1));
        run.Message!.ShouldContain(sentence);
        (await world.Get<IFailoverLog>().FindAsync(started.EntryId!, default)).ShouldBeNull();
        (await world.ServerAsync(Broken)).State.ShouldBe(VmsServerState.Ok);
        (await world.ClaimsAsync()).ShouldBeEmpty();
        world.Recorders.Effects.ShouldBeEmpty();
    }

    [Fact]
    public async Task Failover_DoneAlready_IsRefused()
    {
        await using var world = await CreateAsync();

        var run = await world.EndAsync((await world.StartFailoverAsync()).RunId!);

        (run.Result, run.RefusedCheck).ShouldBe(("refused", 1));
        run.Message!.ShouldContain("has the duty");
    }

    [Theory]
    [InlineData("nobody", Taker, StartRunOutcome.Unknown)]
    [InlineData(Broken, "nobody", StartRunOutcome.Unknown)]
    [InlineData(Broken, Broken, StartRunOutcome.Refused)]
    public async Task Failover_ThatMakesNoSense_StartsNothing(string failed, string failover, StartRunOutcome outcome)
    {
        await using var world = await CreateAsync();

        var result = await world.StartFailoverAsync("request-1", failed, failover);

        (result.Outcome, result.RunId).ShouldBe((outcome, null));
        result.Message.ShouldNotBeNull();
        world.Store.Commits.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("settings do not fit", "too many masks")]
    [InlineData("no settings known", "settings cache holds nothing")]
    public async Task Failover_SettingsCannotBeHad_IsLoggedAsFailedWithAnAlarm(string situation, string sentence)
    {
        await using var world = await CreateAsync(isPolled: situation != "no settings known");
        world.Recorders[Broken].Die();
        world.Recorders[Taker].RejectsSettingsBecause = situation == "settings do not fit" ? "too many masks" : null;

        var (run, entry) = await FailOverAsync(world);

        run.Result.ShouldBe("failed");
        run.Message!.ShouldContain(sentence);
        (entry.Failover, entry.Message, entry.IsActive).ShouldBe((FailoverState.Failed, run.Message, false));
        (await world.AlarmsAsync()).Single().ShouldContain("failed");
        (await world.DutyAsync(Broken)).HolderServerId.ShouldBe(Broken);
        world.Recorders[Taker].Holds.ShouldNotContainKey(entry.Id);
        (await world.ClaimsAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task Failover_FailoverServerDiesBeforeItHasTheDuty_IsLoggedAsFailed()
    {
        await using var world = await CreateAsync();
        world.Recorders[Broken].Die();
        world.Recorders.DieAt(Taker, "AssignDuty");

        var (run, entry) = await FailOverAsync(world);

        (run.Result, entry.Failover).ShouldBe(("failed", FailoverState.Failed));
        (await world.AlarmsAsync()).ShouldNotBeEmpty();
        run.Report.Alarms.ShouldHaveSingleItem();
    }

    // The duty must not stay with a server that never took it: the failed server would be told to stand by for it.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Failover_Failed_FailedServerRecordsAgainAndIsOkOnceItIsBack(bool isFailedServerDown)
    {
        await using var world = await CreateAsync();
        var failed = world.Recorders[Broken];
        if (isFailedServerDown)
        {
            failed.Die();
        }

        world.Recorders.DieAt(Taker, "AssignDuty");
        var (_, entry) = await FailOverAsync(world);
        await PollAsync(world);
        var alert = await world.Node.Get<EntryAlerts>().FindAsync(entry, default);
        var stateBefore = (await world.ServerAsync(Broken)).State;
        if (isFailedServerDown)
        {
            failed.Boot();
        }

        world.Recorders[Taker].Boot();
        await PollAsync(world);
        await PollAsync(world);

        (await world.DutyAsync(Broken)).HolderServerId.ShouldBe(Broken);
        stateBefore.ShouldBe(VmsServerState.Broken);
        alert!.Title.ShouldBe("Nobody may be recording Recorder 3 now");
        alert.Next.ShouldContain("another server");
        (await world.ServerAsync(Broken)).State.ShouldBe(VmsServerState.Ok);
        var duty = failed.Duty(Broken);
        (duty.ToState().Role, duty.IsRecording, duty.Epoch).ShouldBe((DutyRole.Recorder, true, (await world.DutyAsync(Broken)).Epoch));
        world.Recorders[Taker].Duty(Broken).IsRecording.ShouldBeFalse();
        (await world.Node.Get<EntryAlerts>().FindAsync(entry, default)).ShouldBeNull();
    }

    [Fact]
    public async Task Failover_FailoverServerRecordsNothing_ReleasesItsHoldAndTheFailedServerCanBeFailedOverElsewhere()
    {
        await using var world = await CreateAsync();
        var (run, entry) = await FailInTheDarkAsync(world);
        var held = world.Recorders[Taker].Holds[entry.Id].ToUtc;
        await PollAsync(world);
        await SettleAsync(world);
        var again = await world.EndAsync((await world.StartFailoverAsync("request-2", Broken, FailbackWorld.Failed)).RunId!);

        run.Result.ShouldBe("failed");
        (entry.MaterialCopy, entry.IsActive, entry.OwesMaterial, held).ShouldBe((MaterialCopyState.NotStarted, true, true, null));
        world.Recorders[Taker].Duty(Broken).ToState().Role.ShouldBe(DutyRole.Standby);
        world.Recorders[Taker].Released[entry.Id].ShouldBe(HoldRelease.NothingRecorded);
        var settled = await world.EntryAsync(entry.Id);
        (settled.MaterialCopy, settled.IsActive, settled.OwesMaterial, settled.Message).ShouldBe((MaterialCopyState.NothingToCopy, false, false, run.Message));
        (await world.Get<IMaterialCopies>().FindHoldAsync(entry.Id, Taker, default))!.ToUtc.ShouldNotBeNull();
        again.RefusedCheck.ShouldBe(1, "the only other server is broken itself");
    }

    // Design §5, Holds: a failed failover closes the hold, and what was recorded gets a copy.
    [Fact]
    public async Task Failover_FailedButSomethingWasRecorded_IsCopiedOnceTheFailedServerIsBack()
    {
        await using var world = await CreateAsync();
        var (run, entry) = await FailInTheDarkAsync(world);
        await RecordLateAsync(world);

        await SettleAsync(world);
        world.Recorders[Taker].Holds[entry.Id].ToUtc.ShouldBeNull("it records still, and more may come");
        await PollAsync(world);
        world.Recorders[Taker].Duty(Broken).IsRecording.ShouldBeTrue("nobody is stopped while the server that has the duty does not record");
        await BringHomeAsync(world);
        await SettleAsync(world);
        await SettleAsync(world);

        var owed = await world.EntryAsync(entry.Id);
        (owed.MaterialCopy, owed.IsActive, owed.IsCopyDue).ShouldBe((MaterialCopyState.Queued, true, true));
        owed.LastTimes!.Keys.ShouldBe(FakeSettings.Channels, ignoreOrder: true);
        world.Recorders[Taker].Holds[entry.Id].ToUtc.ShouldBe(owed.LastTimes!.Values.Max());

        var copy = await CopyDueAsync(world, entry.Id);

        copy.Result.ShouldBe("copied");
        var home = await world.EntryAsync(entry.Id);
        (home.MaterialCopy, home.IsActive, home.Message).ShouldBe((MaterialCopyState.Copied, false, run.Message));
        world.Recorders[Taker].Released[entry.Id].ShouldBe(HoldRelease.VerifiedCopy);
        var period = (await world.Get<IMaterialCopies>().FindByEntryAsync(entry.Id, default))!.Definition!.Period;
        (period.FromUtc, period.ToUtc).ShouldBe((new FailoverServerTimes(entry).Start, owed.LastTimes!.Values.Max()));
        world.ShouldHaveCommandedOnce();
    }

    [Fact]
    public async Task Failover_FailedAndItsServerIsAway_IsSettledWhenItIsBack()
    {
        await using var world = await CreateAsync();
        var (_, entry) = await FailInTheDarkAsync(world);
        await RecordLateAsync(world);
        world.Recorders[Taker].IsCutOff = true;

        await PollAsync(world);
        await SettleAsync(world);

        (await world.EntryAsync(entry.Id)).IsUnsettled.ShouldBeTrue();
        var refused = await world.Node.Get<StartMaterialCopy>().ExecuteAsync(new(entry.Id, "request-9", FailbackWorld.Operator, null), default);
        (refused.Outcome, refused.Message!.Contains("has not said yet")).ShouldBe((StartRunOutcome.Refused, true));
        world.Recorders[Taker].Holds[entry.Id].ToUtc.ShouldBeNull();

        world.Recorders[Taker].IsCutOff = false;
        await BringHomeAsync(world);
        await SettleAsync(world);
        (await world.EntryAsync(entry.Id)).MaterialCopy.ShouldBe(MaterialCopyState.Queued);
    }

    [Fact]
    public async Task Failover_FailedUnderTheManualPolicy_WaitsForAnOperatorOrAnAdministrator()
    {
        await using var world = await CreateAsync();
        await world.SetPolicyAsync(new() { MaterialCopy = FailbackWorkflows.Failback.Policies.MaterialCopyPolicy.Manual });
        var (_, entry) = await FailInTheDarkAsync(world);
        await RecordLateAsync(world);
        await BringHomeAsync(world);
        await SettleAsync(world);

        var owed = await world.EntryAsync(entry.Id);
        (owed.MaterialCopy, owed.IsUnsettled, owed.IsCopyDue).ShouldBe((MaterialCopyState.NotStarted, false, true));
        (await world.Get<IMaterialCopies>().FindOldestOwedEntryAsync(Broken, default)).ShouldBe(entry.Id);
        (await world.Node.Get<AcceptLosses>().ExecuteAsync(entry.Id, FailbackWorld.Operator, "A test picture.", default)).Outcome.ShouldBe(ControlOutcome.Accepted);
        world.Recorders[Taker].Released[entry.Id].ShouldBe(HoldRelease.AcceptedLoss);
        (await world.EntryAsync(entry.Id)).IsActive.ShouldBeFalse();
        (await world.Get<IMaterialCopies>().FindOldestOwedEntryAsync(Broken, default)).ShouldBeNull();
    }

    // The answer to the assignment was lost each time: whether a hold was opened is not known, and so it is released.
    [Fact]
    public async Task Failover_FailedWithoutAnAnswerToTheAssignment_LeavesNoHoldBehind()
    {
        await using var world = await CreateAsync();
        world.Recorders[Broken].Die();
        world.Recorders.LoseAnswer(Taker, "AssignDuty", times: 1000);

        var (run, entry) = await FailOverAsync(world);
        world.Recorders[Taker].Holds.ShouldContainKey(entry.Id);
        await PollAsync(world);
        await SettleAsync(world);

        run.Result.ShouldBe("failed");
        world.Recorders[Taker].Released[entry.Id].ShouldBe(HoldRelease.NothingRecorded);
        (await world.EntryAsync(entry.Id)).IsActive.ShouldBeFalse();
    }

    [Fact]
    public async Task Failover_ReportedAndFailed_StaysWithTheServerThatTookOver()
    {
        await using var world = await CreateAsync();
        world.Recorders[Broken].Die();
        world.Recorders[Taker].Duty(Broken).Become(DutyRole.Recorder, 1, "theirs", isRecording: true).Activate(FakeSettings.Content(5));
        world.Recorders.Before(Taker, "AssignDuty", () => world.Recorders[Taker].IsCutOff = true);

        var started = await world.StartFailoverAsync("request-1", Broken, Taker, "their-9", isPerformed: true);
        var run = await world.EndAsync(started.RunId!);
        world.Recorders[Taker].IsCutOff = false;
        await PollAsync(world);

        run.Result.ShouldBe("failed");
        var taken = world.Recorders[Taker].Duty(Broken);
        (taken.ToState().Role, taken.IsRecording, taken.Epoch).ShouldBe((DutyRole.Recorder, true, (await world.DutyAsync(Broken)).Epoch));
    }

    [Theory]
    [InlineData("StageSettings")]
    [InlineData("ActivateSettings")]
    [InlineData("AssignDuty")]
    [InlineData("StartRecording")]
    public async Task Failover_AnswerLostAfterTheEffect_TakesEffectOnce(string call)
    {
        await using var world = await CreateAsync();
        world.Recorders[Broken].Die();
        world.Recorders.LoseAnswer(Taker, call, times: 2);

        var (run, entry) = await FailOverAsync(world);

        (run.Result, entry.Failover).ShouldBe(("done", FailoverState.Done));
        world.ShouldHaveCommandedOnce();
    }

    private static async Task<FailbackWorld> CreateAsync(bool isPolled = true)
    {
        var world = await FailbackWorld.CreateAsync();
        if (isPolled)
        {
            await world.Node.Get<PollRecorders>().ExecuteAsync(default);
            await world.Node.Get<RefreshSettings>().ExecuteAsync(default);
        }

        return world;
    }

    /// <summary>A failover whose server shows no frame in time.</summary>
    private static Task<(EndedRun Run, FailoverLogEntry Entry)> FailInTheDarkAsync(FailbackWorld world)
    {
        world.Recorders[Broken].Die();
        world.Recorders[Taker].DarkChannels.UnionWith(FakeSettings.Channels);
        return FailOverAsync(world);
    }

    /// <summary>Its cameras come after it was given up, and before it hears so.</summary>
    private static Task RecordLateAsync(FailbackWorld world)
    {
        world.Recorders[Taker].DarkChannels.Clear();
        world.Time.Advance(TimeSpan.FromSeconds(1));
        return Task.CompletedTask;
    }

    /// <summary>The failed server is back and records its duty again; then the failover server hears that it has to stand by.</summary>
    private static async Task BringHomeAsync(FailbackWorld world)
    {
        world.Recorders[Broken].Boot();
        await PollAsync(world);
        world.Time.Advance(TimeSpan.FromMinutes(1));
        await PollAsync(world);
        world.Recorders[Taker].Duty(Broken).IsRecording.ShouldBeFalse();
    }

    private static Task SettleAsync(FailbackWorld world) => world.Node.Get<SettleFailedFailovers>().ExecuteAsync(default);

    /// <summary>Starts what is queued; whenever its run waits, the recorders work and are polled.</summary>
    private static async Task<EndedRun> CopyDueAsync(FailbackWorld world, string entryId)
    {
        world.Store.Waiting = async _ =>
        {
            world.Recorders.WorkCopies();
            await world.Node.Get<PollCopyTasks>().ExecuteAsync(default);
        };
        await world.Node.Get<StartDueCopies>().ExecuteAsync(default);
        return await world.EndAsync((await world.Get<IMaterialCopies>().FindByEntryAsync(entryId, default))!.LastRunId!);
    }

    private static Task PollAsync(FailbackWorld world) => world.PollAsync();

    private static async Task<(EndedRun Run, FailoverLogEntry Entry)> FailOverAsync(FailbackWorld world)
    {
        var started = await world.StartFailoverAsync("request-1", Broken, Taker);
        var run = await world.EndAsync(started.RunId ?? throw new InvalidOperationException(started.ToString()));
        return (run, await world.EntryAsync(started.EntryId!));
    }
}
