using System.IO.Compression;
using System.Net;
using System.Text.Json.Nodes;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Server.Identity;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server.Studio;

/// <summary>What the designer's menus ask for besides saving and publishing.</summary>
[Collection(ServerTests.Name)]
public sealed class MenuTests(ServerHarness server)
{
    [Fact]
    public async Task CancelAllMatches_AsksEveryRunThatGoesOn_AndNoOther()
    {
        var run = await server.AddRunAsync(WorkflowSubStatus.Suspended);
        var second = await server.AddRunAsync(WorkflowSubStatus.Suspended, run.DefinitionId);
        var ended = await server.AddRunAsync(WorkflowSubStatus.Finished, run.DefinitionId);
        var other = await server.AddRunAsync(WorkflowSubStatus.Suspended);
        using var olga = await server.WithRoleAsync(Roles.Operator);

        using var answer = await olga.PostAsync("/alterations/submit", Plan("Cancel", new JsonObject { ["emptyFilterSelectsAll"] = true, ["definitionIds"] = new JsonArray(run.DefinitionId), ["isSystem"] = false, ["workflowInstanceIds"] = null }));

        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        ((string?)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["planId"]).ShouldNotBeNullOrEmpty();
        AskedToCancel(run, second, ended, other).ShouldBe([run.Id, second.Id], ignoreOrder: true);
        Told(answer).ShouldContain("2 runs were asked to cancel.");
    }

    [Theory]
    [InlineData("Cancel", """{ "emptyFilterSelectsAll": true, "statuses": ["Finished"] }""", HttpStatusCode.OK)]
    [InlineData("Cancel", """{ "emptyFilterSelectsAll": false }""", HttpStatusCode.OK)]
    [InlineData("Cancel", """{ "emptyFilterSelectsAll": true, "names": ["a name"] }""", HttpStatusCode.BadRequest)]
    [InlineData("Cancel", """{ "emptyFilterSelectsAll": true, "isSystem": true }""", HttpStatusCode.BadRequest)]
    [InlineData("Cancel", """{ "subStatuses": ["Asleep"] }""", HttpStatusCode.BadRequest)]
    [InlineData("Cancel", """{ "statuses": ["Running", "Asleep"] }""", HttpStatusCode.BadRequest)]
    [InlineData("Cancel", """{ "timestampFilters": [{ "column": "CreatedAt", "operator": "Around", "timestamp": "2026-01-01T00:00:00Z" }] }""", HttpStatusCode.BadRequest)]
    [InlineData("ModifyVariable", """{ "emptyFilterSelectsAll": true }""", HttpStatusCode.BadRequest)]
    public async Task Alteration_ThatMeansNoRunOrIsNotThere_CancelsNothing(string type, string filter, HttpStatusCode status)
    {
        var run = await server.AddRunAsync(WorkflowSubStatus.Suspended);
        using var olga = await server.WithRoleAsync(Roles.Operator);

        using var answer = await olga.PostAsync("/alterations/submit", Plan(type, JsonNode.Parse(filter)!));

        answer.StatusCode.ShouldBe(status);
        AskedToCancel(run).ShouldBeEmpty();
    }

    [Fact]
    public async Task DeleteManyRuns_SaysWhatWentAndWhatStayed()
    {
        var ended = await server.AddRunAsync(WorkflowSubStatus.Finished);
        var going = await server.AddRunAsync(WorkflowSubStatus.Suspended, ended.DefinitionId);
        using var olga = await server.WithRoleAsync(Roles.Operator);

        using var both = await olga.PostAsync("/bulk-actions/delete/workflow-instances/by-id", new JsonObject { ["ids"] = new JsonArray(going.Id, ended.Id) });
        using var none = await olga.PostAsync("/bulk-actions/delete/workflow-instances/by-id", new JsonObject { ["ids"] = new JsonArray(going.Id) });

        Told(both).ShouldSatisfyAllConditions(
            t => t.ShouldContain("The run was taken out of the list."),
            t => t.ShouldContain("Runs that are still going on were left in the list."));
        Told(none).ShouldNotContain("taken out");
    }

