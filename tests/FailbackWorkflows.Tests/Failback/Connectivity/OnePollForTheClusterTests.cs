using FailbackWorkflows.Failback.AutomaticFailover;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Failback.Reconciliation;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Persistence;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing.Failback;
using FailbackWorkflows.Tests.Workflows;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Failback.Connectivity;

/// <summary>Two nodes on one database: who is on watch polls, and what it hears both know.</summary>
public sealed class OnePollForTheClusterTests
{
    private const string Failed = FailbackWorld.Failed;
    private const string Failover = FailbackWorld.Failover;
    private const string Spare = FailbackWorld.Spare;

    [Fact]
    public async Task TwoNodes_EachRecorderIsAskedOncePerInterval()
    {
        await using var world = await FailbackWorld.CreateAsync(startsNode: false);
        var (first, second) = await StartTwoAsync(world);
        await SweepAsync(world, TimeSpan.FromSeconds(10), first, second);
        world.Recorders.ForgetCalls();

        await SweepAsync(world, TimeSpan.FromSeconds(60), first, second);

        foreach (var serverId in new[] { Failed, Failover, Spare })
        {
            PollsOf(world, serverId).ShouldBe(12, $"polls of {serverId} within 60 s at an interval of 5 s");
        }

        (first.Get<IWatch>().MayDecide, second.Get<IWatch>().IsOurs).ShouldBe((true, false));
    }

    [Fact]
    public async Task Polls_ThatFindNothingNew_WriteNothing_AlsoForTheOthers()
    {
        await using var world = await FailbackWorld.CreateAsync(startsNode: false);
        var (first, second) = await StartTwoAsync(world);
        await SweepAsync(world, TimeSpan.FromSeconds(10), first, second);
        var (words, servers) = (await world.Words.ListAsync(default), await world.Get<IVmsServers>().ListAsync(default));

        await SweepAsync(world, TimeSpan.FromSeconds(60), first, second);

        // The words say since when they are said: one that is written again would say another time.
        (await world.Words.ListAsync(default)).OrderBy(w => (w.Identity, w.ServerId)).ShouldBe(words.OrderBy(w => (w.Identity, w.ServerId)));
        (await world.Get<IVmsServers>().ListAsync(default)).ShouldBe(servers);
        words.ShouldNotBeEmpty();
    }

    [Fact]
    public async Task Takeover_AsksEverybodyAtOnce_AndDecidesNothingBefore()
    {
        await using var world = await FailbackWorld.CreateAsync(startsNode: false);
        var (first, second) = await StartTwoAsync(world);
        await AutomaticFailoverPlay.ArrangeAsync(world, isPolled: false);
        await world.ChangeServerAsync(Spare, s => s with { FailoverAfterPolls = 1 });
        await SweepAsync(world, TimeSpan.FromSeconds(10), first, second);
        await first.Get<RefreshSettings>().ExecuteAsync(default);
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var released = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        world.Recorders.ForgetCalls();
        world.Recorders[Spare].Die();
        world.Recorders.Before(Failed, "GetStatus", async () =>
        {
            asked.SetResult();
            await released.Task;
        });

        // The first one is gone: nobody sweeps there any more.
        while (!second.Get<IWatch>().IsOurs)
        {
            PollsOf(world, Failover).ShouldBe(0);
            world.Time.Advance(TimeSpan.FromMilliseconds(500));
            await FailbackWorld.SweepAsync(second, () => asked.Task.IsCompleted ? 1 : 0);
        }

        await asked.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await FailbackWorld.SweepAsync(second, () => 1);
        (PollsOf(world, Failover), PollsOf(world, Spare)).ShouldBe((1, 1), "all of them at once, not when their moment comes");
        (second.Get<IWatch>().MayDecide, second.Get<PollRecorders>().Punctual().Unasked).ShouldBe((false, 1));
        (await world.ServerAsync(Spare)).Connection.ShouldBe(ConnectionState.Disconnected, "what is found is noted");
        await second.Get<AutomaticFailovers>().DeriveAllAsync(default);
        StartedFailovers(world).ShouldBe(0, "but nothing is done by it");

        released.SetResult();
        await FailbackWorld.SweepAsync(second);
        await FailbackWorld.SweepAsync(second);

        second.Get<IWatch>().MayDecide.ShouldBeTrue();
        await second.Get<AutomaticFailovers>().DeriveAllAsync(default);
        StartedFailovers(world).ShouldBe(1, "the failed poll of the round counts once it may decide");
    }

