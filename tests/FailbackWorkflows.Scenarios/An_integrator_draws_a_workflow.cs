using System.Net;
using System.Text.Json.Nodes;
using FailbackWorkflows.Testing.Processes;
using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// The designer as an integrator uses it, over the genuine package: draw, connect, fill in, save, publish, go back, run, watch. One site and one browser for all of
/// it: the designer takes its time to load.
/// </summary>
[Collection(Designers.Name)]
public sealed class An_integrator_draws_a_workflow
{
    private const string Definition = "door-check";

    [Fact]
    public async Task From_an_empty_page_to_a_run_that_is_watched()
    {
        await using var site = await Site.StartAsync(recorders: 0, isLicensed: false, isRegistered: false);
        await using var browser = await BrowserOfASite.OpenAsync(site.Server.BaseUrl);
        var designer = new DesignerPage(await browser.NewPersonAsync("admin", width: 1500, height: 950));

        await DrawAsync(designer);
        await PublishAsync(site, designer);
        await GoBackAsync(site, designer);
        await RunAsync(site, designer);
        await LookAtAFaultAsync(site, designer);
        DesignerPage.Unexpected(browser.Complaints).ShouldBeEmpty();
    }

    private static async Task DrawAsync(DesignerPage designer)
    {
        await designer.Page.GotoAsync("/workflows");
        await Pictures.TakeAsync(designer.Page, "workflows");
        await designer.OpenListAsync();
        await Pictures.TakeAsync(designer.Page, "designer-list");
        await designer.CreateAsync("Door check");
        await designer.DropAsync("Event", 60, 80);
        await designer.DropAsync("Write line", 390, 80);
        await designer.ConnectAsync("Event", "Done", "Write line");
        await designer.SelectAsync("Event");
        await designer.FillInputAsync("Name of the event.", "door-opened");
        await designer.SelectAsync("Write line");
        await designer.FillInputAsync("The text.", "The door is looked at");
        await Pictures.TakeAsync(designer.Page, "designer-editor");

        // What was drawn is there after the page is loaded again.
        await designer.OpenEditorAsync(Definition);
        await Assertions.Expect(designer.Nodes).ToHaveCountAsync(2);
        await Assertions.Expect(designer.Edges).ToHaveCountAsync(1);
        await designer.SelectAsync("Event");
        await Assertions.Expect(designer.Page.Locator(".mud-input-control").Filter(new() { HasText = "Name of the event." }).Locator("input").First).ToHaveValueAsync("door-opened");
    }

    private static async Task PublishAsync(Site site, DesignerPage designer)
    {
        await designer.PublishAsync("doors are looked at every day");
        await Assertions.Expect(designer.Messages.First).ToContainTextAsync("Version 1 of “Door check” is published");
        await Pictures.TakeAsync(designer.Page, "designer-published");

        await designer.SelectAsync("Write line");
        await designer.FillInputAsync("The text.", "changed");
        await designer.PublishAsync("another line");
        await designer.Tab("Version history").ClickAsync();
        await Assertions.Expect(designer.Page.Locator("tbody .mud-table-row")).ToHaveCountAsync(2);
        await Pictures.TakeAsync(designer.Page, "designer-history");
        (await ReadAsync(site, "Published"))["version"]!.GetValue<int>().ShouldBe(2);
    }

    private static async Task GoBackAsync(Site site, DesignerPage designer)
    {
        // On the page of the versions, where the reasons are.
        await designer.Page.GotoAsync($"/workflows/{Definition}");
        await Assertions.Expect(designer.Page.GetByText("doors are looked at every day")).ToBeVisibleAsync();
        await Assertions.Expect(designer.Page.GetByText("another line")).ToBeVisibleAsync();
        await Pictures.TakeAsync(designer.Page, "workflow-versions");
        await designer.Page.GetByRole(AriaRole.Link, new() { Name = "Compare with 1" }).ClickAsync();
        await Assertions.Expect(designer.Page.GetByLabel("Differences")).ToContainTextAsync("The door is looked at");
        await Pictures.TakeAsync(designer.Page, "workflow-diff");
        await designer.Page.GoBackAsync();
        await designer.Page.GetByRole(AriaRole.Button, new() { Name = "Roll back to 1" }).ClickAsync();
        await Assertions.Expect(designer.Page.GetByText("Version 1 is the draft again, as version 3")).ToBeVisibleAsync();
        (await ReadAsync(site, "Latest"))["root"]!.ToJsonString().ShouldContain("The door is looked at");
    }

