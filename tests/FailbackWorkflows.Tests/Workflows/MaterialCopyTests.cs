using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Clocks;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>Material copies, the published workflow on a real engine and database, after a failback that was really done.</summary>
public sealed class MaterialCopyTests
{
    [Fact]
    public async Task Copy_NothingGoesWrong_BringsTheMaterialHomeAndReleasesTheHold()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;

        var run = await play.CopyAsync();

        await play.ShouldBeCopiedAsync(run);
        play.Seen.ShouldBe([MaterialCopyState.Queued, MaterialCopyState.Running]);
        CopyEffects(world).ShouldBe(["rec-2 IssueReadToken", "rec-1 StartDataCopy", "rec-1 UpdateClientInfo", "rec-2 ReleaseRetentionHold", "rec-2 RevokeReadToken"]);
        run.Report.Steps.Where(s => s.Number is not null).ShouldAllBe(s => s.State == FailbackWorkflows.Failback.Runs.RunStepState.Done);
        (await world.NewsAsync()).ShouldContain(n => n.Kind == "systemChange" && n.Text == "A material copy has ended.");

        var entry = await world.EntryAsync();
        var definition = (await play.TaskAsync()).Definition!;
        definition.Period.FromUtc.ShouldBe(new FailoverServerTimes(entry).Start);
        definition.Channels.Select(c => c.ChannelId).ShouldBe(FakeSettings.Channels, ignoreOrder: true);
        definition.SourceRecorderId.ShouldBe("machine-of-rec-2");
    }

    [Fact]
    public async Task Copy_TheTokenAppearsNowhereInClear()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;

        var run = await play.CopyAsync();

        System.Text.Json.JsonSerializer.Serialize<IReadOnlyList<JournalEvent>>(run.Journal).ShouldNotContain("read-copy-");
        (await play.TaskAsync()).ProtectedToken.ShouldBeNull();
        play.Source.Tokens.ShouldBeEmpty();
    }

    [Fact]
    public async Task Copy_WhileItWaits_HasAStimulusAndATimer()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;

        var before = world.Recorders.Calls.Count;
        var run = await play.CopyAsync();

        var waits = run.Journal.OfType<ActivitySuspended>().ToList();
        waits.ShouldNotBeEmpty();
        waits.ShouldAllBe(w => w.Bookmarks.Any(b => b.DueAt != null));
        waits.Where(w => w.NodeId.EndsWith("WaitForDataCopy", StringComparison.Ordinal)).ShouldAllBe(w => w.Bookmarks.Any(b => b.Key != null));
        world.Store.Commits.SelectMany(c => c.Changes).OfType<RaiseFence>().ShouldBeEmpty();
        world.Recorders.Calls.Skip(before).ShouldNotContain(c => c.Name == "RaiseFence");
    }

    [Fact]
    public async Task Copy_LossesRemain_EndsWithLossesAndKeepsTheHold()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        play.Target.EndsAs = CopyTaskState.CopiedWithLosses;

        var run = await play.CopyAsync();

        run.Result.ShouldBe("copiedWithLosses");
        var entry = await world.EntryAsync();
        (entry.MaterialCopy, entry.OwesMaterial, entry.IsActive).ShouldBe((MaterialCopyState.CopiedWithLosses, true, true));
        entry.Message.ShouldBe(run.Message);
        world.FailoverRecorder.Holds.ShouldContainKey(FailbackWorld.Entry);
        (await world.Get<IMaterialCopies>().FindCoverageAsync(FailbackWorld.Entry, default))!.Report.Losses.Count.ShouldBe(1);
        (await world.AlarmsAsync()).ShouldContain(a => a.Contains("copied with losses"));
    }

    [Fact]
    public async Task Copy_AfterLosses_IsTakenUpAgainAndEndsWell()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        play.Target.EndsAs = CopyTaskState.CopiedWithLosses;
        await play.CopyAsync();
        play.Target.EndsAs = CopyTaskState.Copied;

        var run = await play.CopyAsync("request-2");

        await play.ShouldBeCopiedAsync(run);
        CopyEffects(world).ShouldContain("rec-1 RetryDataCopy");
        (await play.TaskAsync()).TokenGeneration.ShouldBe(2);
    }

    [Fact]
    public async Task Copy_NothingWasRecorded_LetsTheHoldGo()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        play.Target.EndsAs = CopyTaskState.NothingToCopy;

        var run = await play.CopyAsync();

        run.Result.ShouldBe("nothingToCopy");
        (await world.EntryAsync()).MaterialCopy.ShouldBe(MaterialCopyState.NothingToCopy);
        world.FailoverRecorder.Released[FailbackWorld.Entry].ShouldBe(HoldRelease.NothingRecorded);
    }

    [Fact]
    public async Task Copy_TheTargetGivesUp_FailsAndCanBeStartedAgain()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        play.Target.EndsAs = CopyTaskState.Failed;

        var run = await play.CopyAsync();

        run.Result.ShouldBe("failed");
        run.Message.ShouldNotBeNull().ShouldContain("The disk of the target broke.");
        (await world.EntryAsync()).MaterialCopy.ShouldBe(MaterialCopyState.Failed);
        play.Target.EndsAs = CopyTaskState.Copied;
        await play.ShouldBeCopiedAsync(await play.CopyAsync("request-2"));
    }

    [Fact]
    public async Task Copy_TheReportSaysVerifiedOfTheWholeButNotOfATrack_KeepsTheHold()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        play.Target.ContradictsItself = true;

        var run = await play.CopyAsync();

        (run.Result, run.Message!.Contains("Not everything could be verified.", StringComparison.Ordinal)).ShouldBe(("copiedWithLosses", true));
        (await world.EntryAsync()).MaterialCopy.ShouldBe(MaterialCopyState.CopiedWithLosses);
        world.FailoverRecorder.Holds.ShouldContainKey(FailbackWorld.Entry);
    }

    [Fact]
    public async Task Copy_TheReportIsDamaged_IsNotBelievedAndCanBeRedriven()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        play.Target.DamagesReport = true;

        var run = await play.CopyAsync();

        (run.SubStatus, run.Result).ShouldBe((WorkflowSubStatus.Faulted, "faulted"));
        world.FailoverRecorder.Holds.ShouldContainKey(FailbackWorld.Entry);
        (await world.EntryAsync()).MaterialCopy.ShouldBe(MaterialCopyState.Failed);

        play.Target.DamagesReport = false;
        await world.Node.Runtime.RedriveAsync(run.Id, FailbackWorld.Operator, "Try again.", default);
        await play.ShouldBeCopiedAsync(await world.EndAsync(run.Id, run.LastSequence));
    }

    [Fact]
    public async Task Redrive_AnotherRunTookOver_LeavesItAlone()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        play.Target.DamagesReport = true;
        var stopped = await play.CopyAsync();
        play.Target.DamagesReport = false;
        await play.ShouldBeCopiedAsync(await play.CopyAsync("request-2"));

        await world.Node.Runtime.RedriveAsync(stopped.Id, FailbackWorld.Operator, "Try again.", default);
        var again = await world.EndAsync(stopped.Id, stopped.LastSequence);

        again.Result.ShouldBe("faulted");
        again.Message.ShouldNotBeNull().ShouldContain("another run");
        (await world.EntryAsync()).MaterialCopy.ShouldBe(MaterialCopyState.Copied);
    }

    [Fact]
    public async Task Cancel_InTheMomentOfAnIncident_LeavesTheTaskToTheNextRun()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        world.Recorders.Before(FailbackWorld.Failed, "StartDataCopy", async () =>
        {
            (await play.Control.CancelAsync(FailbackWorld.Entry, FailbackWorld.Operator, "Not now.", default)).Outcome.ShouldBe(ControlOutcome.Accepted);
            throw new RecorderException(RecorderErrorKind.Rejected, "It was made to refuse the task.");
        });

        var run = await play.CopyAsync();

        // The wish to cancel is taken in after the end: nothing may come of it, and above all not a task that a run holds which is over.
        while (!world.Store.Commits.Any(c => c.Instance.Id == run.Id && c.ConsumedInbox.Count > 0))
        {
            await Task.Yield();
        }

        (run.SubStatus, (await play.TaskAsync()).RunId).ShouldBe((WorkflowSubStatus.Faulted, null));
        (await world.EntryAsync()).MaterialCopy.ShouldBe(MaterialCopyState.Failed);
        await play.ShouldBeCopiedAsync(await play.CopyAsync("request-2"));
    }

    // Design §6: a task whose source is away stays queued.
    // Scenario 23: what a dead failover server owes is waited for.
    [Fact]
    public async Task Copy_TheSourceIsAway_WaitsForItAndGoesOn()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        world.FailoverRecorder.IsCutOff = true;
        string? waitedFor = null;
        play.Then(play.PollAsync, async () => waitedFor = (await play.TaskAsync()).WaitsForServerId).Then(() => world.FailoverRecorder.IsCutOff = false);

        var run = await play.CopyAsync();

        waitedFor.ShouldBe(FailbackWorld.Failover);
        await play.ShouldBeCopiedAsync(run);
        run.Journal.OfType<ActivitySuspended>().ShouldContain(s => s.Bookmarks.Any(b => b.Key == "RecorderConnected:rec-2"));
    }

    [Fact]
    public async Task Copy_TheSourceIsBack_WakesTheRunWithoutItsTimer()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        world.Store.MovesClock = false;
        world.FailoverRecorder.IsCutOff = true;
        play.Then(async () =>
        {
            await play.PollAsync();
            world.FailoverRecorder.IsCutOff = false;
            await play.PollAsync();
            world.Store.MovesClock = true;
        });

        var run = await play.CopyAsync();

        await play.ShouldBeCopiedAsync(run);
        run.Journal.OfType<StimulusReceived>().ShouldContain(s => s.NodeId.EndsWith("IssueReadToken", StringComparison.Ordinal) && s.Actor.Kind == ActorKind.RecorderSignal);
    }

    // Scenario 29.
    [Fact]
    public async Task Copy_TheTargetIsOutOfTouch_WorksOnAndTheStatesAreMerged()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        play.Then(play.WorkAsync).Then(() => world.FailedRecorder.IsCutOff = true).Then(play.WorkAsync, play.WorkAsync).Then(() => world.FailedRecorder.IsCutOff = false);

        var run = await play.CopyAsync();

        await play.ShouldBeCopiedAsync(run);
        world.Recorders.Calls.ShouldContain(c => c.Name == "UpdateFailoverTaskStates" && c.Fate == CallFate.Answered);
        CopyEffects(world).Count(e => e == "rec-1 StartDataCopy").ShouldBe(1);
        (await play.TaskAsync()).IsOutOfTouch.ShouldBeFalse();
    }

    [Fact]
    public async Task Copy_TheTargetLostItsQueue_GetsItsTaskAgain()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        play.Then(play.WorkAsync, play.WorkAsync).Then(play.Target.Forget);

        var run = await play.CopyAsync();

        await play.ShouldBeCopiedAsync(run);
        CopyEffects(world).Count(e => e == "rec-1 StartDataCopy").ShouldBe(2);
    }

    // Scenario 30, and Scenario 56.
    [Fact]
    public async Task Copy_TheSourceRefusesTheCredential_GetsANewGeneration()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        play.Then(play.WorkAsync).Then(play.Source.RotateCredentials);

        var run = await play.CopyAsync();

        await play.ShouldBeCopiedAsync(run);
        (await play.TaskAsync()).TokenGeneration.ShouldBe(2);
        play.Seen.ShouldBe([MaterialCopyState.Queued, MaterialCopyState.Running, MaterialCopyState.Paused, MaterialCopyState.Running]);
        CopyEffects(world).Count(e => e == "rec-1 UpdateClientInfo").ShouldBe(2);
    }

    // Scenario 56.
    [Fact]
    public async Task Copy_TheSourceRefusesEveryCredential_IsNotHammered()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        world.Recorders.After(FailbackWorld.Failover, "IssueReadToken", play.Source.RotateCredentials, times: 5);
        var began = world.Time.GetUtcNow();

        var run = await play.CopyAsync();

        await play.ShouldBeCopiedAsync(run);
        CopyEffects(world).Count(e => e == "rec-2 IssueReadToken").ShouldBe(6);
        (world.Time.GetUtcNow() - began).ShouldBeGreaterThan(TimeSpan.FromMinutes(80), "1, 5, 15 and 60 min lie between the five further tokens");
    }

    // Scenario 30.
    [Fact]
    public async Task Copy_TheAddressOfTheSourceChanges_IsToldToTheTarget()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        var moved = new Uri("http://127.0.0.1:5999/");
        play.Then(play.WorkAsync).Then(async () => await world.ApplyAsync(new FailbackWorkflows.Failback.VmsServers.SaveVmsServer((await world.ServerAsync(FailbackWorld.Failover)) with { BaseUrl = moved })));

        var run = await play.CopyAsync();

        await play.ShouldBeCopiedAsync(run);
        play.Target.SourceOf(play.TaskId)!.Url.ShouldBe(moved);
    }

    // Scenario 44.
    [Fact]
    public async Task Copy_TheTargetOnlyAppends_IsNoSuccess_AndTheMaterialStaysHeldWhereItIs()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        world.FailedRecorder.BackfillsAnywhere = false;

        var run = await play.CopyAsync();

        run.Result.ShouldBe("faulted");
        run.Message.ShouldNotBeNull().ShouldContain("play or export it there");
        var entry = await world.EntryAsync();
        (entry.MaterialCopy, entry.OwesMaterial, entry.IsActive).ShouldBe((MaterialCopyState.Failed, true, true));
        world.FailoverRecorder.Holds.ShouldContainKey(FailbackWorld.Entry);
        world.FailoverRecorder.Released.ShouldNotContainKey(FailbackWorld.Entry);
        play.Target.Tasks.ShouldBeEmpty();
        CopyEffects(world).ShouldNotContain("rec-1 StartDataCopy");

        // Another recorder, or another version, that can take it: the same run goes on.
        world.FailedRecorder.BackfillsAnywhere = true;
        await world.Node.Runtime.RedriveAsync(run.Id, FailbackWorld.Operator, "It can now.", default);
        await play.ShouldBeCopiedAsync(await world.EndAsync(run.Id, run.LastSequence));
    }

    // Scenario 44.
    [Fact]
    public async Task Copy_TheTargetOnlyAppendsButKeepsASideArchive_IsCopied_SaysWhere_AndReleasesTheHold()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        (world.FailedRecorder.BackfillsAnywhere, world.FailedRecorder.KeepsSideArchive) = (false, true);

        var run = await play.CopyAsync();

        await play.ShouldBeCopiedAsync(run);
        var entry = await world.EntryAsync();
        entry.Message.ShouldNotBeNull().ShouldContain("in a side archive");
        world.FailoverRecorder.Released[FailbackWorld.Entry].ShouldBe(HoldRelease.VerifiedCopy);
        var totals = CoverageTotals.Of((await world.Get<IMaterialCopies>().FindCoverageAsync(FailbackWorld.Entry, default))!.Report);
        (totals.Archived, totals.Copied).ShouldBe((new Amount(300, FakeCopies.BytesTotal), new Amount(0, 0)));
    }

    // Scenario 39.
    [Fact]
    public async Task Copy_SecondFailoverMeanwhile_PausesAndGoesOnAfterTheNextFailback()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        CopyPauseReason? reason = null;
        long done = 0;
        play.Then(play.WorkAsync)
            .Then(() => world.FailOverAgainAsync("entry-2"), play.WorkAsync, play.WorkAsync)
            .Then(async () => (reason, done) = ((await play.TaskAsync()).Reported!.PauseReason, play.AtTarget.BytesDone))
            .Then(async () => (await world.StartFailbackAsync("request-9", "entry-2")).Outcome.ShouldBe(StartRunOutcome.Started));

        var run = await play.CopyAsync();

        await play.ShouldBeCopiedAsync(run);
        (reason, done).ShouldBe((CopyPauseReason.NoAuthority, FakeCopies.BytesTotal / 3));
        play.Seen.ShouldBe([MaterialCopyState.Queued, MaterialCopyState.Running, MaterialCopyState.Paused, MaterialCopyState.Running]);
        (await world.EntryAsync("entry-2")).MaterialCopy.ShouldBe(MaterialCopyState.Queued);

        // The copy's waits move the clock under the failback that runs beside it: it may have left something to be told later, which comes first.
        await world.PollAsync();
        await world.NewestNode.Get<StartDueCopies>().ExecuteAsync(default);
        var second = (await world.Get<IMaterialCopies>().FindByEntryAsync("entry-2", default)).ShouldNotBeNull();
        (await world.EndAsync(second.LastRunId.ShouldNotBeNull("its copy was not started"))).Result.ShouldBe("copied");
    }

    // Scenario 54.
    [Fact]
    public async Task Cancel_ThenStartedAgain_GoesOnWhereItWas()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        play.Then(play.WorkAsync).Then(async () => (await play.Control.CancelAsync(FailbackWorld.Entry, FailbackWorld.Operator, "Later.", default)).Outcome.ShouldBe(ControlOutcome.Accepted));

        var cancelled = await play.CopyAsync();

        (cancelled.SubStatus, cancelled.Result).ShouldBe((WorkflowSubStatus.Cancelled, "cancelled"));
        var entry = await world.EntryAsync();
        (entry.MaterialCopy, entry.OwesMaterial).ShouldBe((MaterialCopyState.Cancelled, true));
        play.AtTarget.State.ShouldBe(CopyTaskState.Cancelled);
        play.AtTarget.BytesDone.ShouldBeInRange(FakeCopies.BytesTotal / 3, FakeCopies.BytesTotal * 2 / 3, "it may work on until it is told");
        world.FailoverRecorder.Holds.ShouldContainKey(FailbackWorld.Entry);
        play.Source.Tokens.ShouldBeEmpty();

        await play.ShouldBeCopiedAsync(await play.CopyAsync("request-2"));
        CopyEffects(world).ShouldContain("rec-1 RetryDataCopy");
    }

    [Fact]
    public async Task Cancel_TheTargetIsAway_IsToldWhenItIsBack()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        play.Then(play.WorkAsync).Then(async () =>
        {
            world.FailedRecorder.IsCutOff = true;
            await play.Control.CancelAsync(FailbackWorld.Entry, FailbackWorld.Operator, null, default);
        });

        (await play.CopyAsync()).Result.ShouldBe("cancelled");
        (await play.TaskAsync()).IsCancellationOwed.ShouldBeTrue();
        await play.PollAsync();
        play.AtTarget.State.ShouldBeOneOf([CopyTaskState.Running, CopyTaskState.Verifying], "it works on, because nobody could tell it");
        world.FailedRecorder.IsCutOff = false;
        await play.PollAsync();

        play.AtTarget.State.ShouldBe(CopyTaskState.Cancelled);
        (await play.TaskAsync()).IsCancellationOwed.ShouldBeFalse();
    }

    [Fact]
    public async Task PauseAndResume_ByAnOperator_AreToldToTheTarget()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        var during = new List<(CopyTaskState, CopyPauseReason?, MaterialCopyState)>();
        play.Then(play.WorkAsync)
            .Then(async () => (await play.Control.PauseAsync(FailbackWorld.Entry, FailbackWorld.Operator, default)).Outcome.ShouldBe(ControlOutcome.Accepted))
            .Then(play.WorkAsync)
            .Then(async () =>
            {
                during.Add((play.AtTarget.State, play.AtTarget.PauseReason, (await world.EntryAsync()).MaterialCopy));
                (await play.Control.ResumeAsync(FailbackWorld.Entry, FailbackWorld.Operator, default)).Outcome.ShouldBe(ControlOutcome.Accepted);
            });

        var run = await play.CopyAsync();

        during.ShouldBe([(CopyTaskState.Paused, CopyPauseReason.Operator, MaterialCopyState.Paused)]);
        await play.ShouldBeCopiedAsync(run);
        CopyEffects(world).ShouldContain("rec-1 PauseDataCopy");
        CopyEffects(world).ShouldContain("rec-1 ResumeDataCopy");
    }

    [Fact]
    public async Task Limits_ChangedMeanwhile_AreToldToTheTarget()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        var limits = new CopyLimits(100_000, new TimeOnly(22, 0), new TimeOnly(6, 0));
        play.Then(play.WorkAsync).Then(async () => (await play.Control.LimitAsync(FailbackWorld.Entry, limits, FailbackWorld.Operator, default)).Outcome.ShouldBe(ControlOutcome.Accepted));

        await play.ShouldBeCopiedAsync(await play.CopyAsync());

        play.AtTarget.Limits.ShouldBe(limits);
        (await play.Control.LimitAsync(FailbackWorld.Entry, new(1000), FailbackWorld.Operator, default)).Message.ShouldNotBeNull().ShouldContain("65536");
    }

    [Fact]
    public async Task Limits_ChangedWhileTheTargetIsBeingTold_TheLaterOnesHold()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        var later = new CopyLimits(200_000);
        play.Then(play.WorkAsync).Then(() => LimitAsync(new(100_000)));
        world.Recorders.After(FailbackWorld.Failed, "SetLimits", () => LimitAsync(later));

        await play.ShouldBeCopiedAsync(await play.CopyAsync());

        (play.AtTarget.Limits, (await play.TaskAsync()).Limits).ShouldBe((later, later));
        (await world.AlarmsAsync()).ShouldBeEmpty();

        async Task LimitAsync(CopyLimits limits) => (await play.Control.LimitAsync(FailbackWorld.Entry, limits, FailbackWorld.Operator, default)).Outcome.ShouldBe(ControlOutcome.Accepted);
    }

    // Scenario 42.
    [Fact]
    public async Task Start_SeveralAtTheSameMoment_OneRunsAndTheOthersLearnWhich()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        var gate = new TaskCompletionSource();
        world.Recorders.Before(FailbackWorld.Failover, "IssueReadToken", () => gate.Task);

        var starts = await Task.WhenAll(Enumerable.Range(0, 4).Select(i => Task.Run(() => play.StartAsync($"request-{i}"))));
        var winner = starts.Single(s => s.Outcome == StartRunOutcome.Started);
        var again = await Task.WhenAll(Enumerable.Range(0, 4).Select(i => play.StartAsync($"request-{i}")));
        gate.SetResult();

        starts.Where(s => s != winner).ShouldAllBe(s => s.Outcome == StartRunOutcome.Busy && s.RunId == winner.RunId && s.Message != null);
        again.ShouldAllBe(s => s.RunId == winner.RunId);
        again.Count(s => s.Outcome == StartRunOutcome.AlreadyStarted).ShouldBe(1);
        await play.ShouldBeCopiedAsync(await world.EndAsync(winner.RunId!));
        (await play.StartAsync("request-9")).Message.ShouldNotBeNull().ShouldContain("home");
    }

    [Fact]
    public async Task Start_BySelectedServer_TakesTheOldestThatIsOwed()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        var older = FailbackWorld.NewEntry("older", world.Time.GetUtcNow().AddDays(-1)) with
        {
            Failback = FailbackState.Done, FailbackEndedAt = world.Time.GetUtcNow().AddHours(-20), ClosedByEntryId = FailbackWorld.Entry, MaterialCopy = MaterialCopyState.Queued,
        };
        await world.ApplyAsync(new SaveFailoverLogEntry(older), new SaveRetentionHold(new("older", FailbackWorld.Failover, FailbackWorld.Failed, older.FailoverStartedAt, null)));
        world.FailoverRecorder.Holds["older"] = new("older", FailbackWorld.Failed, older.FailoverStartedAt, null, "Material recorded during the failover");
        var start = world.Node.Get<StartMaterialCopy>();

        var first = await start.ExecuteOldestAsync(FailbackWorld.Failed, "request-1", FailbackWorld.Operator, null, default);
        first.EntryId.ShouldBe("older");
        (await world.EndAsync(first.RunId!)).Result.ShouldBe("copied");
        world.FailoverRecorder.Released.ShouldContainKey("older");
        (await world.Get<IMaterialCopies>().FindByEntryAsync("older", default))!.Definition!.Period.ToUtc.ShouldBe(older.FailbackEndedAt!.Value);
        CopyEffects(world).ShouldContain("rec-2 PutRetentionHold", "the hold of an entry that a newer one closed was still open");

        var second = await start.ExecuteOldestAsync(FailbackWorld.Failed, "request-2", FailbackWorld.Operator, null, default);
        second.EntryId.ShouldBe(FailbackWorld.Entry);
        (await world.EndAsync(second.RunId!)).Result.ShouldBe("copied");
        (await start.ExecuteOldestAsync(FailbackWorld.Failed, "request-3", FailbackWorld.Operator, null, default)).Outcome.ShouldBe(StartRunOutcome.Refused);
        (await start.ExecuteOldestAsync("nobody", "request-4", FailbackWorld.Operator, null, default)).Outcome.ShouldBe(StartRunOutcome.Unknown);
    }

    [Fact]
    public async Task Start_TheFailbackIsNotDone_IsRefused()
    {
        await using var world = await FailbackWorld.CreateAsync();

        var result = await world.Node.Get<StartMaterialCopy>().ExecuteAsync(new(FailbackWorld.Entry, "request-1", FailbackWorld.Operator, null), default);

        result.Outcome.ShouldBe(StartRunOutcome.Refused);
        result.Message.ShouldNotBeNull().ShouldContain("Fail back first");
        (await world.Node.Get<StartMaterialCopy>().ExecuteAsync(new("nothing", "request-1", FailbackWorld.Operator, null), default)).Outcome.ShouldBe(StartRunOutcome.Unknown);
    }

    [Fact]
    public async Task Automatic_QueuedByTheFailback_IsStartedOnce()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        var due = world.Node.Get<StartDueCopies>();

        await Task.WhenAll(due.ExecuteAsync(default), due.ExecuteAsync(default));
        await due.ExecuteAsync(default);

        var task = await play.TaskAsync();
        task.Runs.ShouldBe(1);
        var run = await world.EndAsync(task.LastRunId!);
        await play.ShouldBeCopiedAsync(run);
        run.Report.StartedBy.ShouldBe(Actor.System);
    }

    [Fact]
    public async Task Automatic_PolicyIsManual_StartsNothing()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        await world.SetPolicyAsync(new() { MaterialCopy = FailbackWorkflows.Failback.Policies.MaterialCopyPolicy.Manual });

        await world.Node.Get<StartDueCopies>().ExecuteAsync(default);

        (await world.Get<IMaterialCopies>().FindByEntryAsync(FailbackWorld.Entry, default)).ShouldBeNull();
    }

    [Fact]
    public async Task Release_TheSourceDiedAfterTheCopy_IsOwedAndDelivered()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        world.Recorders.Before(FailbackWorld.Failed, "GetCoverage", () => world.FailoverRecorder.IsCutOff = true);

        var run = await play.CopyAsync();

        run.Result.ShouldBe("copied");
        (await world.EntryAsync()).MaterialCopy.ShouldBe(MaterialCopyState.Copied);
        world.FailoverRecorder.Holds.ShouldContainKey(FailbackWorld.Entry);
        (await play.TaskAsync()).IsRevocationOwed.ShouldBeTrue();
        world.FailoverRecorder.IsCutOff = false;
        await play.PollAsync();
        world.FailoverRecorder.Released[FailbackWorld.Entry].ShouldBe(HoldRelease.VerifiedCopy);
        play.Source.Tokens.ShouldBeEmpty();
        (await play.TaskAsync()).IsRevocationOwed.ShouldBeFalse();
    }

    [Fact]
    public async Task AcceptLosses_WithAReason_ReleasesTheHold()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        play.Target.EndsAs = CopyTaskState.CopiedWithLosses;
        await play.CopyAsync();
        var accept = world.Node.Get<AcceptLosses>();

        (await accept.ExecuteAsync(FailbackWorld.Entry, FailbackWorld.Operator, "Nobody needs it.", default)).Outcome.ShouldBe(ControlOutcome.Accepted);

        var entry = await world.EntryAsync();
        (entry.MaterialCopy, entry.IsActive).ShouldBe((MaterialCopyState.LossesAccepted, false));
        entry.Message.ShouldNotBeNull().ShouldContain("Nobody needs it.");
        world.FailoverRecorder.Released[FailbackWorld.Entry].ShouldBe(HoldRelease.AcceptedLoss);
        (await accept.ExecuteAsync(FailbackWorld.Entry, FailbackWorld.Operator, "Again.", default)).Outcome.ShouldBe(ControlOutcome.Refused);
        (await play.StartAsync("request-2")).Outcome.ShouldBe(StartRunOutcome.Refused);
    }

    [Fact]
    public async Task AcceptLosses_WhileItCopiesAndTheSourceIsAway_EndsTheCopyAndOwesTheRelease()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        play.Then(play.WorkAsync).Then(async () =>
        {
            world.FailoverRecorder.IsCutOff = true;
            (await world.Node.Get<AcceptLosses>().ExecuteAsync(FailbackWorld.Entry, FailbackWorld.Operator, "It burnt.", default)).Outcome.ShouldBe(ControlOutcome.Accepted);
        });

        (await play.CopyAsync()).Result.ShouldBe("cancelled");

        (await world.EntryAsync()).MaterialCopy.ShouldBe(MaterialCopyState.LossesAccepted);
        play.AtTarget.State.ShouldBe(CopyTaskState.Cancelled);
        (await world.Get<IMaterialCopies>().ListOwedReleasesAsync(default)).Single().LastError.ShouldNotBeNull();
        world.FailoverRecorder.IsCutOff = false;
        await play.PollAsync();
        world.FailoverRecorder.Released[FailbackWorld.Entry].ShouldBe(HoldRelease.AcceptedLoss);
    }

    /// <summary>Commands that took effect after the failback before the copy.</summary>
    private static IReadOnlyList<string> CopyEffects(FailbackWorld world)
    {
        var failback = world.Store.Commits.First(c => c.IsStart).Instance.Id;
        return [.. world.Recorders.Effects.Where(e => !e.Key!.StartsWith(failback, StringComparison.Ordinal)).Select(e => $"{e.ServerId} {e.Name}")];
    }
}

