using System.Diagnostics;
using System.Formats.Tar;
using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Persistence;
using FailbackWorkflows.Testing.Evidence;
using FailbackWorkflows.Testing.Processes;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>Replay, verification and evidence of real runs: by a browser, by the subcommand, and by the script of a pack.</summary>
public sealed class An_auditor_looks_at_what_happened
{
    private const int LongRun = 100_000;

    [Fact]
    public async Task Of_a_failback_by_replay_verification_and_evidence()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        (await site.FailBackAsync(entryId)).Result.ShouldBe("done");
        var runId = (await site.Server.GetEntryAsync(entryId)).FailbackRunId!;
        using var playwright = await Playwright.CreateAsync();
        await using var browser = await playwright.Chromium.LaunchAsync(new() { ExecutablePath = An_operator_clicks_start_failback.Browser, Args = ["--no-sandbox"] });
        var (page, errors) = await SignInAsync(browser, site.Server, $"runs/{runId}/replay");

        // By keyboard from the beginning to the end; what is said in words is what is drawn.
        await Assertions.Expect(page.Locator("#replay-where")).ToContainTextAsync("Event 1 of ");
        await Assertions.Expect(page.Locator("#event-actor")).ToContainTextAsync("automation");
        await page.Keyboard.PressAsync("ArrowRight");
        await Assertions.Expect(page.Locator("#replay-where")).ToContainTextAsync("Event 2 of ");
        await page.Keyboard.PressAsync("End");
        await Assertions.Expect(page.Locator("#event-kind")).ToHaveTextAsync("The run has ended");
        await Assertions.Expect(page.Locator(".replay-node[data-state=done]").First).ToBeVisibleAsync();
        await Assertions.Expect(page.Locator("#outputs")).ToContainTextAsync("done");
        (await page.Locator("#activities li", new() { HasText = "Notify clients" }).First.InnerTextAsync()).ShouldContain("Done");
        await page.EvaluateAsync("() => { const s = document.getElementById('replay-slider'); s.value = 40; s.dispatchEvent(new Event('change')); }");
        await Assertions.Expect(page.Locator("#replay-where")).ToContainTextAsync("Event 40 of ");
        await ShowAsync(page, "replay.png");
        await page.EmulateMediaAsync(new() { ColorScheme = ColorScheme.Dark });
        await ShowAsync(page, "replay-dark.png");
        await page.EmulateMediaAsync(new() { ColorScheme = ColorScheme.Light });

        // What an activity asked a recorder for is there, with what came back.
        var calls = await CallsAsync(site.Server, runId);
        calls.ShouldContain("assign duty");
        calls.ShouldContain("stop recording");

        await page.GotoAsync(new Uri(site.Server.BaseUrl, "history").ToString());
        await page.Locator("#verify").ClickAsync();
        await Assertions.Expect(page.Locator("#verification")).ToContainTextAsync("Nothing is wrong");
        await ShowAsync(page, "verification.png");
        errors.ShouldBeEmpty();

        var pack = Directory.CreateTempSubdirectory("failback-scenario-evidence-");
        try
        {
            await TarFile.ExtractToDirectoryAsync(new MemoryStream(await site.Server.GetBytesAsync($"api/v1/failover-log/{entryId}/evidence")), pack.FullName, overwriteFiles: false);
            var folder = pack.EnumerateDirectories().Single().FullName;
            var (exit, said) = await RunAsync("sh", Path.Combine(folder, "verify.sh"), folder);
            exit.ShouldBe(0, said);
            said.ShouldContain($"journal/{runId}.ndjson");
        }
        finally
        {
            pack.Delete(recursive: true);
        }

        var database = Path.Combine(site.Server.Folder, "failback.db");
        await using (var connection = new SqliteConnection($"Data Source={database};Pooling=false"))
        {
            await connection.OpenAsync();
            await using var command = connection.CreateCommand();
            command.CommandText = $"DELETE FROM journal WHERE instance_id = '{runId}' AND sequence = 7";
            (await command.ExecuteNonQueryAsync()).ShouldBe(1);
        }

