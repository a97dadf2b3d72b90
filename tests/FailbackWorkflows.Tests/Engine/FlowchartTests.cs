using System.Text.Json.Nodes;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Interpretation;
using FailbackWorkflows.Engine.Storage;
using Shouldly;
using Xunit;
using static FailbackWorkflows.Tests.Engine.Json;

namespace FailbackWorkflows.Tests.Engine;

public sealed class FlowchartTests
{
    private readonly Behaviours _activities = new();

    [Fact]
    public async Task Flowchart_Linear_RunsInOrderAndFinishes()
    {
        var instance = await RunAsync(Flowchart("flow", [Do("a"), Do("b"), Do("c")], "a > b", "b > c"));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        instance.Status.ShouldBe(WorkflowStatus.Finished);
        instance.FinishedAt.ShouldNotBeNull();
        _activities.Executed.ShouldBe(["a", "b", "c"]);
    }

    [Fact]
    public async Task Flowchart_WithoutActivities_Finishes() => (await RunAsync(Flowchart("flow", []))).SubStatus.ShouldBe(WorkflowSubStatus.Finished);

    [Fact]
    public async Task Flowchart_OutcomeNotConnected_EndsTheBranchAndFinishes()
    {
        _activities.On("a", "B");

        (await RunAsync(Flowchart("flow", [Do("a"), Do("b")], "a:A > b"))).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _activities.Executed.ShouldBe(["a"]);
    }

    [Theory]
    [InlineData("true", "yes")]
    [InlineData("'false'", "no")]
    [InlineData("0", "no")]
    [InlineData("3 > 2 && 'x'", "yes")]
    public async Task FlowDecision_Condition_ChoosesTheBranch(string condition, string expected)
    {
        await RunAsync(Flowchart(
            "flow",
            [Activity("FlowDecision", "decide", ("condition", Js(condition))), Do("yes"), Do("no")],
            "decide:True > yes",
            "decide:False > no"));

        _activities.Executed.ShouldBe([expected]);
    }

    [Theory]
    [InlineData("MatchFirst", 5, "low")]
    [InlineData("MatchAny", 5, "low,odd")]
    [InlineData("MatchAny", 20, "other")]
    [InlineData("MatchFirst", 20, "other")]
    public async Task FlowSwitch_Mode_FollowsFirstOrEveryMatch(string mode, int value, string expected)
    {
        var cases = new JsonArray(Case("Low", "getX() < 10"), Case("Odd", "getX() % 2 == 1"));
        await RunAsync(
            Flowchart(
                "flow",
                [Set("set", "X", Literal(value)), Activity("FlowSwitch", "switch", ("cases", cases), ("mode", Literal(mode))), Do("low"), Do("odd"), Do("other")],
                "set > switch",
                "switch:Low > low",
                "switch:Odd > odd",
                "switch:Default > other"),
            ["X"]);

        _activities.Executed.ShouldBe(expected.Split(','));
    }

    [Fact]
    public async Task Loop_BackwardConnection_RunsUntilTheDecisionLeavesIt()
    {
        var instance = await RunAsync(
            Flowchart(
                "flow",
                [Do("body"), Set("count", "N", Js("getN() + 1")), Activity("FlowDecision", "again", ("condition", Js("getN() < 3"))), Do("after")],
                "body > count",
                "count > again",
                "again:True > body",
                "again:False > after"),
            ["N=0"]);

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _activities.Executed.ShouldBe(["body", "body", "body", "after"]);
    }

    [Theory]
    [InlineData("Merge")]
    [InlineData("Stream")]
    [InlineData("Race")]
    [InlineData("Cascade")]
    public async Task Loop_IntoActivityWithMergeMode_RunsAgain(string mode)
    {
        var instance = await RunAsync(
            Flowchart(
                "flow",
                [Do("a"), Do("body").Merge(mode), Set("count", "N", Js("getN() + 1")), Activity("FlowDecision", "again", ("condition", Js("getN() < 3")))],
                "a > body",
                "body > count",
                "count > again",
                "again:True > body"),
            ["N=0"]);

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _activities.Executed.ShouldBe(["a", "body", "body", "body"]);
    }

    [Fact]
    public async Task ParallelBranches_Interleave_AndAllRun()
    {
        await RunAsync(Flowchart("flow", [Do("a"), Do("b1"), Do("c1"), Do("b2"), Do("c2")], "a > b1", "b1 > b2", "a > c1", "c1 > c2"));

        _activities.Executed.ShouldBe(["a", "b1", "c1", "b2", "c2"]);
    }

