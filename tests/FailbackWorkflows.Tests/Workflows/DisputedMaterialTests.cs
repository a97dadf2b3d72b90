using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>What was recorded without authority, asked for by an operator after the ordinary copy.</summary>
public sealed class DisputedMaterialTests
{
    private static readonly string DisputedTask = MaterialCopyTask.IdOf(FailbackWorld.Entry, FailbackWorld.Failover, isDisputed: true);

    [Fact]
    public async Task AskedForWithAReason_IsCopiedBesideAndReleasesNothing()
    {
        var play = await CreateAsync();
        await using var world = play.World;
        await play.ShouldBeCopiedAsync(await play.CopyAsync());
        var before = await world.EntryAsync();
        var ordinary = await play.TaskAsync();
        var effects = world.Recorders.Effects.Count;

        var started = await AskAsync(play);
        var run = await world.EndAsync(started.RunId!);

        (started.Outcome, run.Result, run.Message).ShouldBe((StartRunOutcome.Started, "copied", null));
        world.Recorders.Effects.Skip(effects).Select(e => $"{e.ServerId} {e.Name}").ShouldBe(["rec-2 IssueReadToken", "rec-1 StartDataCopy", "rec-1 UpdateClientInfo", "rec-2 RevokeReadToken"]);
        (await world.EntryAsync()).Revision.ShouldBe(before.Revision, "the entry tells of what is owed");
        (await play.TaskAsync()).Revision.ShouldBe(ordinary.Revision);
        var task = (await Copies(world).FindAsync(DisputedTask, default)).ShouldNotBeNull();
        (task.IsDisputed, task.RunId, task.LastRunId, task.Definition!.WithDisputed).ShouldBe((true, null, run.Id, true));
        task.Definition.Reason.ShouldContain("The police asked for it.");
        task.Definition.Period.ToUtc.ShouldBeGreaterThanOrEqualTo(before.LastTimes!.Values.Max());
        var state = await ReadAsync(play);
        (state.Exists, state.WhyNot).ShouldBe((true, "The disputed material is here already, and verified."));
        CoverageTotals.Of(state.Coverage!.Report).DisputedHere.ShouldBe(new Amount(3, 3_000));
        (await Copies(world).FindCoverageAsync(FailbackWorld.Entry, default))!.TaskId.ShouldBe(ordinary.TaskId);
        (await AskAsync(play, "request-2")).Outcome.ShouldBe(StartRunOutcome.Refused);
        (await AskAsync(play)).Outcome.ShouldBe(StartRunOutcome.AlreadyStarted);
        world.ShouldHaveCommandedOnce();
    }

    [Theory]
    [InlineData("no copy yet", "has ended yet")]
    [InlineData("nothing disputed", "Nothing of this period is disputed")]
    [InlineData("no reason", "Say why")]
    [InlineData("given up", "given up")]
    public async Task AskedFor_ThoughItMakesNoSense_StartsNothing(string situation, string sentence)
    {
        var play = await CreateAsync(situation == "nothing disputed" ? 0 : 3);
        await using var world = play.World;
        if (situation == "given up")
        {
            play.Target.EndsAs = CopyTaskState.CopiedWithLosses;
            await play.CopyAsync();
            await world.Node.Get<AcceptLosses>().ExecuteAsync(FailbackWorld.Entry, FailbackWorld.Operator, "Nobody needs it.", default);
        }
        else if (situation == "no copy yet")
        {
            // What the failback has queued is taken back.
            await play.Control.CancelAsync(FailbackWorld.Entry, FailbackWorld.Operator, null, default);
        }
        else
        {
            await play.CopyAsync();
        }

        var result = await AskAsync(play, reason: situation == "no reason" ? " " : "The police asked for it.");

        (result.Outcome, result.RunId).ShouldBe((StartRunOutcome.Refused, null));
        result.Message!.ShouldContain(sentence);
        (await Copies(world).FindAsync(DisputedTask, default)).ShouldBeNull();
    }