    /// <summary>Their intervals are an hour each: nobody may decide anything for that long.</summary>
    [Fact]
    public async Task FirstRound_AsksThoseSoon_WhosePollBroke_AndWhoWereAddedDuringIt()
    {
        await using var world = await FailbackWorld.CreateAsync(startsNode: false);
        var (first, second) = await StartTwoAsync(world);
        await SweepAsync(world, TimeSpan.FromSeconds(10), first, second);
        await world.ChangeServerAsync(Spare, s => s with { PollInterval = TimeSpan.FromHours(1) });
        world.Recorders.ForgetCalls();
        world.Recorders.Before(Spare, "GetStatus", () => throw new InvalidOperationException("The database does not answer."));

        while (!second.Get<IWatch>().IsOurs)
        {
            world.Time.Advance(TimeSpan.FromMilliseconds(500));
            await FailbackWorld.SweepAsync(second);
        }

        second.Get<IWatch>().MayDecide.ShouldBeFalse();
        await world.AddServerAsync("rec-4", null);
        await world.ChangeServerAsync("rec-4", s => s with { PollInterval = TimeSpan.FromHours(1) });
        await TakeAsync(world, second);

        (PollsOf(world, Spare), PollsOf(world, "rec-4")).ShouldBe((1, 1), "the one that broke never arrived");
    }

    /// <summary>Its own clock says that it has the watch; the database knows better.</summary>
    [Fact]
    public async Task HolderThatDoesNotKnowYet_ThatItHasLostTheWatch_WritesNothing()
    {
        await using var world = await FailbackWorld.CreateAsync(startsNode: false);
        var first = await world.StartWatchingNodeAsync("node-a");
        await SweepAsync(world, TimeSpan.FromSeconds(10), first);
        var (before, published) = (await world.ServerAsync(Spare), await world.Get<ISystemSettings>().FindAsync(PublishTransitions.Key, default));
        world.Recorders.Before(Spare, "GetStatus", async () =>
        {
            await using (var session = await world.Get<IDatabase>().BeginWriteAsync(default))
            {
                await session.ExecuteAsync("UPDATE watches SET node = 'node-b', beat = beat + 1, term = term + 1", default);
                await session.CommitAsync(default);
            }

            world.Recorders[Spare].Die();
        });

        while (first.Get<FailedPolls>().Of(Spare) == 0)
        {
            first.Get<IWatch>().IsOurs.ShouldBeTrue();
            world.Time.Advance(TimeSpan.FromMilliseconds(100));
            await first.Get<PollRecorders>().SweepAsync(default);
            while (first.Get<PollRecorders>().Punctual().InFlight > 0)
            {
                await Task.Yield();
            }
        }

        first.Get<IWatch>().IsOurs.ShouldBeTrue("it has not sent a beat since");
        (await world.ServerAsync(Spare)).ShouldBe(before);
        await world.ApplyAsync(new AddTransition(new(
            0, Spare, world.Time.GetUtcNow(), TransitionKind.Connected, ConnectionState.Disconnected, ConnectionState.Connected, "It answers.", "poll", "boot-1", 1)));
        await first.Get<PublishTransitions>().ExecuteAsync(default);
        (await world.Get<ISystemSettings>().FindAsync(PublishTransitions.Key, default)).ShouldBe(published, "the one that has it tells of it");
    }