    /// <summary>The draft is run: it changes no recorder. It becomes a version, because a run stays with what it ran.</summary>
    private static async Task RunAsync(Site site, DesignerPage designer)
    {
        await designer.OpenEditorAsync(Definition);
        await designer.RunAsync();
        await designer.Page.IsAtAsync("*/instances/*/view");
        await designer.Nodes.First.WaitForAsync();

        // Watched while it goes on: it waits for the event, then it is completed, and nobody loads the page again.
        await Assertions.Expect(designer.SubStatus).ToContainTextAsync("Suspended");
        await Pictures.TakeAsync(designer.Page, "designer-running");
        var published = await site.Server.PostAsync("api/v1/events/door-opened", new JsonObject { ["requestId"] = "door-1" });
        ((int)published.Status).ShouldBeLessThan(300, published.ToString());
        await Assertions.Expect(designer.SubStatus).ToContainTextAsync("Finished", new() { Timeout = 30_000 });
        await designer.SelectAsync("Write line");
        await Assertions.Expect(designer.Page.GetByText("The door is looked at").First).ToBeVisibleAsync();
        await Pictures.TakeAsync(designer.Page, "designer-finished");
        var run = new Uri(designer.Page.Url).Segments[^2].Trim('/');
        var instance = (await site.Server.GetAsync($"elsa/api/workflow-instances/{run}")).Json!;
        ((string)instance["status"]!, (string)instance["definitionVersionId"]!).ShouldBe(("Finished", $"{Definition}:3"));
    }

    private static async Task LookAtAFaultAsync(Site site, DesignerPage designer)
    {
        var run = await StartFaultAsync(site);
        await designer.Page.GotoAsync($"/studio/workflows/instances/{run}/view");
        await designer.Nodes.First.WaitForAsync();

        await Assertions.Expect(designer.SubStatus).ToContainTextAsync("Faulted");
        await designer.Tab("Incidents").ClickAsync();
        await Assertions.Expect(designer.Page.GetByText("The door is stuck").First).ToBeVisibleAsync();
        await Pictures.TakeAsync(designer.Page, "designer-faulted");
    }

    private static async Task<string> StartFaultAsync(Site site)
    {
        var model = new JsonObject
        {
            ["name"] = "Stuck door",
            ["root"] = new JsonObject
            {
                ["id"] = "stuck",
                ["type"] = "Elsa.Flowchart",
                ["version"] = 1,
                ["activities"] = new JsonArray(new JsonObject
                {
                    ["id"] = "fail",
                    ["name"] = "Fail",
                    ["type"] = "Elsa.Fault",
                    ["version"] = 1,
                    ["metadata"] = new JsonObject { ["designer"] = new JsonObject { ["position"] = new JsonObject { ["x"] = 80, ["y"] = 80 } } },
                    ["message"] = new JsonObject { ["typeName"] = "String", ["expression"] = new JsonObject { ["type"] = "Literal", ["value"] = "The door is stuck" } },
                }),
                ["connections"] = new JsonArray(),
            },
        };
        (await site.Server.PostAsync("elsa/api/workflow-definitions", new JsonObject { ["model"] = model, ["publish"] = true })).Status.ShouldBe(HttpStatusCode.OK);
        (await site.Server.PostAsync("elsa/api/workflow-definitions/stuck-door/execute", new JsonObject { ["versionOptions"] = "Latest" })).Status.ShouldBe(HttpStatusCode.OK);
        return await Eventually.GetAsync(
            "the run is stopped by its fault",
            async () => (await site.Server.PostAsync("elsa/api/workflow-instances", new JsonObject { ["definitionId"] = "stuck-door", ["subStatus"] = "Faulted" })).Json!["items"]!.AsArray().Select(i => (string?)i!["id"]).FirstOrDefault() ?? "",
            id => id.Length > 0);
    }

    private static async Task<JsonNode> ReadAsync(Site site, string version) =>
        (await site.Server.GetAsync($"elsa/api/workflow-definitions/by-definition-id/{Definition}?versionOptions={version}")).Json!;
}
