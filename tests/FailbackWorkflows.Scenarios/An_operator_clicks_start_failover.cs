using System.Net;
using System.Text.Json.Nodes;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing.Processes;
using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>A recorder is lost and nothing is set up to happen by itself: an operator looks at the servers, sees who could take over and why the other could not, and starts the failover.</summary>
public sealed class An_operator_clicks_start_failover
{
    private const string Operator = "olga";
    private const string Password = "a long password of hers";

    [Fact]
    public async Task And_watches_until_the_chosen_server_records()
    {
        await using var site = await Site.StartAsync(recorders: 3);
        await AllowAsync(site, Site.StandbyId, room: 10_000_000);
        await AllowAsync(site, Site.ThirdId, room: 900_000_000_000_000);
        (await site.Server.PostAsync("api/v1/users", new JsonObject { ["userName"] = Operator, ["password"] = Password, ["displayName"] = "Olga Operator", ["roles"] = new JsonArray("operator") }))
            .Status.ShouldBe(HttpStatusCode.Created);
        await site.Main.KillAsync();
        using var playwright = await Playwright.CreateAsync();
        await using var browser = await playwright.Chromium.LaunchAsync(new() { ExecutablePath = An_operator_clicks_start_failback.Browser, Args = ["--no-sandbox"] });
        var page = await browser.NewPageAsync(new() { ViewportSize = new() { Width = 1280, Height = 1000 } });
        var errors = new List<string>();
        page.PageError += (_, error) => errors.Add(error);
        page.SetDefaultTimeout(60_000);

        await page.GotoAsync(site.Server.BaseUrl.ToString());
        await page.GetByLabel("User name").FillAsync(Operator);
        await page.GetByLabel("Password").FillAsync(Password);
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "VMS servers" }).First.ClickAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = $"Start failover of Recorder {Site.MainId}", Exact = true }).ClickAsync();

        // Who would take over comes first; the other one says what it lacks.
        var rows = page.Locator("#candidates tbody tr");
        await Assertions.Expect(rows).ToHaveCountAsync(2);
        await Assertions.Expect(rows.Nth(0)).ToContainTextAsync($"Recorder {Site.StandbyId}");
        await Assertions.Expect(rows.Nth(0)).ToContainTextAsync("Yes; it would be chosen");
        await Assertions.Expect(rows.Nth(1)).ToContainTextAsync($"Recorder {Site.ThirdId} has room for");
        await Assertions.Expect(rows.Nth(1)).ToContainTextAsync("needs 900000000:");
        await Assertions.Expect(page.Locator("#failoverServerId option").First).ToHaveTextAsync($"Chosen by itself: Recorder {Site.StandbyId}");
        await ShootAsync(page, "start-failover");

        // Without the confirmation the browser itself sends nothing.
        var start = page.GetByRole(AriaRole.Button, new() { Name = "Start failover" });
        await start.ClickAsync();
        page.Url.ShouldEndWith($"/servers/{Site.MainId}/failover");
        await page.GetByLabel("Reason").FillAsync("It burns.");
        await page.GetByLabel($"Recorder {Site.MainId} shall lose its duty to a failover server").CheckAsync();
        await start.ClickAsync();

        // The page of the run follows it by itself.
        await page.IsAtAsync("/runs/*");
        await Assertions.Expect(page.Locator("#result .banner-title")).ToHaveTextAsync("Failover OK", new() { Timeout = 60_000 });
        await Assertions.Expect(page.Locator("#steps li.step.ok").First).ToBeVisibleAsync();
        await Assertions.Expect(page.Locator("#steps li.step.bad")).ToHaveCountAsync(0);
        await Assertions.Expect(page.Locator("#result .note")).ToContainTextAsync($"Recorder {Site.StandbyId} has the duty of Recorder {Site.MainId} since this failover.");
        await Assertions.Expect(page.Locator("#crumbs a", new() { HasText = "Entry" })).ToBeVisibleAsync();
        await ShootAsync(page, "failover-ok");

        // And so do the servers and the log.
        await page.GetByRole(AriaRole.Link, new() { Name = "VMS servers" }).First.ClickAsync();
        var standby = page.Locator("#servers tbody tr").Filter(new() { HasText = Site.StandbyId }).First;
        await Assertions.Expect(standby.Locator("[data-label='Acts as']")).ToContainTextAsync($"Recorder {Site.MainId}");
        var main = page.Locator("#servers tbody tr").Filter(new() { Has = page.GetByRole(AriaRole.Link, new() { Name = $"Recorder {Site.MainId}", Exact = true }) });
        await Assertions.Expect(main.Locator("[data-label='State']")).ToContainTextAsync("Broken");
        errors.ShouldBeEmpty();

        var entry = (await site.Server.GetAsync($"api/v1/failover-log?server={Site.MainId}")).As<Page>().Items.Single();
        (entry.Failover, entry.FailoverServerId, entry.StartedBy, entry.Reason).ShouldBe((FailoverState.Done, Site.StandbyId, "Olga Operator", "It burns."));
        (await site.Standby.FindDutyAsync(Site.MainId)).ShouldSatisfyAllConditions(d => d!.Role.ShouldBe(DutyRole.Recorder), d => d!.Recording.ShouldBeTrue());
        (await site.Third.FindDutyAsync(Site.MainId)).ShouldBeNull();
    }

    private static async Task AllowAsync(Site site, string serverId, long room) =>
        (await site.Server.PutAsync(
            $"api/v1/servers/{serverId}/failover-settings",
            new JsonObject { ["group"] = "hall", ["isAutomatic"] = false, ["roomPerDutyBytes"] = room })).Status.ShouldBe(HttpStatusCode.OK);

    private static async Task ShootAsync(IPage page, string name)
    {
        if (Environment.GetEnvironmentVariable("FAILBACK_SCREENSHOTS") == "1")
        {
            var folder = Directory.CreateDirectory(Path.Combine(ProgramFiles.Root, "docs", "images")).FullName;
            await page.ScreenshotAsync(new() { Path = Path.Combine(folder, $"{name}.png") });
        }
    }

    private sealed record Page(IReadOnlyList<FailoverLogEntry> Items);
}
