using System.Text.Json.Nodes;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Engine.Values;
using FailbackWorkflows.Testing;
using FailbackWorkflows.Testing.Engine;
using Shouldly;
using Xunit;
using static FailbackWorkflows.Tests.Engine.Json;

namespace FailbackWorkflows.Tests.Engine;

/// <summary>ExecuteWorkflow, DispatchWorkflow, BulkDispatchWorkflows: one behaviour each.</summary>
public sealed class ChildWorkflowTests
{
    private readonly Behaviours _activities = new();

    [Fact]
    public async Task Execute_ChildThatFinishes_GivesItsOutputs()
    {
        await using var host = await StartAsync(Workflow(
            Sequence("all", Activity("SetOutput", "set", ("outputName", Literal("Sum")), ("outputValue", Js("getInput('A') + 1")))), inputs: ["A"], outputs: ["Sum"], id: "child"));
        var instance = await host.RunAsync(Workflow(
            Sequence("all", Execute("child", Expression("Object", """{"A":41}""")).With("result", Into("id-R")), Do("after", ("value", Js("getR().Sum")))), ["R"]));

        (await FinishedAsync(host, instance.Id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        Started(host, instance.Id, "after").Inputs!["value"].ShouldBe(42L);
    }

    [Fact]
    public async Task Execute_ChildThatWaits_IsWaitedFor()
    {
        await using var host = await StartAsync(Workflow(Activity("Event", "wait", ("eventName", Literal("go"))), id: "child"));
        var instance = await host.RunAsync(Workflow(Sequence("all", Execute("child"), Do("after"))));
        instance.SubStatus.ShouldBe(WorkflowSubStatus.Suspended);
        var child = ChildOf(host, instance.Id);
        await host.RestAsync(child);

        await host.SendEventAsync(child, "go");

        (await FinishedAsync(host, instance.Id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _activities.Executed.ShouldBe(["after"]);
    }

    [Fact]
    public async Task Execute_Child_KnowsItsParent()
    {
        await using var host = await StartAsync(Workflow(Activity("Event", "wait", ("eventName", Literal("go"))), id: "child"));
        var instance = await host.RunAsync(Workflow(Execute("child")));

        var parent = host.Journal(ChildOf(host, instance.Id)).OfType<InstanceStarted>().ShouldHaveSingleItem().Parent.ShouldNotBeNull();
        parent.InstanceId.ShouldBe(instance.Id);
        parent.Depth.ShouldBe(1);
    }

    [Fact]
    public async Task Execute_ChildThatFaults_FaultsTheParentAndSaysWhy()
    {
        // Elsa's parent goes on as if nothing had happened.
        _activities.Fails("bad");
        await using var host = await StartAsync(Workflow(Do("bad"), id: "child"));
        var instance = await host.RunAsync(Workflow(Sequence("all", Execute("child"), Do("after"))));

        (await FinishedAsync(host, instance.Id)).SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
        var incident = (await host.Runtime.FindAsync(instance.Id, CancellationToken.None))!.Incidents.ShouldHaveSingleItem();
        incident.Fault.Kind.ShouldBe("child.faulted");
        incident.Fault.Message.ShouldContain("bad is broken");
    }

    [Fact]
    public async Task Execute_ChildThatFaults_LeavesByFailedWhenThatIsConnected()
    {
        _activities.Fails("bad");
        await using var host = await StartAsync(Workflow(Do("bad"), id: "child"));
        var instance = await host.RunAsync(Workflow(Flowchart("flow", [Execute("child"), Do("repair")], "execute:Failed > repair")));

        (await FinishedAsync(host, instance.Id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _activities.Executed.ShouldBe(["bad", "repair"]);
    }

    [Fact]
    public async Task Execute_UnknownWorkflow_IsAFault()
    {
        await using var host = await TestHosts.StartAsync(_activities);
        var instance = await host.RunAsync(Workflow(Execute("nowhere")));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
        (await host.Runtime.FindAsync(instance.Id, CancellationToken.None))!.Incidents[0].Fault.Kind.ShouldBe("child.refused");
    }

    [Fact]
    public async Task Execute_WorkflowThatStartsItself_IsStoppedAtADepth()
    {
        await using var host = await TestHosts.StartAsync(_activities);
        var instance = await host.RunAsync(Workflow(Execute("test")));

        (await FinishedAsync(host, instance.Id)).SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
        host.Store.Commits.Count(c => c.IsStart).ShouldBe(21);
    }

    [Fact]
    public async Task Execute_ParentIsCancelled_TheChildIsCancelledInTheSameCommit()
    {
        await using var host = await StartAsync(Workflow(Activity("Event", "wait", ("eventName", Literal("go"))), id: "child"));
        var instance = await host.RunAsync(Workflow(Execute("child")));
        var child = ChildOf(host, instance.Id);
        await host.RestAsync(child);

        await host.CancelAsync(instance.Id);

        (await FinishedAsync(host, child)).SubStatus.ShouldBe(WorkflowSubStatus.Cancelled);
        host.Journal(instance.Id).OfType<ActivityCancelled>().ShouldContain(c => c.Children != null && c.Children.Contains(child));
    }

    [Fact]
    public async Task Execute_LosesARace_TheChildIsCancelled()
    {
        await using var host = await StartAsync(Workflow(Activity("Event", "wait", ("eventName", Literal("never"))), id: "child"));
        var instance = await host.RunAsync(Workflow(Fork("fork", "WaitAny", Execute("child"), Sequence("steps", Do("a"), Activity("Event", "go", ("eventName", Literal("go")))))));
        var child = ChildOf(host, instance.Id);

        await host.SendEventAsync(instance.Id, "go");

        (await FinishedAsync(host, child)).SubStatus.ShouldBe(WorkflowSubStatus.Cancelled);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Children_NodeDiesBetweenTheirStartAndItsCommit_AreFoundAgainOrCancelledWithTheirParent(bool isCancelled)
    {
        var store = new InMemoryWorkflowStore();
        var time = new FakeTimeProvider();
        var child = Workflow(Activity("Event", "wait", ("eventName", Literal("go"))), inputs: ["Item"], id: "child");
        string parentId;

        // Start of the parent, of three children and what each of those commits; then the parent's own step is not written.
        var crashing = new CrashingParentStore(store);
        await using (var first = await EngineHost.StartAsync(store, time, TestHosts.AddTestActivities, addServices: _activities.AddTo, behind: crashing))
        {
            await first.PublishAsync(child);
            await first.PublishAsync(Workflow(Bulk("[1,2,3]")));
            parentId = (await first.Runtime.StartAsync(new StartWorkflow("test", Actor.System), CancellationToken.None)).InstanceId;
            await crashing.Died.WaitAsync(TimeSpan.FromSeconds(30));
        }

        store.Commits.Count(c => c.IsStart).ShouldBe(4);
        if (isCancelled)
        {
            await store.PostAsync(parentId, new InboxMessage(0, InboxMessageKind.Cancel, null, null, Actor.System, null), default, CancellationToken.None);
        }

        await using var second = await TestHosts.StartAsync(_activities, store, time);
        foreach (var id in store.Commits.Where(c => c.IsStart && c.Instance.Id != parentId).Select(c => c.Instance.Id).ToList())
        {
            if (!isCancelled)
            {
                await second.RestAsync(id);
                await second.SendEventAsync(id, "go");
            }

            (await FinishedAsync(second, id)).SubStatus.ShouldBe(isCancelled ? WorkflowSubStatus.Cancelled : WorkflowSubStatus.Finished);
        }

        (await FinishedAsync(second, parentId)).SubStatus.ShouldBe(isCancelled ? WorkflowSubStatus.Cancelled : WorkflowSubStatus.Finished);
        store.Commits.Count(c => c.IsStart).ShouldBe(4, "no child was started twice");
    }

    [Fact]
    public async Task Dispatch_WithoutWaiting_GoesOnAtOnceWithTheRunsId()
    {
        await using var host = await StartAsync(Workflow(Activity("Event", "wait", ("eventName", Literal("never"))), id: "child"));
        var instance = await host.RunAsync(Workflow(Sequence("all", Activity("DispatchWorkflow", "dispatch", ("workflowDefinitionId", Literal("child"))).With("result", Into("id-R")), Do("after", ("value", Js("getR()")))), ["R"]));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        Started(host, instance.Id, "after").Inputs!["value"].ShouldBe(ChildOf(host, instance.Id));
    }

    [Fact]
    public async Task Dispatch_Waiting_ChildThatFaults_IsAFaultOfTheParent()
    {
        _activities.Fails("bad");
        await using var host = await StartAsync(Workflow(Do("bad"), id: "child"));
        var instance = await host.RunAsync(Workflow(Activity("DispatchWorkflow", "dispatch", ("workflowDefinitionId", Literal("child")), ("waitForCompletion", Literal(true)))));

        (await FinishedAsync(host, instance.Id)).SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
    }

    [Fact]
    public async Task Bulk_Items_StartOneChildEachAndLeaveByCompletedAndDone()
    {
        await using var host = await StartAsync(Workflow(Do("child", ("value", Expression("Input", "Item"))), inputs: ["Item"], id: "child"));
        var instance = await host.RunAsync(Workflow(Flowchart("flow", [Bulk("""["a","b","c"]"""), Do("completed"), Do("done")], "bulk:Completed > completed", "bulk > done")));

        (await FinishedAsync(host, instance.Id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _activities.Executed.Count(e => e == "child").ShouldBe(3);
        _activities.Executed.ShouldContain("completed");
        _activities.Executed.ShouldContain("done");
        Folds.Check(host, await host.RestAsync(instance.Id));
    }

    [Fact]
    public async Task Bulk_Ports_RunForEachChildBeforeItCompletes()
    {
        _activities.On("child", context => (string?)Engine.Do.ValueOf(context) == "b" ? throw new ActivityFaultException("test.broken", "b is broken", false) : ActivityResult.Completed());
        await using var host = await StartAsync(Workflow(Do("child", ("value", Expression("Input", "Item"))), inputs: ["Item"], id: "child"));
        var bulk = Bulk("""["a","b","c"]""").With("childCompleted", Do("good", ("value", Js("getChildInstanceId()")))).With("childFaulted", Do("bad"));
        var instance = await host.RunAsync(Workflow(Sequence("all", bulk, Do("after"))));

        (await FinishedAsync(host, instance.Id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _activities.Executed.Where(e => e != "child").Order().ShouldBe(["after", "bad", "good", "good"]);
        _activities.Executed[^1].ShouldBe("after");
        Folds.Check(host, await host.RestAsync(instance.Id));
    }

    [Fact]
    public async Task Bulk_AChildFaultsAndNothingIsInThePortForIt_IsAFaultInTheEnd()
    {
        _activities.On("child", context => (string?)Engine.Do.ValueOf(context) == "b" ? throw new ActivityFaultException("test.broken", "b is broken", false) : ActivityResult.Completed());
        await using var host = await StartAsync(Workflow(Do("child", ("value", Expression("Input", "Item"))), inputs: ["Item"], id: "child"));
        var instance = await host.RunAsync(Workflow(Bulk("""["a","b","c"]""")));

        (await FinishedAsync(host, instance.Id)).SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
        (await host.Runtime.FindAsync(instance.Id, CancellationToken.None))!.Incidents.ShouldHaveSingleItem().Fault.Message.ShouldStartWith("1 of the runs");
        _activities.Executed.Count.ShouldBe(3);
    }

    [Fact]
    public async Task Bulk_ItemsThatAreObjects_AreInputsByTheirNames()
    {
        await using var host = await StartAsync(Workflow(Do("child", ("value", Js("getInput('A') + getInput('B')"))), inputs: ["A", "B"], id: "child"));
        var instance = await host.RunAsync(Workflow(Bulk("""[{"A":1},{"A":2,"B":30}]""").With("input", Expression("Object", """{"B":10}"""))));

        (await FinishedAsync(host, instance.Id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        host.Store.Commits.Where(c => c.IsStart && c.Instance.Id != instance.Id)
            .Select(c => Started(host, c.Instance.Id, "child").Inputs!["value"]).Order().ShouldBe([11L, 32L]);
    }

    [Fact]
    public async Task Bulk_WithoutItems_LeavesByDoneOnly()
    {
        await using var host = await StartAsync(Workflow(Do("child"), inputs: ["Item"], id: "child"));
        await host.RunAsync(Workflow(Flowchart("flow", [Bulk("[]"), Do("completed"), Do("done")], "bulk:Completed > completed", "bulk > done")));

        _activities.Executed.ShouldBe(["done"]);
    }

    [Fact]
    public async Task Bulk_NotWaiting_LeavesByDoneOnly()
    {
        await using var host = await StartAsync(Workflow(Do("child"), inputs: ["Item"], id: "child"));
        var instance = await host.RunAsync(Workflow(Flowchart("flow", [Bulk("[1,2]").With("waitForCompletion", Literal(false)), Do("completed"), Do("done")], "bulk:Completed > completed", "bulk > done")));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _activities.Executed.ShouldNotContain("completed");
        _activities.Executed.ShouldContain("done");
    }

    [Fact]
    public async Task Bulk_ParentIsCancelled_AllChildrenThatRunAreCancelled()
    {
        await using var host = await StartAsync(Workflow(Activity("Event", "wait", ("eventName", Literal("go"))), inputs: ["Item"], id: "child"));
        var instance = await host.RunAsync(Workflow(Bulk("[1,2,3]")));
        var children = host.Store.Commits.Where(c => c.IsStart && c.Instance.DefinitionId == "child").Select(c => c.Instance.Id).ToList();
        children.Count.ShouldBe(3);

        await host.CancelAsync(instance.Id);

        foreach (var child in children)
        {
            (await FinishedAsync(host, child)).SubStatus.ShouldBe(WorkflowSubStatus.Cancelled);
        }
    }

    private static JsonObject Execute(string child, JsonNode? input = null)
    {
        var activity = Activity("ExecuteWorkflow", "execute", ("workflowDefinitionId", Literal(child)));
        return input is null ? activity : activity.With("input", input);
    }

    private static JsonObject Bulk(string items) => Activity("BulkDispatchWorkflows", "bulk", ("workflowDefinitionId", Literal("child")), ("items", Expression("Object", items)));

    private static string ChildOf(EngineHost host, string parentId) =>
        host.Store.Commits.Single(c => c.IsStart && c.Instance.Id != parentId).Instance.Id;

    private static ActivityStarted Started(EngineHost host, string instanceId, string id) => host.Journal(instanceId).OfType<ActivityStarted>().Single(e => JournalText.IdOf(e.NodeId) == id);

    private static Task<StoredInstance> FinishedAsync(EngineHost host, string instanceId) => host.Store.WaitForAsync(instanceId, i => i.Status == WorkflowStatus.Finished);

    private async Task<EngineHost> StartAsync(string child)
    {
        var host = await TestHosts.StartAsync(_activities);
        await host.PublishAsync(child);
        return host;
    }

    /// <summary>Dies at the commit that is the parent's second.</summary>
    private sealed class CrashingParentStore(IWorkflowStore store) : DelegatingWorkflowStore(store)
    {
        private readonly TaskCompletionSource _died = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Died => _died.Task;

        protected override IWorkflowStore Inner => _died.Task.IsCompleted ? throw new NodeDiedException() : base.Inner;

        public override Task CommitAsync(StepCommit step, CancellationToken cancellationToken)
        {
            if (!step.IsStart && step.Instance.DefinitionId == "test")
            {
                _died.TrySetResult();
            }

            return base.CommitAsync(step, cancellationToken);
        }
    }
}
