using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.AutomaticFailback;
using FailbackWorkflows.Failback.AutomaticFailover;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Reconciliation;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>
/// Scenario 28: the database is set back to a backup while the recorders went on. Their word counts; nobody is told anything under an epoch that is
/// over, and nothing is told twice.
/// </summary>
public sealed class RestoredDatabaseTests
{
    private const string Failed = FailbackWorld.Failed;
    private const string Failover = FailbackWorld.Failover;
    private const string Spare = FailbackWorld.Spare;
    private const string Entry = FailbackWorld.Entry;

    private static readonly Actor Admin = new(ActorKind.User, "admin", "Ada Admin");

    [Fact]
    public async Task BackupOfBeforeTheFailover_TheFailoverIsWrittenDownAgain_AndNobodyTakesOverTwice()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.FailBackAsync();
        await world.PollAsync();
        await world.ChangeServerAsync(Failed, s => s with { FailoverGroup = "hall", IsAutomaticFailoverEnabled = true, FailoverAfterPolls = 1 });
        await world.ChangeServerAsync(Spare, s => s with { FailoverGroup = "hall" });
        var backup = await BackUpAsync(world);
        world.FailedRecorder.Die();
        var failover = await world.EndAsync((await world.StartFailoverAsync(node: world.NewestNode)).RunId!);
        failover.Result.ShouldBe("done", failover.Message);
        var entryId = StartFailover(failover);
        var truth = await world.DutyAsync();
        var restored = await RestoreAsync(world, backup);

        // The database believes that the dead recorder has its duty: without a doubt it would have it taken over again.
        await world.PollAsync();
        await world.NewestNode.Get<AutomaticFailovers>().DeriveAllAsync(default);
        (await world.DutyAsync()).HolderServerId.ShouldBe(Failed);
        (await world.NewestNode.Get<AutomaticFailoverCheck>().DecideAsync(Failed, null, default)).Verdict.ShouldBe(AutomaticVerdict.Refused);
        (await AlertAsync(world)).ShouldNotBeNull().Sentence.ShouldContain("epoch 4");
        (await world.ClaimsAsync()).ShouldBeEmpty();

        // The recorder that is silent need not be waited for: the checkpoint says that nothing newer was drawn.
        await ReconcileAsync(world);

        var duty = await world.DutyAsync();
        (duty.HolderServerId, duty.Epoch, duty.AllocationId).ShouldBe((Failover, truth.Epoch, truth.AllocationId));
        (await world.ServerAsync()).State.ShouldBe(VmsServerState.Broken);
        var entry = await world.EntryAsync(entryId);
        (entry.Failover, entry.Failback, entry.FailoverServerId, entry.CanFailBack).ShouldBe((FailoverState.Done, FailbackState.NotStarted, Failover, true));
        entry.Message!.ShouldContain("set back");
        (await AlertAsync(world)).ShouldBeNull();
        (await world.OwedAsync()).ShouldBeEmpty();
        Commands(world, restored).ShouldBeEmpty("reconciling tells nobody anything");

