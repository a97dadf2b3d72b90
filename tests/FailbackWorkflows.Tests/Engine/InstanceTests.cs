using System.Text.Json.Nodes;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Testing.Engine;
using Shouldly;
using Xunit;
using static FailbackWorkflows.Tests.Engine.Json;

namespace FailbackWorkflows.Tests.Engine;

/// <summary>What an author relies on besides flowcharts: values, waits, retries, faults, redrive, cancel, composites.</summary>
public sealed class InstanceTests : IAsyncLifetime
{
    private readonly Behaviours _activities = new();
    private EngineHost _host = null!;

    public async Task InitializeAsync() => _host = await TestHosts.StartAsync(_activities);

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Fact]
    public async Task Sequence_Children_RunByIndex()
    {
        var instance = await RunAsync(Sequence("s", Do("a"), Sequence("inner", Do("b"), Do("c")), Sequence("empty"), Do("d")));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _activities.Executed.ShouldBe(["a", "b", "c", "d"]);
    }

    [Fact]
    public async Task Snapshot_OfARunWithoutLoopsAndNames_HasOnlyWhatItAlwaysHad()
    {
        var instance = await RunAsync(Sequence("s", Do("a"), Activity("Event", "wait", ("eventName", Literal("x")))));

        var state = JsonNode.Parse(instance.Snapshot)!.AsObject();
        state.Select(m => m.Key).ShouldBe(
            ["sequence", "subStatus", "started", "lastExecution", "lastBookmark", "variables", "output", "executions", "ready", "current", "results", "lastResult", "incidents", "cancellation", "isCancelling"]);
        state["executions"]![0]!.AsObject().Select(m => m.Key).ShouldBe(
            ["id", "nodeId", "parentId", "phase", "attempt", "inputs", "progress", "bookmarks", "resumed", "variables", "tokens", "next"]);
    }

    [Theory]
    [InlineData("true", "yes,after")]
    [InlineData("false", "no,after")]
    [InlineData("null", "no,after")]
    public async Task If_Condition_RunsTheBranch(string condition, string expected)
    {
        await RunAsync(Sequence("s", If("if", Js(condition), Do("yes"), Do("no")), Do("after")));

        _activities.Executed.ShouldBe(expected.Split(','));
    }

    [Fact]
    public async Task If_WithoutMatchingBranch_GoesOn()
    {
        await RunAsync(Sequence("s", If("if", Literal(false), Do("yes")), Do("after")));

        _activities.Executed.ShouldBe(["after"]);
    }

    [Fact]
    public async Task Variables_Shadowed_InnerOneIsSetAndOuterOneStays()
    {
        var seen = new List<object?>();
        _activities.On("inside", c => Seen(c, seen)).On("outside", c => Seen(c, seen));
        await RunAsync(
            Sequence(
                "s",
                Sequence("inner", Set("set", "X", Literal("changed")), Do("inside", ("value", Js("getX()")))).With("variables", Variables("X=inner")),
                Do("outside", ("value", Expression("Variable", "X")))),
            ["X=outer"]);

        seen.ShouldBe(["changed", "outer"]);
    }

    [Fact]
    public async Task Outputs_GoIntoVariablesWorkflowOutputsAndGetOutputFrom()
    {
        var seen = new List<object?>();
        _activities.On("make", _ => Do.Returning(new { Camera = "c1", Count = 3 })).On("use", c => Seen(c, seen)).On("use2", c => Seen(c, seen)).On("use3", c => Seen(c, seen));
        var instance = await RunAsync(
            Sequence(
                "s",
                Do("make", ("name", "Maker"), ("result", Into("id-X"))),
                Do("use", ("value", Js("getX().camera + getX().count"))),
                Do("use2", ("value", Js("getOutputFrom('make').count"))),
                Do("use3", ("value", Js("getOutputFrom('Maker', 'result').camera")), ("result", Into("Answer")))),
            ["X"],
            outputs: ["Answer"]);

        seen.ShouldBe(["c13", 3L, "c1"]);
        (await FindAsync(instance)).Output["Answer"].ShouldBe("c1");
    }

    [Fact]
    public async Task Output_OfASetOutputActivity_IsTheWorkflows()
    {
        var instance = await RunAsync(Sequence("s", Activity("SetOutput", "out", ("outputName", Literal("Answer")), ("outputValue", Js("6 * 7")))), outputs: ["Answer"]);

        (await FindAsync(instance)).Output["Answer"].ShouldBe(42L);
        Journal(instance).OfType<InstanceFinished>().Single().Output!["Answer"].ShouldBe(42L);
    }

    [Fact]
    public async Task Inputs_Given_ReachExpressionsWhateverTheirFirstLetter()
    {
        var seen = new List<object?>();
        _activities.On("a", c => Seen(c, seen)).On("b", c => Seen(c, seen));
        await _host.RunAsync(
            Workflow(Sequence("s", Do("a", ("value", Expression("Input", "EntryId"))), Do("b", ("value", Js("getInput('entryId')")))), inputs: ["EntryId!"]),
            new Dictionary<string, object?> { ["entryId"] = "e-1" });

        seen.ShouldBe(["e-1", "e-1"]);
    }

    [Fact]
    public async Task Expression_ThatHasNoValue_FaultsTheActivityWithTheInputNamed()
    {
        var instance = await RunAsync(Sequence("s", Do("a"), Do("b", ("value", Js("getX().camera")))), ["X"]);

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
        var incident = (await FindAsync(instance)).Incidents.ShouldHaveSingleItem();
        incident.NodeId.ShouldBe("s:b");
        incident.Fault.Kind.ShouldBe("expression");
        incident.Fault.Message.ShouldContain("'Value' could not be evaluated");
        _activities.Executed.ShouldBe(["a"]);
    }

    [Fact]
    public async Task Event_Sent_ResumesWithItsPayload()
    {
        var seen = new List<object?>();
        _activities.On("after", c => Seen(c, seen));
        var instance = await RunAsync(Sequence("s", Activity("Event", "wait", ("eventName", Literal("disk")), ("result", Into("id-X"))), Do("after", ("value", Js("getX().size")))), ["X"]);

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Suspended);
        _host.Store.Bookmarks(instance.Id).ShouldHaveSingleItem().Key.ShouldBe("Event:disk");
        (await _host.Runtime.ResumeAsync(Stimulus.Event("other", Actor.System), CancellationToken.None)).ShouldBeEmpty();

        instance = await _host.SendEventAsync(instance.Id, "disk", new { Size = 5 });
        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        seen.ShouldBe([5L]);
        Journal(instance).OfType<StimulusReceived>().Single().Actor.ShouldBe(Actor.System);
        Histories.Verify(_host, instance);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Retry_TransientFault_WaitsLongerEachTimeAndSucceeds(bool policyOfClass)
    {
        _activities.Fails("a", times: 2, isTransient: true);
        var activity = policyOfClass ? Activity("Test.Stubborn", "a", ("name", "x")) : Do("a").Custom("retry", Retry(3));
        var instance = await RunAsync(Sequence("s", activity, Do("b")));
        instance.SubStatus.ShouldBe(WorkflowSubStatus.Suspended);

        instance = await _host.AdvanceAsync(instance.Id, TimeSpan.FromSeconds(1));
        instance.SubStatus.ShouldBe(WorkflowSubStatus.Suspended);
        instance = await _host.AdvanceAsync(instance.Id, TimeSpan.FromSeconds(2));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _activities.Executed.ShouldBe(["a", "a", "a", "b"]);
        _activities.Effects.Count.ShouldBe(2, "all attempts use the same key");
        var faults = Journal(instance).OfType<ActivityFaulted>().ToList();
        faults.Select(f => (f.Attempt, f.RetryAt - f.At)).ShouldBe([(1, TimeSpan.FromSeconds(1)), (2, TimeSpan.FromSeconds(2))]);
        Histories.Verify(_host, instance);
    }

    [Fact]
    public async Task Retry_AttemptsUsedUp_IsAnIncident()
    {
        _activities.Fails("a", isTransient: true);
        var instance = await RunAsync(Sequence("s", Do("a").Custom("retry", Retry(2))));
        instance = await _host.AdvanceAsync(instance.Id, TimeSpan.FromSeconds(1));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
        _activities.Executed.ShouldBe(["a", "a"]);
        (await FindAsync(instance)).Incidents.ShouldHaveSingleItem().Fault.ShouldBe(new("test.broken", "a is broken.", true));
    }

    [Fact]
    public async Task Retry_FaultThatIsNotTransient_IsNotTriedAgain()
    {
        _activities.Fails("a");

        (await RunAsync(Sequence("s", Do("a").Custom("retry", Retry(5))))).SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
        _activities.Executed.ShouldBe(["a"]);
    }

    [Fact]
    public async Task Retry_AfterAStimulus_SeesTheStimulusAgain()
    {
        var seen = new List<object?>();
        var failed = false;
        _activities.On("a", context =>
        {
            if (context.ResumedBy is null)
            {
                return ActivityResult.Suspended("half", new BookmarkRequest("Answer", "Event:answer", null, RunsAgain: true));
            }

            seen.Add(context.ResumedBy.Payload);
            seen.Add(context.Progress);
            return failed ? ActivityResult.Completed() : throw Broken(ref failed);
        });
        var instance = await RunAsync(Sequence("s", Do("a").Custom("retry", Retry(3))));
        await _host.SendEventAsync(instance.Id, "answer", "yes");
        instance = await _host.AdvanceAsync(instance.Id, TimeSpan.FromSeconds(1));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        seen.ShouldBe(["yes", "half", "yes", "half"]);

        static ActivityFaultException Broken(ref bool failed)
        {
            failed = true;
            return new("test.broken", "Once.", true);
        }
    }

    [Fact]
    public async Task Suspended_RunsAgain_WithProgressAndTheSameKey()
    {
        _activities.On("poll", c => c.Progress is 2L ? ActivityResult.Completed() : ActivityResult.RunAgainAt(c.Time.GetUtcNow() + TimeSpan.FromSeconds(5), (c.Progress as long? ?? 0) + 1));
        var instance = await RunAsync(Sequence("s", Do("poll")));
        instance = await _host.AdvanceAsync(instance.Id, TimeSpan.FromSeconds(5));
        if (instance.SubStatus != WorkflowSubStatus.Finished)
        {
            // Usually. On a busy machine the clock may have been moved on to the next look, too, before the first was seen to rest.
            instance = await _host.AdvanceAsync(instance.Id, TimeSpan.FromSeconds(5));
        }

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _activities.Executed.Count.ShouldBe(3);
        _activities.Effects.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Fault_OwnFailedPortConnected_TakesIt()
    {
        var seen = new List<object?>();
        _activities.Fails("a").On("handle", c => Seen(c, seen));
        var instance = await RunAsync(Flowchart("flow", [Do("a"), Do("b"), Do("handle", ("value", Js("getOutputFrom('a', 'failure')")))], "a > b", "a:Failed > handle"));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        instance.IncidentCount.ShouldBe(0);
        _activities.Executed.ShouldBe(["a", "handle"]);
        seen.ShouldBe(["a is broken."]);
        Journal(instance).Completed("a").Fault!.Kind.ShouldBe("test.broken");
    }

    [Fact]
    public async Task Fault_InsideAComposite_TakesTheCompositesFailedPort()
    {
        _activities.Fails("second");
        var instance = await RunAsync(Flowchart("flow", [Activity("Test.Pair", "pair"), Do("b"), Do("undo")], "pair:A > b", "pair:Failed > undo"));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _activities.Executed.ShouldBe(["first", "second", "undo"]);
        Histories.Verify(_host, instance);
    }

    [Fact]
    public async Task Fault_BeyondThePointOfNoReturn_DoesNotTakeAnOuterFailedPort()
    {
        _activities.Fails("second", times: 1).On("first", _ => ActivityResult.Completed().WithCancellation(CancellationMode.Refuse)).On("third", _ => ActivityResult.Completed("A"));
        var instance = await RunAsync(Flowchart("flow", [Activity("Test.Pair", "pair"), Do("b"), Do("undo")], "pair:A > b", "pair:Failed > undo"));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
        _activities.Executed.ShouldBe(["first", "second"]);

        _activities.On("second", "A");
        (await _host.RedriveAsync(instance.Id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _activities.Executed.ShouldBe(["first", "second", "second", "b"]);
    }

    [Fact]
    public async Task Fault_BeyondThePointOfNoReturn_StillTakesItsOwnFailedPort()
    {
        _activities.Fails("b").On("a", _ => ActivityResult.Completed().WithCancellation(CancellationMode.Refuse));
        var instance = await RunAsync(Flowchart("flow", [Do("a"), Do("b"), Do("owed")], "a > b", "b:Failed > owed"));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _activities.Executed.ShouldBe(["a", "b", "owed"]);
    }

    [Fact]
    public async Task Fault_Activity_StopsTheWorkflowWithItsCodeAndMessage()
    {
        var instance = await RunAsync(Sequence("s", Activity("Fault", "stop", ("code", Literal("no-licence")), ("message", Literal("There is no licence."))), Do("after")));

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
        instance.IncidentCount.ShouldBe(1);
        (await FindAsync(instance)).Incidents.Single().Fault.ShouldBe(new("no-licence", "There is no licence.", false));
        _activities.Executed.ShouldBeEmpty();
    }

    [Fact]
    public async Task Fault_UnexpectedException_IsAnIncidentWithItsType()
    {
        _activities.On("a", _ => throw new InvalidOperationException("Oh."));
        var instance = await RunAsync(Do("a"));

        (await FindAsync(instance)).Incidents.Single().Fault.ShouldBe(new("unexpected", "InvalidOperationException: Oh.", false));
    }

    [Fact]
    public async Task Redrive_AfterAFault_KeepsWhatSucceededAndUsesANewExecution()
    {
        _activities.Fails("b", times: 1);
        var instance = await RunAsync(Sequence("s", Do("a"), Do("b"), Do("c")));
        instance.SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
        var before = Journal(instance).Count;

        instance = await _host.RedriveAsync(instance.Id);

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        instance.IncidentCount.ShouldBe(1, "the incident stays on record");
        _activities.Executed.ShouldBe(["a", "b", "b", "c"]);
        _activities.Effects.Count.ShouldBe(4, "the redrive has a new key");
        Journal(instance).Skip(before).OfType<RedriveRequested>().Single().Reason.ShouldBe("try again");
        Journal(instance).OfType<ActivityStarted>().Where(s => s.NodeId == "s:b").Select(s => s.ExecutionId).Distinct().Count().ShouldBe(2);
        Histories.Verify(_host, instance);
        (await Refusal(() => _host.RedriveAsync(instance.Id))).ShouldBe("run-not-faulted");
    }

    [Fact]
    public async Task Redrive_WithAnotherBranchWaiting_LeavesItsBookmark()
    {
        _activities.Fails("b", times: 1);
        var instance = await RunAsync(Flowchart("flow", [Do("a"), Activity("Event", "wait", ("eventName", Literal("x"))), Do("b")], "a > wait", "a > b"));
        instance.SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
        _host.Store.Bookmarks(instance.Id).ShouldHaveSingleItem();

        (await _host.RedriveAsync(instance.Id)).SubStatus.ShouldBe(WorkflowSubStatus.Suspended);
        (await _host.SendEventAsync(instance.Id, "x")).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
    }

    [Fact]
    public async Task Cancel_ModeEnd_EndsAtOnce()
    {
        var instance = await RunAsync(Sequence("s", Do("a"), Activity("Event", "wait", ("eventName", Literal("x"))), Do("b")));

        instance = await _host.CancelAsync(instance.Id);

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Cancelled);
        instance.FinishedAt.ShouldNotBeNull();
        _host.Store.Bookmarks(instance.Id).ShouldBeEmpty();
        Journal(instance).Cancelled().ShouldBe(["wait", "s"]);
        Journal(instance).OfType<CancelRequested>().Single().Reason.ShouldBe("not wanted");
        (await Refusal(() => _host.CancelAsync(instance.Id))).ShouldBe("run-ended");
        (await Refusal(() => _host.CancelAsync("nowhere"))).ShouldBe("run-unknown");
        Histories.Verify(_host, instance);
    }

    [Fact]
    public async Task Cancel_ModeUndo_RunsTheCancelHandlerAndEndsCancelled()
    {
        _activities.On("a", _ => ActivityResult.Completed().WithCancellation(CancellationMode.Undo));
        var instance = await RunAsync(Flowchart(
            "flow",
            [Do("a"), Activity("Event", "wait", ("eventName", Literal("x"))), Do("undo1"), Activity("Event", "hold", ("eventName", Literal("y"))), Do("undo2")],
            "a > wait",
            "undo1 > hold",
            "hold > undo2").Custom("cancelHandler", "undo1"));

        instance = await _host.CancelAsync(instance.Id);
        instance.SubStatus.ShouldBe(WorkflowSubStatus.Suspended);
        (await Refusal(() => _host.CancelAsync(instance.Id))).ShouldBe("run-cancelling");

        instance = await _host.SendEventAsync(instance.Id, "y");
        instance.SubStatus.ShouldBe(WorkflowSubStatus.Cancelled);
        _activities.Executed.ShouldBe(["a", "undo1", "undo2"]);
        Histories.Verify(_host, instance);
    }

    [Fact]
    public async Task Cancel_ModeRefuse_IsRefusedAndTheRunGoesOn()
    {
        _activities.On("a", _ => ActivityResult.Completed().WithCancellation(CancellationMode.Refuse));
        var instance = await RunAsync(Sequence("s", Do("a"), Activity("Event", "wait", ("eventName", Literal("x"))), Do("b")));

        (await Refusal(() => _host.CancelAsync(instance.Id))).ShouldBe("run-only-forward");

        // One that was posted just before the point of no return is refused by the instance itself.
        await _host.Store.PostAsync(instance.Id, new(0, InboxMessageKind.Cancel, null, null, Actor.System, null), _host.Time!.GetUtcNow(), CancellationToken.None);
        instance = await _host.SendEventAsync(instance.Id, "x");
        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        Journal(instance).OfType<CancelRefused>().ShouldHaveSingleItem();
        _activities.Executed.ShouldBe(["a", "b"]);
    }

    [Fact]
    public async Task Composite_InputsOutputsAndOutcomes_PassItsBorder()
    {
        var seen = new List<object?>();
        _activities.On("first", c => Do.Returning("made of " + Do.ValueOf(c))).On("second", c =>
        {
            seen.Add(Do.ValueOf(c));
            return ActivityResult.Completed("A");
        }).On("after", c => Seen(c, seen)).On("other", c => Seen(c, seen));
        var instance = await RunAsync(
            Flowchart(
                "flow",
                [
                    Activity("Test.Pair", "pair", ("given", Js("'x' + 1")), ("made", Into("id-Out"))),
                    Do("after", ("value", Js("getOut()"))),
                    Do("never"),
                    Activity("Test.Pair", "again", ("given", Literal("y"))),
                    Do("other", ("value", Js("getOutputFrom('again', 'made')"))),
                ],
                "pair:A > after",
                "pair > never",
                "after > again",
                "again:A > other"),
            ["Out"]);

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        seen.ShouldBe(["made of x1", "made of x1", "made of y", "made of y"]);
        _activities.Executed.ShouldNotContain("never");
        Journal(instance).OfType<ActivityStarted>().ShouldContain(s => s.NodeId == "flow:pair:inside:first");
        Histories.Verify(_host, instance);
    }

    [Fact]
    public async Task Versions_NewOnePublished_RunningInstanceStaysWithItsOwn()
    {
        var instance = await RunAsync(Sequence("s", Activity("Event", "wait", ("eventName", Literal("x"))), Do("old")));
        var second = await _host.PublishAsync(Workflow(Sequence("s", Do("new"))));

        second.Version.ShouldBe(2);
        instance = await _host.SendEventAsync(instance.Id, "x");
        instance.DefinitionVersion.ShouldBe(1);
        _activities.Executed.ShouldBe(["old"]);
    }

    [Fact]
    public async Task Publish_SameContentAgain_IsTheSameVersion()
    {
        var json = Workflow(Sequence("s", Do("a")));
        var first = await _host.PublishAsync(json);

        (await _host.PublishAsync(json)).Id.ShouldBe(first.Id);
    }

    private Task<StoredInstance> RunAsync(JsonObject root, string[]? variables = null, string[]? outputs = null) => _host.RunAsync(Workflow(root, variables, outputs: outputs));

    private IReadOnlyList<JournalEvent> Journal(StoredInstance instance) => _host.Journal(instance.Id);

    private async Task<WorkflowInstance> FindAsync(StoredInstance instance) => (await _host.Runtime.FindAsync(instance.Id, CancellationToken.None))!;

    private static ActivityResult Seen(ActivityExecutionContext context, List<object?> seen)
    {
        seen.Add(Do.ValueOf(context));
        return Do.Returning(Do.ValueOf(context));
    }

    private static async Task<string> Refusal(Func<Task> action) => (await Should.ThrowAsync<WorkflowRefusedException>(action)).Code;
}