    [Fact]
    public async Task PublishMany_SaysWhatWasRefusedFirst_AndHowMuchMore()
    {
        using var ines = await server.WithRoleAsync(Roles.Integrator);
        var good = await ines.SaveAsync(Definitions.Model(Definitions.NewName(), null, "one"));
        var bad = new List<JsonObject>();
        for (var i = 0; i < 8; i++)
        {
            var model = Definitions.Model(Definitions.NewName(), null, "one");
            model.Activity("line1")["type"] = "Elsa.Nothing";
            bad.Add(await ines.SaveAsync(model));
        }

        var few = await PublishAsync(ines, good, bad[0]);
        var many = await PublishAsync(ines, [good, .. bad]);

        few.Select(m => (string)m["tone"]!).ShouldBe(["bad", "ok"]);
        many.Select(m => (string)m["tone"]!).ShouldAllBe(tone => tone == "bad");
        ((string)many[^1]["text"]!).ShouldBe("3 more were refused. Choose fewer to read why.");
    }

    [Fact]
    public async Task UnpublishMany_SaysOfEachThatItsRunsGoOn()
    {
        using var ines = await server.WithRoleAsync(Roles.Integrator);
        var first = await ines.SaveAsync(Definitions.Model(Definitions.NewName(), null, "one"), publish: true, "a test");
        var second = await ines.SaveAsync(Definitions.Model(Definitions.NewName(), null, "one"), publish: true, "a test");

        using var answer = await ines.PostAsync("/bulk-actions/retract/workflow-definitions/by-definition-ids", Ids(first, second));

        Told(answer).ShouldContain($"“{first["name"]}” is not published any more");
        Told(answer).ShouldContain($"“{second["name"]}” is not published any more");
    }

    [Theory]
    [InlineData(Roles.Viewer, 0)]
    [InlineData(Roles.Integrator, 0)]
    [InlineData(Roles.Operator, 1)]
    public async Task RunQuestions_AreForWhoeverMayRun(string role, int fields)
    {
        using var ines = await server.WithRoleAsync(Roles.Integrator);
        var model = Definitions.Model(Definitions.NewName(), null, "one");
        model["inputs"] = new JsonArray(new JsonObject { ["type"] = "String", ["isArray"] = false, ["name"] = "Door", ["displayName"] = "Door" });
        var saved = await ines.SaveAsync(model, publish: true, "a test");
        using var person = await server.WithRoleAsync(role);

        var question = await person.ReadAsync($"/run-questions/{saved["definitionId"]}?versionOptions=Latest");

        question["fields"]!.AsArray().Count.ShouldBe(fields);
    }

    [Fact]
    public async Task Search_FindsRunsByTheirWorkflowAndVersion()
    {
        var run = await server.AddRunAsync(WorkflowSubStatus.Finished);
        using var viewer = await server.WithRoleAsync(Roles.Viewer);

        foreach (var term in (string[])[run.Id, run.DefinitionId.ToUpperInvariant(), $"{run.DefinitionId}:1"])
        {
            using var answer = await viewer.PostAsync("/workflow-instances", new JsonObject { ["searchTerm"] = term, ["page"] = 0, ["pageSize"] = 10 });
            JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["items"]!.AsArray().Select(r => (string)r!["id"]!).ShouldBe([run.Id], term);
        }
    }

    [Fact]
    public async Task Export_WithReferencingWorkflows_HasTheWholeChain()
    {
        using var ines = await server.WithRoleAsync(Roles.Integrator);
        var inner = await ines.SaveAsync(Definitions.Model(Definitions.NewName(), null, "one"));
        var middle = await ines.SaveAsync(Definitions.Starting("Literal", (string)inner["definitionId"]!));
        var outer = await ines.SaveAsync(Definitions.Starting("Literal", (string)middle["definitionId"]!));

        (await FilesAsync(ines, inner, isWhole: false)).ShouldBe([$"{inner["definitionId"]}.v1.json"]);
        (await FilesAsync(ines, inner, isWhole: true)).ShouldBe(new[] { inner, middle, outer }.Select(d => $"{d["definitionId"]}.v1.json"), ignoreOrder: true);
    }