    [Fact]
    public async Task Server_RemovedAndAddedAgainUnderItsId_BeginsAnew()
    {
        await using var world = await FailbackWorld.CreateAsync(startsNode: false);
        var (first, second) = await StartTwoAsync(world);
        await world.ChangeServerAsync(Spare, s => s with { Name = "Recorder of before" });
        await SweepAsync(world, TimeSpan.FromSeconds(10), first, second);
        (await WordsOfSpareAsync()).ShouldNotBeEmpty();
        var removed = await world.ServerAsync(Spare);
        removed.Revision.ShouldBeGreaterThan(1);

        await world.ApplyAsync(new DeleteVmsServer(Spare, removed.Revision));
        (await WordsOfSpareAsync()).ShouldBeEmpty();
        await world.ApplyAsync(new SaveVmsServer(removed with { Revision = 0, CreatedAt = world.Time.GetUtcNow(), Connection = ConnectionState.Connecting, ConnectedSince = null }));
        await SweepAsync(world, TimeSpan.FromSeconds(10), first, second);

        (await world.ServerAsync(Spare)).Connection.ShouldBe(ConnectionState.Connected);
        (await WordsOfSpareAsync()).ShouldNotBeEmpty("they went with the server, and the other node is to know them");

        async Task<IReadOnlyList<RecorderWord>> WordsOfSpareAsync() => [.. (await world.Words.ListAsync(default)).Where(w => w.ServerId == Spare)];
    }

    /// <summary>What it said cannot be asked again, and nothing that others say makes it untrue.</summary>
    [Fact]
    public async Task Silent_WhoSaidLastThatItHasTheDutyByAnotherAllocation_LeavesItToANewEpoch_AndNothingIsWrittenAgainAndAgain()
    {
        await using var world = await FailbackWorld.CreateAsync(startsNode: false);
        var (first, second) = await StartTwoAsync(world);
        world.Recorders[Spare].Duty(Failed).Become(DutyRole.Recorder, FailbackWorld.FailoverEpoch, "another", isRecording: false);
        await SweepAsync(world, TimeSpan.FromSeconds(10), first, second);
        world.Recorders[Spare].Die();
        await SweepAsync(world, TimeSpan.FromSeconds(10), first, second);

        for (var look = 0; look < 5; look++)
        {
            await first.Get<ReconcileDuties>().ExecuteAsync(default);
            await SweepAsync(world, TimeSpan.FromSeconds(3), first, second);
        }

        (await first.Get<RecordersKnowMore>().FindAsync(Failed, default)).ShouldNotBeNull().Kind.ShouldBe(DoubtKind.Allocation);
        (await world.Get<IReconciliations>().ListAsync(null, 10, default)).ShouldBeEmpty();
        var alert = (await first.Get<ReconciliationAlerts>().ListAsync(default)).ShouldHaveSingleItem();
        alert.Sentence.ShouldContain("Recorder 3 said last that it has the duty under epoch 2 by another allocation.");
        alert.Next.ShouldBe("Start a failover to the server that shall record, or adopt the failed server: either draws a new epoch.");
    }

    [Fact]
    public async Task MachineThatWasReplaced_CountsNoMoreByWhatItSaidLast()
    {
        await using var world = await FailbackWorld.CreateAsync(startsNode: false);
        var (first, second) = await StartTwoAsync(world);
        world.FailedDuty.Become(DutyRole.Recorder, FailbackWorld.FailoverEpoch, "another", isRecording: false);
        await SweepAsync(world, TimeSpan.FromSeconds(10), first, second);
        foreach (var node in new[] { first, second })
        {
            (await node.Get<RecordersKnowMore>().FindAsync(Failed, default)).ShouldNotBeNull().Kind.ShouldBe(DoubtKind.Allocation);
        }

        world.FailedRecorder.MachineId = "new-machine";
        world.FailedRecorder.Credential = "token-of-the-new-machine";
        var replaced = await second.Get<ReplaceMachine>().ExecuteAsync(
            new(Failed, "machine-of-rec-1", "new-machine", null, "token-of-the-new-machine", FailbackWorld.Operator, "Its board was exchanged."), default);
        replaced.Server.ShouldNotBeNull(replaced.Message);
        world.FailedRecorder.Die();
        await SweepAsync(world, TimeSpan.FromSeconds(10), first, second);

        foreach (var node in new[] { first, second })
        {
            (await node.Get<RecordersKnowMore>().FindAsync(Failed, default)).ShouldBeNull();
            (await node.Get<SeenDuties>().OfAsync(Failed, default)).Servers.ShouldContain(Failed, "a new epoch must be larger than what it knew");
        }
    }

