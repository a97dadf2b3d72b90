using System.Net;
using System.Text.Json.Nodes;
using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Server.Identity;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server.Studio;

/// <summary>Nothing that somebody drew is lost: not to another person, not to a designer that could not draw it.</summary>
[Collection(ServerTests.Name)]
public sealed class DraftTests(ServerHarness server)
{
    private IWorkflowLibrary Library => server.App.Services.GetRequiredService<IWorkflowLibrary>();

    [Fact]
    public async Task Create_MakesADraft_NamedAfterItsName_WithEveryPath_AndLinksToEdit()
    {
        using var ines = await server.WithRoleAsync(Roles.Integrator);
        var name = Definitions.NewName();

        var created = await ines.SaveAsync(Definitions.Model(name, null, "one", "two"));

        ((string)created["definitionId"]!).ShouldBe(name.ToLowerInvariant().Replace(' ', '-'));
        ((int)created["version"]!, (bool)created["isLatest"]!, (bool)created["isPublished"]!).ShouldBe((1, true, false));
        ((string)created.Activity("line1")["nodeId"]!).ShouldBe($"Workflow1:flow-{name}:line1");
        created.MayPublish().ShouldBeTrue("without the link the designer turns read-only after the first save");
    }

    [Fact]
    public async Task Create_SentAgainBecauseTheAnswerWasLost_MakesOne()
    {
        using var ines = await server.WithRoleAsync(Roles.Integrator);
        var model = Definitions.Model(Definitions.NewName());

        var once = await ines.SaveAsync(model);
        var again = await ines.SaveAsync(model);

        ((string)again["definitionId"]!).ShouldBe((string)once["definitionId"]!);
    }

    [Fact]
    public async Task Save_OfTheOnePersonsOverlappingChanges_TakesTheLastOne()
    {
        using var ines = await server.WithRoleAsync(Roles.Integrator);
        var model = await ines.SaveAsync(Definitions.Model(Definitions.NewName(), null, "one", "two"));
        model.SetText("line1", "first change");
        await ines.SaveAsync(model);

        // Sent before the answer to the first one came: it still names the save before.
        model.SetText("line1", "second change");
        var saved = await ines.SaveAsync(model);

        ((string)saved.Activity("line1")["text"]!["expression"]!["value"]!).ShouldBe("second change");
    }

    [Fact]
    public async Task Save_BasedOnASaveThatAnotherPersonHasOvertaken_IsRefusedByName_AndKept()
    {
        using var ines = await server.WithRoleAsync(Roles.Integrator);
        using var ivan = await server.WithRoleAsync(Roles.Integrator);
        var hers = await ines.SaveAsync(Definitions.Model(Definitions.NewName(), null, "one", "two"));
        var id = (string)hers["definitionId"]!;
        var his = await ivan.ReadAsync($"/workflow-definitions/by-definition-id/{id}?versionOptions=Latest");
        hers.SetText("line1", "Ines was here");
        await ines.SaveAsync(hers);

        his.SetText("line2", "Ivan was here");
        var sentences = await ivan.RefusedAsync(his);

        sentences.ShouldContain($"test {Roles.Integrator}");
        sentences.ShouldContain("was not saved");
        var latest = (await Library.FindAsync(id, VersionChoice.Latest, null, default))!;
        latest.Json.ShouldContain("Ines was here");
        latest.Json.ShouldNotContain("Ivan was here");
        var refused = (await Library.ListRevisionsAsync(id, 10, default)).Single(r => r.Kind == RevisionKind.Refused);
        (await Library.FindRevisionAsync(id, refused.Revision, default))!.Json.ShouldContain("Ivan was here");

        // With her save read, his next one is taken.
        var read = await ivan.ReadAsync($"/workflow-definitions/by-definition-id/{id}?versionOptions=Latest");
        read.SetText("line2", "Ivan was here");
        await ivan.SaveAsync(read);
    }

