using System.Text.Json.Nodes;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Storage;
using Shouldly;
using Xunit;
using static FailbackWorkflows.Tests.Engine.Json;

namespace FailbackWorkflows.Tests.Engine;

/// <summary>If, Switch, Fork, Parallel, FlowFork, FlowJoin: one behaviour each.</summary>
public sealed class BranchTests
{
    private readonly Behaviours _activities = new();

    [Theory]
    [InlineData("true", "then")]
    [InlineData("false", "else")]
    public async Task If_Condition_RunsOneOfTwo(string condition, string expected) =>
        (await RunAsync(If("if", Js(condition), Do("then"), Do("else")))).ShouldBe([expected]);

    [Fact]
    public async Task If_NothingInThePort_CompletesAtOnce() =>
        (await RunAsync(Sequence("all", If("if", Literal(false), Do("then")), Do("after")))).ShouldBe(["after"]);

    [Fact]
    public async Task If_FlowchartInThePort_RunsItWhole() =>
        (await RunAsync(Sequence("all", If("if", Literal(true), Flowchart("inner", [Do("a"), Do("b")], "a > b")), Do("after")))).ShouldBe(["a", "b", "after"]);

    [Theory]
    [InlineData("MatchFirst", 5, "low")]
    [InlineData(null, 5, "low")]
    [InlineData("MatchAny", 5, "low,odd")]
    [InlineData("MatchAny", 20, "other")]
    [InlineData("MatchFirst", 20, "other")]
    public async Task Switch_Mode_RunsFirstOrEveryMatchOrTheDefault(string? mode, int value, string expected)
    {
        var root = Sequence(
            "all",
            Set("set", "X", Literal(value)),
            Switch("switch", mode, Do("other"), Case("Low", "getX() < 10", Do("low")), Case("Odd", "getX() % 2 == 1", Do("odd"))),
            Do("after"));
        (await RunAsync(root, "X")).ShouldBe([.. expected.Split(','), "after"]);
    }

    [Fact]
    public async Task Switch_NoMatchAndNoDefault_CompletesAtOnce() =>
        (await RunAsync(Sequence("all", Switch("switch", null, null, Case("Never", "false", Do("never"))), Do("after")))).ShouldBe(["after"]);

    [Fact]
    public void Switch_TwoCasesOfOneLabel_AreRefusedWithTheirPlace()
    {
        var problem = Problems.Of(Switch("switch", null, null, Case("A", "true", Do("a")), Case("A", "true", Do("b")))).ShouldHaveSingleItem();

        problem.ActivityId.ShouldBe("switch");
        problem.Path.ShouldBe("$.root.cases[1]");
        problem.Message.ShouldContain("'A'");
    }

    [Fact]
    public async Task Fork_WaitAll_InterleavesBranchesAndGoesOnAfterTheLast() =>
        (await RunAsync(Sequence("all", Fork("fork", "WaitAll", Sequence("x", Do("1a"), Do("1b")), Sequence("y", Do("2a"), Do("2b"), Do("2c"))), Do("after"))))
        .ShouldBe(["1a", "2a", "1b", "2b", "2c", "after"]);

    [Fact]
    public async Task Fork_WithoutJoinMode_WaitsForAll() =>
        (await RunAsync(Sequence("all", Fork("fork", null, Do("a"), Sequence("y", Do("b"), Do("c"))), Do("after")))).ShouldBe(["a", "b", "c", "after"]);

    [Fact]
    public async Task Fork_WaitAny_EndsTheLosersWithTheirQueuedWork()
    {
        // Elsa would still run 2b, which is in its queue when the first branch completes.
        await using var host = await TestHosts.StartAsync(_activities);
        var instance = await host.RunAsync(Workflow(Sequence("all", Fork("fork", "WaitAny", Sequence("x", Do("1a"), Do("1b")), Sequence("y", Do("2a"), Do("2b"))), Do("after"))));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _activities.Executed.ShouldBe(["1a", "2a", "1b", "after"]);
        host.Journal(instance.Id).Cancelled().ShouldBe(["y"]);
    }

    [Fact]
    public async Task Fork_WaitAny_EndsBookmarksOfTheLosers()
    {
        await using var host = await TestHosts.StartAsync(_activities);
        var instance = await host.RunAsync(Workflow(Sequence("all", Fork("fork", "WaitAny", Activity("Event", "slow", ("eventName", Literal("never"))), Do("fast")), Do("after"))));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        host.Store.Bookmarks(instance.Id).ShouldBeEmpty();
        (await host.SendEventAsync(instance.Id, "never")).LastSequence.ShouldBe(instance.LastSequence);
    }

    [Fact]
    public async Task Fork_WithoutBranches_CompletesAtOnce() => (await RunAsync(Sequence("all", Fork("fork", "WaitAll"), Do("after")))).ShouldBe(["after"]);

    [Fact]
    public void Fork_UnknownJoinMode_IsRefused() => Problems.Of(Fork("fork", "WaitSome", Do("a"))).ShouldHaveSingleItem().Message.ShouldContain("WaitAll, WaitAny");