    [Fact]
    public async Task WhileItIsCopied_ItIsPausedLimitedResumedAndCancelled_AndTheOrdinaryCopyIsLeftAlone()
    {
        var play = await CreateAsync();
        await using var world = play.World;
        await play.ShouldBeCopiedAsync(await play.CopyAsync());
        var ordinary = await play.TaskAsync();
        var control = play.Control.OfDisputed;
        var limits = new CopyLimits(1_000_000);
        (await control.PauseAsync(FailbackWorld.Entry, FailbackWorld.Operator, default)).Outcome.ShouldBe(ControlOutcome.Refused, "nobody has asked for it yet");
        (await control.CancelAsync(FailbackWorld.Entry, FailbackWorld.Operator, null, default)).Message!.ShouldContain("nothing to cancel");
        CopyTask? paused = null, limited = null;
        play.Then(play.WorkAsync)
            .Then(async () => (await control.PauseAsync(FailbackWorld.Entry, FailbackWorld.Operator, default)).Outcome.ShouldBe(ControlOutcome.Accepted), play.WorkAsync)
            .Then(async () =>
            {
                paused = AtTarget();
                (await control.LimitAsync(FailbackWorld.Entry, limits, FailbackWorld.Operator, default)).Outcome.ShouldBe(ControlOutcome.Accepted);
                (await control.ResumeAsync(FailbackWorld.Entry, FailbackWorld.Operator, default)).Outcome.ShouldBe(ControlOutcome.Accepted);
            })
            .Then(play.WorkAsync)
            .Then(async () =>
            {
                limited = AtTarget();
                (await control.CancelAsync(FailbackWorld.Entry, FailbackWorld.Operator, "Enough.", default)).Outcome.ShouldBe(ControlOutcome.Accepted);
            });

        var run = await world.EndAsync((await AskAsync(play)).RunId!);

        (paused!.State, paused.PauseReason).ShouldBe((CopyTaskState.Paused, CopyPauseReason.Operator));
        (limited!.State is CopyTaskState.Paused, limited.Limits).ShouldBe((false, limits));
        run.Result.ShouldBe("cancelled");
        AtTarget().State.ShouldBe(CopyTaskState.Cancelled);
        (await play.TaskAsync()).Revision.ShouldBe(ordinary.Revision);

        CopyTask AtTarget() => play.Target.Tasks.Single(t => t.TaskId == DisputedTask);
    }

    [Fact]
    public async Task AskedFor_OfAnUnknownEntry_IsUnknown()
    {
        var play = await CreateAsync();
        await using var world = play.World;

        (await world.Node.Get<CopyDisputedMaterial>().ExecuteAsync(new("none", "request-1", FailbackWorld.Operator, "Why not."), default)).Outcome.ShouldBe(StartRunOutcome.Unknown);
    }

    [Fact]
    public async Task AskedForByTwo_IsOneCopy()
    {
        var play = await CreateAsync();
        await using var world = play.World;
        await play.CopyAsync();
        var gate = new TaskCompletionSource();
        world.Recorders.Before(FailbackWorld.Failover, "IssueReadToken", () => gate.Task);

        var starts = await Task.WhenAll(Enumerable.Range(0, 4).Select(i => Task.Run(() => AskAsync(play, $"request-{i}"))));
        gate.SetResult();

        var winner = starts.Single(s => s.Outcome == StartRunOutcome.Started);
        starts.Where(s => s != winner).ShouldAllBe(s => s.Outcome == StartRunOutcome.Busy && s.RunId == winner.RunId);
        (await world.EndAsync(winner.RunId!)).Result.ShouldBe("copied");
    }

    [Fact]
    public async Task NotAllOfItCouldBeHad_IsSaidAndMayBeAskedForAgain()
    {
        var play = await CreateAsync();
        await using var world = play.World;
        await play.CopyAsync();
        var before = await world.EntryAsync();
        play.Target.EndsAs = CopyTaskState.CopiedWithLosses;

        var run = await world.EndAsync((await AskAsync(play)).RunId!);

        run.Result.ShouldBe("copiedWithLosses");
        run.Message!.ShouldContain("ask for it again");
        (await world.EntryAsync()).Revision.ShouldBe(before.Revision);
        play.Target.EndsAs = CopyTaskState.Copied;
        (await world.EndAsync((await AskAsync(play, "request-2")).RunId!)).Result.ShouldBe("copied");
    }

    [Fact]
    public async Task Cancelled_LeavesTheEntryAsItIs()
    {
        var play = await CreateAsync();
        await using var world = play.World;
        await play.CopyAsync();
        var before = await world.EntryAsync();
        string? runId = null;
        play.Then(play.WorkAsync).Then(() => world.Node.Runtime.CancelAsync(runId!, FailbackWorld.Operator, "Later.", default));
        var gate = new TaskCompletionSource();
        world.Recorders.Before(FailbackWorld.Failover, "IssueReadToken", () => gate.Task);

        runId = (await AskAsync(play)).RunId;
        gate.SetResult();
        var run = await world.EndAsync(runId!);

        (run.SubStatus, run.Result).ShouldBe((WorkflowSubStatus.Cancelled, "cancelled"));
        (await world.EntryAsync()).Revision.ShouldBe(before.Revision);
        world.FailedRecorder.Copies.Tasks.Single(t => t.TaskId == DisputedTask).State.ShouldBe(CopyTaskState.Cancelled);
        play.Source.Tokens.ShouldBeEmpty();
    }

