using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Testing;
using FailbackWorkflows.Testing.Engine;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;
using static FailbackWorkflows.Tests.Engine.Json;

namespace FailbackWorkflows.Tests.Engine;

public sealed class RunnerTests
{
    private static readonly string Eleven = Workflow(Flowchart(
        "flow",
        [.. Enumerable.Range(1, 11).Select(i => Do($"a{i}"))],
        [.. Enumerable.Range(1, 10).Select(i => $"a{i} > a{i + 1}")]));

    private readonly Behaviours _activities = new();

    [Fact]
    public async Task Run_ElevenActivities_IsTwelveCommitsWithOneResultEach()
    {
        await using var host = await TestHosts.StartAsync(_activities);
        var instance = await host.RunAsync(Eleven);

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        host.Store.CommitCount.ShouldBe(12);
        host.Store.Commits[0].IsStart.ShouldBeTrue();
        foreach (var commit in host.Store.Commits.Skip(1))
        {
            commit.Events.Count(e => e.IsFact).ShouldBe(1);
            commit.Events.OfType<ActivityCompleted>().Count(e => e.IsFact).ShouldBe(1);
        }

        // The intent of each step is in the commit before the step's result.
        host.Store.Commits.Take(11).ShouldAllBe(c => c.Events.OfType<ActivityStarted>().Any(s => s.NodeId.StartsWith("flow:", StringComparison.Ordinal)));
        host.Store.Commits.Count(c => c.Releases).ShouldBe(1);
        host.Store.Commits[^1].Releases.ShouldBeTrue();
    }

    [Theory]
    [InlineData(CrashMoment.BeforeCommit)]
    [InlineData(CrashMoment.AfterCommit)]
    public async Task Run_NodeDiesAtAnyCommit_NextLifeReachesTheSameEndWithEachEffectOnce(CrashMoment moment)
    {
        for (var commit = 1; commit <= 12; commit++)
        {
            var activities = new Behaviours();
            var store = new InMemoryWorkflowStore();
            var time = new FakeTimeProvider();
            var crashing = new CrashingWorkflowStore(store, moment, commit);
            await using (var first = await EngineHost.StartAsync(store, time, TestHosts.AddTestActivities, addServices: activities.AddTo, behind: crashing))
            {
                await first.PublishAsync(Eleven);
                try
                {
                    await first.Runtime.StartAsync(new("test", Actor.System) { StartKey = "once" }, CancellationToken.None);
                    await crashing.Died.WaitAsync(TimeSpan.FromSeconds(30));
                }
                catch (NodeDiedException)
                {
                    // The start itself was the last thing this node did; its caller asks again.
                    commit.ShouldBe(1);
                }
            }

            await using var second = await TestHosts.StartAsync(activities, store, time);
            var started = await second.Runtime.StartAsync(new("test", Actor.System) { StartKey = "once" }, CancellationToken.None);
            var instance = await store.WaitForAsync(started.InstanceId, i => i.SubStatus == WorkflowSubStatus.Finished);

            activities.Effects.Count.ShouldBe(11, $"{moment} {commit}");
            activities.Effects.Values.Max().ShouldBeLessThanOrEqualTo(2);
            activities.Effects.Values.Count(v => v == 2).ShouldBe(moment == CrashMoment.BeforeCommit && commit > 1 ? 1 : 0, "only the step that was not committed is repeated");
            store.CommitCount.ShouldBe(12);
            Histories.Verify(second, instance);
        }
    }

    [Fact]
    public async Task Run_LeaseTakenOver_WritesNothingMore()
    {
        var store = new InMemoryWorkflowStore();
        var time = new FakeTimeProvider();
        var gate = new Gate();
        _activities.On("a2", gate.Pass);
        await using var slow = await TestHosts.StartAsync(_activities, store, time);
        await slow.PublishAsync(Eleven);
        var id = (await slow.Runtime.StartAsync(new("test", Actor.System), CancellationToken.None)).InstanceId;
        await gate.Reached;

        // A second node takes the instance over, as if the lease of the first had run out, and finishes it.
        var other = new Behaviours();
        await store.ReleaseLeasesOfAsync("node-1", CancellationToken.None);
        await using var second = await EngineHost.StartAsync(store, time, TestHosts.AddTestActivities, o => o.Node = "node-2", other.AddTo);
        var finished = await store.WaitForAsync(id, i => i.SubStatus == WorkflowSubStatus.Finished);
        var commits = store.CommitCount;
        gate.Open();
        await slow.StopAsync();

        store.CommitCount.ShouldBe(commits);
        (await store.FindInstanceAsync(id, CancellationToken.None)).ShouldBe(finished);
        _activities.Executed.ShouldBe(["a1", "a2"]);
        other.Executed.Count.ShouldBe(10);
        other.Effects.Keys.Intersect(_activities.Effects.Keys).Count().ShouldBe(1, "the repeated activity has the same idempotency key");
    }