    /// <summary>Nobody waits for its word without end.</summary>
    [Fact]
    public async Task Server_WhoseCredentialCannotBeRead_IsSilent()
    {
        await using var world = await FailbackWorld.CreateAsync(startsNode: false);
        await world.ChangeServerAsync(Spare, s => s with { ProtectedCredential = "of another installation" });
        var (first, second) = await StartTwoAsync(world);

        await SweepAsync(world, TimeSpan.FromSeconds(20), first, second);

        first.Get<SeenDuties>().HasAnswered(Spare).ShouldBe(false);
        first.Get<FailedPolls>().Of(Spare).ShouldBe(0, "it has not failed");
        second.Get<PollRecorders>().OfCluster().ShouldNotBeNull().HasAskedEverybody.ShouldBeTrue();
        (await world.ServerAsync(Spare)).Connection.ShouldBe(ConnectionState.Disconnected);
    }

    [Fact]
    public async Task FailedPolls_AreCountedAnew_ByWhoeverTakesTheWatch_AlsoByWhoHadItBefore()
    {
        await using var world = await FailbackWorld.CreateAsync(startsNode: false);
        var (first, second) = await StartTwoAsync(world);
        await SweepAsync(world, TimeSpan.FromSeconds(10), first, second);
        world.Recorders[Spare].Die();
        await SweepAsync(world, TimeSpan.FromSeconds(10), first, second);
        var counted = first.Get<FailedPolls>().Of(Spare);
        (counted, second.Get<FailedPolls>().Of(Spare)).ShouldBe((2, 0));
        (first.Get<PollRecorders>().FailedPollsOf(Spare), second.Get<PollRecorders>().FailedPollsOf(Spare)).ShouldBe((2, null), "who does not poll does not pretend to know");

        await TakeAsync(world, second);
        second.Get<FailedPolls>().Of(Spare).ShouldBe(1, "the round has asked it once");
        await FailbackWorld.SweepAsync(first);
        first.Get<FailedPolls>().Of(Spare).ShouldBe(0);

        await TakeAsync(world, first);
        first.Get<FailedPolls>().Of(Spare).ShouldBe(1);
    }

    /// <summary>What a recorder that nobody asks for any run knows, a restored database cannot know. The one on watch hears it; the other one must not draw below it.</summary>
    [Fact]
    public async Task WhatTheOneOnWatchHears_TheOtherDoubtsBy_AndDrawsAbove()
    {
        await using var world = await FailbackWorld.CreateAsync(startsNode: false);
        var (first, second) = await StartTwoAsync(world);
        await SweepAsync(world, TimeSpan.FromSeconds(10), first, second);
        (await second.Get<RecordersKnowMore>().FindAsync(Failed, default)).ShouldBeNull();
        world.Recorders[Spare].Duty(Failed).Become(DutyRole.Standby, 9, "later", isRecording: false);

        await SweepAsync(world, TimeSpan.FromSeconds(6), first, second);

        var doubt = await second.Get<RecordersKnowMore>().FindAsync(Failed, default);
        doubt.ShouldNotBeNull().Kind.ShouldBe(DoubtKind.Epoch);
        (await second.Get<RecordersKnowMore>().ListAsync(default)).ShouldBe([doubt]);
        var seen = await second.Get<SeenDuties>().OfAsync(Failed, default);
        seen.Servers.ShouldContain(Spare);
        world.Recorders[Spare].Die();

        var run = await world.EndAsync((await world.StartFailbackAsync(node: second)).RunId!);
        run.Result.ShouldBe("done", run.Message);
        (await world.DutyAsync()).Epoch.ShouldBeGreaterThan(9, "the recorder that knows 9 was never asked by this node, and does not answer any more");
    }

