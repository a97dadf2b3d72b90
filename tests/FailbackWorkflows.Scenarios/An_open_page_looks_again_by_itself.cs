using System.Net;
using System.Text.Json.Nodes;
using FailbackWorkflows.Testing.Processes;
using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>What an open page does when something happened: whoever stands on a link stays there, an answer that failed is asked for again, and a page whose subject is gone says so.</summary>
public sealed class An_open_page_looks_again_by_itself
{
    /// <summary>The change feed in the hands of a test, from the next page on: nothing else makes that page look.</summary>
    private const string FeedByHand =
        """
        window.EventSource = class extends EventTarget {
          constructor() { super(); window.feedByHand = this; }
          close() { }
        };
        """;

    [Fact]
    public async Task And_loses_nobodys_place_no_change_and_not_its_subject()
    {
        await using var site = await Site.StartAsync();
        await using var browser = await BrowserOfASite.OpenAsync(site.Server.BaseUrl);

        var page = await browser.NewPersonAsync("admin");
        await WhoStandsOnALinkStaysThereAsync(site, page);
        await WhatFailedIsAskedForAgainAsync(site, page);
        await WhatIsGoneIsSaidToBeGoneAsync(site, page);
        browser.Complaints.ShouldBeEmpty();
    }

    private static async Task WhoStandsOnALinkStaysThereAsync(Site site, IPage page)
    {
        await page.GotoAsync("/servers");
        var link = RowOf(page, Site.StandbyId).GetByRole(AriaRole.Link, new() { Name = "Start failover of" });
        (await link.GetAttributeAsync("id")).ShouldBeNull("what has an id is found again by it");
        // Found and focused in one go: the page may replace the row at any moment, and nobody can stand on a link that is gone.
        await page.EvaluateAsync(
            "label => { const link = document.querySelector(`#servers a[aria-label='${label}']`); link.focus(); link.isOfBefore = true; }", await link.GetAttributeAsync("aria-label"));

        await TurnMaintenanceOnAsync(site, Site.MainId);

        await Assertions.Expect(RowOf(page, Site.MainId)).ToContainTextAsync("Maintenance");
        await Assertions.Expect(link).ToBeFocusedAsync();
        (await link.EvaluateAsync<bool>("link => link.isOfBefore === true")).ShouldBeFalse("the row is another one, and so is the link");
    }

    private static async Task WhatFailedIsAskedForAgainAsync(Site site, IPage page)
    {
        var looks = 0;
        await page.AddInitScriptAsync(FeedByHand);
        await page.RouteAsync("**/servers", route => !route.Request.Headers.ContainsKey("x-failback-quiet") || ++looks > 1
            ? route.ContinueAsync()
            : route.FulfillAsync(new() { Status = (int)HttpStatusCode.ServiceUnavailable, Body = "Starting." }));
        await page.GotoAsync("/servers");
        looks = 0;
        await TurnMaintenanceOnAsync(site, Site.StandbyId);

        await SomethingHappenedAsync(page);

        await Assertions.Expect(RowOf(page, Site.StandbyId)).ToContainTextAsync("Maintenance");
        looks.ShouldBe(2, "one was refused, and nothing happened after it");
    }

    private static async Task WhatIsGoneIsSaidToBeGoneAsync(Site site, IPage page)
    {
        await page.GotoAsync($"/servers/{Site.StandbyId}");
        await Assertions.Expect(page.Locator("#facts")).ToBeVisibleAsync();

        // A poll may note something about the server at the same moment; then the removal is to be tried again.
        await Eventually.GetAsync("the server is removed", () => site.Server.SendAsync(HttpMethod.Delete, $"api/v1/servers/{Site.StandbyId}", (HttpContent?)null), answer => answer.Status == HttpStatusCode.NoContent);
        await SomethingHappenedAsync(page);

        await Assertions.Expect(page.GetByRole(AriaRole.Heading, new() { Name = "There is nothing here" })).ToBeVisibleAsync();
    }

    private static Task SomethingHappenedAsync(IPage page) => page.EvaluateAsync("() => feedByHand.dispatchEvent(new Event('change'))");

    private static ILocator RowOf(IPage page, string serverId) => page.Locator("#servers tbody tr", new() { Has = page.Locator($"a[href='/servers/{serverId}']") });

    private static async Task TurnMaintenanceOnAsync(Site site, string serverId) =>
        (await site.Server.PutAsync($"api/v1/servers/{serverId}/maintenance", new JsonObject { ["reason"] = "a new disk" })).Status.ShouldBe(HttpStatusCode.OK);
}
