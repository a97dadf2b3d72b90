using System.Text.Json.Nodes;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Testing.Engine;
using Shouldly;
using Xunit;
using static FailbackWorkflows.Tests.Engine.Json;

namespace FailbackWorkflows.Tests.Engine;

/// <summary>Workflows used as activities: part of the same run, pinned to a version, with inputs, outputs and outcomes of their own.</summary>
public sealed class WorkflowAsActivityTests
{
    private readonly Behaviours _activities = new();

    [Fact]
    public async Task Usable_IsListedAsAnActivity()
    {
        await using var host = await StartAsync();

        var descriptor = (await host.Definitions.ListActivitiesAsync(CancellationToken.None)).ShouldHaveSingleItem();
        descriptor.Type.ShouldBe("AddOne");
        descriptor.WorkflowDefinitionVersionId.ShouldBe("add-one:1");
        descriptor.Inputs.ShouldHaveSingleItem().Name.ShouldBe("number");
        descriptor.Outputs.ShouldHaveSingleItem().Name.ShouldBe("Sum");
        descriptor.Outcomes.ShouldBe(["Big", "Done"]);
    }

    [Fact]
    public async Task Inputs_AreReadAsTheirType_OutputsGoWhereTheUserWants()
    {
        await using var host = await StartAsync();
        var instance = await RunAsync(host, Sequence("all", AddOne("use", Literal("41")).With("Sum", Into("id-R")), Do("after", ("value", Js("getR()")))), "R");

        Started(host, instance, "after").Inputs!["value"].ShouldBe(42L);
    }

    [Fact]
    public async Task Outcomes_OfItsComplete_AndDone_AreFollowed()
    {
        await using var host = await StartAsync();
        await RunAsync(host, Flowchart("flow", [AddOne("use", Literal("100")), Do("big"), Do("done")], "use:Big > big", "use > done"));

        _activities.Executed.ShouldBe(["inside", "big", "done"]);
    }

    [Fact]
    public async Task Variables_InsideAreItsOwn()
    {
        await using var host = await StartAsync();
        var instance = await RunAsync(host, Sequence("all", AddOne("use", Literal("1")), Do("after", ("value", Js("getX()")))), "X=outer");

        Started(host, instance, "after").Inputs!["value"].ShouldBe("outer");
    }

    [Fact]
    public async Task UsedTwice_EachUseHasItsOwn()
    {
        await using var host = await StartAsync();
        var instance = await RunAsync(
            host,
            Sequence("all", AddOne("one", Literal("1")).With("Sum", Into("id-A")), AddOne("two", Js("getA()")).With("Sum", Into("id-B")), Do("after", ("value", Js("getA() * 10 + getB()")))), "A", "B");

        Started(host, instance, "after").Inputs!["value"].ShouldBe(23L);
    }

    [Fact]
    public async Task NewVersion_IsNotUsedByWhoIsPinnedToTheOld()
    {
        await using var host = await StartAsync();
        await host.PublishAsync(Child("getInput('number') + 1000"));

        var instance = await RunAsync(host, Sequence("all", AddOne("use", Literal("1")).With("Sum", Into("id-R")), Do("after", ("value", Js("getR()")))), "R");
        Started(host, instance, "after").Inputs!["value"].ShouldBe(2L);
    }

    [Fact]
    public async Task FaultInside_IsAFaultOfTheRun_RedrivenInside()
    {
        _activities.Fails("inside", times: 1);
        await using var host = await StartAsync();
        var instance = await host.RunAsync(Workflow(Sequence("all", AddOne("use", Literal("1")), Do("after"))));
        instance.SubStatus.ShouldBe(WorkflowSubStatus.Faulted);

        (await host.RedriveAsync(instance.Id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _activities.Executed.ShouldBe(["inside", "inside", "after"]);
    }

    [Fact]
    public async Task NotUsable_IsRefusedWithWhatToDo()
    {
        await using var host = await TestHosts.StartAsync(_activities);
        await host.PublishAsync(Workflow(Do("a"), id: "add-one"));

        var exception = await Should.ThrowAsync<DefinitionInvalidException>(host.PublishAsync(Workflow(AddOne("use", Literal("1")))));
        exception.Problems.ShouldHaveSingleItem().Message.ShouldContain("Usable as activity");
    }

    [Fact]
    public async Task VersionThatIsNotThere_IsRefusedWithItsPlace()
    {
        await using var host = await TestHosts.StartAsync(_activities);

        var exception = await Should.ThrowAsync<DefinitionInvalidException>(host.PublishAsync(Workflow(AddOne("use", Literal("1")))));
        var problem = exception.Problems.ShouldHaveSingleItem();
        problem.ActivityId.ShouldBe("use");
        problem.Path.ShouldBe("$.root.workflowDefinitionVersionId");
    }

    [Fact]
    public async Task MissingRequiredInput_IsRefused()
    {
        await using var host = await StartAsync();
        var use = AddOne("use", Literal("1"));
        use.Remove("number");

        (await host.Definitions.ValidateAsync(Workflow(use), CancellationToken.None)).Problems.ShouldHaveSingleItem().Path.ShouldBe("$.root.number");
    }

    [Fact]
    public async Task TextThatIsNoNumber_IsRefused()
    {
        await using var host = await StartAsync();

        (await host.Definitions.ValidateAsync(Workflow(AddOne("use", Literal("many"))), CancellationToken.None)).Problems.ShouldHaveSingleItem().Path.ShouldStartWith("$.root.number");
    }

    private static JsonObject AddOne(string id, JsonNode number) => new()
    {
        ["id"] = id,
        ["type"] = "AddOne",
        ["version"] = 1,
        ["workflowDefinitionId"] = "add-one",
        ["workflowDefinitionVersionId"] = "add-one:1",
        ["latestAvailablePublishedVersionId"] = "add-one:1",
        ["number"] = number,
    };

    private static string Child(string sum)
    {
        var root = Flowchart(
            "flow",
            [
                Set("set", "X", Js(sum)),
                Activity("SetOutput", "out", ("outputName", Literal("Sum")), ("outputValue", Js("getX()"))),
                Do("inside"),
                Activity("FlowDecision", "big", ("condition", Js("getX() > 50"))),
                Activity("Complete", "complete", ("outcomes", Expression("Object", """["Big"]"""))),
            ],
            "set > out", "out > inside", "inside > big", "big:True > complete");
        var definition = JsonNode.Parse(Workflow(root, ["X=0"], ["Number!"], ["Sum"], "add-one").Option("usableAsActivity", true))!.AsObject();
        definition["name"] = "add one";
        definition["outcomes"] = new JsonArray("Big");
        definition["inputs"]![0]!["type"] = "Int32";
        definition["inputs"]![0]!["name"] = "number";
        return definition.ToJsonString();
    }

    private static ActivityStarted Started(EngineHost host, StoredInstance instance, string id) => host.Journal(instance.Id).OfType<ActivityStarted>().Single(e => JournalText.IdOf(e.NodeId) == id);

    private async Task<EngineHost> StartAsync()
    {
        var host = await TestHosts.StartAsync(_activities);
        await host.PublishAsync(Child("getInput('number') + 1"));
        return host;
    }

    private static async Task<StoredInstance> RunAsync(EngineHost host, JsonObject root, params string[] variables)
    {
        var instance = await host.RunAsync(Workflow(root, variables));
        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished, (await host.Runtime.FindAsync(instance.Id, CancellationToken.None))!.Incidents.FirstOrDefault()?.Fault.Message);
        Folds.Check(host, instance);
        return instance;
    }
}
