using System.Text.Json.Nodes;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Testing.Engine;
using Shouldly;
using Xunit;
using static FailbackWorkflows.Tests.Engine.Json;

namespace FailbackWorkflows.Tests.Engine;

/// <summary>ContinueWithIncidents: an incident ends its branch, never the run, and leaves nothing that waits for ever.</summary>
public sealed class IncidentStrategyTests
{
    private const string Continue = "Elsa.Workflows.IncidentStrategies.ContinueWithIncidentsStrategy, Elsa.Workflows.Core";
    private readonly Behaviours _activities = new();

    [Fact]
    public async Task Fault_IsTheDefault_AndStopsTheRun()
    {
        _activities.Fails("a");
        await using var host = await TestHosts.StartAsync(_activities);

        (await host.RunAsync(Workflow(Flowchart("flow", [Do("a"), Do("b")])))).SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
    }

    [Fact]
    public async Task Flowchart_ABranchFaults_TheOthersGoOnAndTheRunFinishesWithTheIncident()
    {
        _activities.Fails("a1");
        var instance = await RunAsync(Flowchart("flow", [Do("s"), Do("a1"), Do("a2"), Do("b1"), Do("b2")], "s > a1", "a1 > a2", "s > b1", "b1 > b2"));

        instance.IncidentCount.ShouldBe(1);
        _activities.Executed.ShouldBe(["s", "a1", "b1", "b2"]);
    }

    [Fact]
    public async Task Flowchart_AMergeThatWaitedForTheBranch_IsAnIncidentAndTheRunFinishes()
    {
        _activities.Fails("a");
        var instance = await RunAsync(Flowchart("flow", [Do("s"), Do("a"), Do("b"), Do("join").Merge("Merge")], "s > a", "s > b", "a > join", "b > join"));

        instance.IncidentCount.ShouldBe(2);
        _activities.Executed.ShouldNotContain("join");
    }

    [Fact]
    public async Task Sequence_AnActivityFaults_TheRestDoesNotRunAndNothingIsLeftWaiting()
    {
        // Elsa ends such a run as suspended, with no bookmark: nothing can resume it.
        _activities.Fails("b");
        await using var host = await StartAsync();
        var instance = await host.RunAsync(Definition(Sequence("all", Do("a"), Do("b"), Do("c"))));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        instance.IncidentCount.ShouldBe(1);
        _activities.Executed.ShouldBe(["a", "b"]);
        host.Store.Bookmarks(instance.Id).ShouldBeEmpty();
        Folds.Check(host, instance);
    }

    [Fact]
    public async Task NestedFlowchart_ABranchFaults_ItCompletesAndWhatFollowsItRuns()
    {
        _activities.Fails("x");
        await RunAsync(Flowchart("flow", [Flowchart("inner", [Do("x"), Do("y")], "x > y"), Do("after")], "inner > after"));

        _activities.Executed.ShouldBe(["x", "after"]);
    }

    [Fact]
    public async Task ForkWaitAll_ABranchFaults_TheOthersFinishAndTheForkStops()
    {
        _activities.Fails("a");
        await RunAsync(Sequence("all", Fork("fork", "WaitAll", Do("a"), Sequence("steps", Do("b"), Do("c"))), Do("after")));

        _activities.Executed.ShouldBe(["a", "b", "c"]);
    }

    [Fact]
    public async Task ForkWaitAny_ABranchFaults_AnotherCompletesIt()
    {
        _activities.Fails("a");
        await RunAsync(Sequence("all", Fork("fork", "WaitAny", Do("a"), Sequence("steps", Do("b"), Do("c"))), Do("after")));

        _activities.Executed.ShouldBe(["a", "b", "c", "after"]);
    }

    [Fact]
    public async Task ParallelForEach_ARoundFaults_TheOthersFinish()
    {
        _activities.On("body", context => (long?)Engine.Do.ValueOf(context) == 2 ? throw new InvalidOperationException("two") : FailbackWorkflows.Engine.Activities.ActivityResult.Completed());
        var instance = await RunAsync(ParallelForEach("each", Expression("Object", "[1,2,3]"), Do("body", ("value", Js("getCurrentValue()")))));

        instance.IncidentCount.ShouldBe(1);
        _activities.Executed.Count.ShouldBe(3);
    }

    [Fact]
    public async Task ExpressionThatFails_CountsAsAnyFault()
    {
        var instance = await RunAsync(Flowchart("flow", [Do("s"), Do("bad", ("value", Js("getX().missing.member"))), Do("good")], "s > bad", "s > good"), "X");

        instance.IncidentCount.ShouldBe(1);
        _activities.Executed.ShouldBe(["s", "good"]);
    }

    [Fact]
    public async Task FailedPort_TakesTheFaultFirst_ThenItIsNoIncident()
    {
        _activities.Fails("a");
        var instance = await RunAsync(Flowchart("flow", [Do("a"), Do("repair")], "a:Failed > repair"));

        instance.IncidentCount.ShouldBe(0);
        _activities.Executed.ShouldBe(["a", "repair"]);
    }

    [Fact]
    public async Task Incident_WhileAnotherBranchWaits_TheRunGoesOnWaiting()
    {
        _activities.Fails("a");
        await using var host = await StartAsync();
        var instance = await host.RunAsync(Definition(Flowchart("flow", [Do("s"), Do("a"), Activity("Event", "wait", ("eventName", Literal("go"))), Do("after")], "s > a", "s > wait", "wait > after")));
        instance.SubStatus.ShouldBe(WorkflowSubStatus.Suspended);
        instance.IncidentCount.ShouldBe(1);

        (await host.SendEventAsync(instance.Id, "go")).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _activities.Executed.ShouldBe(["s", "a", "after"]);
    }

    [Fact]
    public void UnknownStrategy_IsRefused() => Problems.OfDefinition(Workflow(Do("a")).Option("incidentStrategyType", "Ignore")).ShouldHaveSingleItem().Path.ShouldBe("$.options.incidentStrategyType");

    private static string Definition(JsonObject root, params string[] variables) => Workflow(root, variables).Option("incidentStrategyType", Continue);

    private Task<EngineHost> StartAsync() => TestHosts.StartAsync(_activities);

    private async Task<StoredInstance> RunAsync(JsonObject root, params string[] variables)
    {
        await using var host = await StartAsync();
        var instance = await host.RunAsync(Definition(root, variables));
        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        Folds.Check(host, instance);
        return instance;
    }
}