    [Fact]
    public async Task Run_NodeDead_AnotherNodeTakesOverWhenTheLeaseHasRunOut()
    {
        var store = new InMemoryWorkflowStore();
        var time = new FakeTimeProvider();
        var crashing = new CrashingWorkflowStore(store, CrashMoment.BeforeCommit, 4);
        await using var first = await EngineHost.StartAsync(store, time, TestHosts.AddTestActivities, addServices: _activities.AddTo, behind: crashing);
        await first.PublishAsync(Eleven);
        var id = (await first.Runtime.StartAsync(new("test", Actor.System), CancellationToken.None)).InstanceId;
        await crashing.Died.WaitAsync(TimeSpan.FromSeconds(30));
        await using var second = await EngineHost.StartAsync(store, time, TestHosts.AddTestActivities, o => o.Node = "node-2", _activities.AddTo);

        store.OwnerOf(id).ShouldBe("node-1");
        time.Advance(TimeSpan.FromSeconds(11));
        var finished = store.WaitForAsync(id, i => i.SubStatus == WorkflowSubStatus.Finished);
        await second.TickUntilAsync(finished);

        (await finished).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        store.Commits[^1].Lease.Fence.ShouldBe(2);
    }

    [Fact]
    public async Task Run_NodeStopsInOrder_GivesItsInstancesBack()
    {
        var store = new InMemoryWorkflowStore();
        var time = new FakeTimeProvider();
        var waiting = new TaskCompletionSource();
        await using var first = await EngineHost.StartAsync(store, time, c => c.Add<Patient>(), addServices: s => s.AddSingleton(waiting));
        await first.PublishAsync(Workflow(Activity("Test.Patient", "wait")));
        var id = (await first.Runtime.StartAsync(new("test", Actor.System), CancellationToken.None)).InstanceId;
        await waiting.Task.WaitAsync(TimeSpan.FromSeconds(30));

        await first.StopAsync();

        store.OwnerOf(id).ShouldBeNull();
        (await store.ClaimRunnableAsync("node-2", time.GetUtcNow(), TimeSpan.FromSeconds(10), 10, CancellationToken.None)).ShouldHaveSingleItem().Fence.ShouldBe(2);
    }

    [Fact]
    public async Task Run_LongActivity_KeepsItsLease()
    {
        var store = new InMemoryWorkflowStore();
        var time = new FakeTimeProvider();
        var gate = new Gate();
        _activities.On("a2", gate.Pass);
        await using var first = await TestHosts.StartAsync(_activities, store, time);
        await first.PublishAsync(Eleven);
        var id = (await first.Runtime.StartAsync(new("test", Actor.System), CancellationToken.None)).InstanceId;
        await gate.Reached;
        for (var i = 0; i < 12; i++)
        {
            var writes = store.OtherTransactionCount;
            for (time.Advance(TimeSpan.FromSeconds(4)); store.OtherTransactionCount == writes; time.Advance(TimeSpan.FromMilliseconds(10)))
            {
                await Task.Yield();
            }
        }

        (await store.ClaimRunnableAsync("node-2", time.GetUtcNow(), TimeSpan.FromSeconds(10), 10, CancellationToken.None)).ShouldBeEmpty();
        gate.Open();
        (await store.WaitForAsync(id, i => i.SubStatus == WorkflowSubStatus.Finished)).ShouldNotBeNull();
    }

    [Fact]
    public async Task Commit_DomainRefusesOnce_ActivityDecidesAgain()
    {
        var refusals = 1;
        var applied = new List<IDomainChange>();
        var store = new InMemoryWorkflowStore
        {
            ApplyChanges = commit =>
            {
                if (refusals-- > 0)
                {
                    throw new InvalidOperationException("The row has changed.");
                }

                applied.AddRange(commit.Changes);
            },
        };
        var asked = 0;
        _activities.On("a2", _ => ActivityResult.Completed().WithChanges(new Change(++asked)));
        await using var host = await TestHosts.StartAsync(_activities, store);
        var instance = await host.RunAsync(Eleven);

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        applied.ShouldBe([new Change(2)]);
        store.CommitCount.ShouldBe(12);
        _activities.Effects.Count.ShouldBe(11);
        Histories.Verify(host, instance);
    }