    [Fact]
    public async Task Parallel_Activities_InterleaveAndAllAreWaitedFor() =>
        (await RunAsync(Sequence("all", Parallel("parallel", Sequence("x", Do("1"), Do("1b")), Sequence("y", Do("2"), Do("2b"))), Do("after")))).ShouldBe(["1", "2", "1b", "2b", "after"]);

    [Fact]
    public async Task FlowFork_Branches_AreAllFollowed()
    {
        var fork = Activity("FlowFork", "fork", ("branches", Expression("Object", """["A","B"]""")));
        (await RunAsync(Flowchart("flow", [fork, Do("a"), Do("b")], "fork:A > a", "fork:B > b"))).ShouldBe(["a", "b"]);
    }

    [Fact]
    public async Task FlowJoin_WaitAny_IsTheDefaultAndEndsTheOthers()
    {
        await using var host = await TestHosts.StartAsync(_activities);
        var instance = await host.RunAsync(Workflow(Flowchart(
            "flow",
            [Do("a"), Activity("Event", "slow", ("eventName", Literal("never"))), Do("fast"), Activity("FlowJoin", "join"), Do("after")],
            "a > slow", "a > fast", "fast > join", "slow > join", "join > after")));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _activities.Executed.ShouldBe(["a", "fast", "after"]);
        host.Journal(instance.Id).Cancelled().ShouldBe(["slow"]);
    }

    [Fact]
    public async Task FlowJoin_WaitAll_WaitsForEveryConnection() =>
        (await RunAsync(JoinOf("WaitAll", "a > b", "a > c", "b > d", "d > join", "c > join"))).ShouldBe(["a", "b", "c", "d", "after"]);

    [Fact]
    public async Task FlowJoin_WaitAll_ABranchThatNeverComesStopsTheRunInSight()
    {
        await using var host = await TestHosts.StartAsync(_activities);
        var instance = await host.RunAsync(Workflow(JoinOf("WaitAll", "a > b", "a > c", "b:A > join", "c > join")));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
        var incident = (await host.Runtime.FindAsync(instance.Id, CancellationToken.None))!.Incidents.ShouldHaveSingleItem();
        incident.Fault.Kind.ShouldBe("workflow.stuck");
        incident.Fault.Message.ShouldContain("join");
    }

    [Fact]
    public async Task FlowJoin_WaitAllActive_GoesOnWithTheBranchesThatWereTaken() =>
        (await RunAsync(JoinOf("WaitAllActive", "a > b", "a > c", "b:A > join", "c > join"))).ShouldBe(["a", "b", "c", "after"]);

    [Fact]
    public async Task FlowJoin_WaitAllActive_WaitsForABranchHoweverFarItIs() =>
        (await RunAsync(JoinOf("WaitAllActive", "a > b", "b > d", "d > join", "a > c", "c > join"))).ShouldBe(["a", "b", "c", "d", "after"]);

    [Fact]
    public void FlowJoin_ModeThatIsNotFixed_IsRefused() =>
        Problems.Of(Flowchart("flow", [Activity("FlowJoin", "join", ("mode", Js("'WaitAll'")))])).ShouldHaveSingleItem().Path.ShouldBe("$.root.activities[0].mode");

    [Fact]
    public async Task Merge_StuckInOneFlowchart_IsSaidAtOnceAlthoughAnotherBranchWaits()
    {
        var stuck = Flowchart("inner", [Do("a"), Do("b"), Do("c"), Do("join").Merge("Merge")], "a > b", "a > c", "b:A > join", "c > join");
        await using var host = await TestHosts.StartAsync(_activities);
        var instance = await host.RunAsync(Workflow(Fork("fork", "WaitAll", stuck, Activity("Event", "wait", ("eventName", Literal("never"))))));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
    }

    [Fact]
    public async Task End_InsideASequenceInsideAFlowchart_EndsTheFlowchart()
    {
        var inner = Flowchart("inner", [Sequence("steps", Do("x"), Activity("End", "end"), Do("never")), Do("neither")], "steps > neither");
        (await RunAsync(Flowchart("flow", [inner, Do("after")], "inner > after"))).ShouldBe(["x", "after"]);
    }

    private static JsonObject JoinOf(string mode, params string[] connections) => Flowchart(
        "flow",
        [Do("a"), Do("b"), Do("c"), Do("d"), Activity("FlowJoin", "join", ("mode", Literal(mode))), Do("after")],
        [.. connections, "join > after"]);

    private async Task<IReadOnlyList<string>> RunAsync(JsonObject root, params string[] variables)
    {
        await using var host = await TestHosts.StartAsync(_activities);
        var instance = await host.RunAsync(Workflow(root, variables));
        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished, (await host.Runtime.FindAsync(instance.Id, CancellationToken.None))!.Incidents.FirstOrDefault()?.Fault.Message);
        Folds.Check(host, instance);
        return _activities.Executed;
    }
}