        // From here on it is a failover like any other.
        world.Store.MovesClock = true;
        world.FailedRecorder.Boot();
        await world.PollAsync();
        var run = await world.FailBackAsync("request-2", entryId, world.NewestNode);
        run.Result.ShouldBe("done", run.Message);
        AssertNothingOldAndNothingTwice(world, restored, truth.Epoch);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task BackupOfTheMiddleOfAFailback_ItsRunIsEnded_AndTheEntryFollowsTheRecorders(bool isPerformed)
    {
        await using var world = await FailbackWorld.CreateAsync();
        var link = new BrokenLink();
        world.Recorders.Before(Failed, "AssignDuty", link.ThrowIfBroken, times: int.MaxValue);
        world.Store.MovesClock = false;
        var runId = (await world.StartFailbackAsync()).RunId!;
        await WaitUntilAsync(() => Task.FromResult(world.Recorders.Calls.Any(c => c is { ServerId: Failed, Name: "AssignDuty" })));
        await WaitUntilAsync(async () => (await world.JournalAsync(runId))[^1] is ActivityFaulted);
        var backup = await BackUpAsync(world, () => link.IsBroken = !isPerformed, movesClock: isPerformed);
        if (!isPerformed)
        {
            link.IsBroken = false;
            world.Store.MovesClock = true;
            await world.NewestNode.Runtime.CancelAsync(runId, Admin, "Not today.", default);
        }

        var ended = await world.EndAsync(runId);
        ended.Result.ShouldBe(isPerformed ? "done" : "cancelled", ended.Message);
        await world.PollAsync();
        var truth = await world.DutyAsync();
        var restored = await RestoreAsync(world, backup);
        (await world.EntryAsync()).Failback.ShouldBe(FailbackState.Running);

        // The run is taken up, and left where it is: whoever it asks knows more than it does.
        await world.PollAsync();
        (await world.ReadAsync(runId)).Result.ShouldBe("running");
        (await AlertAsync(world)).ShouldNotBeNull();
        Commands(world, restored).ShouldBeEmpty();

        await ReconcileAsync(world);
        world.Time.Advance(TimeSpan.FromMinutes(1));
        var run = await world.EndAsync(runId);

        run.SubStatus.ShouldBe(WorkflowSubStatus.Cancelled);
        run.Message!.ShouldContain("reconciled");
        (await world.ClaimsAsync()).ShouldBeEmpty();
        var duty = await world.DutyAsync();
        (duty.HolderServerId, duty.Epoch).ShouldBe((truth.HolderServerId, truth.Epoch));
        duty.Fence.ShouldBeGreaterThanOrEqualTo(truth.Fence);
        var entry = await world.EntryAsync();
        (entry.Failback, entry.MaterialCopy).ShouldBe(isPerformed ? (FailbackState.Done, MaterialCopyState.Queued) : (FailbackState.Failed, MaterialCopyState.NotStarted));
        entry.Message!.ShouldContain("set back");
        Commands(world, restored).ShouldBeEmpty("nothing of the run is undone or repeated");
        await Should.ThrowAsync<WorkflowRefusedException>(() => world.NewestNode.Runtime.RedriveAsync(runId, Admin, "Again.", default));

        await world.PollAsync();
        world.Store.MovesClock = true;
        (await world.ServerAsync()).State.ShouldBe(isPerformed ? VmsServerState.Ok : VmsServerState.Broken);
        if (isPerformed)
        {
            (await world.EntryAsync()).LastTimes.ShouldNotBeNull().ShouldNotBeEmpty();
            (await world.OwedAsync()).ShouldBeEmpty();
        }
        else
        {
            world.FailoverRecorder.Holds[Entry].ToUtc.ShouldBeNull();
            var again = await world.FailBackAsync("request-2", node: world.NewestNode);
            again.Result.ShouldBe("done", again.Message);
        }

        AssertNothingOldAndNothingTwice(world, restored, truth.Epoch);
    }

    [Fact]
    public async Task BackupOfBeforeTheFailback_TheEntryIsClosedAndItsMaterialStaysOwed()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.ChangeServerAsync(Failed, s => s with { IsAutomaticFailbackEnabled = true });
        var backup = await BackUpAsync(world);
        await world.FailBackAsync(node: world.NewestNode);
        await world.PollAsync();
        var truth = await world.DutyAsync();
        var restored = await RestoreAsync(world, backup);

        await world.PollAsync();
        await world.NewestNode.Get<AutomaticFailbacks>().DeriveAllAsync(default);
        var decision = await world.NewestNode.Get<AutomaticFailbackCheck>().DecideAsync(await world.EntryAsync(), null, default);
        decision.Verdict.ShouldBe(AutomaticVerdict.Refused, decision.Sentence);
        (await world.ClaimsAsync()).ShouldBeEmpty();
        await ReconcileAsync(world);

        (await world.DutyAsync()).ShouldBe(truth with { Fence = truth.Fence });
        var entry = await world.EntryAsync();
        (entry.Failback, entry.MaterialCopy, entry.OwesMaterial).ShouldBe((FailbackState.Done, MaterialCopyState.Queued, true));
        world.FailoverRecorder.Holds.ShouldContainKey(Entry);
        Commands(world, restored).ShouldBeEmpty();
        var made = (await world.Get<IReconciliations>().ListAsync(Failed, 10, default)).ShouldHaveSingleItem();
        (made.EpochBefore, made.HolderBefore, made.Epoch, made.HolderServerId, made.Checkpoint).ShouldBe((FailbackWorld.FailoverEpoch, Failover, truth.Epoch, Failed, truth.Epoch));

        // Again: there is nothing left to do.
        var news = (await world.NewsAsync()).Count;
        await ReconcileAsync(world);
        (await world.NewsAsync()).Count.ShouldBe(news);
        (await world.NewestNode.Get<ReconcileDuties>().ExecuteAsync(new ReconcileRequest(Failed, Admin, "Once more."), default)).Reconciliation.ShouldBeNull();

