using System.Net;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Testing.Processes;
using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// What the material copy brought home is looked at where the coverage is shown. With ffmpeg on the machine the picture runs in the browser;
/// without it the same click says that the material is synthetic. Both are the product's behaviour, so neither machine skips this.
/// </summary>
public sealed class An_operator_plays_a_restored_segment
{
    private static readonly bool HasFfmpeg = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(f => File.Exists(Path.Combine(f, "ffmpeg")));

    [Fact]
    public async Task From_the_coverage_page()
    {
        var (site, entryId) = await Site.StartFailedOverAsync(recorderOptions: HasFfmpeg ? new Dictionary<string, string> { ["ffmpeg"] = "ffmpeg" } : null);
        await using var _ = site;
        if (HasFfmpeg)
        {
            await Eventually.HoldsAsync(
                "the failover server records video for the failed one",
                async () => (await site.Standby.ListSegmentsAsync(Site.MainId, "video-1")).Any(s => (string?)s!["contentType"] == "video/mp4" && !(bool)s["growing"]!));
        }

        (await site.FailBackAsync(entryId)).Result.ShouldBe("done");
        await Eventually.HoldsAsync("the material is home", async () => (await site.Server.GetEntryAsync(entryId)).MaterialCopy == MaterialCopyState.Copied, TimeSpan.FromMinutes(3));
        using var playwright = await Playwright.CreateAsync();
        await using var browser = await playwright.Chromium.LaunchAsync(new() { ExecutablePath = An_operator_clicks_start_failback.Browser, Args = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"] });
        var page = await browser.NewPageAsync(new() { ViewportSize = new() { Width = 1280, Height = 1100 } });
        var errors = new List<string>();
        page.PageError += (_, error) => errors.Add(error);
        page.Console += (_, message) => errors.AddRange(message.Type == "error" ? [message.Text] : Array.Empty<string>());
        page.SetDefaultTimeout(60_000);

        await page.GotoAsync(new Uri(site.Server.BaseUrl, $"failover-log/{entryId}/coverage").ToString());
        await page.GetByLabel("User name").FillAsync("admin");
        await page.GetByLabel("Password").FillAsync(ManagementServerProcess.Password);
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "Play video-1", Exact = true }).ClickAsync();

        if (HasFfmpeg)
        {
            // The first of a recording may have begun before the clip was there, and says so; a later one runs.
            await page.Locator("#player .pieces a[data-media=video]").First.ClickAsync();
            await page.WaitForFunctionAsync("() => { const v = document.querySelector('video#player-media'); return v && v.readyState >= 2 && v.videoWidth > 0; }");
            await page.EvaluateAsync("() => { const v = document.getElementById('player-media'); v.muted = true; return v.play(); }");
            await page.WaitForFunctionAsync("() => { const v = document.getElementById('player-media'); return v.duration > 0 && v.currentTime > 0.2; }");
            await Assertions.Expect(page.Locator("#player-error")).ToBeHiddenAsync();
        }
        else
        {
            await Assertions.Expect(page.Locator("#player-synthetic")).ToContainTextAsync("Synthetic, cannot be played.");
            await Assertions.Expect(page.Locator("#player video")).ToHaveCountAsync(0);
        }

        await ShowAsync(page, "restored-segment.png");

        // The bytes come through the management server, and not to whoever asks.
        var url = await page.Locator("#player .pieces a[download]").First.GetAttributeAsync("href");
        using var stranger = new HttpClient { BaseAddress = site.Server.BaseUrl };
        (await stranger.GetAsync(url)).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);

        // Sound is made up on every machine, and labelled so.
        await page.GetByRole(AriaRole.Link, new() { Name = "Play audio-1", Exact = true }).ClickAsync();
        await Assertions.Expect(page.Locator("#player-synthetic")).ToContainTextAsync("Synthetic, cannot be played.");
        await Assertions.Expect(page.Locator("#player-media")).ToHaveCountAsync(0);
        errors.ShouldBeEmpty();
        await ShowAsync(page, "restored-synthetic.png");
    }

    private static async Task ShowAsync(IPage page, string file)
    {
        if (Environment.GetEnvironmentVariable("FAILBACK_SCREENSHOTS") != "1")
        {
            return;
        }

        await page.EvaluateAsync(
            """
            async () => {
              const v = document.getElementById('player-media');
              if (!v) return;
              document.querySelector('#player .pieces a[data-media=video]').click();
              await new Promise(done => v.addEventListener('playing', done, { once: true }));
              v.pause();
            }
            """);
        var folder = Directory.CreateDirectory(Path.Combine(ProgramFiles.Root, "docs", "images")).FullName;
        await page.ScreenshotAsync(new() { Path = Path.Combine(folder, file) });
    }
}
