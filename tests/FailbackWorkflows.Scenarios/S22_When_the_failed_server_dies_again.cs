using System.Text.Json.Nodes;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing.Processes;
using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>Scenario 22: before the point of no return the run is undone; behind it the failover server records on, or the run completes and the alarm is raised.</summary>
public sealed class S22_When_the_failed_server_dies_again
{
    [Fact]
    public async Task In_step_8_the_failback_is_undone()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        await site.Main.HoldAnswerAsync("POST", "/v1/duties/vms-1/config/staged/*", TimeSpan.FromMinutes(5));
        var runId = await site.StartFailbackAsync(entryId);
        await ArrivedAsync(site.Main, runId, ":activate");
        await site.Main.KillAsync();

        var run = await site.WaitForEndAsync(runId);

        run.Result.ShouldBe("undone");
        (await site.Server.GetEntryAsync(entryId)).Failback.ShouldBe(FailbackState.Failed);
        await Invariants.AssertStandbyRecordsOnAsync(site, entryId);
        await site.ReturnMainAsync();
    }

    [Fact]
    public async Task In_step_9c_the_failover_server_gets_the_duty_back_under_a_new_epoch()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        await site.SetPolicyAsync(TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(3));
        await site.Main.HoldAnswerAsync("POST", "/v1/recording:start", TimeSpan.FromMinutes(5));
        var epochBefore = (await site.Standby.FindDutyAsync(Site.MainId))!.Epoch;
        var runId = await site.StartFailbackAsync(entryId);
        await ArrivedAsync(site.Main, runId, ":start");
        await site.Main.KillAsync();

        var run = await site.WaitForEndAsync(runId);

        run.Result.ShouldBe("undone");
        (await site.Server.GetEntryAsync(entryId)).Failback.ShouldBe(FailbackState.Failed);
        (await site.Standby.FindDutyAsync(Site.MainId))!.Epoch.ShouldBeGreaterThan(epochBefore + 1);
        await Invariants.AssertStandbyRecordsOnAsync(site, entryId);
        await site.ReturnMainAsync();
        await Invariants.AssertAsync(site, runId);
    }

    [Fact]
    public async Task Between_9d_and_the_stop_the_failover_server_records_on()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        await site.SetPolicyAsync(TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(3));
        var stop = new CommitStop(site.Server.Folder);
        stop.WhenStarts("Failback.StopFailoverServer", CommitStop.AWhile);
        var runId = await site.StartFailbackAsync(entryId);
        await Eventually.HoldsAsync(
            "the point of no return is being committed",
            async () => (await site.Server.GetRunAsync(runId)).Steps.SelectMany(s => s.Parts).Any(p => p.ActivityType == "Failback.PointOfNoReturn" && p.State == FailbackWorkflows.Failback.Runs.RunStepState.Running));
        await site.Main.KillAsync();

        var run = await site.WaitForEndAsync(runId);

        run.Result.ShouldBe("undone");
        (await site.Server.GetEntryAsync(entryId)).Failback.ShouldBe(FailbackState.Failed);
        await Invariants.AssertStandbyRecordsOnAsync(site, entryId);
    }

    [Fact]
    public async Task After_the_confirmed_stop_the_run_completes_and_the_server_stays_broken()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        await site.Standby.HoldAnswerAsync("POST", "/v1/recording:stop", TimeSpan.FromSeconds(6));
        var runId = await site.StartFailbackAsync(entryId);
        await ArrivedAsync(site.Standby, runId, ":stop");
        await site.Main.KillAsync();

        var run = await site.WaitForEndAsync(runId);

        run.Result.ShouldBe("done", run.Message);
        (await site.Server.GetEntryAsync(entryId)).Failback.ShouldBe(FailbackState.Done);
        (await site.Server.GetAsync("api/v1/servers/vms-1")).As<ServerState>().State.ShouldBe(VmsServerState.Broken);
        (await site.Server.ListChangesAsync()).ShouldContain(c => (string?)c["kind"] == "alarm" && (string?)c["subject"] == Site.MainId);
        (await site.Standby.FindDutyAsync(Site.MainId))!.Role.ShouldBe(DutyRole.FailoverServer);
        (run.NobodyRecords, run.Alarms.Count).ShouldBe((Site.MainId, 1));
        ((string?)await AlertAsync(site, entryId)).ShouldBe("nobodyRecords");
        await ShowAsync(site, entryId);
        await Invariants.AssertAsync(site, runId);

        await site.Main.StartAsync();
        await Eventually.HoldsAsync(
            "main records its own duty again and is marked ok",
            async () => (await site.Server.GetAsync("api/v1/servers/vms-1")).As<ServerState>().State == VmsServerState.Ok);
        (await site.Main.FindDutyAsync(Site.MainId))!.Recording.ShouldBeTrue();
        (await AlertAsync(site, entryId)).ShouldBeNull();
    }

    private static async Task<JsonNode?> AlertAsync(Site site, string entryId) =>
        (await site.Server.GetAsync($"api/v1/failover-log/{entryId}")).Json!["alert"]?["kind"];

    /// <summary>What an operator sees at three in the morning.</summary>
    private static async Task ShowAsync(Site site, string entryId)
    {
        using var playwright = await Playwright.CreateAsync();
        await using var browser = await playwright.Chromium.LaunchAsync(new() { ExecutablePath = An_operator_clicks_start_failback.Browser, Args = ["--no-sandbox"] });
        var page = await browser.NewPageAsync(new() { ViewportSize = new() { Width = 1280, Height = 1100 } });
        await page.GotoAsync(new Uri(site.Server.BaseUrl, $"failover-log/{entryId}").ToString());
        await page.GetByLabel("User name").FillAsync("admin");
        await page.GetByLabel("Password").FillAsync(ManagementServerProcess.Password);
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await page.IsAtAsync("/failover-log/*");
        var alert = page.GetByRole(AriaRole.Alert);
        await Assertions.Expect(alert).ToContainTextAsync($"Nobody records Recorder {Site.MainId} now", new() { Timeout = 30_000 });
        await Assertions.Expect(alert).ToContainTextAsync($"Start a failover of Recorder {Site.MainId} now");
        (await page.ContentAsync()).ShouldNotContain("Failback OK");
        if (Environment.GetEnvironmentVariable("FAILBACK_SCREENSHOTS") == "1")
        {
            var folder = Directory.CreateDirectory(Path.Combine(ProgramFiles.Root, "docs", "images")).FullName;
            await page.ScreenshotAsync(new() { Path = Path.Combine(folder, "nobody-records.png") });
        }
    }

    private static Task ArrivedAsync(RecorderProcess recorder, string runId, string pathEnd) =>
        Eventually.HoldsAsync($"{pathEnd} took effect", async () => (await recorder.ListCommandsAsync(runId)).Any(c => c.Path.EndsWith(pathEnd, StringComparison.Ordinal)));

    private sealed record ServerState(VmsServerState State);
}
