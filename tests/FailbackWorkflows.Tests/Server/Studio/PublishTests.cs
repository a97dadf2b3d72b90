using System.Net;
using System.Text.Json.Nodes;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Testing.Failback;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server.Studio;

/// <summary>From a draft to a version that runs, and back.</summary>
[Collection(ServerTests.Name)]
public sealed class PublishTests(ServerHarness server)
{
    private IWorkflowLibrary Library => server.App.Services.GetRequiredService<IWorkflowLibrary>();

    [Fact]
    public async Task Publish_MakesAVersionThatNeverChanges_WithAuthorReasonAndDigest()
    {
        using var ines = await server.WithRoleAsync(Roles.Integrator);
        var model = await ines.SaveAsync(Definitions.Model(Definitions.NewName(), null, "one"), publish: true, "for the doors");
        var id = (string)model["definitionId"]!;
        var first = (await Library.FindAsync(id, VersionChoice.Published, null, default))!;

        model.SetText("line1", "changed");
        var draft = await ines.SaveAsync(model);
        var second = await ines.SaveAsync(draft, publish: true, "a better line");

        (first.Version, first.Reason, first.SavedBy, first.Sha256).ShouldBe((1, "for the doors", $"test {Roles.Integrator}", DefinitionText.Sha256(first.Json)));
        ((int)draft["version"]!, (bool)draft["isPublished"]!).ShouldBe((2, false));
        ((int)second["version"]!, (bool)second["isPublished"]!).ShouldBe((2, true));
        (await Library.FindByIdAsync(first.Id, default))!.Json.ShouldBe(first.Json);
        var history = await ines.ReadAsync($"/workflow-definitions?versionOptions=AllVersions&Page=0&PageSize=10&DefinitionIds={id}&OrderBy=Version&OrderDirection=Descending");
        history["items"]!.AsArray().Select(v => ((int)v!["version"]!, (bool)v["isLatest"]!, (bool)v["isPublished"]!)).ShouldBe([(2, true, true), (1, false, false)]);
    }

    [Fact]
    public async Task Publish_AgainWithoutAChange_MakesNoVersion()
    {
        using var ines = await server.WithRoleAsync(Roles.Integrator);
        var model = await ines.SaveAsync(Definitions.Model(Definitions.NewName(), null, "one"), publish: true, "first");

        using var answer = await ines.PostAsync($"/workflow-definitions/{(string)model["definitionId"]!}/publish", new JsonObject(), "again");

        var body = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        ((bool)body["alreadyPublished"]!, (int)body["workflowDefinition"]!["version"]!).ShouldBe((true, 1));
    }

    [Fact]
    public async Task Publish_OfWhatCannotRun_NamesTheActivity_AndKeepsTheDraft()
    {
        using var ines = await server.WithRoleAsync(Roles.Integrator);
        var model = await ines.SaveAsync(Definitions.Model(Definitions.NewName(), null, "one"));
        model.Activity("line1")["metadata"]!["displayText"] = "Greet the door";
        model.Activity("line1")["text"] = new JsonObject { ["typeName"] = "String", ["expression"] = new JsonObject { ["type"] = "JavaScript", ["value"] = "getVariable('Nobody')" } };

        (await ines.RefusedAsync(model, publish: true, "hello")).ShouldContain("“Greet the door” (line1)");

        var kept = (await Library.FindAsync((string)model["definitionId"]!, VersionChoice.Latest, null, default))!;
        (kept.IsDraft, kept.Json.Contains("Nobody", StringComparison.Ordinal)).ShouldBe((true, true));
    }

    [Fact]
    public async Task RollBack_MakesTheEarlierVersionTheDraft()
    {
        using var ines = await server.WithRoleAsync(Roles.Integrator);
        var model = await ines.SaveAsync(Definitions.Model(Definitions.NewName(), null, "as it was"), publish: true, "first");
        model.SetText("line1", "changed");
        var second = await ines.SaveAsync(model, publish: true, "second");
        var id = (string)second["definitionId"]!;

        using var answer = await ines.PostAsync($"/workflow-definitions/{id}/revert/1", new JsonObject());
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        var row = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;

        ((int)row["version"]!, (bool)row["isPublished"]!, (bool)row["isLatest"]!).ShouldBe((3, false, true));
        (await Library.FindAsync(id, VersionChoice.Latest, null, default))!.Json.ShouldContain("as it was");
        (await Library.FindAsync(id, VersionChoice.Published, null, default))!.Version.ShouldBe(2);
    }

    [Fact]
    public async Task Retract_EndsStarts_AndKeepsTheVersion()
    {
        using var ines = await server.WithRoleAsync(Roles.Integrator);
        var model = await ines.SaveAsync(Definitions.Model(Definitions.NewName(), null, "one"), publish: true, "first");
        var id = (string)model["definitionId"]!;

        using var answer = await ines.PostAsync($"/workflow-definitions/{id}/retract", new JsonObject());

        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        (await Library.FindAsync(id, VersionChoice.Published, null, default)).ShouldBeNull();
        (await Library.FindAsync(id, VersionChoice.Latest, null, default))!.IsDraft.ShouldBeFalse();
    }