    /// <summary>As after a restore: nodes begin anew, and nobody has asked anybody since.</summary>
    [Fact]
    public async Task NodeThatBegins_DoubtsEverything_UntilSomebodyHasAskedEverybodySince()
    {
        await using var world = await FailbackWorld.CreateAsync(startsNode: false);
        var first = await world.StartWatchingNodeAsync("node-a");
        await SweepAsync(world, TimeSpan.FromSeconds(10), first);
        var second = await world.StartWatchingNodeAsync("node-b");

        await FailbackWorld.SweepAsync(second);
        (await second.Get<RecordersKnowMore>().FindAsync(Failed, default)).ShouldNotBeNull("what is written may be the word of a backup").Kind.ShouldBe(DoubtKind.NotAskedYet);
        world.Time.Advance(TimeSpan.FromSeconds(3));
        await FailbackWorld.SweepAsync(second);
        (await second.Get<RecordersKnowMore>().FindAsync(Failed, default)).ShouldNotBeNull("and nobody has told anything since it began");

        await SweepAsync(world, TimeSpan.FromSeconds(6), first, second);
        (await second.Get<RecordersKnowMore>().FindAsync(Failed, default)).ShouldBeNull();
    }

    [Fact]
    public async Task NodeThatBegins_AsksEverybodyItself_WhenAnEpochIsDrawnBeforeThat()
    {
        await using var world = await FailbackWorld.CreateAsync(startsNode: false);
        var node = await world.StartWatchingNodeAsync("node-a");
        world.Recorders[Spare].Duty(Failed).Become(DutyRole.Standby, 9, "later", isRecording: false);

        var run = await world.EndAsync((await world.StartFailbackAsync(node: node)).RunId!);

        run.Result.ShouldBe("done", run.Message);
        (await world.DutyAsync()).Epoch.ShouldBeGreaterThan(9);
    }

    /// <summary>It is stopped between the answer of a recorder and what it makes of it, and goes on when another one has the watch.</summary>
    [Fact]
    public async Task HolderThatWasPaused_NotesAndDecidesNothing_WhenItGoesOn()
    {
        await using var world = await FailbackWorld.CreateAsync(startsNode: false);
        var (first, second) = await StartTwoAsync(world);
        await AutomaticFailoverPlay.ArrangeAsync(world, isPolled: false);
        await world.ChangeServerAsync(Spare, s => s with { FailoverAfterPolls = 1 });
        await SweepAsync(world, TimeSpan.FromSeconds(10), first, second);
        await first.Get<RefreshSettings>().ExecuteAsync(default);
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var released = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        world.Recorders.Before(Spare, "GetStatus", async () =>
        {
            asked.SetResult();
            await released.Task;
        });
        while (!asked.Task.IsCompleted)
        {
            world.Time.Advance(TimeSpan.FromMilliseconds(100));
            await FailbackWorld.SweepAsync(first, () => asked.Task.IsCompleted ? 1 : 0);
        }

        await TakeAsync(world, second);
        var before = await world.ServerAsync(Spare);
        var polls = PollsOf(world, Spare);
        world.Recorders[Spare].Die();
        released.SetResult();
        await FailbackWorld.SweepAsync(first);

        PollsOf(world, Spare).ShouldBeGreaterThan(polls, "the call that hung has failed");
        (before.Connection, (await world.ServerAsync(Spare)).Revision).ShouldBe((ConnectionState.Connected, before.Revision));
        first.Get<FailedPolls>().Of(Spare).ShouldBe(0);
        await first.Get<AutomaticFailovers>().DeriveAllAsync(default);
        await first.Get<AutomaticFailovers>().DeriveAsync(Spare, default);
        StartedFailovers(world).ShouldBe(0);
    }