internal static class CopyOutcomes
{
    /// <summary>The material is home and nothing is owed.</summary>
    public static async Task ShouldBeCopiedAsync(this MaterialCopyPlay play, EndedRun run)
    {
        var world = play.World;
        run.Message.ShouldBeNull();
        (run.SubStatus, run.Result).ShouldBe((WorkflowSubStatus.Finished, "copied"));
        var entry = await world.EntryAsync();
        (entry.MaterialCopy, entry.IsActive, entry.OwesMaterial).ShouldBe((MaterialCopyState.Copied, false, false));
        var task = await play.TaskAsync();
        (task.RunId, task.IsRevocationOwed, task.IsCancellationOwed, task.WaitsForServerId, task.LastRunId).ShouldBe((null, false, false, null, run.Id));
        var coverage = await world.Get<IMaterialCopies>().FindCoverageAsync(FailbackWorld.Entry, CancellationToken.None);
        coverage!.Sha256.ShouldBe(task.CoverageSha256);
        coverage.Report.IsVerified.ShouldBeTrue();
        world.FailoverRecorder.Released[FailbackWorld.Entry].ShouldBe(HoldRelease.VerifiedCopy);
        play.Source.Tokens.Keys.ShouldNotContain(play.TaskId);
        world.ShouldHaveCommandedOnce();
    }
}
