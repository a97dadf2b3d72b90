using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Workflows;

/// <summary>What a commit looks at and tells beyond its own instance: runs that stand in the way, children, labels, correlation, schedules, tasks.</summary>
public abstract partial class WorkflowStoreCompliance
{
    [Theory]
    [InlineData(ActivationStrategy.Singleton, "failback", "a", true)]
    [InlineData(ActivationStrategy.Singleton, "failover", "b", false)]
    [InlineData(ActivationStrategy.CorrelatedSingleton, "failback", "a", true)]
    [InlineData(ActivationStrategy.CorrelatedSingleton, "failback", "b", false)]
    [InlineData(ActivationStrategy.CorrelatedSingleton, "failback", null, false)]
    [InlineData(ActivationStrategy.Correlation, "failover", "a", true)]
    [InlineData(ActivationStrategy.Correlation, "failback", "b", false)]
    public async Task Start_ActivationStrategy_RefusesWhatStandsInTheWay(ActivationStrategy strategy, string definitionId, string? correlationId, bool isRefused)
    {
        await Store.CommitAsync(Steps.Starting("first", correlationId: "a"), None);
        var start = With(Steps.Starting("second", definitionId: definitionId, correlationId: correlationId), activation: new(strategy, definitionId, correlationId));

        if (isRefused)
        {
            (await Should.ThrowAsync<AlreadyRunningException>(Store.CommitAsync(start, None))).InstanceId.ShouldBe("first");
            (await Store.FindInstanceAsync("second", None)).ShouldBeNull();
        }
        else
        {
            await Store.CommitAsync(start, None);
        }
    }

    [Fact]
    public async Task Start_SingletonWhoseRunHasEnded_Starts()
    {
        await FinishedAsync("first", WorkflowSubStatus.Faulted);

        await Store.CommitAsync(With(Steps.Starting("second"), activation: new(ActivationStrategy.Singleton, "failback", null)), None);
    }

    [Fact]
    public async Task Start_TenAtOnceOfASingleton_ExactlyOneStarts()
    {
        var starts = await Task.WhenAll(Enumerable.Range(1, 10).Select(i => Task.Run(async () =>
        {
            try
            {
                await Store.CommitAsync(With(Steps.Starting($"run-{i}"), activation: new(ActivationStrategy.Singleton, "failback", null)), None);
                return true;
            }
            catch (AlreadyRunningException)
            {
                return false;
            }
        })));

        starts.Count(s => s).ShouldBe(1);
        (await Database.CountAsync("workflow_instances")).ShouldBe(1);
    }

    [Fact]
    public async Task Redrive_OfASingletonBesideAnother_WritesNothing()
    {
        var lease = await StartAsync("first");
        await StepAsync(lease, WorkflowSubStatus.Faulted, bookmarks: []);
        await Store.PostAsync("first", Steps.Message(InboxMessageKind.Redrive), T0, None);
        await Store.CommitAsync(Steps.Starting("second"), None);
        var again = await ClaimOneAsync();
        var before = await InstanceAsync("first");

        await Should.ThrowAsync<AlreadyRunningException>(Store.CommitAsync(With(Steps.Next(again, before), activation: new(ActivationStrategy.Singleton, "failback", null)), None));

        (await InstanceAsync("first")).ShouldBe(before);
        (await Store.FindRunningAsync(new(ActivationStrategy.Singleton, "failback", null), "first", None)).ShouldBe("second");
        (await Store.FindRunningAsync(new(ActivationStrategy.Singleton, "failback", null), "second", None)).ShouldBeNull();
    }

    [Fact]
    public async Task Commit_WithCancels_AsksTheChildrenThatAreThereToCancel()
    {
        await WaitingAsync("child");
        var lease = await StartAsync("parent");

        await Store.CommitAsync(With(Steps.Next(lease, await InstanceAsync("parent"), WorkflowSubStatus.Cancelled, bookmarks: []), cancels: ["child", "gone"]), None);

        (await ClaimOneAsync()).InstanceId.ShouldBe("child");
        (await Store.ReadInboxAsync("child", None)).ShouldHaveSingleItem().Kind.ShouldBe(InboxMessageKind.Cancel);
        (await Database.CountAsync("inbox")).ShouldBe(1);
    }

