using System.Text.Json.Nodes;
using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Testing.Processes;
using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// The entries of the designer's menus, clicked: of a row and of the list, of the editor, of the version history, of the runs. What an entry does is asked of the
/// server; what it refuses is read on the page, which goes on.
/// </summary>
[Collection(Designers.Name)]
public sealed class An_integrator_uses_the_menus
{
    private const string Nested = "nested-flowchart";

    [Fact]
    public async Task Of_the_list_the_editor_the_history_and_the_runs()
    {
        await using var site = await Site.StartAsync(recorders: 0, isLicensed: false, isRegistered: false);
        await using var browser = await BrowserOfASite.OpenAsync(site.Server.BaseUrl);
        var designer = new DesignerPage(await browser.NewPersonAsync("admin", width: 1700, height: 1000));

        await designer.OpenListAsync();
        await ImportAsync(site, designer);
        await DuplicateAsync(site, designer);
        await PublishRunAndUnpublishAsync(site, designer);
        await ExportAsync(designer);
        await DeleteAsync(site, designer);
        await EditInsideAContainerAsync(site, designer);
        await SaveAsAsync(site, designer);
        await RollBackAsync(site, designer);
        await LookThroughTheRunsAsync(site, designer);
        DesignerPage.Unexpected(browser.Complaints).ShouldBeEmpty();
    }

    private static async Task ImportAsync(Site site, DesignerPage designer)
    {
        await designer.ImportAsync(DesignedWorkflows.Sample(Nested), DesignedWorkflows.Sample("event"));
        await Assertions.Expect(designer.Row(Nested)).ToBeVisibleAsync();
        await Assertions.Expect(designer.Row("event")).ToBeVisibleAsync();
        (await site.IsPublishedAsync(Nested)).ShouldBeFalse("a file is a draft until somebody publishes it");

        await designer.ImportAsync(DesignedWorkflows.FileOf("holiday.json", """{ "pictures": 12 }"""));
        await Assertions.Expect(designer.Toasts.Filter(new() { HasText = "Failed to import 1 workflow" }).First).ToBeVisibleAsync();
        await Assertions.Expect(designer.Row("event")).ToBeVisibleAsync();
    }

    private static async Task DuplicateAsync(Site site, DesignerPage designer)
    {
        await designer.OpenListAsync();
        await designer.PickAsync(designer.Row(Nested), "Duplicate");
        await designer.NameAsync("Nested copy");
        await Assertions.Expect(designer.Row("nested-copy")).ToBeVisibleAsync();

        var (original, copy) = (await site.ReadDefinitionAsync(Nested), await site.ReadDefinitionAsync("nested-copy"));
        copy["root"]!["activities"]!.ToJsonString().ShouldBe(original["root"]!["activities"]!.ToJsonString());
        copy["isPublished"]!.GetValue<bool>().ShouldBeFalse();
    }

    private static async Task PublishRunAndUnpublishAsync(Site site, DesignerPage designer)
    {
        await designer.PickAsync(designer.Row(Nested), "Publish");
        await designer.GiveReasonAsync("to be run from the list");
        await Assertions.Expect(designer.Messages.Filter(new() { HasText = "is published" }).First).ToBeVisibleAsync();
        (await site.IsPublishedAsync(Nested)).ShouldBeTrue();

        await designer.PickAsync(designer.Row(Nested), "Run");
        await Eventually.HoldsAsync("the run is finished", async () => (await site.ListRunsAsync(Nested)).Any(r => r.HasEnded));
        new Uri(designer.Page.Url).AbsolutePath.ShouldBe("/studio/workflows/definitions", "it stays in the list");

        await designer.PickAsync(designer.Row(Nested), "Unpublish");
        await Assertions.Expect(designer.Messages.Filter(new() { HasText = "is not published any more" }).First).ToBeVisibleAsync();
        (await site.IsPublishedAsync(Nested)).ShouldBeFalse();
    }

