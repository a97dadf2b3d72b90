using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Clocks;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Settings;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>Failbacks that end well, the published workflow on a real engine and database.</summary>
public sealed class FailbackDoneTests
{
    [Fact]
    public async Task Failback_NothingGoesWrong_BringsDutySettingsAndStatesHome()
    {
        await using var world = await FailbackWorld.CreateAsync();

        var run = await world.FailBackAsync();

        await world.ShouldBeDoneAsync(run);
        (await world.DutyAsync()).Epoch.ShouldBe(FailbackWorld.FailoverEpoch + 1);
        world.FailedDuty.Sha256.ShouldBe(Outcomes.NewDigest);
        var entry = await world.EntryAsync();
        entry.LastTimes!.Keys.ShouldBe(FakeSettings.Channels, ignoreOrder: true);
        entry.AuthorityEnds!.Keys.ShouldBe(FakeSettings.Channels, ignoreOrder: true);
        world.FailoverRecorder.Holds[FailbackWorld.Entry].ToUtc.ShouldBe(entry.LastTimes.Values.Max());
        world.FailoverDuty.AuthorityEnds.ShouldBe(new FailoverServerTimes(entry).AuthorityEnds(entry.AuthorityEnds), ignoreOrder: true);
        world.EffectsOf(run.Id).Select(e => e[..e.LastIndexOf(' ')]).ShouldBe(
        [
            "rec-1 StageSettings",
            "rec-1 ActivateSettings",
            "rec-2 FreezeSettings",
            "rec-1 AssignDuty",
            "rec-1 StartRecording",
            "rec-2 StopRecording",
            "rec-2 PutRetentionHold",
            "rec-2 AssignDuty",
            "rec-2 FreezeSettings",
        ]);
        run.Report.Steps.Where(s => s.Number is not null).Select(s => s.State).ShouldBe(Enumerable.Repeat(RunStepState.Done, 11));
    }

    [Fact]
    public async Task Failback_EachStep_IsInExactlyOneTransaction()
    {
        await using var world = await FailbackWorld.CreateAsync();

        var run = await world.FailBackAsync();

        var commits = world.Store.Commits;
        commits.SelectMany(c => c.Events).Select(e => e.Sequence).ShouldBe(run.Journal.Select(e => e.Sequence));
        commits.ShouldAllBe(c => c.Events.Count(e => e is ActivityEvent && e.IsFact) <= 1 || c.Events.OfType<BookmarkDue>().Any());
        var results = run.Journal.OfType<ActivityEvent>().Where(e => e.IsFact && e is ActivityCompleted).ToList();
        commits.Count(c => c.Events.Any(e => e.IsFact && e is ActivityCompleted)).ShouldBe(results.Count);
        commits.Count.ShouldBe(results.Count + 1, "one for the start and one for each activity that ran");

        // What a step changes in the product's data is in the step's own transaction.
        var performed = commits.Single(c => c.Changes.OfType<SaveFailoverLogEntry>().Any(s => s.Entry.Failback == FailbackState.Done));
        performed.Events.OfType<ActivityCompleted>().ShouldContain(e => e.NodeId.EndsWith(":LogFailbackPerformed", StringComparison.Ordinal));
        commits[^1].Changes.ShouldContain(c => c is FailbackWorkflows.Failback.Duties.ReleaseClaims);
    }

    [Fact]
    public async Task Failback_OlderEntriesAreOpen_EndsThemTooAndQueuesTheirCopies()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.ApplyAsync(
            new SaveFailoverLogEntry(FailbackWorld.NewEntry("older", world.Time.GetUtcNow().AddDays(-2))),
            new SaveFailoverLogEntry(FailbackWorld.NewEntry("failed", world.Time.GetUtcNow().AddDays(-3)) with { Failover = FailoverState.Failed }));

        var run = await world.FailBackAsync();