    [Fact]
    public async Task Commit_DomainAlwaysRefuses_IsAnIncident()
    {
        var store = new InMemoryWorkflowStore { ApplyChanges = _ => throw new InvalidOperationException("Never.") };
        _activities.On("a2", _ => ActivityResult.Completed().WithChanges(new Change(1)));
        await using var host = await TestHosts.StartAsync(_activities, store);
        var instance = await host.RunAsync(Eleven);

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
        host.Journal(instance.Id).OfType<InstanceFaulted>().Single().Fault.Kind.ShouldBe("commit.refused");
        _activities.Executed.Count(e => e == "a2").ShouldBe(5);
    }

    [Fact]
    public async Task Cancel_AfterARefusedCommit_IsNoticedAtTheNextStep()
    {
        var refusals = 1;
        var store = new InMemoryWorkflowStore
        {
            ApplyChanges = _ =>
            {
                if (refusals-- > 0)
                {
                    throw new InvalidOperationException("The row has changed.");
                }
            },
        };
        var gate = new Gate();
        _activities.On("a1", _ => ActivityResult.Completed().WithChanges(new Change(1)));
        _activities.On("a3", gate.Pass);
        await using var host = await TestHosts.StartAsync(_activities, store);
        await host.PublishAsync(Eleven);
        var id = (await host.Runtime.StartAsync(new("test", Actor.System), CancellationToken.None)).InstanceId;
        await gate.Reached;
        await host.Runtime.CancelAsync(id, Actor.System, null, CancellationToken.None);
        gate.Open();

        (await host.RestAsync(id)).SubStatus.ShouldBe(WorkflowSubStatus.Cancelled);
        _activities.Executed.ShouldNotContain("a4");
    }

    [Fact]
    public async Task Start_SameKeyFromManyAtOnce_MakesOneInstance()
    {
        await using var host = await TestHosts.StartAsync(_activities);
        await host.PublishAsync(Eleven);
        var starts = await Task.WhenAll(Enumerable.Range(0, 32).Select(_ =>
            Task.Run(() => host.Runtime.StartAsync(new("test", Actor.System) { StartKey = "entry-7" }, CancellationToken.None))));

        starts.Select(s => s.InstanceId).Distinct().Count().ShouldBe(1);
        starts.Count(s => !s.AlreadyStarted).ShouldBe(1);
        await host.RestAsync(starts[0].InstanceId);
        _activities.Effects.Count.ShouldBe(11);
    }

    [Fact]
    public async Task Start_WithChangesTheDomainRefuses_MakesNoInstance()
    {
        var store = new InMemoryWorkflowStore { ApplyChanges = _ => throw new WorkflowRefusedException("claimed", "Somebody else has the duty.") };
        await using var host = await TestHosts.StartAsync(_activities, store);
        await host.PublishAsync(Eleven);

        var refused = await Should.ThrowAsync<WorkflowRefusedException>(() =>
            host.Runtime.StartAsync(new("test", Actor.System) { StartKey = "k", Changes = [new Change(1)] }, CancellationToken.None));

        refused.Code.ShouldBe("claimed");
        store.CommitCount.ShouldBe(0);
        (await store.FindInstanceByStartKeyAsync("k", CancellationToken.None)).ShouldBeNull();
    }

    [Fact]
    public async Task Start_UnknownDefinitionOrInput_IsRefused()
    {
        await using var host = await TestHosts.StartAsync(_activities);
        await host.PublishAsync(Workflow(Sequence("s"), inputs: ["Given!"]));

        (await Refusal(new("nowhere", Actor.System))).ShouldBe("definition-unknown");
        (await Refusal(new("test", Actor.System))).ShouldBe("input-missing");
        (await Refusal(new("test", Actor.System) { Input = new Dictionary<string, object?> { ["given"] = 1, ["Other"] = 2 } })).ShouldBe("input-unknown");
        host.Store.CommitCount.ShouldBe(0);

        async Task<string> Refusal(StartWorkflow request) =>
            (await Should.ThrowAsync<WorkflowRefusedException>(() => host.Runtime.StartAsync(request, CancellationToken.None))).Code;
    }

