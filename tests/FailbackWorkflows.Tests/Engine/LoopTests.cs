using System.Text.Json.Nodes;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Engine.Values;
using Shouldly;
using Xunit;
using static FailbackWorkflows.Tests.Engine.Json;

namespace FailbackWorkflows.Tests.Engine;

/// <summary>For, ForEach, ParallelForEach, While, Break: one behaviour each.</summary>
public sealed class LoopTests
{
    private readonly Behaviours _activities = new();
    private readonly List<string> _seen = [];

    public LoopTests()
    {
        _activities.On("body", context =>
        {
            _seen.Add(PlainValue.ToText(Do.ValueOf(context)));
            return ActivityResult.Completed();
        });
    }

    private static JsonObject Body => Json.Do("body", ("value", Js("getCurrentValue()")));

    [Theory]
    [InlineData(1, 3, 1, null, "1,2,3")]
    [InlineData(1, 3, 1, false, "1,2")]
    [InlineData(3, 1, -1, null, "3,2,1")]
    [InlineData(3, 1, -1, false, "3,2")]
    [InlineData(0, 10, 4, null, "0,4,8")]
    [InlineData(2, 2, 1, null, "2")]
    [InlineData(2, 2, 1, false, "")]
    [InlineData(3, 1, 1, null, "")]
    public async Task For_Bounds_AreInclusiveUnlessSaidAndAStepBelow0CountsDown(int start, int end, int step, bool? isInclusive, string expected)
    {
        await RunAsync(Sequence("all", For("for", start, end, step, Body, isInclusive), Json.Do("after")));

        string.Join(',', _seen).ShouldBe(expected);
        _activities.Executed[^1].ShouldBe("after");
    }

    [Fact]
    public async Task For_WithoutBody_Completes()
    {
        // Elsa's never does.
        await RunAsync(Sequence("all", For("for", 1, 3, 1, null), Json.Do("after")));

        _activities.Executed.ShouldBe(["after"]);
    }

    [Fact]
    public async Task For_StepOfZero_IsAFault()
    {
        var instance = await RunAsync(For("for", 1, 3, 0, Body), WorkflowSubStatus.Faulted);

        instance.IncidentCount.ShouldBe(1);
    }

    [Fact]
    public async Task For_CurrentValue_IsAlsoPutIntoAVariable()
    {
        var root = For("for", 1, 2, 1, Json.Do("body", ("value", Js("getN()")))).With("currentValue", Into("id-N"));
        await RunAsync(root, variables: ["N=0"]);

        _seen.ShouldBe(["1", "2"]);
    }

    [Fact]
    public async Task ForEach_Items_AreGoneThroughInOrderWithTheirIndex()
    {
        await RunAsync(ForEach("each", Expression("Object", """["a","b","c"]"""), Json.Do("body", ("value", Js("getCurrentIndex() + getCurrentValue()")))));

        _seen.ShouldBe(["0a", "1b", "2c"]);
    }

    [Fact]
    public async Task ForEach_NoItems_CompletesAtOnce()
    {
        await RunAsync(Sequence("all", ForEach("each", Expression("Object", "[]"), Body), Json.Do("after")));

        _activities.Executed.ShouldBe(["after"]);
    }

    [Fact]
    public async Task ForEach_NotAList_IsAFaultOfTheLoop()
    {
        var instance = await RunAsync(ForEach("each", Js("'abc'"), Body), WorkflowSubStatus.Faulted);

        instance.IncidentCount.ShouldBe(1);
    }

    [Fact]
    public async Task ForEach_OneRoundWaits_TheNextOneWaitsForIt()
    {
        await using var host = await TestHosts.StartAsync(_activities);
        var instance = await host.RunAsync(Workflow(ForEach(
            "each", Expression("Object", """["a","b"]"""), Sequence("steps", Body, Activity("Event", "wait", ("eventName", Js("getCurrentValue()")))))));

        _seen.ShouldBe(["a"]);
        await host.SendEventAsync(instance.Id, "a");
        _seen.ShouldBe(["a", "b"]);
        (await host.SendEventAsync(instance.Id, "b")).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
    }