    [Fact]
    public async Task Test_UsesTheTestValuesOfVariables()
    {
        using var ines = await server.WithRoleAsync(Roles.Integrator);
        var model = Definitions.Model(Definitions.NewName(), null, "one");
        model["variables"] = new JsonArray(new JsonObject { ["id"] = "v1", ["name"] = "Door", ["typeName"] = "String", ["isArray"] = false, ["value"] = "front", ["storageDriverTypeName"] = "WorkflowInstance" });
        var activity = model.Activity("line1");
        activity["type"] = "Elsa.SetName";
        activity.Remove("text");
        activity["value"] = new JsonObject { ["typeName"] = "String", ["expression"] = new JsonObject { ["type"] = "JavaScript", ["value"] = "getDoor() + ' door'" } };

        (await TestAsync(ines, await ines.SaveAsync(model))).ShouldBe("front door");
        model["name"] = Definitions.NewName();
        model["customProperties"] = new JsonObject { ["VariableTestValues"] = new JsonObject { ["v1"] = "back" } };
        (await TestAsync(ines, await ines.SaveAsync(model))).ShouldBe("back door");
    }

    private static async Task<IReadOnlyList<JsonNode>> PublishAsync(HttpClient person, params IReadOnlyList<JsonObject> definitions)
    {
        using var answer = await person.PostAsync("/bulk-actions/publish/workflow-definitions/by-definition-ids", Ids([.. definitions]), "a test");
        return [.. JsonNode.Parse(Told(answer))!.AsArray().Select(m => m!)];
    }

    private static JsonObject Ids(params JsonObject[] definitions) => new() { ["definitionIds"] = new JsonArray([.. definitions.Select(d => (JsonNode)(string)d["definitionId"]!)]) };

    private static JsonObject Plan(string type, JsonNode filter) => new() { ["alterations"] = new JsonArray(new JsonObject { ["type"] = type }), ["filter"] = filter };

    private static string Told(HttpResponseMessage answer) => Uri.UnescapeDataString(answer.Headers.GetValues("X-Failback-Messages").Single());

    private static async Task<string?> TestAsync(HttpClient person, JsonObject saved)
    {
        using var answer = await person.PostAsync("/tests/activities", new JsonObject
        {
            // As the designer names them: the version by its id, the activity by its path.
            ["workflowDefinitionHandle"] = new JsonObject { ["definitionId"] = null, ["versionOptions"] = null, ["definitionVersionId"] = (string)saved["id"]! },
            ["activityHandle"] = new JsonObject { ["activityId"] = null, ["activityNodeId"] = (string)saved.Activity("line1")["nodeId"]! },
        });
        var body = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        ((string?)body["status"]).ShouldBe("Completed", body.ToJsonString());
        return (string?)body["activityState"]!["Value"];
    }

    private static async Task<IReadOnlyList<string>> FilesAsync(HttpClient person, JsonObject definition, bool isWhole)
    {
        using var answer = await person.PostAsync("/bulk-actions/export/workflow-definitions", new JsonObject { ["ids"] = new JsonArray((string)definition["id"]!), ["includeConsumingWorkflows"] = isWhole });
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        using var archive = new ZipArchive(await answer.Content.ReadAsStreamAsync());
        return [.. archive.Entries.Select(e => e.FullName)];
    }

    private IReadOnlyList<string> AskedToCancel(params StoredRun[] runs) => [.. server.Runs.Asked.Where(a => a.What == "cancel" && runs.Any(r => r.Id == a.RunId)).Select(a => a.RunId)];
}