    [Fact]
    public async Task Commit_Relabelled_ChangesNameAndCorrelationId()
    {
        var lease = await StartAsync("run-1");
        var step = Steps.Next(lease, await InstanceAsync("run-1"));

        await Store.CommitAsync(With(step, instance: step.Instance with { Name = "Disk 7", CorrelationId = "case-7" }), None);

        var stored = await InstanceAsync("run-1");
        stored.Name.ShouldBe("Disk 7");
        stored.CorrelationId.ShouldBe("case-7");
    }

    [Fact]
    public async Task PostStimulus_CorrelationId_NarrowsIt()
    {
        await WaitingAsync("without", "Event:x");
        await CorrelatedAsync("a", "Event:x");
        await CorrelatedAsync("b", "Event:x");

        (await Store.PostStimulusAsync(new("Event:x", Steps.Operator) { CorrelationId = "b" }, T0, None)).ShouldBe(["b"]);
        (await Store.PostStimulusAsync(new("Event:x", Steps.Operator) { CorrelationId = "c" }, T0, None)).ShouldBeEmpty();
        (await Store.PostStimulusAsync(new("Event:x", Steps.Operator), T0, None)).ShouldBe(["a", "b", "without"]);
    }

    [Fact]
    public async Task Commit_WithStimulusOfACorrelationId_ReachesOnlyThose()
    {
        await CorrelatedAsync("a", "Event:x");
        await CorrelatedAsync("b", "Event:x");
        var lease = await StartAsync("sender");
        var step = Steps.Next(lease, await InstanceAsync("sender"));

        await Store.CommitAsync(With(step, stimuli: [new("Event:x", Actor.System) { CorrelationId = "b" }]), None);

        (await ClaimOneAsync()).InstanceId.ShouldBe("b");
    }

    [Fact]
    public async Task ListTriggers_Prefixes_OnlyOfPublishedVersionsAndWithTheirTime()
    {
        await Store.PublishDefinitionAsync(Definition(1, "{}") with { PublishedAt = T0, Triggers = [new("flow:t", "Timer;interval=00:05:00"), new("flow:e", "Event;eventName=x")] }, None);
        await Store.PublishDefinitionAsync(Definition(1, "{}", "failover") with { PublishedAt = T0, Triggers = [new("flow:c", "Cron;cronExpression=0 0 3 * * ?")] }, None);

        (await Store.ListTriggersAsync(["Timer;", "Cron;"], None)).ShouldBe(
            [new("failback", "flow:t", "Timer;interval=00:05:00", T0), new("failover", "flow:c", "Cron;cronExpression=0 0 3 * * ?", T0)]);
        await Store.PublishDefinitionAsync(Definition(2, """{"v":2}"""), None);
        (await Store.ListTriggersAsync(["Timer;"], None)).ShouldBeEmpty();
        (await Store.ListPublishedDefinitionsAsync(None)).Select(d => d.Id).ShouldBe(["failback:2", "failover:1"]);
    }

    [Fact]
    public async Task ListBookmarks_OfAName_OldestFirst()
    {
        await WaitingAsync("b", "Task:b");
        await WaitingAsync("a", "Task:a");

        (await Store.ListBookmarksAsync("Event", 10, None)).Select(b => b.Key).ShouldBe(["Task:a", "Task:b"]);
        (await Store.ListBookmarksAsync("Event", 1, None)).Count.ShouldBe(1);
        (await Store.ListBookmarksAsync("Delay", 10, None)).ShouldBeEmpty();
    }

    private async Task CorrelatedAsync(string id, string key)
    {
        var start = Steps.Starting(id, correlationId: id);
        await Store.CommitAsync(start, None);
        await StepAsync(start.Lease, WorkflowSubStatus.Suspended, bookmarks: [Steps.Bookmark(id, "b1", key)]);
    }

    private static StepCommit With(
        StepCommit step, Activation? activation = null, IReadOnlyList<string>? cancels = null, StoredInstance? instance = null, IReadOnlyList<Stimulus>? stimuli = null, IReadOnlyList<JournalEvent>? events = null) => new()
        {
            Lease = step.Lease,
            Instance = instance ?? step.Instance,
            IsRelabelled = instance is not null,
            IsStart = step.IsStart,
            Events = events ?? step.Events,
            Bookmarks = step.Bookmarks,
            ConsumedInbox = step.ConsumedInbox,
            Releases = step.Releases,
            DueAt = step.DueAt,
            At = step.At,
            LeaseUntil = step.LeaseUntil,
            Activation = activation,
            Cancels = cancels ?? [],
            Stimuli = stimuli ?? [],
        };
}