    [Fact]
    public async Task GivenUp_AfterAVerifiedCopy_IsReleasedAndTheEntryStaysAsItIs()
    {
        var play = await CreateAsync();
        await using var world = play.World;
        await play.ShouldBeCopiedAsync(await play.CopyAsync());
        var before = await world.EntryAsync();
        var effects = world.Recorders.Effects.Count;

        (await GiveUpAsync(play)).ShouldBe(new ControlResult(ControlOutcome.Accepted, null));

        world.FailoverRecorder.Released[FailbackWorld.Entry].ShouldBe(HoldRelease.AcceptedLoss);
        world.Recorders.Effects.Skip(effects).Select(e => $"{e.ServerId} {e.Name}").ShouldBe(["rec-2 ReleaseRetentionHold"]);
        var entry = await world.EntryAsync();
        (entry.MaterialCopy, entry.Message, entry.IsActive).ShouldBe((MaterialCopyState.Copied, before.Message, false));
        var order = (await ReadAsync(play)).GivenUp.ShouldNotBeNull();
        (order.Release, order.LastError, order.ReleasedAt is not null).ShouldBe((HoldRelease.AcceptedLoss, null, true));
        order.Reason.ShouldContain("Nobody needs it.");

        var again = await GiveUpAsync(play, "Again.");
        (again.Outcome, again.Message).ShouldBe((ControlOutcome.Refused, "The hold on it was released already."));
        await play.PollAsync();
        (await ReadAsync(play)).GivenUp.ShouldBe(order);
        world.Recorders.Effects.Count.ShouldBe(effects + 1);
        var asked = await AskAsync(play);
        (asked.Outcome, asked.Message).ShouldBe((StartRunOutcome.Refused, "The disputed material of this entry was given up, so it may be gone by now."));
    }

    [Fact]
    public async Task GivenUp_TheSourceIsAway_IsOwedAndDelivered()
    {
        var play = await CreateAsync();
        await using var world = play.World;
        await play.CopyAsync();
        world.FailoverRecorder.IsCutOff = true;

        (await GiveUpAsync(play)).Outcome.ShouldBe(ControlOutcome.Accepted);

        world.FailoverRecorder.Released[FailbackWorld.Entry].ShouldBe(HoldRelease.VerifiedCopy);
        (await Copies(world).ListOwedReleasesAsync(default)).Single().LastError.ShouldNotBeNull();
        var again = await GiveUpAsync(play, "Again.");
        (again.Outcome, again.Message).ShouldBe((ControlOutcome.Refused, "It was given up already. The failover server is told as soon as it is seen again."));
        world.FailoverRecorder.IsCutOff = false;
        await play.PollAsync();
        world.FailoverRecorder.Released[FailbackWorld.Entry].ShouldBe(HoldRelease.AcceptedLoss);
        (await Copies(world).ListOwedReleasesAsync(default)).ShouldBeEmpty();
        (await ReadAsync(play)).GivenUp!.Reason.ShouldContain("Nobody needs it.");
    }

    [Fact]
    public async Task GivenUp_WhileTheReleaseOfTheVerifiedCopyIsDelivered_Stands()
    {
        var play = await CreateAsync();
        await using var world = play.World;
        world.Recorders.Before(FailbackWorld.Failed, "GetCoverage", () => world.FailoverRecorder.IsCutOff = true);
        (await play.CopyAsync()).Result.ShouldBe("copied");
        (await ReadAsync(play)).Release.ShouldNotBeNull().ReleasedAt.ShouldBeNull();
        world.FailoverRecorder.IsCutOff = false;
        ControlResult? decided = null;
        world.Recorders.Before(FailbackWorld.Failover, "ReleaseRetentionHold", async () => decided ??= await GiveUpAsync(play));

        await play.PollAsync();
        await play.PollAsync();

        decided.ShouldNotBeNull().Outcome.ShouldBe(ControlOutcome.Accepted);
        world.FailoverRecorder.Released[FailbackWorld.Entry].ShouldBe(HoldRelease.AcceptedLoss);
        var order = (await ReadAsync(play)).GivenUp.ShouldNotBeNull();
        (order.Reason.Contains("Nobody needs it.", StringComparison.Ordinal), order.ReleasedAt is not null).ShouldBe((true, true));
    }