    [Fact]
    public async Task ForEach_BodyThatFaulted_IsRedrivenWithItsRound()
    {
        var breaks = true;
        _activities.On("body", context =>
        {
            var value = PlainValue.ToText(Do.ValueOf(context));
            if (value == "b" && breaks)
            {
                throw new ActivityFaultException("test.broken", "It broke.", false);
            }

            _seen.Add(value);
            return ActivityResult.Completed();
        });
        await using var host = await TestHosts.StartAsync(_activities);
        var instance = await host.RunAsync(Workflow(ForEach("each", Expression("Object", """["a","b","c"]"""), Body)));
        instance.SubStatus.ShouldBe(WorkflowSubStatus.Faulted);

        breaks = false;
        (await host.RedriveAsync(instance.Id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _seen.ShouldBe(["a", "b", "c"]);
    }

    [Fact]
    public async Task ParallelForEach_Rounds_RunSideBySideEachWithItsOwnValue()
    {
        var body = Sequence("steps", Json.Do("first", ("value", Js("getCurrentValue()"))), Json.Do("body", ("value", Js("getCurrentIndex() + getCurrentValue()"))));
        await RunAsync(Sequence("all", ParallelForEach("each", Expression("Object", """["a","b"]"""), body), Json.Do("after")));

        _activities.Executed.ShouldBe(["first", "first", "body", "body", "after"]);
        _seen.ShouldBe(["0a", "1b"]);
    }

    [Fact]
    public async Task ParallelForEach_VariableOfARound_IsNotSeenByTheOthers()
    {
        var body = Sequence("steps", Set("set", "CurrentValue", Js("getCurrentValue() + '!'")), Json.Do("first"), Body);
        body["activities"]![0]!["variable"] = new JsonObject { ["id"] = "CurrentValue", ["name"] = "CurrentValue" };
        await RunAsync(ParallelForEach("each", Expression("Object", """["a","b"]"""), body));

        _seen.ShouldBe(["a!", "b!"]);
    }

    [Fact]
    public async Task ParallelForEach_MoreThanAThousandItems_IsAFaultAndStartsNothing()
    {
        await RunAsync(ParallelForEach("each", Js("'x'.repeat(1001).split('')"), Body), WorkflowSubStatus.Faulted);

        _activities.Executed.ShouldBeEmpty();
    }

    [Fact]
    public async Task While_Condition_IsAskedBeforeEachRound()
    {
        await RunAsync(
            Sequence("all", While("while", Js("getN() < 3"), Sequence("steps", Json.Do("body", ("value", Js("getN()"))), Set("count", "N", Js("getN() + 1")))), Json.Do("after")),
            variables: ["N=0"]);

        _seen.ShouldBe(["0", "1", "2"]);
        _activities.Executed[^1].ShouldBe("after");
    }

    [Fact]
    public async Task While_ConditionThatCannotBeEvaluated_IsAFaultOfTheLoop()
    {
        var instance = await RunAsync(While("while", Js("getN().missing.member"), Body0), WorkflowSubStatus.Faulted, ["N"]);

        instance.IncidentCount.ShouldBe(1);
    }

    private static JsonObject Body0 => Json.Do("never");

    [Fact]
    public async Task Break_InALoop_EndsItAndGoesOnAfterIt()
    {
        var body = Sequence("steps", Body, If("if", Js("getCurrentValue() == 2"), Activity("Break", "break")), Json.Do("rest"));
        await RunAsync(Sequence("all", For("for", 1, 5, 1, body), Json.Do("after")));

        _activities.Executed.ShouldBe(["body", "rest", "body", "after"]);
    }

    [Fact]
    public async Task Break_InNestedLoops_EndsTheInnerOne()
    {
        var inner = ForEach("inner", Expression("Object", "[1,2]"), Sequence("steps", Json.Do("x"), Activity("Break", "break")));
        await RunAsync(For("outer", 1, 2, 1, Sequence("both", inner, Json.Do("y"))));

        _activities.Executed.ShouldBe(["x", "y", "x", "y"]);
    }

    [Fact]
    public async Task Break_InAParallelForEach_EndsTheOtherRounds()
    {
        await using var host = await TestHosts.StartAsync(_activities);
        var body = If("if", Js("getCurrentIndex() == 1"), Activity("Break", "break"), Activity("Event", "wait", ("eventName", Literal("never"))));
        var instance = await host.RunAsync(Workflow(Sequence("all", ParallelForEach("each", Expression("Object", "[1,2,3]"), body), Json.Do("after"))));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        host.Store.Bookmarks(instance.Id).ShouldBeEmpty();
        _activities.Executed.ShouldBe(["after"]);
    }

    [Fact]
    public async Task Break_InAFlowchartInALoop_EndsTheLoop()
    {
        var body = Flowchart("flow", [Json.Do("x"), Activity("Break", "break"), Json.Do("never")], "x > break", "break > never");
        await RunAsync(Sequence("all", While("while", Literal(true), body), Json.Do("after")));

        _activities.Executed.ShouldBe(["x", "after"]);
    }

    [Fact]
    public void Break_OutsideALoop_IsRefusedAtPublish()
    {
        var problem = Problems.Of(Flowchart("flow", [Activity("Break", "break")])).ShouldHaveSingleItem();

        problem.ActivityId.ShouldBe("break");
        problem.Message.ShouldContain("in no loop");
    }

    [Fact]
    public void LoopVariables_OutsideTheirLoop_AreUnknown() =>
        Problems.Of(Sequence("all", ForEach("each", Expression("Object", "[1]"), Body), Json.Do("after", ("value", Js("getCurrentIndex()"))))).ShouldHaveSingleItem().ActivityId.ShouldBe("after");

    private async Task<StoredInstance> RunAsync(JsonObject root, WorkflowSubStatus expected = WorkflowSubStatus.Finished, string[]? variables = null)
    {
        await using var host = await TestHosts.StartAsync(_activities);
        var instance = await host.RunAsync(Workflow(root, variables));
        instance.SubStatus.ShouldBe(expected, (await host.Runtime.FindAsync(instance.Id, CancellationToken.None))!.Incidents.FirstOrDefault()?.Fault.Message);
        Folds.Check(host, instance);
        return instance;
    }
}
