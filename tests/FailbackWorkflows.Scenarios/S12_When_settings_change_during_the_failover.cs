using System.Text.Json.Nodes;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Testing.Processes;
using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// Scenario 12: changes made at the failover server go back with the failback and are shown; what was changed at the failed server meanwhile is
/// overwritten, listed as such, and stays in the history. Scenario 16: a camera is replaced, one added, one removed; what the removed one
/// recorded still comes home.
/// </summary>
public sealed class S12_When_settings_change_during_the_failover
{
    [Fact]
    public async Task They_go_back_and_nothing_is_lost_in_silence()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        await site.Main.ChangeSettingsAsync(Site.MainId, content => content["masks"]![0]!["polygon"]![0] = new JsonArray(0.05, 0.05));
        var wanted = await site.Standby.ChangeSettingsAsync(Site.MainId, content =>
        {
            Move(content["masks"]![0]!["polygon"]!.AsArray(), 0.2);
            content["retention"]!["maximumRetentionTime"] = "P14D";
        });
        await Eventually.HoldsAsync("the entry shows both sides", async () => (await SettingsAsync(site, entryId))["overwritten"]!.AsArray().Count == 1 && Sentences(await SettingsAsync(site, entryId)).Count == 2, TimeSpan.FromMinutes(2));

        await ShouldBeShownAsync(site, entryId);

        var run = await site.FailBackAsync(entryId);

        run.Result.ShouldBe("done", run.Message);
        await Invariants.AssertFailedBackAsync(site, entryId, run.RunId, wanted.Sha256);
        var settings = await SettingsAsync(site, entryId);
        Sentences(settings).ShouldBe(["Channel 1 'Camera 1': privacy mask 'mask-1' moved", "Material is kept for 14 days (was 30 days)"]);
        var overwritten = settings["overwritten"]!.AsArray().Single()!;
        ((string)overwritten["change"]!["sentence"]!).ShouldBe("Channel 1 'Camera 1': privacy mask 'mask-1' redrawn");
        ((string)overwritten["winner"]!["sentence"]!).ShouldBe("Channel 1 'Camera 1': privacy mask 'mask-1' moved");
        var number = (long)settings["atFailedServer"]!["number"]!;
        var kept = await site.Server.GetAsync($"api/v1/servers/{Site.MainId}/settings/history/{number}");
        ((double)kept.Json!["content"]!["masks"]![0]!["polygon"]![0]![0]!).ShouldBe(0.05);
    }

    [Fact]
    public async Task Channels_added_and_removed_meanwhile_are_carried_over_and_their_material_comes_home()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        await Eventually.HoldsAsync(
            "the failover server has material of the camera that will go",
            async () => (await site.Standby.ListSegmentsAsync(Site.MainId, "video-2")).Any(s => !(bool)s!["growing"]!));
        var wanted = await site.Standby.ChangeSettingsAsync(Site.MainId, content =>
        {
            Remove(content["masks"]!.AsArray(), "channelId", "video-2");
            Remove(content["schedules"]!.AsArray(), "channelId", "video-2");
            Remove(content["channels"]!.AsArray(), "id", "video-2");
            content["channels"]![0]!["sourceId"] = "urn:source:exchanged";
            content["channels"]!.AsArray().Add(new JsonObject { ["id"] = "video-9", ["slot"] = 9, ["kind"] = "video", ["name"] = "Yard", ["enabled"] = true, ["required"] = true });
        });
        var recorded = (await site.Standby.ListSegmentsAsync(Site.MainId, "video-2")).Count(s => !(bool)s!["growing"]!);

        var run = await site.FailBackAsync(entryId);

        run.Result.ShouldBe("done", run.Message);
        await Invariants.AssertFailedBackAsync(site, entryId, run.RunId, wanted.Sha256);
        (await site.Main.GetRecordingAsync(Site.MainId)).Channels.Select(c => c.ChannelId).ShouldContain("video-9");
        Sentences(await SettingsAsync(site, entryId)).ShouldContain("Channel 2 'Camera 2' removed");
        Sentences(await SettingsAsync(site, entryId)).ShouldContain("Channel 9 'Yard' added");
        Sentences(await SettingsAsync(site, entryId)).ShouldContain(s => s.Contains("camera replaced", StringComparison.Ordinal));
        await Eventually.HoldsAsync("the material is home", async () => (await site.Server.GetEntryAsync(entryId)).MaterialCopy == MaterialCopyState.Copied, TimeSpan.FromMinutes(3));
        (await site.Main.ListSegmentsAsync(Site.MainId, "video-2")).Count.ShouldBeGreaterThanOrEqualTo(recorded);
    }

    /// <summary>What an operator reads before he clicks.</summary>
    private static async Task ShouldBeShownAsync(Site site, string entryId)
    {
        using var playwright = await Playwright.CreateAsync();
        await using var browser = await playwright.Chromium.LaunchAsync(new() { ExecutablePath = An_operator_clicks_start_failback.Browser, Args = ["--no-sandbox"] });
        var page = await browser.NewPageAsync(new() { ViewportSize = new() { Width = 1280, Height = 1000 } });
        page.SetDefaultTimeout(60_000);
        await page.GotoAsync(new Uri(site.Server.BaseUrl, $"failover-log/{entryId}").ToString());
        await page.GetByLabel("User name").FillAsync("admin");
        await page.GetByLabel("Password").FillAsync(ManagementServerProcess.Password);
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        var settings = page.Locator("#settings");
        await Assertions.Expect(settings).ToContainTextAsync("Material is kept for 14 days (was 30 days)");
        await Assertions.Expect(settings).ToContainTextAsync("Conflict. Wins: Channel 1 'Camera 1': privacy mask 'mask-1' moved");
        await Assertions.Expect(settings).ToContainTextAsync("1 conflict");
        if (Environment.GetEnvironmentVariable("FAILBACK_SCREENSHOTS") == "1")
        {
            await page.ScreenshotAsync(new() { Path = Path.Combine(Directory.CreateTempSubdirectory("failback-pages-").FullName, "entry-settings.png"), FullPage = true });
        }
    }

    private static async Task<JsonNode> SettingsAsync(Site site, string entryId) => (await site.Server.GetAsync($"api/v1/failover-log/{entryId}/settings")).Json!;

    private static IReadOnlyList<string> Sentences(JsonNode settings) => [.. settings["changes"]!.AsArray().Select(c => (string)c!["sentence"]!)];

    private static void Move(JsonArray polygon, double by)
    {
        foreach (var point in polygon)
        {
            point![0] = (double)point[0]! + by;
        }
    }

    private static void Remove(JsonArray items, string field, string value)
    {
        foreach (var item in items.Where(i => (string?)i![field] == value).ToList())
        {
            items.Remove(item);
        }
    }
}
