using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Testing.Processes;
using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>General settings, maintenance mode and the history of a connection as a person sees and changes them, in a real browser.</summary>
public sealed class An_administrator_lets_a_server_fail_back_by_itself
{
    [Fact]
    public async Task And_holds_it_back_by_maintenance_mode()
    {
        await using var site = await Site.StartAsync();
        using var playwright = await Playwright.CreateAsync();
        await using var browser = await playwright.Chromium.LaunchAsync(new() { ExecutablePath = An_operator_clicks_start_failback.Browser, Args = ["--no-sandbox"] });
        var page = await browser.NewPageAsync(new() { ViewportSize = new() { Width = 1280, Height = 1100 } });
        var errors = new List<string>();
        page.PageError += (_, error) => errors.Add(error);
        page.SetDefaultTimeout(60_000);
        await page.GotoAsync(site.Server.BaseUrl.ToString());
        await page.GetByLabel("User name").FillAsync("admin");
        await page.GetByLabel("Password").FillAsync(ManagementServerProcess.Password);
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();

        await page.GetByRole(AriaRole.Link, new() { Name = "VMS servers" }).ClickAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = $"Recorder {Site.MainId}", Exact = true }).ClickAsync();
        await page.GetByLabel("Automatic failback enabled").CheckAsync();
        await page.GetByLabel("Poll interval").FillAsync("1");
        await page.GetByRole(AriaRole.Button, new() { Name = "Save", Exact = true }).ClickAsync();
        await Assertions.Expect(page.GetByText("The settings were saved.")).ToBeVisibleAsync();
        await page.GetByLabel("Reason").FillAsync("New disk");
        await page.GetByRole(AriaRole.Button, new() { Name = "Turn maintenance mode on" }).ClickAsync();
        await Assertions.Expect(page.GetByText("Maintenance mode is on for this server")).ToBeVisibleAsync();

        var entryId = await site.FailOverAsync();
        await site.ReturnMainAsync();

        // The page follows the connection by itself.
        await Assertions.Expect(page.Locator("#history tbody tr").Nth(2)).ToBeVisibleAsync();
        await PictureAsync(page, "server");
        await page.GotoAsync($"{site.Server.BaseUrl}failover-log/{entryId}");
        await Assertions.Expect(page.Locator("#automatic")).ToContainTextAsync("Refused: Maintenance mode is on");
        await PictureAsync(page, "refused");
        await page.GotoAsync($"{site.Server.BaseUrl}servers");
        await Assertions.Expect(page.Locator("#servers")).ToContainTextAsync("fails back by itself");
        await PictureAsync(page, "servers");
        await page.SetViewportSizeAsync(390, 900);
        await PictureAsync(page, "servers-narrow");

        await page.GotoAsync($"{site.Server.BaseUrl}servers/{Site.MainId}");
        await PictureAsync(page, "server-narrow");
        await page.GetByRole(AriaRole.Button, new() { Name = "Turn maintenance mode off" }).ClickAsync();
        await Eventually.GetAsync("the failback is done by itself", () => site.Server.GetEntryAsync(entryId), e => e.Failback == FailbackState.Done);
        errors.ShouldBeEmpty();
    }

    private static async Task PictureAsync(IPage page, string name)
    {
        if (Environment.GetEnvironmentVariable("AUTOMATIC_PICTURES") is { } folder)
        {
            await page.ScreenshotAsync(new() { Path = Path.Combine(folder, $"{name}.png"), FullPage = true });
        }
    }
}