        await world.ShouldBeDoneAsync(run);
        var older = await world.EntryAsync("older");
        (older.Failback, older.MaterialCopy, older.ClosedByEntryId, older.IsActive).ShouldBe((FailbackState.Done, MaterialCopyState.Queued, FailbackWorld.Entry, false));
        (await world.EntryAsync("failed")).Failback.ShouldBe(FailbackState.NotStarted);
    }

    [Fact]
    public async Task Failback_MaterialCopyIsManual_QueuesNothing()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.SetPolicyAsync(new FailbackPolicy { MaterialCopy = MaterialCopyPolicy.Manual });

        (await world.FailBackAsync()).Result.ShouldBe("done");

        (await world.EntryAsync()).MaterialCopy.ShouldBe(MaterialCopyState.NotStarted);
    }

    // Scenario 1.
    [Fact]
    public async Task Start_TwoAtTheSameMoment_OneRunsAndTheOtherLearnsWhich()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var gate = new TaskCompletionSource();
        world.Recorders.Before(FailbackWorld.Failover, "RaiseFence", () => gate.Task);

        var starts = await Task.WhenAll(Enumerable.Range(0, 4).Select(i => Task.Run(() => world.StartFailbackAsync($"request-{i}"))));
        var failover = await world.StartFailoverAsync("other", FailbackWorld.Spare, FailbackWorld.Failover);
        gate.SetResult();

        var winner = starts.Single(s => s.Outcome == StartRunOutcome.Started);
        starts.Where(s => s != winner).ShouldAllBe(s => s.Outcome == StartRunOutcome.Busy && s.RunId == winner.RunId && s.Message != null);
        (failover.Outcome, failover.RunId).ShouldBe((StartRunOutcome.Busy, winner.RunId));
        await world.ShouldBeDoneAsync(await world.EndAsync(winner.RunId!));
    }

    [Fact]
    public async Task Start_SameRequestAgain_AnswersWithTheSameRun()
    {
        await using var world = await FailbackWorld.CreateAsync();

        var starts = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => world.StartFailbackAsync("request-1"))));
        var run = await world.EndAsync(starts[0].RunId!);
        var late = await world.StartFailbackAsync("request-1");

        starts.Count(s => s.Outcome == StartRunOutcome.Started).ShouldBe(1);
        starts.Append(late).ShouldAllBe(s => s.RunId == run.Id);
        late.Outcome.ShouldBe(StartRunOutcome.AlreadyStarted);
        await world.ShouldBeDoneAsync(run);
    }

    [Fact]
    public async Task Settings_ChangedOnceDuringTheSwitch_AreTakenOverAnew()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.After(FailbackWorld.Failover, "FreezeSettings", () => world.FailoverDuty.Activate(FakeSettings.Content(3)));

        var run = await world.FailBackAsync();

        await world.ShouldBeDoneAsync(run);
        world.FailedDuty.Sha256.ShouldBe(SettingsDigest.Compute(FakeSettings.Content(3)));
        run.Report.Steps.Single(s => s.Number == 7).Times.ShouldBe(2);
        run.Report.Steps.Single(s => s.Number == 8).Times.ShouldBe(2);
    }

    // Scenario 20.
    [Fact]
    public async Task DarkChannel_PolicyContinues_IsDoneWithAnAlarm()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.SetPolicyAsync(new FailbackPolicy { DarkChannels = DarkChannelPolicy.ContinueAndAlarm });
        world.FailedRecorder.DarkChannels.Add("video-2");

        var run = await world.FailBackAsync();

        await world.ShouldBeDoneAsync(run);
        (await world.AlarmsAsync()).Single().ShouldContain("video-2");
        run.Report.Alarms.Single().Text.ShouldContain("video-2");
        (await world.EntryAsync()).AuthorityEnds!.Keys.ShouldBe(["video-1", "text-1"], ignoreOrder: true);
    }

    // Scenario 5: after the point of no return it finishes, and warns.
    [Fact]
    public async Task Licence_ExpiresAfterThePointOfNoReturn_IsDoneWithAWarning()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.After(FailbackWorld.Failover, "StopRecording", world.ExpireLicenseAsync);

        var run = await world.FailBackAsync();

        await world.ShouldBeDoneAsync(run);
        run.Report.Alarms.Single().Text.ShouldContain("was finished although the licence does not cover it any more. The licence expired on");
        (await world.AlarmsAsync()).Single().ShouldBe(run.Report.Alarms.Single().Text);
    }

    [Fact]
    public async Task Licence_InItsGracePeriod_IsDoneWithAWarning()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.InstallAsync(TestLicense.Valid(world.Time.GetUtcNow()) with { ValidUntil = world.Time.GetUtcNow().AddDays(-1), GraceDays = 14 });

        var run = await world.FailBackAsync();

        await world.ShouldBeDoneAsync(run);
        run.Report.Alarms.Single().Text.ShouldContain("runs in its grace period until 2026-03-14");
    }

    [Theory]
    [InlineData(FailbackWorld.Failed, "StageSettings", 1)]
    [InlineData(FailbackWorld.Failed, "ActivateSettings", 1)]
    [InlineData(FailbackWorld.Failover, "FreezeSettings", 1)]
    [InlineData(FailbackWorld.Failed, "AssignDuty", 1)]
    [InlineData(FailbackWorld.Failed, "StartRecording", 1)]
    [InlineData(FailbackWorld.Failover, "StopRecording", 1)]
    [InlineData(FailbackWorld.Failover, "PutRetentionHold", 1)]
    [InlineData(FailbackWorld.Failover, "AssignDuty", 1)]
    [InlineData(FailbackWorld.Failover, "FreezeSettings", 2)]
    public async Task Answer_LostAfterTheEffect_IsAskedForAgainAndTheEffectStaysOne(string server, string call, int nth)
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.LoseAnswer(server, call, nth, times: 2);

        var run = await world.FailBackAsync();

        await world.ShouldBeDoneAsync(run);
        var calls = world.Recorders.Calls.Where(c => c.ServerId == server && c.Name == call).Skip(nth - 1).Take(3).ToList();

        // Of a hold it reads first what became of it.
        calls.Select(c => c.Fate).ShouldBe(call == "PutRetentionHold" ? [CallFate.AnswerLost] : [CallFate.AnswerLost, CallFate.Replayed, CallFate.Replayed]);
        calls.ShouldAllBe(c => c.Key == calls[0].Key);
    }

    [Theory]
    [InlineData(FailbackWorld.Failover, "RaiseFence", 1)]
    [InlineData(FailbackWorld.Failover, "GetRecording", 1)]
    [InlineData(FailbackWorld.Failed, "GetStatus", 2)]
    [InlineData(FailbackWorld.Failed, "Probe", 1)]
    [InlineData(FailbackWorld.Failover, "GetSettings", 1)]
    [InlineData(FailbackWorld.Failed, "ValidateSettings", 1)]
    [InlineData(FailbackWorld.Failed, "StageSettings", 1)]
    [InlineData(FailbackWorld.Failover, "GetSettings", 2)]
    [InlineData(FailbackWorld.Failed, "AssignDuty", 1)]
    [InlineData(FailbackWorld.Failed, "GetRecording", 1)]
    [InlineData(FailbackWorld.Failover, "StopRecording", 1)]
    public async Task Recorder_BusyForAMoment_IsAskedAgain(string server, string call, int nth)
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.Fail(server, call, RecorderErrorKind.Busy, nth, times: 2);

        await world.ShouldBeDoneAsync(await world.FailBackAsync());
    }

    // Scenario 27: an engine that was paused and comes back acts with an old fence.
    [Fact]
    public async Task Node_TakenOverWhileItsCallWasUnderWay_IsRefusedByTheRecorder()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var reached = new TaskCompletionSource();
        var gate = new TaskCompletionSource();
        world.Recorders.Before(FailbackWorld.Failed, "StartRecording", async () =>
        {
            reached.SetResult();
            await gate.Task;
        });
        var started = await world.StartFailbackAsync();
        await reached.Task;

        await world.StartNodeAsync();
        var run = await world.EndAsync(started.RunId!);
        gate.SetResult();
        await world.Node.StopAsync();

        await world.ShouldBeDoneAsync(run);
        var calls = world.Recorders.Calls.Where(c => c.Name == "StartRecording").ToList();
        calls.Select(c => c.Fate).ShouldBe([CallFate.Answered, CallFate.Refused]);
        calls[1].Authority!.Fence.ShouldBeLessThan(calls[0].Authority!.Fence);
        calls[1].Key.ShouldBe(calls[0].Key);
        (await world.ReadAsync(run.Id)).LastSequence.ShouldBe(run.LastSequence);
    }

    [Fact]
    public async Task Failback_Twice_EachFailoverIsBroughtHome()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.ShouldBeDoneAsync(await world.FailBackAsync());
        await world.FailOverAgainAsync("entry-2");

        var again = await world.FailBackAsync("request-2", "entry-2");

        again.Result.ShouldBe("done");
        (await world.DutyAsync()).Epoch.ShouldBe(FailbackWorld.FailoverEpoch + 3);
        world.FailedDuty.IsRecording.ShouldBeTrue();
    }
}