        // What the poll finds and what is owed are delivered under the epoch that counts, and the material comes home.
        await world.PollAsync();
        (await world.ServerAsync()).State.ShouldBe(VmsServerState.Ok);
        world.Store.MovesClock = true;
        var copy = await new MaterialCopyPlay(world).CopyAsync();
        copy.Result.ShouldBe("copied", copy.Message);
        (await world.EntryAsync()).MaterialCopy.ShouldBe(MaterialCopyState.Copied);
        AssertNothingOldAndNothingTwice(world, restored, truth.Epoch);
    }

    [Fact]
    public async Task BackupWithAnOlderCopyTask_TheTargetsPositionWins()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.FailBackAsync();
        await world.PollAsync();
        var play = new MaterialCopyPlay(world);
        var isWaiting = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        world.Store.MovesClock = false;
        world.Store.Waiting = _ =>
        {
            isWaiting.TrySetResult();
            return Task.CompletedTask;
        };
        var runId = (await play.StartAsync()).RunId!;
        await isWaiting.Task.WaitAsync(TimeSpan.FromSeconds(60));
        var backup = await BackUpAsync(world);
        (await play.TaskAsync()).Reported!.State.ShouldNotBe(CopyTaskState.Copied);
        var first = new MaterialCopyPlay(world);
        await first.WorkAsync();
        await world.EndAsync(runId);
        (await world.EntryAsync()).MaterialCopy.ShouldBe(MaterialCopyState.Copied);
        var atTarget = first.AtTarget;
        var truth = await world.DutyAsync();
        var restored = await RestoreAsync(world, backup);
        (await world.EntryAsync()).MaterialCopy.ShouldNotBe(MaterialCopyState.Copied);

        world.Store.MovesClock = true;
        var second = new MaterialCopyPlay(world);
        await second.PollAsync();
        var run = await world.EndAsync(runId);

        run.Result.ShouldBe("copied", run.Message);
        (await world.EntryAsync()).MaterialCopy.ShouldBe(MaterialCopyState.Copied);
        (await second.TaskAsync()).Reported!.Revision.ShouldBe(atTarget.Revision);
        second.AtTarget.ShouldBe(atTarget, "what is home is not copied again");
        AssertNothingOldAndNothingTwice(world, restored, truth.Epoch);
    }

    [Fact]
    public async Task BackupOfBeforeFailoverAndCopy_TheTaskAtTheTargetIsTakenUpAsItIs()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.FailBackAsync();
        await world.PollAsync();
        var backup = await BackUpAsync(world);
        var failover = await world.EndAsync((await world.StartFailoverAsync(node: world.NewestNode)).RunId!);
        var entryId = StartFailover(failover);
        world.Time.Advance(TimeSpan.FromMinutes(10));
        await world.PollAsync();
        await world.FailBackAsync("request-2", entryId, world.NewestNode);
        await world.PollAsync();
        var play = new MaterialCopyPlay(world, entryId);
        world.Store.MovesClock = false;
        var isWaiting = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        world.Store.Waiting = _ =>
        {
            isWaiting.TrySetResult();
            return Task.CompletedTask;
        };
        (await play.StartAsync(entryId: entryId)).Outcome.ShouldBe(StartRunOutcome.Started);
        await isWaiting.Task.WaitAsync(TimeSpan.FromSeconds(60));
        world.Recorders.WorkCopies();
        var position = play.AtTarget;
        var truth = await world.DutyAsync();
        var restored = await RestoreAsync(world, backup);

        await world.PollAsync();
        await ReconcileAsync(world);

        var entry = await world.EntryAsync(entryId);
        (entry.Failover, entry.Failback, entry.MaterialCopy).ShouldBe((FailoverState.Done, FailbackState.Done, MaterialCopyState.Queued));
        Commands(world, restored).ShouldBeEmpty();
        await world.PollAsync();
        world.Store.MovesClock = true;
        var copy = await new MaterialCopyPlay(world, entryId).CopyAsync("request-3", entryId);

        copy.Result.ShouldBe("copied", copy.Message);
        (await world.EntryAsync(entryId)).MaterialCopy.ShouldBe(MaterialCopyState.Copied);
        var task = world.FailedRecorder.Copies.Tasks.Where(t => t.EntryId == entryId).ShouldHaveSingleItem();
        task.Period.ShouldBe(position.Period);
        task.BytesDone.ShouldBe(FakeCopies.BytesTotal);
        AssertNothingOldAndNothingTwice(world, restored, truth.Epoch);
    }

    [Fact]
    public async Task WhoeverHasTheDutyDoesNotAnswer_NothingHappens_UntilItIsBack()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var backup = await BackUpAsync(world);
        await world.FailBackAsync(node: world.NewestNode);
        await world.PollAsync();
        var truth = await world.DutyAsync();
        world.FailedRecorder.IsCutOff = true;
        var restored = await RestoreAsync(world, backup);
        var before = (await world.DutyAsync(), await world.EntryAsync());

        await world.PollAsync();
        await ReconcileAsync(world);

        (await world.DutyAsync(), await world.EntryAsync()).ShouldBe(before);
        var alert = (await AlertAsync(world)).ShouldNotBeNull();
        alert.CanReconcile.ShouldBeTrue();
        alert.Sentence.ShouldContain("Recorder 1");

        // Nobody that answers has the duty: an administrator cannot give it to anybody by believing them.
        var pressed = await world.NewestNode.Get<ReconcileDuties>().ExecuteAsync(new ReconcileRequest(Failed, Admin, "It is gone."), default);
        pressed.Message.ShouldNotBeNull().ShouldContain("failover");
        (await world.DutyAsync()).ShouldBe(before.Item1);
        (await AlertAsync(world)).ShouldNotBeNull();
        Commands(world, restored).ShouldBeEmpty();

        world.FailedRecorder.IsCutOff = false;
        world.Time.Advance(ReconcileDuties.AskAgain);
        await world.PollAsync();
        await ReconcileAsync(world);

        (await world.DutyAsync()).HolderServerId.ShouldBe(Failed);
        (await world.EntryAsync()).Failback.ShouldBe(FailbackState.Done);
        (await AlertAsync(world)).ShouldBeNull();
        await world.PollAsync();
        AssertNothingOldAndNothingTwice(world, restored, truth.Epoch);
    }

    [Fact]
    public async Task WithoutCheckpoint_SomebodySilentMayKnowMore_SoAnAdministratorDecides()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var backup = await BackUpAsync(world);
        await world.FailBackAsync(node: world.NewestNode);
        await world.PollAsync();
        var truth = await world.DutyAsync();
        world.Recorders[Spare].IsCutOff = true;
        var restored = await RestoreAsync(world, backup, losesEpochs: true);

        await world.PollAsync();
        await ReconcileAsync(world);
        (await world.DutyAsync()).HolderServerId.ShouldBe(Failover, "it may be with the one that is silent");
        (await AlertAsync(world)).ShouldNotBeNull().Sentence.ShouldContain("Recorder 3");

        (await world.NewestNode.Get<ReconcileDuties>().ExecuteAsync(new ReconcileRequest(Failed, Admin, " "), default)).Reconciliation.ShouldBeNull();
        var pressed = await world.NewestNode.Get<ReconcileDuties>().ExecuteAsync(new ReconcileRequest(Failed, Admin, "Recorder 3 has stood by all week."), default);

        var made = pressed.Reconciliation.ShouldNotBeNull();
        (made.By, made.Reason, made.HolderServerId).ShouldBe(("Ada Admin", "Recorder 3 has stood by all week.", Failed));
        (await world.DutyAsync()).Epoch.ShouldBe(truth.Epoch);
        world.Get<IEpochCheckpoint>().Largest(Failed).ShouldBe(truth.Epoch, "the checkpoint learns again");
        (await world.EntryAsync()).Failback.ShouldBe(FailbackState.Done);
        (await AlertAsync(world)).ShouldBeNull();
        Commands(world, restored).ShouldBeEmpty();
        await world.PollAsync();
        AssertNothingOldAndNothingTwice(world, restored, truth.Epoch);
    }

    // Nobody may be told an old role before everybody was asked: a recorder that waits for its role is left waiting.
    [Fact]
    public async Task WithoutCheckpoint_NobodyIsAnswered_BeforeEverybodyWasAsked()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var backup = await BackUpAsync(world);

        // The failover server has not heard of the failback, and boots: by the backup it is still the recorder.
        world.FailoverRecorder.IsCutOff = true;
        var adopted = await world.EndAsync((await world.StartAdoptionAsync()).RunId!);
        adopted.Result.ShouldBe("done", adopted.Message);
        var truth = await world.DutyAsync();
        world.FailoverRecorder.IsCutOff = false;
        world.FailoverRecorder.Boot();
        var restored = await RestoreAsync(world, backup, losesEpochs: true);

        await world.PollAsync();
        await world.PollAsync();

        // Its own duty nobody contradicts: that it hears of, once everybody was asked.
        var told = Commands(world, restored).ShouldHaveSingleItem();
        (told.ServerId, told.Identity).ShouldBe((Failover, Failover));
        world.Recorders.Calls.Skip(restored).TakeWhile(c => c != told).Where(c => c.Name == "GetStatus").Select(c => c.ServerId).Distinct().Order().ShouldBe([Failed, Failover, Spare]);
        world.FailoverDuty.Awaiting.ShouldBeTrue();
        await ReconcileAsync(world);
        (await world.DutyAsync()).ShouldSatisfyAllConditions(d => d.HolderServerId.ShouldBe(Failed), d => d.Epoch.ShouldBe(truth.Epoch));
        world.Store.MovesClock = true;
        await world.PollAsync();
        AssertNothingOldAndNothingTwice(world, restored, truth.Epoch);
    }

    // A draw that was noted and not committed: the number is with nobody.
    [Fact]
    public async Task CheckpointAheadOfEverybody_IsLookedForOnce_AndLeftAlone()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Get<IEpochCheckpoint>().Note(Failed, 9, "another-run/1");
        var before = (await world.DutyAsync(), await world.EntryAsync());
        var restored = await RestoreAsync(world, await BackUpAsync(world));

        (await AlertAsync(world)).ShouldNotBeNull().Sentence.ShouldContain("9");
        await world.PollAsync();
        world.Time.Advance(ReconcileDuties.AskAgain);
        await ReconcileAsync(world);

        (await AlertAsync(world)).ShouldBeNull();
        (await world.DutyAsync(), await world.EntryAsync()).ShouldBe(before);
        Commands(world, restored).ShouldBeEmpty();

        // It stays settled in the next life.
        await RestoreAsync(world, await BackUpAsync(world));
        (await AlertAsync(world)).ShouldBeNull();
    }

    // Killed between note and commit while the failed server is away: that is no restore, and the run goes on as from any other kill.
    [Fact]
    public async Task DrawNotedByTheRunAtWork_IsNoDoubt_AndTheRunGoesOn()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var isAtTheSwitch = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        world.Recorders.Before(Failover, "FreezeSettings", () =>
        {
            world.Store.MovesClock = false;
            world.FailoverRecorder.IsCutOff = true;
            isAtTheSwitch.TrySetResult();
        });
        var runId = (await world.StartFailbackAsync()).RunId!;
        await isAtTheSwitch.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await world.TurnOffAsync();
        await File.AppendAllTextAsync(world.DatabaseFile + ".epochs", $"{Failed}\t{FailbackWorld.FailoverEpoch + 1}\t{runId}/7\n");
        world.FailoverRecorder.IsCutOff = false;
        await world.TurnOnAsync();

        // The retry it waits for was written down before it was turned off.
        world.Time.Advance(TimeSpan.FromSeconds(1));
        var run = await world.EndAsync(runId);

        await world.ShouldBeDoneAsync(run);
        (await AlertAsync(world)).ShouldBeNull();
        (await world.DutyAsync()).Epoch.ShouldBe(FailbackWorld.FailoverEpoch + 2, "a number that was noted is not drawn again");
    }

    // A failover that another system has done and not reported yet, or a number that was drawn twice: no restore, and not ours to write down.
    [Theory]
    [InlineData(7)]
    [InlineData(FailbackWorld.FailoverEpoch)]
    public async Task DutyThatWasNotGrantedHere_IsLeftToPeople(long epoch)
    {
        await using var world = await FailbackWorld.CreateAsync();
        var restored = await RestoreAsync(world, await BackUpAsync(world));
        world.FailoverDuty.Become(DutyRole.Standby, epoch, "theirs", isRecording: false);
        world.Recorders[Spare].Duty(Failed).Become(DutyRole.Recorder, epoch, "theirs", isRecording: true);
        var before = (await world.DutyAsync(), await world.EntryAsync());

        await world.PollAsync();
        await ReconcileAsync(world);

        (await world.DutyAsync(), await world.EntryAsync()).ShouldBe(before);
        (await AlertAsync(world)).ShouldNotBeNull().Next.ShouldContain("report that failover");
        Commands(world, restored).ShouldBeEmpty();
    }

    // Two recorders under one number cannot be told apart by anybody but a person.
    [Fact]
    public async Task TwoRecordersUnderTheLargestEpoch_NothingIsChanged_AndAPersonsFailoverIsTheWayOut()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var restored = await RestoreAsync(world, await BackUpAsync(world));
        world.FailoverDuty.Become(DutyRole.Recorder, 7, "one", isRecording: true);
        world.Recorders[Spare].Duty(Failed).Become(DutyRole.Recorder, 7, "two", isRecording: true);
        world.Recorders[Spare].Duty(Failed).Activate(FakeSettings.Content(2));

        await world.PollAsync();
        await ReconcileAsync(world);

        (await AlertAsync(world)).ShouldNotBeNull().Next.ShouldContain("failover");
        (await world.DutyAsync()).Epoch.ShouldBe(FailbackWorld.FailoverEpoch);
        Commands(world, restored).ShouldBeEmpty();
        world.Store.MovesClock = true;
        var run = await world.EndAsync((await world.StartFailoverAsync("request-9", failover: Spare, node: world.NewestNode)).RunId!);
        run.Result.ShouldBe("done", run.Message);
        (await world.DutyAsync()).ShouldSatisfyAllConditions(d => d.HolderServerId.ShouldBe(Spare), d => d.Epoch.ShouldBe(8));
        (await AlertAsync(world)).ShouldBeNull();
    }

    /// <summary>The management server is turned off, backed up and turned on again; a while passes.</summary>
    /// <param name="meanwhile">Happens while it is off.</param>
    private static async Task<byte[]> BackUpAsync(FailbackWorld world, Action? meanwhile = null, bool movesClock = true)
    {
        var backup = await world.TurnOffAsync();
        meanwhile?.Invoke();
        world.Time.Advance(TimeSpan.FromMinutes(1));
        await world.TurnOnAsync(movesClock: movesClock);
        return backup;
    }

    /// <summary>Turns the management server off, puts the backup in its place and turns it on. Answers with how many calls there had been.</summary>
    private static async Task<int> RestoreAsync(FailbackWorld world, byte[] backup, bool losesEpochs = false)
    {
        await world.TurnOffAsync();
        world.Time.Advance(TimeSpan.FromHours(1));
        var calls = world.Recorders.Calls.Count;
        await world.TurnOnAsync(backup, losesEpochs, movesClock: false);
        return calls;
    }

    private static Task ReconcileAsync(FailbackWorld world) => world.NewestNode.Get<ReconcileDuties>().ExecuteAsync(default);

    private static async Task<ReconciliationAlert?> AlertAsync(FailbackWorld world) => (await world.NewestNode.Get<ReconciliationAlerts>().ListAsync(default)).SingleOrDefault();

    /// <summary>What recorders were told since; looking and asking left out.</summary>
    private static IReadOnlyList<RecorderCall> Commands(FailbackWorld world, int since) => [.. world.Recorders.Calls.Skip(since).Where(c => c.Key is not null)];

    private static void AssertNothingOldAndNothingTwice(FailbackWorld world, int since, long epoch)
    {
        Commands(world, since).Where(c => c.Authority!.Epoch < epoch && (c.Identity ?? Failed) == Failed).ShouldBeEmpty("a command under an epoch that is over");
        world.Recorders.Effects.GroupBy(c => (c.ServerId, c.Key)).Where(g => g.Count() > 1).ShouldBeEmpty("a command that took effect twice");
        var servers = new[] { Failed, Failover, Spare };
        var largest = servers.Max(id => world.Recorders[id].Duty(Failed).Epoch);
        servers.Count(id => world.Recorders[id].Duty(Failed) is { AssignedRole: DutyRole.Recorder } d && d.Epoch == largest).ShouldBeLessThanOrEqualTo(1);
    }

    private static string StartFailover(EndedRun run) => FailbackWorkflows.Failback.Failover.StartFailover.EntryIdOf(run.Id);

    private static async Task WaitUntilAsync(Func<Task<bool>> condition)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!await condition())
        {
            patience.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }

    /// <summary>A network on which a call does not arrive, until it is mended.</summary>
    private sealed class BrokenLink
    {
        public volatile bool IsBroken = true;

        public void ThrowIfBroken()
        {
            if (IsBroken)
            {
                throw new RecorderException(RecorderErrorKind.Unreachable, "The call does not arrive.");
            }
        }
    }
}