    [Fact]
    public async Task LastSeen_AtTheOtherNode_IsWhatTheOneOnWatchAnswersFor()
    {
        await using var world = await FailbackWorld.CreateAsync(startsNode: false);
        var (first, second) = await StartTwoAsync(world);
        await SweepAsync(world, TimeSpan.FromMinutes(10), first, second);
        var now = world.Time.GetUtcNow();

        var server = await world.ServerAsync(Spare);
        (now - server.LastSeenAt!.Value).ShouldBeGreaterThan(TimeSpan.FromMinutes(9), "the row is not written for it");
        (now - first.Get<PollRecorders>().SeenAt(server)!.Value).ShouldBeLessThan(TimeSpan.FromSeconds(5.2));
        var seen = second.Get<PollRecorders>().SeenAt(server)!.Value;
        seen.ShouldBeLessThanOrEqualTo(first.Get<PollRecorders>().SeenAt(server)!.Value, "at least as late as that");
        (now - seen).ShouldBeLessThan(TimeSpan.FromSeconds(16), "an interval, the patience, a beat and a look");
        second.Get<PollRecorders>().OfCluster().ShouldNotBeNull().ShouldSatisfyAllConditions(
            r => (r.Node, r.IsRoundDone, r.HasAskedEverybody, r.Polls.Recorders).ShouldBe(("node-a", true, true, 3)),
            r => r.Polls.LongestLag.ShouldBeLessThanOrEqualTo(TimeSpan.FromMilliseconds(100)));

        // It dies together with the one that polled it: what is written down is when it was surely seen, not when its row was written.
        world.Recorders[Spare].Die();
        await TakeAsync(world, second);
        var lost = await world.ServerAsync(Spare);
        lost.Connection.ShouldBe(ConnectionState.Disconnected);
        lost.LastSeenAt.ShouldNotBeNull().ShouldBeInRange(seen, first.Get<PollRecorders>().SeenAt(server)!.Value);
    }

    private static async Task<(FailbackNode First, FailbackNode Second)> StartTwoAsync(FailbackWorld world) =>
        (await world.StartWatchingNodeAsync("node-a"), await world.StartWatchingNodeAsync("node-b"));

    /// <summary>Lets time go by at nodes that live.</summary>
    private static async Task SweepAsync(FailbackWorld world, TimeSpan length, params FailbackNode[] nodes)
    {
        for (var i = 0; i < length / TimeSpan.FromMilliseconds(100); i++)
        {
            foreach (var node in nodes)
            {
                await FailbackWorld.SweepAsync(node);
            }

            world.Time.Advance(TimeSpan.FromMilliseconds(100));
        }
    }

    /// <summary>The other one is silent until this one has taken the watch and asked everybody.</summary>
    private static async Task TakeAsync(FailbackWorld world, FailbackNode node)
    {
        for (var i = 0; !node.Get<IWatch>().MayDecide; i++)
        {
            i.ShouldBeLessThan(50, "it should have taken the watch by now");
            world.Time.Advance(TimeSpan.FromMilliseconds(500));
            await FailbackWorld.SweepAsync(node);
            await FailbackWorld.SweepAsync(node);
        }
    }

    private static int PollsOf(FailbackWorld world, string serverId) => world.Recorders.Calls.Count(c => c.ServerId == serverId && c.Name == "GetStatus");

    private static int StartedFailovers(FailbackWorld world) => world.Store.Commits.Count(c => c.IsStart && c.Instance.DefinitionId == "automatic-failover");
}