    [Fact]
    public async Task Save_ThatSaysTheSame_ChangesNothing()
    {
        using var ines = await server.WithRoleAsync(Roles.Integrator);
        var model = await ines.SaveAsync(Definitions.Model(Definitions.NewName(), null, "one", "two"));
        var revision = (long)model["customProperties"]![DefinitionText.RevisionProperty]!;

        // The last selected activity goes last, and the browser measures anew.
        var activities = model["root"]!["activities"]!.AsArray();
        var first = activities[0]!;
        activities.RemoveAt(0);
        activities.Add(first);
        first["metadata"]!["designer"]!["size"]!["width"] = 217.4;
        var saved = await ines.SaveAsync(model);

        ((long)saved["customProperties"]![DefinitionText.RevisionProperty]!).ShouldBe(revision);
    }

    [Fact]
    public async Task Save_ThatTakesAllActivitiesAway_IsRefused_AndOneByOneIsNot()
    {
        using var ines = await server.WithRoleAsync(Roles.Integrator);
        var model = await ines.SaveAsync(Definitions.Model(Definitions.NewName(), null, "one", "two"));
        var blank = (JsonObject)model.DeepClone();
        blank["root"]!["activities"] = new JsonArray();
        blank["root"]!["connections"] = new JsonArray();

        (await ines.RefusedAsync(blank)).ShouldContain("all 2 activities");
        (await ines.RefusedAsync(blank, publish: true, "empty")).ShouldContain("all 2 activities");

        model["root"]!["activities"]!.AsArray().RemoveAt(1);
        model["root"]!["connections"] = new JsonArray();
        var one = await ines.SaveAsync(model);
        one["root"]!["activities"] = new JsonArray();
        await ines.SaveAsync(one);
    }

    [Fact]
    public async Task Save_KeepsWhatTheDesignerDoesNotKnow()
    {
        using var ines = await server.WithRoleAsync(Roles.Integrator);
        var model = Definitions.Model(Definitions.NewName(), null, "one");
        model["inputs"] = new JsonArray(new JsonObject { ["name"] = "Door", ["type"] = "String", ["isRequired"] = true });
        var saved = await ines.SaveAsync(model);

        saved["inputs"]![0]!.AsObject().Remove("isRequired").ShouldBeTrue();
        saved.SetText("line1", "changed");
        var again = await ines.SaveAsync(saved);

        ((bool)again["inputs"]![0]!["isRequired"]!).ShouldBeTrue();
    }

    [Fact]
    public async Task Auditor_SeesEverything_AndSavesNothing()
    {
        using var ines = await server.WithRoleAsync(Roles.Integrator);
        using var auditor = await server.WithRoleAsync(Roles.Auditor);
        var model = await ines.SaveAsync(Definitions.Model(Definitions.NewName(), null, "one"));
        var id = (string)model["definitionId"]!;

        var seen = await auditor.ReadAsync($"/workflow-definitions/by-definition-id/{id}?versionOptions=Latest");
        seen.MayPublish().ShouldBeFalse("it is what makes the designer read-only");
        (await auditor.ReadAsync("/workflow-definitions?versionOptions=Latest"))["links"]!.AsArray().ShouldAllBe(l => (string)l!["rel"]! != "bulk-publish");
        foreach (var path in new[] { "/workflow-definitions", $"/workflow-definitions/{id}/publish", "/workflow-definitions/import", $"/workflow-definitions/{id}/execute", "/tests/activities", "/bulk-actions/delete/workflow-instances/by-id" })
        {
            using var answer = await auditor.PostAsync(path, new JsonObject { ["model"] = model.DeepClone() });
            answer.StatusCode.ShouldBe(HttpStatusCode.Forbidden, path);
        }
    }

    [Fact]
    public async Task Browser_WithoutTheTokenOfItsPage_ChangesNothing()
    {
        var name = $"ines-{Guid.NewGuid():N}";
        await server.CreateUserAsync(name, Roles.Integrator);
        using var browser = await server.SignInAsync(name);

        using var answer = await browser.PostAsync("/workflow-definitions", new JsonObject { ["model"] = Definitions.Model(Definitions.NewName()) });

        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await answer.Content.ReadAsStringAsync()).ShouldContain("antiforgery-token-missing");
    }

    [Fact]
    public async Task UnknownRoute_IsAnEmpty404()
    {
        using var viewer = await server.WithRoleAsync(Roles.Viewer);
        using var answer = await viewer.GetAsync("/elsa/api/alterations/dry-run");

        answer.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        (await answer.Content.ReadAsStringAsync()).ShouldBeEmpty();
    }
}