    [Fact]
    public async Task GivenUp_WhileItIsCopied_IsRefusedUntilThatHasEnded()
    {
        var play = await CreateAsync();
        await using var world = play.World;
        await play.CopyAsync();
        var gate = new TaskCompletionSource();
        world.Recorders.Before(FailbackWorld.Failover, "IssueReadToken", () => gate.Task);
        var runId = (await AskAsync(play)).RunId!;

        var result = await GiveUpAsync(play);

        result.Outcome.ShouldBe(ControlOutcome.Refused);
        result.Message!.ShouldContain("It is being copied");
        (await ReadAsync(play)).GivenUp.ShouldBeNull();
        world.FailoverRecorder.Released[FailbackWorld.Entry].ShouldBe(HoldRelease.VerifiedCopy);
        gate.SetResult();
        (await world.EndAsync(runId)).Result.ShouldBe("copied");
        (await GiveUpAsync(play)).Outcome.ShouldBe(ControlOutcome.Accepted);
        world.FailoverRecorder.Released[FailbackWorld.Entry].ShouldBe(HoldRelease.AcceptedLoss);
    }

    [Theory]
    [InlineData("not copied yet", "Ordinary material of this period is still owed")]
    [InlineData("copied with losses", "accept its losses")]
    [InlineData("losses accepted", "released already")]
    [InlineData("nothing disputed", "Nothing of this period is disputed")]
    public async Task GivenUp_ThoughItMakesNoSense_ChangesNothing(string situation, string sentence)
    {
        var play = await CreateAsync(situation == "nothing disputed" ? 0 : 3);
        await using var world = play.World;
        play.Target.EndsAs = situation is "copied with losses" or "losses accepted" ? CopyTaskState.CopiedWithLosses : CopyTaskState.Copied;
        if (situation != "not copied yet")
        {
            await play.CopyAsync();
        }

        if (situation == "losses accepted")
        {
            await world.Node.Get<AcceptLosses>().ExecuteAsync(FailbackWorld.Entry, FailbackWorld.Operator, "It burnt.", default);
        }

        var before = (Revision: (await world.EntryAsync()).Revision, (await ReadAsync(play)).Release, world.Recorders.Effects.Count);

        var result = await GiveUpAsync(play);

        result.Outcome.ShouldBe(ControlOutcome.Refused);
        result.Message!.ShouldContain(sentence);
        ((await world.EntryAsync()).Revision, (await ReadAsync(play)).Release, world.Recorders.Effects.Count).ShouldBe(before);
    }

    [Fact]
    public async Task GivenUp_OfAnUnknownEntry_IsUnknown()
    {
        var play = await CreateAsync();
        await using var world = play.World;

        (await world.Node.Get<AcceptLosses>().ReleaseDisputedAsync("none", FailbackWorld.Operator, "Why not.", default)).Outcome.ShouldBe(ControlOutcome.Unknown);
    }

    /// <summary>A world after a failback, whose failover server holds disputed segments.</summary>
    private static async Task<MaterialCopyPlay> CreateAsync(long disputed = 3)
    {
        var play = await MaterialCopyPlay.CreateAsync();
        play.Target.Disputed = new(disputed, disputed * 1000);
        return play;
    }

    private static Task<StartRunResult> AskAsync(MaterialCopyPlay play, string requestId = "request-1", string reason = "The police asked for it.") =>
        play.World.Node.Get<CopyDisputedMaterial>().ExecuteAsync(new(FailbackWorld.Entry, requestId, FailbackWorld.Operator, reason), CancellationToken.None);

    private static Task<ControlResult> GiveUpAsync(MaterialCopyPlay play, string reason = "Nobody needs it.") =>
        play.World.Node.Get<AcceptLosses>().ReleaseDisputedAsync(FailbackWorld.Entry, FailbackWorld.Operator, reason, CancellationToken.None);

    private static async Task<DisputedMaterialState> ReadAsync(MaterialCopyPlay play) =>
        await play.World.Node.Get<DisputedMaterial>().ReadAsync(await play.World.EntryAsync(), CancellationToken.None);

    private static IMaterialCopies Copies(FailbackWorld world) => world.Get<IMaterialCopies>();
}
