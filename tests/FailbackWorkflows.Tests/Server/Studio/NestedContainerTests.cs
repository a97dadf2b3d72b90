using System.Text.Json.Nodes;
using FailbackWorkflows.Server.Identity;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server.Studio;

/// <summary>How the designer is led into containers that stand in others, and into workflows that are used as activities.</summary>
[Collection(ServerTests.Name)]
public sealed class NestedContainerTests(ServerHarness server)
{
    [Fact]
    public async Task TheWayToAnActivity_IsNamedByPortsAsTheDesignerKnowsThem()
    {
        using var ines = await server.WithRoleAsync(Roles.Integrator);
        var model = Definitions.Model(Definitions.NewName());
        model["root"]!["activities"] = new JsonArray(
            Holder("each", "Elsa.ForEach", "body", Container("steps", "Elsa.Sequence", Line("inBody"))),
            Container("inner", "Elsa.Flowchart", Line("inFlow"), Holder("while", "Elsa.While", "body", Line("inWhile"))),
            new JsonObject { ["id"] = "switch", ["type"] = "Elsa.Switch", ["version"] = 1, ["cases"] = new JsonArray(new JsonObject { ["label"] = "Left", ["activity"] = Line("inCase") }) });
        var saved = await ines.SaveAsync(model);
        var flow = $"Workflow1:{saved["root"]!["id"]}";

        (await WayAsync(ines, saved, $"{flow}:each")).ShouldBeEmpty();
        (await WayAsync(ines, saved, $"{flow}:each:steps:inBody")).ShouldBe(["each Body"]);
        (await WayAsync(ines, saved, $"{flow}:inner:inFlow")).ShouldBe(["inner __self"]);
        (await WayAsync(ines, saved, $"{flow}:inner:while:inWhile")).ShouldBe(["inner __self", "while Body"]);
        (await WayAsync(ines, saved, $"{flow}:switch:inCase")).ShouldBe(["switch Left"]);
    }

    [Fact]
    public async Task AWorkflowUsedAsAnActivity_HasItsInside()
    {
        using var ines = await server.WithRoleAsync(Roles.Integrator);
        var used = Definitions.Model(Definitions.NewName(), null, "inside");
        used["options"] = new JsonObject { ["usableAsActivity"] = true };
        var published = await ines.SaveAsync(used, publish: true, "to be used");
        var model = Definitions.Model(Definitions.NewName());
        model["root"]!["activities"] = new JsonArray(new JsonObject
        {
            ["id"] = "use",
            ["type"] = ((string)published["name"]!).Replace(" ", "", StringComparison.Ordinal),
            ["version"] = 1,
            ["workflowDefinitionId"] = (string)published["definitionId"]!,
            ["workflowDefinitionVersionId"] = (string)published["id"]!,
        });
        var saved = await ines.SaveAsync(model);
        var node = $"Workflow1:{saved["root"]!["id"]}:use";

        var graph = await ines.ReadAsync($"/workflow-definitions/subgraph/{saved["id"]}?parentNodeId={Uri.EscapeDataString(node)}");

        var root = graph["activity"]!["root"]!;
        var line = root["activities"]!.AsArray().Single()!;
        ((string)line["nodeId"]!, (string)line["text"]!["expression"]!["value"]!).ShouldBe(($"{node}:{root["id"]}:line1", "inside"));
        (await WayAsync(ines, saved, (string)line["nodeId"]!)).ShouldBe(["use Root"]);
        saved.Activity("use").ContainsKey("root").ShouldBeFalse("the definition only names the version");
    }

    private static async Task<IReadOnlyList<string>> WayAsync(HttpClient person, JsonObject definition, string nodeId) =>
    [
        .. (await person.ReadAsync($"/workflow-definitions/subgraph/segments/{definition["id"]}?childNodeId={Uri.EscapeDataString(nodeId)}"))["pathSegments"]!.AsArray()
            .Select(s => $"{s!["activityId"]} {s["portName"]}"),
    ];

    private static JsonObject Line(string id) => new() { ["id"] = id, ["type"] = "Elsa.WriteLine", ["version"] = 1 };

    private static JsonObject Container(string id, string type, params JsonNode[] activities) => new() { ["id"] = id, ["type"] = type, ["version"] = 1, ["activities"] = new JsonArray(activities) };

    private static JsonObject Holder(string id, string type, string port, JsonObject held) => new() { ["id"] = id, ["type"] = type, ["version"] = 1, [port] = held };
}