    private static async Task ExportAsync(DesignerPage designer)
    {
        await designer.OpenListAsync();
        await using var content = await designer.DownloadAsync(() => designer.PickAsync(designer.Row(Nested), "Export"));
        var exported = (JsonObject)(await JsonNode.ParseAsync(content))!;
        DefinitionText.SaysTheSame(JsonNode.Parse(DesignedWorkflows.Sample(Nested).Buffer)!.AsObject(), exported).ShouldBeTrue("what was imported is exported");
    }

    private static async Task DeleteAsync(Site site, DesignerPage designer)
    {
        await designer.OpenListAsync();
        await designer.PickAsync(designer.Row(Nested), "Delete");
        await designer.ConfirmAsync("delete");
        await Assertions.Expect(designer.Messages.Filter(new() { HasText = "has 1 run" }).First).ToBeVisibleAsync();
        await Assertions.Expect(designer.Row(Nested)).ToBeVisibleAsync();

        await designer.OpenListAsync();
        await designer.PickAsync(designer.Row("nested-copy"), "Delete");
        await designer.ConfirmAsync("delete");
        await Assertions.Expect(designer.Row("nested-copy")).ToHaveCountAsync(0);
        (await site.FindDefinitionAsync("nested-copy")).ShouldBeNull();
    }

    private static async Task EditInsideAContainerAsync(Site site, DesignerPage designer)
    {
        await designer.OpenEditorAsync(Nested);
        await designer.OpenContainerAsync("Inner part", nodesInside: 4);
        await Assertions.Expect(designer.Page.Locator(".mud-breadcrumbs").First).ToContainTextAsync("Flowchart1");
        await designer.DropAsync("Write line", 60, 420);
        await designer.SelectAsync("Write line");
        await designer.FillInputAsync("The text.", "written inside");

        var root = (await site.ReadDefinitionAsync(Nested))["root"]!;
        root["activities"]!.AsArray().Count.ShouldBe(3, "beside the container nothing has changed");
        var inner = root["activities"]!.AsArray().Single(a => (string?)a!["id"] == "inner")!;
        inner["activities"]!.AsArray().Single(a => (string?)a!["type"] == "Elsa.WriteLine")!.ToJsonString().ShouldContain("written inside");

        // The way back is the path above the drawing; after the page was loaded again the inside is as it was left.
        await designer.Page.Locator(".mud-breadcrumbs").GetByText("Root").First.ClickAsync();
        await Assertions.Expect(designer.Nodes).ToHaveCountAsync(3);
        await designer.OpenEditorAsync(Nested);
        await designer.OpenContainerAsync("Inner part", nodesInside: 5);
    }

    private static async Task SaveAsAsync(Site site, DesignerPage designer)
    {
        await designer.OpenEditorAsync(Nested);
        await designer.PickAsync("Save As");
        await designer.NameAsync("Nested anew");
        await designer.Page.IsAtAsync("*/definitions/nested-anew/edit");
        await Assertions.Expect(designer.NameOfDefinition).ToHaveValueAsync("Nested anew");
        (await site.ReadDefinitionAsync("nested-anew"))["root"]!["activities"]!.ToJsonString().ShouldBe((await site.ReadDefinitionAsync(Nested))["root"]!["activities"]!.ToJsonString());
        (await site.ReadDefinitionAsync(Nested))["name"]!.GetValue<string>().ShouldBe("A flowchart inside a flowchart");
    }

