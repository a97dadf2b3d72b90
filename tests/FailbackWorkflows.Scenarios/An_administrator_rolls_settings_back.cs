using FailbackWorkflows.Testing.Processes;
using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>A mask was moved by mistake: the administrator reads what changed, goes back to the earlier settings, and the recorder records on.</summary>
public sealed class An_administrator_rolls_settings_back
{
    [Fact]
    public async Task After_reading_what_it_changes()
    {
        await using var site = await Site.StartAsync();
        var before = await site.Main.GetSettingsAsync(Site.MainId);
        await site.Main.ChangeSettingsAsync(Site.MainId, content =>
        {
            foreach (var point in content["masks"]![0]!["polygon"]!.AsArray())
            {
                point![0] = (double)point[0]! + 0.3;
            }

            content["channels"]![1]!["name"] = "Loading bay";
        });
        await Eventually.HoldsAsync(
            "the cache has seen the change",
            async () => (long)(await site.Server.GetAsync($"api/v1/servers/{Site.MainId}/settings")).Json!["newest"]!["number"]! == 2,
            TimeSpan.FromMinutes(2));
        using var playwright = await Playwright.CreateAsync();
        await using var browser = await playwright.Chromium.LaunchAsync(new() { ExecutablePath = An_operator_clicks_start_failback.Browser, Args = ["--no-sandbox"] });
        var page = await browser.NewPageAsync(new() { ViewportSize = new() { Width = 1280, Height = 1000 } });
        var errors = new List<string>();
        page.PageError += (_, error) => errors.Add(error);
        page.Console += (_, message) => errors.AddRange(message.Type == "error" ? [message.Text] : Array.Empty<string>());
        page.SetDefaultTimeout(60_000);

        await page.GotoAsync(new Uri(site.Server.BaseUrl, "servers").ToString());
        await page.GetByLabel("User name").FillAsync("admin");
        await page.GetByLabel("Password").FillAsync(ManagementServerProcess.Password);
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await ShowAsync(page, "servers-settings.png");
        await page.GetByRole(AriaRole.Link, new() { Name = $"Settings of Recorder {Site.MainId}" }).ClickAsync();
        await Assertions.Expect(page.Locator("#changes")).ToContainTextAsync("Channel 1 'Camera 1': privacy mask 'mask-1' moved");
        await Assertions.Expect(page.Locator("#changes")).ToContainTextAsync("renamed from 'Camera 2' to 'Loading bay'");
        await ShowAsync(page, "settings-history.png");
        await page.GetByRole(AriaRole.Link, new() { Name = "Roll back to number 1" }).ClickAsync();
        await Assertions.Expect(page.Locator("#rollback")).ToContainTextAsync("renamed from 'Loading bay' to 'Camera 2'");
        await page.GetByLabel("Reason").FillAsync("The mask was moved by mistake.");
        await page.GetByLabel("I have read what will be changed.").CheckAsync();
        await ShowAsync(page, "settings-rollback.png");
        await page.GetByRole(AriaRole.Button, new() { Name = $"Roll back Recorder {Site.MainId}" }).ClickAsync();

        await page.IsAtAsync("/runs/*");
        await Assertions.Expect(page.Locator("#result .banner-title")).ToHaveTextAsync("Settings rollback OK", new() { Timeout = 60_000 });
        await ShowAsync(page, "settings-rollback-run.png");
        var after = await site.Main.GetSettingsAsync(Site.MainId);
        (after.Sha256, after.Revision).ShouldBe((before.Sha256, before.Revision + 2));
        (await site.Main.GetRecordingAsync(Site.MainId)).Channels.ShouldAllBe(c => c.Recording);
        await page.GotoAsync(new Uri(site.Server.BaseUrl, $"servers/{Site.MainId}/settings").ToString());
        await Assertions.Expect(page.Locator("#history tbody tr").First).ToContainTextAsync("The mask was moved by mistake.");
        errors.ShouldBeEmpty();
    }

    private static async Task ShowAsync(IPage page, string file)
    {
        if (Environment.GetEnvironmentVariable("FAILBACK_SCREENSHOTS") == "1")
        {
            await page.ScreenshotAsync(new() { Path = Path.Combine(Directory.CreateTempSubdirectory("failback-pages-").FullName, file), FullPage = true });
        }
    }
}