        var (wrong, named) = await RunAsync(ProgramFiles.Dotnet, ProgramFiles.Server, "verify", "--data", site.Server.Folder);
        wrong.ShouldBe(1, named);
        named.ShouldContain($"Event 7 of run {runId} is missing");
    }

    [Fact]
    public async Task Of_a_run_with_100000_events_by_replay()
    {
        var folder = Directory.CreateTempSubdirectory("failback-scenario-");
        using var removing = new Removing(folder);
        await using var server = new ManagementServerProcess(folder.FullName, new Dictionary<string, string>());
        string runId;
        await using (var services = new ServiceCollection().AddPersistence(Path.Combine(folder.FullName, "failback.db")).BuildServiceProvider())
        {
            await services.GetRequiredService<IDatabase>().MigrateAsync(CancellationToken.None);
            runId = await LoopingRun.WriteAsync(services.GetRequiredService<IWorkflowStore>(), LongRun);
        }

        await server.StartAsync();
        using var playwright = await Playwright.CreateAsync();
        await using var browser = await playwright.Chromium.LaunchAsync(new() { ExecutablePath = An_operator_clicks_start_failback.Browser, Args = ["--no-sandbox"] });
        var (page, errors) = await SignInAsync(browser, server, $"runs/{runId}/replay");
        await Assertions.Expect(page.Locator("#replay-where")).ToContainTextAsync("Event 1 of 1000");
        await Assertions.Expect(page.Locator("#event-kind")).Not.ToBeEmptyAsync();

        await page.Keyboard.PressAsync("End");
        await Assertions.Expect(page.Locator("#event-kind")).ToHaveTextAsync("The run has ended");
        await Assertions.Expect(page.Locator("#variables")).ToContainTextAsync("25001", new() { Timeout = 60_000 });
        foreach (var sequence in new[] { 77_777, 12_345, 50_000 })
        {
            await page.EvaluateAsync("n => { const s = document.getElementById('replay-slider'); s.value = n; s.dispatchEvent(new Event('change')); }", sequence);
            await Assertions.Expect(page.Locator("#replay-where")).ToContainTextAsync($"Event {sequence} of ");
            var count = await page.Locator("#variables dd").First.InnerTextAsync();
            int.Parse(count, CultureInfo.InvariantCulture).ShouldBeInRange((sequence / 4) - 2, (sequence / 4) + 2);
        }

        // While it plays it goes on by itself, and pauses when told.
        await page.Keyboard.PressAsync("p");
        await Assertions.Expect(page.Locator("#replay-where")).ToContainTextAsync(new Regex(@"Event 50(00[2-9]|0[1-9]\d|[1-9]\d\d) of "));
        await page.Keyboard.PressAsync("p");
        await Assertions.Expect(page.Locator("#replay-play")).ToHaveTextAsync("Play");
        errors.ShouldBeEmpty();
    }

    private static async Task<(IPage Page, List<string> Errors)> SignInAsync(IBrowser browser, ManagementServerProcess server, string path)
    {
        var page = await browser.NewPageAsync(new() { ViewportSize = new() { Width = 1280, Height = 1000 } });
        var errors = new List<string>();
        page.PageError += (_, error) => errors.Add(error);
        page.Console += (_, message) => errors.AddRange(message.Type == "error" ? [message.Text] : Array.Empty<string>());
        page.SetDefaultTimeout(60_000);
        await page.GotoAsync(new Uri(server.BaseUrl, path).ToString());
        await page.GetByLabel("User name").FillAsync("admin");
        await page.GetByLabel("Password").FillAsync(ManagementServerProcess.Password);
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await page.IsAtAsync(url => url == new Uri(server.BaseUrl, path));
        return (page, errors);
    }

    private static async Task<IReadOnlyList<string>> CallsAsync(ManagementServerProcess server, string runId)
    {
        var answer = await server.GetAsync($"api/v1/runs/{runId}/journal?take=1000");
        answer.Status.ShouldBe(HttpStatusCode.OK);
        return [.. JsonNode.Parse(answer.Text)!["items"]!.AsArray().SelectMany(e => e!["calls"]?.AsArray() ?? []).Select(c => (string)c!["operation"]!)];
    }

    private static async Task<(int Exit, string Said)> RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var said = await process.StandardOutput.ReadToEndAsync() + await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, said);
    }

    private static async Task ShowAsync(IPage page, string file)
    {
        if (Environment.GetEnvironmentVariable("FAILBACK_SCREENSHOTS") == "1")
        {
            var folder = Directory.CreateDirectory(Path.Combine(ProgramFiles.Root, "docs", "images")).FullName;
            await page.ScreenshotAsync(new() { Path = Path.Combine(folder, file) });
        }
    }

    private sealed class Removing(DirectoryInfo folder) : IDisposable
    {
        public void Dispose() => folder.Delete(recursive: true);
    }
}