    [Fact]
    public async Task Hooks_EveryEnd_IsToldInTheCommitThatMakesIt()
    {
        var hooks = new Hooks();
        var applied = new List<(WorkflowSubStatus Status, IDomainChange Change)>();
        var store = new InMemoryWorkflowStore { ApplyChanges = c => applied.AddRange(c.Changes.Select(x => (c.Instance.SubStatus, x))) };
        await using var host = await EngineHost.StartAsync(store, new FakeTimeProvider(), TestHosts.AddTestActivities, addServices: s =>
        {
            _activities.AddTo(s);
            s.AddSingleton<IWorkflowHooks>(hooks);
        });

        await host.RunAsync(Eleven);
        applied.ShouldBe([(WorkflowSubStatus.Executing, Hooks.Starting), (WorkflowSubStatus.Finished, Hooks.Ending)]);

        // Start and end in one commit: nothing to run, or a first input that cannot be evaluated.
        foreach (var (root, end) in new[]
        {
            (Sequence("s"), WorkflowSubStatus.Finished),
            (Sequence("s", Do("a", ("value", Js("getIn().missing.member")))), WorkflowSubStatus.Faulted),
        })
        {
            applied.Clear();
            (await host.RunAsync(Workflow(root, ["In"]))).SubStatus.ShouldBe(end);
            applied.ShouldBe([(end, Hooks.Starting), (end, Hooks.Ending)]);
        }

        // Those that ended in their start's commit had nothing to run.
        hooks.Acquired.ShouldBe(1);
    }

    [Fact]
    public async Task Hooks_MessageForAnInstanceThatHasEnded_TakesNothingUp()
    {
        var hooks = new Hooks();
        var gate = new Gate();
        _activities.On("bad", context =>
        {
            gate.Pass(context);
            throw new ActivityFaultException("test.broken", "bad is broken.", false);
        });
        var store = new InMemoryWorkflowStore { ApplyChanges = _ => { } };
        await using var host = await EngineHost.StartAsync(store, new FakeTimeProvider(), TestHosts.AddTestActivities, addServices: s =>
        {
            _activities.AddTo(s);
            s.AddSingleton<IWorkflowHooks>(hooks);
        });
        await host.PublishAsync(Workflow(Sequence("s", Do("bad"))));
        var id = (await host.Runtime.StartAsync(new("test", Actor.System), CancellationToken.None)).InstanceId;
        await gate.Reached;

        // Accepted while it runs; it is taken in after the incident, when there is nothing left to cancel.
        await host.Runtime.CancelAsync(id, Actor.System, "not wanted", CancellationToken.None);
        gate.Open();
        (await host.RestAsync(id)).SubStatus.ShouldBe(WorkflowSubStatus.Faulted);

        store.Commits[^1].ConsumedInbox.Count.ShouldBe(1);
        hooks.Acquired.ShouldBe(1);
        await host.RedriveAsync(id);
        hooks.Acquired.ShouldBe(2);
    }