    private static async Task RollBackAsync(Site site, DesignerPage designer)
    {
        await designer.OpenEditorAsync(Nested);
        await designer.PublishAsync("with a line inside");
        await Assertions.Expect(designer.Messages.Filter(new() { HasText = "is published" }).First).ToBeVisibleAsync();
        await designer.Tab("Version history").ClickAsync();
        await Assertions.Expect(designer.Rows).ToHaveCountAsync(2);

        // A version with runs stays, whatever is clicked.
        await designer.PickAsync(designer.Row("1"), "Delete");
        await designer.ConfirmAsync("delete|ok");
        await Assertions.Expect(designer.Messages.Filter(new() { HasText = "run" }).Last).ToBeVisibleAsync();
        (await site.Server.GetAsync($"elsa/api/workflow-definitions/by-definition-id/{Nested}?versionOptions=1")).Status.ShouldBe(System.Net.HttpStatusCode.OK);

        // An earlier version is only looked at; the designer's own code view would stop it there.
        await designer.PickAsync(designer.Row("1"), "View");
        await Assertions.Expect(designer.Page.GetByText("Auto-save")).ToHaveCountAsync(0);
        await designer.Tab("Code View").ClickAsync();
        await designer.ShouldRefuseAsync("The code is shown where the latest version is edited.");

        await designer.PickAsync(designer.Row("1"), "Rollback");
        var latest = await Eventually.GetAsync("version 1 is the draft again", () => site.ReadDefinitionAsync(Nested), d => d["version"]!.GetValue<int>() == 3);
        latest["isPublished"]!.GetValue<bool>().ShouldBeFalse();
        latest["root"]!.ToJsonString().ShouldNotContain("Elsa.WriteLine");

        // Of several versions each is deleted for itself.
        await Assertions.Expect(designer.Rows).ToHaveCountAsync(3);
        await designer.ChooseAsync("1", "3");
        await designer.PickFromAsync("Bulk actions", "Delete");
        await designer.ConfirmAsync("delete|ok");
        await Assertions.Expect(designer.Rows).ToHaveCountAsync(2);
        await Assertions.Expect(designer.Message("has 1 run")).ToBeVisibleAsync();
        (await site.ReadDefinitionAsync(Nested))["version"]!.GetValue<int>().ShouldBe(2);
    }

    private static async Task LookThroughTheRunsAsync(Site site, DesignerPage designer)
    {
        await site.RunAsync("event");
        await site.RunAsync("event");
        await Eventually.HoldsAsync("both wait", async () => (await site.ListRunsAsync("event")).Count(r => r.IsWaiting) == 2);
        await designer.OpenRunsAsync();
        await Assertions.Expect(designer.Rows).ToHaveCountAsync(3);

        var first = (await site.ListRunsAsync("event"))[0].Id;
        await designer.PickAsync(designer.Row(first), "View");
        await designer.Page.IsAtAsync($"*/instances/{first}/view");
        await Assertions.Expect(designer.SubStatus).ToContainTextAsync("Suspended");

        await designer.OpenRunsAsync();
        await designer.PickAsync(designer.Row(first), "Cancel");
        await designer.ConfirmAsync("cancel|ok|yes");
        await Eventually.HoldsAsync("it is cancelled, and the other is not", async () => (await site.ListRunsAsync("event")).Select(r => r.SubStatus).Order().SequenceEqual(["Cancelled", "Suspended"]));

        // What goes on is not deleted; what has ended leaves the list.
        var second = (await site.ListRunsAsync("event")).Single(r => r.IsWaiting).Id;
        await designer.OpenRunsAsync();
        await designer.PickAsync(designer.Row(second), "Delete");
        await designer.ConfirmAsync("delete|ok");
        await Assertions.Expect(designer.Messages.First).ToBeVisibleAsync();
        await designer.OpenRunsAsync();
        await designer.PickAsync(designer.Row(first), "Delete");
        await designer.ConfirmAsync("delete|ok");
        await Assertions.Expect(designer.Row(first)).ToHaveCountAsync(0);
        await Assertions.Expect(designer.Row(second)).ToBeVisibleAsync();
        (await site.Server.GetAsync($"api/v1/runs/{first}")).Status.ShouldBe(System.Net.HttpStatusCode.OK, "its history is kept");
    }
}