    [Fact]
    public async Task Merge_BranchesOfDifferentLength_WaitsForAll()
    {
        await RunAsync(Flowchart("flow", [Do("a"), Do("b"), Do("c1"), Do("c2"), Do("join").Merge("Merge")], "a > b", "a > c1", "c1 > c2", "b > join", "c2 > join"));

        _activities.Executed.ShouldBe(["a", "b", "c1", "c2", "join"]);
    }

    [Fact]
    public async Task Merge_BranchThatNeverComes_IsFoundStuckAndCanBeRedriven()
    {
        _activities.On("b", "B");
        await using var host = await TestHosts.StartAsync(_activities);
        var instance = await host.RunAsync(Workflow(Flowchart("flow", [Do("a"), Do("b"), Do("c"), Do("join").Merge("Merge")], "a > b", "a > c", "b:A > join", "c > join")));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
        var incident = (await host.Runtime.FindAsync(instance.Id, CancellationToken.None))!.Incidents.ShouldHaveSingleItem();
        incident.Fault.Kind.ShouldBe("workflow.stuck");
        incident.NodeId.ShouldBe("flow");

        _activities.On("b", "A");
        (await host.RedriveAsync(instance.Id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
    }

    [Fact]
    public async Task Stream_DirectSourceStillBusy_WaitsForIt()
    {
        await RunAsync(Flowchart("flow", [Do("a"), Do("b"), Do("c"), Do("join")], "a > b", "a > c", "b > join", "c > join"));

        _activities.Executed.ShouldBe(["a", "b", "c", "join"]);
    }

    [Fact]
    public async Task Stream_BranchNotTaken_RunsOnWhatArrived()
    {
        await RunAsync(Flowchart(
            "flow",
            [Activity("FlowDecision", "decide", ("condition", Literal(true))), Do("b"), Do("c"), Do("join")],
            "decide:True > b",
            "decide:False > c",
            "b > join",
            "c > join"));

        _activities.Executed.ShouldBe(["b", "join"]);
    }

    [Fact]
    public async Task Cascade_TwoBranches_RunsForEach()
    {
        await RunAsync(Flowchart("flow", [Do("a"), Do("b"), Do("c"), Do("join").Merge("Cascade"), Do("after").Merge("Cascade")], "a > b", "a > c", "b > join", "c > join", "join > after"));

        _activities.Executed.Count(e => e == "join").ShouldBe(2);
        _activities.Executed.Count(e => e == "after").ShouldBe(2);
    }

    [Fact]
    public async Task Race_FirstBranch_WinsAndCancelsItsRivals()
    {
        await using var host = await TestHosts.StartAsync(_activities);
        var instance = await host.RunAsync(Workflow(Flowchart(
            "flow",
            [Do("a"), Activity("Event", "slow", ("eventName", Literal("never"))), Do("b"), Do("join").Merge("Race")],
            "a > slow",
            "a > b",
            "b > join",
            "slow > join")));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _activities.Executed.ShouldBe(["a", "b", "join"]);
        host.Journal(instance.Id).Cancelled().ShouldBe(["slow"]);
        host.Store.Bookmarks(instance.Id).ShouldBeEmpty();
    }

    [Fact]
    public async Task Race_TwoDelaysDueAtTheSameTime_OneWinsAndTheOtherIsCancelled()
    {
        await using var host = await TestHosts.StartAsync(_activities);
        var delay = Literal("00:00:05");
        var instance = await host.RunAsync(Workflow(Flowchart(
            "flow",
            [Do("a"), Activity("Delay", "left", ("timeSpan", delay)), Activity("Delay", "right", ("timeSpan", delay.DeepClone())), Do("join").Merge("Race")],
            "a > left",
            "a > right",
            "left > join",
            "right > join")));
        instance.SubStatus.ShouldBe(WorkflowSubStatus.Suspended);

        (await host.AdvanceAsync(instance.Id, TimeSpan.FromSeconds(6))).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _activities.Executed.ShouldBe(["a", "join"]);
        host.Journal(instance.Id).Cancelled().ShouldBe(["right"]);
    }

    [Fact]
    public async Task Converge_WithLoop_WaitsForTheBackwardConnectionToo()
    {
        // The start itself is no token, so a Converge start never runs for its loop alone; as a target it needs both.
        var instance = await RunAsync(
            Flowchart(
                "flow",
                [Do("a"), Do("b"), Do("target").Merge("Converge"), Do("c")],
                "a > target",
                "a > b",
                "b > target",
                "target > c"));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _activities.Executed.ShouldBe(["a", "b", "target", "c"]);
    }

    [Fact]
    public async Task Converge_OnALoopThatHasNotRun_IsStuck()
    {
        var instance = await RunAsync(Flowchart("flow", [Do("a"), Do("target").Merge("Converge"), Do("b")], "a > target", "target > b", "b > target"));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
        _activities.Executed.ShouldBe(["a"]);
    }

    [Fact]
    public async Task End_InNestedFlowchart_EndsOnlyThatFlowchart()
    {
        var inner = Flowchart("inner", [Do("x"), Activity("End", "end"), Do("never")], "x > end", "end > never");
        var instance = await RunAsync(Flowchart("flow", [inner, Do("after")], "inner > after"));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _activities.Executed.ShouldBe(["x", "after"]);
    }

    [Fact]
    public async Task End_WhileABranchWaits_CancelsTheBranch()
    {
        var inner = Flowchart("inner", [Do("x"), Activity("Event", "wait", ("eventName", Literal("never"))), Activity("End", "end")], "x > wait", "x > end");
        var instance = await RunAsync(Flowchart("flow", [inner, Do("after")], "inner > after"));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _activities.Executed.ShouldBe(["x", "after"]);
    }

    [Fact]
    public async Task Finish_InNestedFlowchart_EndsTheWholeWorkflow()
    {
        var inner = Flowchart("inner", [Do("x"), Activity("Finish", "finish")], "x > finish");
        await using var host = await TestHosts.StartAsync(_activities);
        var instance = await host.RunAsync(Workflow(Flowchart("flow", [Do("a"), Activity("Event", "wait", ("eventName", Literal("never"))), inner, Do("after")], "a > wait", "a > inner", "inner > after")));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _activities.Executed.ShouldBe(["a", "x"]);
        host.Journal(instance.Id).Cancelled().ShouldContain("wait");
        host.Store.Bookmarks(instance.Id).ShouldBeEmpty();
    }

    [Fact]
    public async Task Complete_InNestedFlowchart_EndsItAndTheContainerGoesOn()
    {
        var inner = Flowchart("inner", [Activity("Complete", "complete"), Do("never")], "complete > never");
        await RunAsync(Flowchart("flow", [inner, Do("after")], "inner > after"));

        _activities.Executed.ShouldBe(["after"]);
    }

    [Fact]
    public async Task Loop_OfContainersOnly_IsStoppedInsteadOfRunningForEver()
    {
        var instance = await RunAsync(Flowchart("flow", [Do("a"), If("spin", Literal(true))], "a > spin", "spin > spin"));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
        InstanceState.FromJson(instance.Snapshot).Incidents.ShouldHaveSingleItem().Fault.Kind.ShouldBe("workflow.endless");
    }

    [Fact]
    public async Task Start_GivenById_RunsFromThere()
    {
        await RunAsync(Flowchart("flow", [Do("a"), Do("b"), Do("c")], "a > b", "b > c").With("start", "b"));

        _activities.Executed.ShouldBe(["b", "c"]);
    }

    [Fact]
    public async Task Start_FirstInListHasInbound_ChoosesTheOneWithout()
    {
        await RunAsync(Flowchart("flow", [Do("b"), Do("a")], "a > b"));

        _activities.Executed.ShouldBe(["a", "b"]);
    }

    [Fact]
    public async Task Start_CanStartWorkflow_IsPreferred()
    {
        await RunAsync(Flowchart("flow", [Do("a"), Do("b").Custom("canStartWorkflow", true)]));

        _activities.Executed.ShouldBe(["b"]);
    }

    [Fact]
    public async Task Outcomes_Several_FollowEveryConnection()
    {
        _activities.On("a", _ => ActivityResult.Completed("A", "B"));
        await RunAsync(Flowchart("flow", [Do("a"), Do("x"), Do("y"), Do("z")], "a:A > x", "a:B > y", "a > z"));

        _activities.Executed.ShouldBe(["a", "x", "y"]);
    }

    private async Task<StoredInstance> RunAsync(JsonObject root, string[]? variables = null)
    {
        await using var host = await TestHosts.StartAsync(_activities);
        return await host.RunAsync(Workflow(root, variables));
    }
}
