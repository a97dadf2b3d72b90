using System.Text.RegularExpressions;
using FailbackWorkflows.Testing.Processes;
using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>The main job as a person does it, in a real browser: sign in, click Start failback, watch the 11 steps, read Failback OK.</summary>
public sealed partial class An_operator_clicks_start_failback
{
    /// <summary>The system's browser; <c>eng/test.sh</c> installs it.</summary>
    internal static readonly string Browser = FindBrowser();

    [Fact]
    public async Task And_reads_Failback_OK_with_start_end_and_duration()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        var settings = await site.Standby.GetSettingsAsync(Site.MainId);
        using var playwright = await Playwright.CreateAsync();
        await using var browser = await playwright.Chromium.LaunchAsync(new() { ExecutablePath = Browser, Args = ["--no-sandbox"] });
        var page = await browser.NewPageAsync(new() { ViewportSize = new() { Width = 1280, Height = 1100 } });
        var errors = new List<string>();
        page.PageError += (_, error) => errors.Add(error);
        page.SetDefaultTimeout(60_000);

        await page.GotoAsync(site.Server.BaseUrl.ToString());
        await page.GetByLabel("User name").FillAsync("admin");
        await page.GetByLabel("Password").FillAsync(ManagementServerProcess.Password);
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "Failover log" }).ClickAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = $"Recorder {Site.MainId}" }).ClickAsync();
        await page.GetByLabel("Reason").FillAsync("scenario");
        await page.GetByRole(AriaRole.Button, new() { Name = "Start failback" }).ClickAsync();

        // The page follows the run by itself.
        await page.IsAtAsync("/failover-log/*");
        var banner = page.Locator("#result .banner-title");
        await Assertions.Expect(banner).ToHaveTextAsync("Failback OK", new() { Timeout = 60_000 });
        await Assertions.Expect(page.Locator("#steps li.step.ok")).ToHaveCountAsync(11);
        var times = await page.Locator("#result .banner-times").InnerTextAsync();
        times.ShouldContain("Start time", Case.Insensitive);
        times.ShouldContain("End time", Case.Insensitive);
        Duration().IsMatch(times).ShouldBeTrue(times);

        // What matters now is the copy: its card goes above the steps by itself.
        await Assertions.Expect(page.Locator("#story > :first-child")).ToHaveIdAsync("copy");
        await Assertions.Expect(page.Locator("#story > section")).ToHaveCountAsync(2);
        errors.ShouldBeEmpty();
        if (Environment.GetEnvironmentVariable("FAILBACK_SCREENSHOTS") == "1")
        {
            var folder = Directory.CreateDirectory(Path.Combine(ProgramFiles.Root, "docs", "images")).FullName;
            await page.ScreenshotAsync(new() { Path = Path.Combine(folder, "failback-ok.png") });
        }

        var run = (await site.Server.GetEntryAsync(entryId)).FailbackRunId!;
        await Invariants.AssertFailedBackAsync(site, entryId, run, settings.Sha256);
    }

    [GeneratedRegex(@"Duration\s+\S*\d", RegexOptions.IgnoreCase)]
    private static partial Regex Duration();

    /// <summary>Whoever starts a browser is patient with it from then on: a machine that runs other programs beside it is slow, not wrong.</summary>
    private static string FindBrowser()
    {
        Assertions.SetDefaultExpectTimeout(30_000);
        return Environment.GetEnvironmentVariable("FAILBACK_CHROMIUM") ?? "/usr/bin/chromium";
    }
}
