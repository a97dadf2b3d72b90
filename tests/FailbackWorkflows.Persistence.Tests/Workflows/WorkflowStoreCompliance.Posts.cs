using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Engine.Values;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Testing.Persistence;
using Microsoft.EntityFrameworkCore;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Workflows;

/// <summary>What reaches an instance from outside: no message lost, none taken twice.</summary>
public abstract partial class WorkflowStoreCompliance
{
    [Fact]
    public async Task PostStimulus_TwentyWaiting_ReachesAllAndOnlyThem()
    {
        var waiting = Enumerable.Range(1, 20).Select(i => $"run-{i:00}").ToList();
        foreach (var id in waiting)
        {
            await WaitingAsync(id, "Event:disk-replaced");
        }

        await WaitingAsync("other-key", "Event:other");
        await WaitingAsync("timer-only", dueAt: T0.AddDays(1));

        var reached = await Store.PostStimulusAsync(new("Event:disk-replaced", Steps.Operator), T0, None);

        reached.Order().ShouldBe(waiting);
        (await ClaimAsync()).Select(l => l.InstanceId).Order().ShouldBe(waiting);
        (await Database.CountAsync("inbox")).ShouldBe(20);
        (await Store.PostStimulusAsync(new("Event:nobody", Steps.Operator), T0, None)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Commit_WithStimuli_WakesWhoWaitsInTheSameTransaction()
    {
        await WaitingAsync("waiting", WorkflowEnded.KeyOf("ending"));
        var lease = await StartAsync("ending");
        var step = Steps.Next(lease, await InstanceAsync("ending"), WorkflowSubStatus.Finished, bookmarks: []);

        await Store.CommitAsync(
            new StepCommit
            {
                Lease = step.Lease, Instance = step.Instance, Events = step.Events, Bookmarks = step.Bookmarks, Releases = true, At = step.At, LeaseUntil = step.LeaseUntil,
                Stimuli = [new Stimulus(WorkflowEnded.KeyOf("ending"), Actor.System)],
            },
            None);

        (await ClaimOneAsync()).InstanceId.ShouldBe("waiting");
        (await Store.ReadInboxAsync("waiting", None)).ShouldHaveSingleItem().BookmarkKey.ShouldBe("WorkflowEnded:ending");
    }

    [Fact]
    public async Task Bookmark_OnTheEndOfWhatHasEnded_IsWokenByItsOwnCommit()
    {
        await FinishedAsync("ended");
        await WaitingAsync("late", WorkflowEnded.KeyOf("ended"));
        await StartAsync("running");
        await WaitingAsync("in-time", WorkflowEnded.KeyOf("running"));

        (await ClaimAsync()).Select(l => l.InstanceId).ShouldBe(["late"]);
    }

    [Fact]
    public async Task Bookmark_OnAnEnd_RacingThatEnd_IsWokenAllTheSame()
    {
        for (var i = 0; i < 60; i++)
        {
            var (ending, waiting) = ($"ending-{i}", $"waiting-{i}");
            var end = Steps.Next(await StartAsync(ending), await InstanceAsync(ending), WorkflowSubStatus.Finished, bookmarks: []);
            var wait = Steps.Next(
                await StartAsync(waiting), await InstanceAsync(waiting), WorkflowSubStatus.Suspended, bookmarks: [Steps.Bookmark(waiting, "b1", WorkflowEnded.KeyOf(ending))]);
            var endAndTell = new StepCommit
            {
                Lease = end.Lease, Instance = end.Instance, Events = end.Events, Bookmarks = end.Bookmarks, Releases = true, At = end.At, LeaseUntil = end.LeaseUntil,
                Stimuli = [new Stimulus(WorkflowEnded.KeyOf(ending), Actor.System)],
            };

            var attempts = await Together.RunAsync(2, n => Store.CommitAsync(n == i % 2 ? endAndTell : wait, None));

            attempts.ShouldAllBe(a => a.Succeeded);
            var lease = await ClaimOneAsync();
            lease.InstanceId.ShouldBe(waiting);
            await StepAsync(lease, WorkflowSubStatus.Finished, bookmarks: []);
        }
    }

    [Fact]
    public async Task PostRedrive_ManyAtOnce_AllReachAFinishedInstance()
    {
        for (var i = 0; i < 10; i++)
        {
            var id = $"run-{i}";
            await FinishedAsync(id, WorkflowSubStatus.Faulted);

            var attempts = await Together.RunAsync(8, n => Store.PostAsync(id, Steps.Message(InboxMessageKind.Redrive), T0, None));

            attempts.ShouldAllBe(a => a.Succeeded && a.Result);
            (await Store.ReadInboxAsync(id, None)).Count.ShouldBe(8);
            (await ClaimOneAsync()).InstanceId.ShouldBe(id);
        }
    }

    [Fact]
    public async Task PostStimulus_SeenByAReader_IsInAllInboxesOrInNone()
    {
        for (var i = 0; i < 20; i++)
        {
            await WaitingAsync($"run-{i}", "Event:x");
        }

        for (var round = 1; round <= 10; round++)
        {
            var post = Task.Run(() => Store.PostStimulusAsync(new("Event:x", Steps.Operator), T0, None));
            int count;
            do
            {
                await using var db = Database.Get<IDatabase>().CreateReadContext();
                count = await db.Inbox.CountAsync();
                (count % 20).ShouldBe(0);
            }
            while (count < 20 * round);
            await post;
        }
    }

    [Fact]
    public async Task PostStimulus_ForOneInstance_ReachesOnlyThat()
    {
        await WaitingAsync("run-1", "Event:x");
        await WaitingAsync("run-2", "Event:x");

        (await Store.PostStimulusAsync(new("Event:x", Steps.Operator, null, "run-2"), T0, None)).ShouldBe(["run-2"]);
        (await Store.PostStimulusAsync(new("Event:x", Steps.Operator, null, "run-3"), T0, None)).ShouldBeEmpty();

        (await ClaimOneAsync()).InstanceId.ShouldBe("run-2");
    }

    [Fact]
    public async Task PostStimulus_TwoBookmarksOfOneInstance_IsOneMessage()
    {
        await StartAsync("run-1", bookmarks: [Steps.Bookmark("run-1", "b1", "Event:x"), Steps.Bookmark("run-1", "b2", "Event:x")]);

        (await Store.PostStimulusAsync(new("Event:x", Steps.Operator), T0, None)).ShouldBe(["run-1"]);

        (await Store.ReadInboxAsync("run-1", None)).Count.ShouldBe(1);
    }

    [Fact]
    public async Task Inbox_Messages_AreReadOldestFirstAndWhole()
    {
        var payload = new Dictionary<string, object?> { ["slot"] = 3L, ["note"] = "Größe „gut“", ["parts"] = new List<object?> { 1.5, true, null } };
        await WaitingAsync("run-1", "Event:x");
        await Store.PostStimulusAsync(new("Event:x", Steps.Operator, payload), T0, None);
        await Store.PostAsync("run-1", Steps.Message(InboxMessageKind.Cancel, "wrong server"), T0, None);
        await Store.PostAsync("run-1", new InboxMessage(0, InboxMessageKind.Redrive, null, null, Actor.System, null), T0, None);

        var inbox = await Store.ReadInboxAsync("run-1", None);

        inbox.Select(m => m.Kind).ShouldBe([InboxMessageKind.Stimulus, InboxMessageKind.Cancel, InboxMessageKind.Redrive]);
        inbox.Select(m => m.Id).ShouldBe(inbox.Select(m => m.Id).Distinct().Order());
        inbox[0].BookmarkKey.ShouldBe("Event:x");
        inbox[0].Actor.ShouldBe(Steps.Operator);
        PlainValue.AreEqual(inbox[0].Payload, payload).ShouldBeTrue();
        inbox[1].Reason.ShouldBe("wrong server");
        inbox[2].Actor.ShouldBe(Actor.System);
        (await Store.ReadInboxAsync("run-2", None)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Inbox_ConsumedByACommit_IsGoneAndNotRunnableAgain()
    {
        await WaitingAsync("run-1", "Event:x");
        await Store.PostStimulusAsync(new("Event:x", Steps.Operator), T0, None);
        var lease = await ClaimOneAsync();
        var message = (await Store.ReadInboxAsync("run-1", None)).ShouldHaveSingleItem();

        await StepAsync(lease, WorkflowSubStatus.Suspended, consumed: [message.Id]);

        (await Store.ReadInboxAsync("run-1", None)).ShouldBeEmpty();
        (await ClaimAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task Inbox_ConsumerLostItsLease_IsLeftToTheOther()
    {
        await WaitingAsync("run-1", "Event:x");
        await Store.PostStimulusAsync(new("Event:x", Steps.Operator), T0, None);
        var lost = await ClaimOneAsync("node-1");
        var later = lost.Until.AddSeconds(1);
        var held = await ClaimOneAsync("node-2", later);
        var message = (await Store.ReadInboxAsync("run-1", None)).ShouldHaveSingleItem();

        await Should.ThrowAsync<LeaseLostException>(() => StepAsync(lost, consumed: [message.Id]));
        (await Store.ReadInboxAsync("run-1", None)).ShouldHaveSingleItem();

        await StepAsync(held, consumed: [message.Id]);
        (await Store.ReadInboxAsync("run-1", None)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Inbox_MessageOfAnotherInstance_IsNotConsumed()
    {
        await WaitingAsync("run-1", "Event:x");
        var lease = await StartAsync("run-2");
        await Store.PostStimulusAsync(new("Event:x", Steps.Operator), T0, None);
        var message = (await Store.ReadInboxAsync("run-1", None)).ShouldHaveSingleItem();

        await StepAsync(lease, consumed: [message.Id]);

        (await Store.ReadInboxAsync("run-1", None)).ShouldHaveSingleItem();
    }

    [Fact]
    public async Task Inbox_AllConsumed_IdsAreNotUsedAgain()
    {
        var lease = await StartAsync("run-1");
        await Store.PostAsync("run-1", Steps.Message(), T0, None);
        var first = (await Store.ReadInboxAsync("run-1", None)).ShouldHaveSingleItem();
        await StepAsync(lease, consumed: [first.Id]);

        await Store.PostAsync("run-1", Steps.Message(), T0, None);

        (await Store.ReadInboxAsync("run-1", None)).ShouldHaveSingleItem().Id.ShouldBeGreaterThan(first.Id);
    }

    [Fact]
    public async Task Post_NoSuchInstance_IsFalseAndLeavesNothing()
    {
        (await Store.PostAsync("nobody", Steps.Message(), T0, None)).ShouldBeFalse();

        (await Database.CountAsync("inbox")).ShouldBe(0);
        (await Database.CountAsync("wake_ups")).ShouldBe(0);
    }

    [Fact]
    public async Task Post_WhileItRuns_IsNotClaimedByOthersButRunsAgainAfterwards()
    {
        var lease = await StartAsync("run-1");
        await Store.PostAsync("run-1", Steps.Message(), T0, None);
        (await ClaimAsync("node-2")).ShouldBeEmpty();

        await StepAsync(lease, WorkflowSubStatus.Suspended);

        var again = await ClaimOneAsync("node-2");
        await StepAsync(again, WorkflowSubStatus.Suspended);
        (await ClaimAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task Post_BeforeTheFinishingCommit_KeepsTheInstanceRunnable()
    {
        var lease = await StartAsync("run-1");
        await Store.PostAsync("run-1", Steps.Message(), T0, None);
        await StepAsync(lease, WorkflowSubStatus.Finished);

        var again = await ClaimOneAsync();
        var message = (await Store.ReadInboxAsync("run-1", None)).ShouldHaveSingleItem();
        await StepAsync(again, WorkflowSubStatus.Finished, consumed: [message.Id]);

        (await ClaimAsync()).ShouldBeEmpty();
        (await Database.CountAsync("wake_ups")).ShouldBe(0);
    }

    [Theory]
    [InlineData(WorkflowSubStatus.Suspended)]
    [InlineData(WorkflowSubStatus.Faulted)]
    public async Task Post_RacingTheReleasingCommit_IsNeverLost(WorkflowSubStatus subStatus)
    {
        for (var i = 0; i < 150; i++)
        {
            var id = $"run-{i}";
            var lease = await StartAsync(id);
            var step = Steps.Next(lease, await InstanceAsync(id), subStatus);

            var attempts = await Together.RunAsync(2, n => n == i % 2 ? Store.CommitAsync(step, None) : Store.PostAsync(id, Steps.Message(InboxMessageKind.Redrive), T0, None));

            attempts.ShouldAllBe(a => a.Succeeded);
            var again = await ClaimOneAsync();
            again.InstanceId.ShouldBe(id);
            again.Fence.ShouldBeGreaterThan(lease.Fence);
            var message = (await Store.ReadInboxAsync(id, None)).ShouldHaveSingleItem();
            await StepAsync(again, WorkflowSubStatus.Finished, consumed: [message.Id]);
            (await ClaimAsync()).ShouldBeEmpty();
        }
    }

    [Fact]
    public async Task Post_ManyAtOnceWhileItRunsAndEnds_AllAreConsumedExactlyOnce()
    {
        const int Posts = 60;
        await StartAsync("run-1");
        await Store.ReleaseLeasesOfAsync("node-1", None);
        var consumed = new List<string>();
        var posting = Together.RunAsync(Posts, i => Store.PostAsync("run-1", Steps.Message(reason: $"message-{i}"), T0, None));

        // A runner as the engine has it: claim, take in what is there, commit, finish; again whenever it is runnable.
        while (consumed.Count < Posts)
        {
            foreach (var lease in await ClaimAsync())
            {
                var inbox = await Store.ReadInboxAsync("run-1", None);
                await StepAsync(lease, WorkflowSubStatus.Faulted, consumed: [.. inbox.Select(m => m.Id)]);
                consumed.AddRange(inbox.Select(m => m.Reason!));
            }
        }

        (await posting).ShouldAllBe(a => a.Succeeded && a.Result);
        consumed.Order().ShouldBe(Enumerable.Range(0, Posts).Select(i => $"message-{i}").Order());
        (await Store.ReadInboxAsync("run-1", None)).ShouldBeEmpty();
    }

    [Fact]
    public async Task PostRedrive_FinishedInstance_IsRunnableAgain()
    {
        await FinishedAsync("run-1", WorkflowSubStatus.Faulted);
        (await ClaimAsync(now: T0.AddDays(1))).ShouldBeEmpty();

        (await Store.PostAsync("run-1", Steps.Message(InboxMessageKind.Redrive, "disk replaced"), T0, None)).ShouldBeTrue();

        var lease = await ClaimOneAsync();
        var message = (await Store.ReadInboxAsync("run-1", None)).ShouldHaveSingleItem();
        message.Kind.ShouldBe(InboxMessageKind.Redrive);
        await StepAsync(lease, consumed: [message.Id]);
        var running = await InstanceAsync("run-1");
        running.Status.ShouldBe(WorkflowStatus.Running);
        running.FinishedAt.ShouldBeNull();
    }

    [Fact]
    public async Task PostRedrive_RefusedStepThenRestart_StaysRunnable()
    {
        await FinishedAsync("run-1", WorkflowSubStatus.Faulted);
        await Store.PostAsync("run-1", Steps.Message(InboxMessageKind.Redrive), T0, None);
        var lease = await ClaimOneAsync("node-1");
        await Should.ThrowAsync<ConcurrentChangeException>(() => StepAsync(lease, changes: new RaiseFence("nobody", 1)));

        await Database.RestartAsync();
        await Store.ReleaseLeasesOfAsync("node-1", None);

        await ClaimOneAsync("node-1");
        (await Store.ReadInboxAsync("run-1", None)).ShouldHaveSingleItem();
    }
}