    [Fact]
    public async Task Delete_TakesOutOfTheLists_AndCanBeBroughtBack()
    {
        using var ines = await server.WithRoleAsync(Roles.Integrator);
        var model = await ines.SaveAsync(Definitions.Model(Definitions.NewName(), null, "one"), publish: true, "first");
        var id = (string)model["definitionId"]!;

        using (var answer = await ines.DeleteAsync($"/elsa/api/workflow-definitions/{id}"))
        {
            answer.StatusCode.ShouldBe(HttpStatusCode.NoContent);
        }

        (await ines.ReadAsync($"/workflow-definitions?versionOptions=Latest&DefinitionIds={id}"))["totalCount"]!.GetValue<int>().ShouldBe(0);
        await server.App.Services.GetRequiredService<WorkflowEditing>().RestoreVersionAsync(id, 1, Actor.System, default);
        (await Library.FindAsync(id, VersionChoice.Latest, null, default))!.Version.ShouldBe(1);
    }

    [Fact]
    public async Task Publish_OnThePageWithoutAReason_IsRecordedAsRefused()
    {
        using var ines = await server.WithRoleAsync(Roles.Integrator);
        var saved = await ines.SaveAsync(Definitions.Model(Definitions.NewName(), null, "one"));
        var id = (string)saved["definitionId"]!;
        using var browser = await server.SignInAsync();

        using var publish = await ServerHarness.PostFormAsync(browser, $"/workflows/{id}", $"/workflows/{id}?handler=Publish", ("reason", " "));
        using var rollBack = await ServerHarness.PostFormAsync(browser, $"/workflows/{id}", $"/workflows/{id}?handler=RollBack", ("version", "7"));

        (publish.StatusCode, rollBack.StatusCode).ShouldBe((HttpStatusCode.OK, HttpStatusCode.OK));
        server.Audit.Records.Where(r => r.Subject == id && r.Action.Contains("workflows/{", StringComparison.Ordinal)).Select(r => r.Result).ShouldBe(["no reason", "refused"]);
    }

    [Fact]
    public async Task Export_IsTheFileOfTheWorkflowFolder_AndImportingItChangesNothing()
    {
        using var ines = await server.WithRoleAsync(Roles.Integrator);
        using var answer = await ines.GetAsync(new Uri("/elsa/api/workflow-definitions/failback/export?versionOptions=Latest&includeConsumingWorkflows=False", UriKind.Relative));
        var exported = await answer.Content.ReadAsStringAsync();
        var before = (await Library.FindAsync("failback", VersionChoice.Latest, null, default))!;

        answer.Content.Headers.ContentDisposition!.FileName!.Trim('"').ShouldBe("failback.v2.json");
        exported.ShouldBe(await File.ReadAllTextAsync(Path.Combine(RepositoryFiles.Workflows, "failback", "failback.v2.json")));
        using var imported = await ines.PostAsync("/workflow-definitions/import", JsonNode.Parse(exported));
        imported.StatusCode.ShouldBe(HttpStatusCode.OK);
        (await Library.FindAsync("failback", VersionChoice.Latest, null, default))!.ShouldBe(before);
    }

    [Fact]
    public async Task FailbackWithoutACheck_IsPublishedByAnAdministratorOnly_WithAReason()
    {
        using var ines = await server.WithRoleAsync(Roles.Integrator);
        using var admin = server.Administrator();
        var copy = await ines.ReadAsync("/workflow-definitions/by-definition-id/failback?versionOptions=Latest");
        (copy["definitionId"], copy["name"], copy["id"]) = (null, Definitions.NewName(), null);
        var model = await ines.SaveAsync(copy, publish: true, "a copy for this site");
        Bypass(model, "CheckLicense", "CheckFailedServerBroken", "Broken", "CheckNoFailbackRunning");

        (await ines.RefusedAsync(model, publish: true, "no licences here")).ShouldContain("“Check licence”");
        var read = await admin.ReadAsync($"/workflow-definitions/by-definition-id/{(string)model["definitionId"]!}?versionOptions=Latest");
        (await admin.RefusedAsync(read, publish: true)).ShouldContain("An administrator can take it out, giving a reason");
        using var answer = await admin.PostAsync("/workflow-definitions", new JsonObject { ["model"] = read, ["publish"] = true }, "licences are checked elsewhere");

        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        Uri.UnescapeDataString(answer.Headers.GetValues("X-Failback-Messages").Single()).ShouldContain("licences are checked elsewhere");
    }

    [Fact]
    public async Task CommandsWithoutAClaim_ArePublishedByNobody()
    {
        using var admin = server.Administrator();
        var model = Definitions.Model(Definitions.NewName(), null, "one");
        model["root"]!["activities"]!.AsArray().Add(new JsonObject
        {
            ["id"] = "stop",
            ["type"] = "Failback.MarkFailedServerOk",
            ["version"] = 1,
            ["failedServer"] = Literal("vms-1"),
            ["identity"] = Literal("vms-1"),
            ["server"] = Literal("vms-1"),
            ["entryId"] = Literal("e"),
        });

        (await admin.RefusedAsync(model, publish: true, "try")).ShouldContain("takes the claim");

        static JsonObject Literal(string value) => new() { ["typeName"] = "String", ["expression"] = new JsonObject { ["type"] = "Literal", ["value"] = value } };
    }

    /// <summary>Leads past an activity and takes it out.</summary>
    private static void Bypass(JsonObject model, string activity, string before, string port, string after)
    {
        var root = model["root"]!;
        var connections = root["connections"]!.AsArray();
        foreach (var gone in connections.Where(c => (string)c!["source"]!["activity"]! == activity || (string)c["target"]!["activity"]! == activity).ToList())
        {
            connections.Remove(gone);
        }

        connections.Add(new JsonObject { ["source"] = new JsonObject { ["activity"] = before, ["port"] = port }, ["target"] = new JsonObject { ["activity"] = after, ["port"] = "In" } });
        root["activities"]!.AsArray().Remove(model.Activity(activity));
    }
}