    [Fact]
    public async Task Post_WhileAnActivityRuns_IsTakenInAtTheNextStep()
    {
        var gate = new Gate();
        _activities.On("busy", gate.Pass);
        await using var host = await TestHosts.StartAsync(_activities);
        await host.PublishAsync(Workflow(Flowchart(
            "flow",
            [Do("a"), Activity("Event", "wait", ("eventName", Literal("x"))), Do("busy"), Do("after")],
            "a > wait",
            "a > busy",
            "wait > after")));
        var id = (await host.Runtime.StartAsync(new("test", Actor.System), CancellationToken.None)).InstanceId;
        await gate.Reached;

        (await host.Runtime.ResumeAsync(Stimulus.Event("x", Actor.System, "hello"), CancellationToken.None)).ShouldBe([id]);
        gate.Open();

        (await host.RestAsync(id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _activities.Executed.ShouldContain("after");
    }

    [Fact]
    public async Task Post_ToAFaultedInstance_IsKeptUntilItIsRedriven()
    {
        _activities.Fails("bad", times: 1);
        await using var host = await TestHosts.StartAsync(_activities);
        var instance = await host.RunAsync(Workflow(Flowchart(
            "flow",
            [Do("a"), Activity("Event", "wait", ("eventName", Literal("x"))), Do("bad"), Do("after")],
            "a > wait",
            "a > bad",
            "wait > after")));
        instance.SubStatus.ShouldBe(WorkflowSubStatus.Faulted);

        await host.SendEventAsync(instance.Id, "x");
        _activities.Executed.ShouldNotContain("after");

        (await host.RedriveAsync(instance.Id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _activities.Executed.ShouldContain("after");
        Histories.Verify(host, (await host.Store.FindInstanceAsync(instance.Id, CancellationToken.None))!);
    }

    [Fact]
    public async Task Post_ManyEventsAtOnce_NoneIsLost()
    {
        await using var host = await TestHosts.StartAsync(_activities);
        await host.PublishAsync(Workflow(Flowchart(
            "flow",
            [Do("a"), .. Enumerable.Range(0, 20).Select(i => Activity("Event", $"e{i}", ("eventName", Literal($"x{i}")))), .. Enumerable.Range(0, 20).Select(i => Do($"after{i}"))],
            [.. Enumerable.Range(0, 20).Select(i => $"a > e{i}"), .. Enumerable.Range(0, 20).Select(i => $"e{i} > after{i}")])));
        var id = (await host.Runtime.StartAsync(new("test", Actor.System), CancellationToken.None)).InstanceId;
        await host.Store.WaitForAsync(id, i => i.SubStatus == WorkflowSubStatus.Suspended);

        await Task.WhenAll(Enumerable.Range(0, 20).Select(i => Task.Run(() => host.Runtime.ResumeAsync(Stimulus.Event($"x{i}", Actor.System), CancellationToken.None))));

        (await host.Store.WaitForAsync(id, i => i.SubStatus == WorkflowSubStatus.Finished)).ShouldNotBeNull();
        _activities.Executed.Count(e => e.StartsWith("after", StringComparison.Ordinal)).ShouldBe(20);
    }

    [Fact]
    public async Task Dispatcher_DueTimer_WakesTheInstance()
    {
        await using var host = await TestHosts.StartAsync(_activities);
        var instance = await host.RunAsync(Workflow(Sequence("s", Activity("Delay", "delay", ("timeSpan", Literal("01:00:00"))), Do("after"))));
        instance.SubStatus.ShouldBe(WorkflowSubStatus.Suspended);
        var dueAt = host.Store.Bookmarks(instance.Id).ShouldHaveSingleItem().DueAt.ShouldNotBeNull();

        instance = await host.AdvanceAsync(instance.Id, TimeSpan.FromHours(1));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        host.Journal(instance.Id).OfType<BookmarkDue>().Single().At.ShouldBeGreaterThanOrEqualTo(dueAt);
        Histories.Verify(host, instance);
    }

    [Fact]
    public async Task Dispatcher_MoreInstancesThanSlots_LeasesOnlyWhatItCanRun()
    {
        var store = new InMemoryWorkflowStore();
        var gate = new Gate();
        _activities.On("a1", gate.Pass);
        await using (var starter = await EngineHost.StartAsync(store, new FakeTimeProvider(), TestHosts.AddTestActivities, addServices: _activities.AddTo))
        {
            await starter.PublishAsync(Workflow(Sequence("s", Activity("Delay", "delay"), Do("a1"))));
            for (var i = 0; i < 20; i++)
            {
                await starter.RestAsync((await starter.Runtime.StartAsync(new("test", Actor.System), CancellationToken.None)).InstanceId);
            }
        }

        var later = new FakeTimeProvider(new FakeTimeProvider().GetUtcNow() + TimeSpan.FromMinutes(1));
        await using var host = await EngineHost.StartAsync(store, later, TestHosts.AddTestActivities, o => o.MaxConcurrentInstances = 3, _activities.AddTo);
        await gate.Reached;

        (await store.ClaimRunnableAsync("other", later.GetUtcNow(), TimeSpan.FromSeconds(10), 100, CancellationToken.None)).Count.ShouldBe(17);
        gate.Open();
    }

    private sealed record Change(int Number) : IDomainChange;

    private sealed class Hooks : IWorkflowHooks
    {
        public static readonly IDomainChange Starting = new Change(1);
        public static readonly IDomainChange Ending = new Change(2);

        public int Acquired { get; private set; }

        public ValueTask<IReadOnlyList<IDomainChange>> StartingAsync(StartingWorkflow starting, CancellationToken cancellationToken) =>
            ValueTask.FromResult<IReadOnlyList<IDomainChange>>([Starting]);

        public ValueTask<object?> AcquiredAsync(AcquiredWorkflow acquired, CancellationToken cancellationToken)
        {
            Acquired++;
            return ValueTask.FromResult<object?>(null);
        }

        public ValueTask<IReadOnlyList<IDomainChange>> EndingAsync(EndingWorkflow ending, CancellationToken cancellationToken) =>
            ValueTask.FromResult<IReadOnlyList<IDomainChange>>([Ending]);
    }

    /// <summary>Runs until its node stops.</summary>
    [Activity("Test.Patient")]
    private sealed class Patient(TaskCompletionSource waiting) : CodeActivity
    {
        protected internal override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
        {
            waiting.TrySetResult();
            await Task.Delay(Timeout.InfiniteTimeSpan, context.Time, cancellationToken);
            return ActivityResult.Completed();
        }
    }
}
