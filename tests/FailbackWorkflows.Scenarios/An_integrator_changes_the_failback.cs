using System.Net;
using System.Text.Json.Nodes;
using FailbackWorkflows.Testing.Processes;
using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// A change of the site's own failback, from the drawing to the run an operator starts in the failover log: a pause before step 8. And what people who edit the same
/// workflow, or may not edit at all, are told.
/// </summary>
[Collection(Designers.Name)]
public sealed class An_integrator_changes_the_failback
{
    [Fact]
    public async Task And_the_next_failback_runs_it()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        var settings = await site.Standby.GetSettingsAsync(Site.MainId);
        await using var browser = await BrowserOfASite.OpenAsync(site.Server.BaseUrl);
        var designer = new DesignerPage(await browser.NewPersonAsync("admin", width: 1700, height: 1000));

        await InsertAPauseAsync(designer);
        await TwoPeopleEditAsync(site, browser, designer);
        await AnAuditorOnlyLooksAsync(site, browser);
        await ADraftIsNotRunByAClickAsync(designer);
        await PublishAsync(site, designer);
        var run = await FailBackAsync(site, designer.Page, entryId);

        var report = await site.WaitForEndAsync(run);
        report.DefinitionVersion.ShouldBe(3);
        await LookAtTheRunAsync(designer, run);
        await Invariants.AssertFailedBackAsync(site, entryId, run, settings.Sha256);
        DesignerPage.Unexpected(browser.Complaints).ShouldBeEmpty();
    }

    /// <summary>Takes the connection before step 8 away, drops a Delay below it and leads the way through that.</summary>
    private static async Task InsertAPauseAsync(DesignerPage designer)
    {
        await designer.OpenEditorAsync("failback");
        await designer.ZoomOutAsync(3);
        await designer.DropAsync("Delay", 620, 430);
        await designer.FillInputAsync("hours:minutes:seconds", "00:00:02");
        await designer.DisconnectAsync("Get recorder settings", "Done", "Set recorder settings");
        await designer.ConnectAsync("Get recorder settings", "Done", "Delay");
        await designer.WaitForSaveAsync(() => designer.ConnectAsync("Delay", "Done", "Set recorder settings"));
        await Pictures.TakeAsync(designer.Page, "designer-failback");
    }

    /// <summary>Whoever saves on a state that somebody else has changed is told by whom, and nothing of either is lost.</summary>
    private static async Task TwoPeopleEditAsync(Site site, BrowserOfASite browser, DesignerPage first)
    {
        await site.CreateUserAsync("ines", "integrator");
        var second = new DesignerPage(await browser.NewPersonAsync("ines", width: 1500, height: 900));
        await second.OpenEditorAsync("failback");
        await first.Page.BringToFrontAsync();
        await first.SelectAsync("Delay");
        await first.FillInputAsync("hours:minutes:seconds", "00:00:01");

        await second.Page.BringToFrontAsync();
        var before = (await site.Server.GetAsync("elsa/api/workflow-definitions/by-definition-id/failback")).Json!["customProperties"]!.ToJsonString();
        await second.Page.GetByLabel("Description").First.FillAsync("Ines was here");
        var answer = await second.WaitForSaveAsync(() => second.Page.Keyboard.PressAsync("Tab"));

        answer.Status.ShouldBe(400);
        await Assertions.Expect(second.Toasts.First).ToContainTextAsync("has changed this workflow");
        await Pictures.TakeAsync(second.Page, "designer-conflict");
        var after = (await site.Server.GetAsync("elsa/api/workflow-definitions/by-definition-id/failback")).Json!;
        after["customProperties"]!.ToJsonString().ShouldBe(before);
        after.ToJsonString().ShouldNotContain("Ines was here");
        await second.Page.GotoAsync("/workflows/failback");
        await second.Page.GetByText("Saves (").ClickAsync();
        await Assertions.Expect(second.Page.GetByText("not saved, because somebody else had").First).ToBeVisibleAsync();
        await second.Page.Context.CloseAsync();
        await first.Page.BringToFrontAsync();
    }

    private static async Task AnAuditorOnlyLooksAsync(Site site, BrowserOfASite browser)
    {
        await site.CreateUserAsync("aud", "auditor");
        var auditor = new DesignerPage(await browser.NewPersonAsync("aud", width: 1500, height: 900));
        await auditor.OpenEditorAsync("failback", mayEdit: false);

        await Assertions.Expect(auditor.Page.GetByText("changing them needs the role").First).ToBeVisibleAsync();
        await Pictures.TakeAsync(auditor.Page, "designer-read-only");
        var status = await auditor.Page.EvaluateAsync<int>(
            """
            async () => {
              const place = document.getElementById("designer").dataset;
              const model = await (await fetch("/elsa/api/workflow-definitions/by-definition-id/failback")).json();
              model.root.activities = [];
              const request = new XMLHttpRequest();
              request.open("POST", "/elsa/api/workflow-definitions", false);
              request.setRequestHeader("content-type", "application/json");
              request.setRequestHeader(place.antiforgeryHeader, place.antiforgery);
              request.send(JSON.stringify({ model, publish: true }));
              return request.status;
            }
            """);
        status.ShouldBe((int)HttpStatusCode.Forbidden);

        // The session ends: the next thing the designer asks for leads to the sign-in page, and from there back.
        await auditor.Page.Context.ClearCookiesAsync();
        await auditor.Tab("Version history").ClickAsync();
        await auditor.Page.IsAtAsync(url => url.PathAndQuery.Contains("/sign-in?returnUrl=", StringComparison.Ordinal));
        await auditor.Page.GetByLabel("User name").FillAsync("aud");
        await auditor.Page.GetByLabel("Password").FillAsync(ManagementServerProcess.Password);
        await auditor.Page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await auditor.Page.IsAtAsync("/studio/workflows/definitions/failback/edit");
        await auditor.Page.Context.CloseAsync();
    }

    private static async Task ADraftIsNotRunByAClickAsync(DesignerPage designer)
    {
        await designer.Page.BringToFrontAsync();
        await designer.RunAsync();
        await Assertions.Expect(designer.Messages.Filter(new() { HasText = "is not run by a click" })).ToBeVisibleAsync();
        await Assertions.Expect(designer.Messages.GetByRole(AriaRole.Link, new() { Name = "Check readiness" })).ToBeVisibleAsync();
        await Pictures.TakeAsync(designer.Page, "designer-not-run");
    }

    private static async Task PublishAsync(Site site, DesignerPage designer)
    {
        await designer.PublishAsync("cameras need a moment");
        var published = (await site.Server.GetAsync("elsa/api/workflow-definitions/by-definition-id/failback?versionOptions=Published")).Json!;
        published["version"]!.GetValue<int>().ShouldBe(3);
        published["root"]!["customProperties"]!["cancelHandler"]!.GetValue<string>().ShouldBe("UndoFailback");
    }

    private static async Task<string> FailBackAsync(Site site, IPage page, string entryId)
    {
        await page.GotoAsync("/failover-log");
        await page.GetByRole(AriaRole.Link, new() { Name = $"Recorder {Site.MainId}" }).ClickAsync();
        await page.GetByLabel("Reason").FillAsync("scenario");
        await page.GetByRole(AriaRole.Button, new() { Name = "Start failback" }).ClickAsync();
        await Assertions.Expect(page.Locator("#result .banner-title")).ToHaveTextAsync("Failback OK", new() { Timeout = 60_000 });
        return (await site.Server.GetEntryAsync(entryId)).FailbackRunId!;
    }

    private static async Task LookAtTheRunAsync(DesignerPage designer, string run)
    {
        await designer.Page.GotoAsync($"/studio/workflows/instances/{run}/view");
        await designer.Nodes.First.WaitForAsync();
        await Assertions.Expect(designer.Node("Delay")).ToHaveCountAsync(1);
        await Assertions.Expect(designer.SubStatus).ToContainTextAsync("Finished");
        await Pictures.TakeAsync(designer.Page, "designer-failback-run");
    }
}
