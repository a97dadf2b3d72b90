using System.Diagnostics;
using System.Net;
using System.Text.Json.Nodes;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Testing;
using FailbackWorkflows.Testing.Persistence;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>Two real management servers on one PostgreSQL database: what one begins the other finishes, and nothing happens twice.</summary>
public sealed class Two_servers_on_one_database
{
    private static readonly TimeSpan ForEver = TimeSpan.FromHours(1);

    /// <summary>Null: wherever it is.</summary>
    public static TheoryData<string?> Steps => Cases.AreAll ? ["Failback.CheckLicense", "Failback.StageSettings", "Failback.RecheckBeforeSwitch", "Failback.NotifyClients", null] : ["Failback.RecheckBeforeSwitch", null];

    [Theory]
    [MemberData(nameof(Steps))]
    public async Task One_is_killed_in_the_middle_of_a_step_and_the_other_finishes_the_run(string? stuckAt)
    {
        var database = await PostgresDatabases.TakeUnmigratedAsync();
        var (site, entryId) = await Site.StartSharedFailedOverAsync(database: database);
        await using (site)
        {
            var settings = await site.Standby.GetSettingsAsync(Site.MainId);
            var stop = new PostgresCommitStop(database);
            await (stuckAt is null ? stop.WhenFinishesAsync(ForEver) : stop.WhenStartsAsync(stuckAt, ForEver));
            var runId = await site.StartFailbackAsync(entryId);
            await Eventually.HoldsAsync("its commit is stuck", stop.IsStuckAsync);

            await site.Server.KillAsync();
            await stop.RemoveAsync();
            site.Use(site.Servers[1]);

            await site.WaitForEndAsync(runId);
            await Invariants.AssertFailedBackAsync(site, entryId, runId, settings.Sha256);
        }

        await PostgresDatabases.DropAsync(database);
    }

    /// <summary>A busy machine may have let the watch go from one to the other since the start: who has it now.</summary>
    private static async Task<ManagementServerProcess> OnWatchAsync(Site site)
    {
        var said = await Eventually.GetAsync(
            "somebody is on watch",
            async () => (await site.Server.GetAsync("health/ready")).Json!["parts"]!.AsArray().Single(p => (string?)p!["name"] == "polling")!["description"]!.GetValue<string>(),
            description => description.Contains("polled by manager-", StringComparison.Ordinal));
        return site.Servers[said.Contains("polled by manager-1", StringComparison.Ordinal) ? 0 : 1];
    }

    /// <summary>
    /// The first server has committed that it begins to switch the roles, and stands still before it tells anybody. When it goes on, another one has
    /// done all of it: the recorders refuse what it tells them, and the database what it writes.
    /// </summary>
    [Fact]
    public async Task One_that_stood_still_past_its_lease_finds_that_it_has_no_say_any_more()
    {
        var database = await PostgresDatabases.TakeUnmigratedAsync();
        var (site, entryId) = await Site.StartSharedFailedOverAsync(database: database);
        await using (site)
        {
            var settings = await site.Standby.GetSettingsAsync(Site.MainId);
            var (first, second) = (site.Servers[0], site.Servers[1]);
            var stop = new PostgresCommitStop(database);
            await stop.WhenStartsAsync("Failback.FreezeSettings", TimeSpan.FromSeconds(3));
            var runId = await site.StartFailbackAsync(entryId);
            await Eventually.HoldsAsync("its commit is on its way", stop.IsStuckAsync);
            await first.StopAsync();
            await stop.RemoveAsync();

            site.Use(second);
            await site.WaitForEndAsync(runId);
            await first.ContinueAsync();

            await Eventually.HoldsAsync("the first knows that its lease is gone", () => Task.FromResult(first.Output.Contains("lease", StringComparison.OrdinalIgnoreCase)));
            await Invariants.AssertFailedBackAsync(site, entryId, runId, settings.Sha256);
            site.Use(first);
            (await site.WaitForEndAsync(runId)).Result.ShouldBe("done");
        }

        await PostgresDatabases.DropAsync(database);
    }

    [Fact]
    public async Task One_failback_begins_though_the_one_on_watch_is_killed_when_the_recorder_returns()
    {
        await using var site = await Site.StartSharedAsync();
        await PutAsync(site, "general-settings", new JsonObject { ["isFailoverEnabled"] = true, ["isAutomaticFailbackEnabled"] = true, ["pollInterval"] = null, ["stabilityDelay"] = "00:00:00" });
        await PutAsync(site, "failover-settings", new JsonObject { ["group"] = "hall", ["isAutomatic"] = true, ["afterPolls"] = 3, ["roomPerDutyBytes"] = 10_000_000 });
        await site.Main.KillAsync();
        var entry = await Eventually.GetAsync("the duty is taken over by itself", () => FirstEntryAsync(site), e => e is { Failover: FailoverState.Done });

        var onWatch = await OnWatchAsync(site);
        await onWatch.KillAsync();
        await site.Main.StartAsync();
        site.Use(site.Servers.Single(s => s != onWatch));

        var home = await Eventually.GetAsync("the duty comes home by itself", () => site.Server.GetEntryAsync(entry!.Id), e => e.Failback == FailbackState.Done);
        await onWatch.StartAsync();
        await Eventually.GetAsync("the material comes home by itself", () => site.Server.GetEntryAsync(entry!.Id), e => e.MaterialCopy == MaterialCopyState.Copied);
        (await site.Server.GetAsync($"api/v1/failover-log?server={Site.MainId}")).As<Page>().Items.Count.ShouldBe(1, "one failover");
        var state = (await site.Server.GetAsync($"api/v1/failover-log/{entry!.Id}/automatic-failback")).Json!;
        ((int)state["attempts"]!).ShouldBe(1, "one failback");
        await Invariants.AssertAsync(site, home.FailbackRunId, $"Recorder {Site.MainId} is connected again.");
    }

    [Fact]
    public async Task A_recorder_is_asked_once_per_interval_whoever_is_on_watch()
    {
        const int polls = 15;
        await using var site = await Site.StartSharedAsync(recorders: 1);
        await using var stub = await RecorderStub.StartAsync();
        stub.On("GET", "/v1/recorder", StubAnswer.Json(200, () => new RecorderStatus(
            "machine-of-stub", "boot", "1.4.0", "1", TimeProvider.System.GetUtcNow(), TimeSpan.FromMilliseconds(1), [], [], new(true, 64, 4, true))));
        (await site.Server.PostAsync("api/v1/servers", new JsonObject
        {
            ["id"] = "stub", ["name"] = "Stub", ["baseUrl"] = stub.BaseUrl.ToString(), ["credential"] = "stub-credential", ["isFailoverEnabled"] = false, ["isAutomaticFailbackEnabled"] = false,
        })).Status.ShouldBe(HttpStatusCode.Created);
        (await site.Server.PutAsync("api/v1/servers/stub/general-settings", new JsonObject
        {
            ["isFailoverEnabled"] = false, ["isAutomaticFailbackEnabled"] = false, ["pollInterval"] = "00:00:01", ["stabilityDelay"] = "00:00:00",
        })).Status.ShouldBe(HttpStatusCode.OK);
        await PolledByAsync(site.Servers, "manager-");

        (await TimeOfAsync(polls)).ShouldBeGreaterThan(TimeSpan.FromSeconds(polls - 3), "two that poll need half as long");

        var onWatch = await OnWatchAsync(site);
        var other = site.Servers.Single(s => s != onWatch);
        await onWatch.KillAsync();
        await PolledByAsync([other], other == site.Servers[0] ? "manager-1" : "manager-2");
        await Eventually.HoldsAsync("it says that it decides", () => Task.FromResult(other.Output.Contains("from here on this server decides", StringComparison.Ordinal)));
        (await TimeOfAsync(polls)).ShouldBeGreaterThan(TimeSpan.FromSeconds(polls - 3), "the one that is left is asked by one");

        async Task<TimeSpan> TimeOfAsync(int count)
        {
            var (from, watch) = (stub.Journal.Count, Stopwatch.StartNew());
            await Eventually.HoldsAsync($"it is polled {count} times", () => Task.FromResult(stub.Journal.Count - from >= count), TimeSpan.FromMinutes(1));
            return watch.Elapsed;
        }

        static async Task PolledByAsync(IReadOnlyList<ManagementServerProcess> servers, string node)
        {
            foreach (var server in servers)
            {
                await Eventually.HoldsAsync(
                    "it says who polls",
                    async () => (await server.GetAsync("health/ready")).Json!["parts"]!.AsArray().Single(p => (string?)p!["name"] == "polling")!["description"]!.GetValue<string>()
                        .StartsWith($"2 recorders are polled by {node}", StringComparison.Ordinal));
                await Eventually.HoldsAsync("it is connected", async () => (string?)(await server.GetAsync("api/v1/servers/stub")).Json!["connection"] == "connected");
            }
        }
    }

    [Fact]
    public async Task Whoever_is_asked_answers_for_both()
    {
        await using var site = await Site.StartSharedAsync();
        var (first, second) = (site.Servers[0], site.Servers[1]);

        // Signed in at one, known to the other; and what one has encrypted the other can read, or it could not poll.
        var cookies = new CookieContainer();
        using var atFirst = await first.SignInAsync("admin", ManagementServerProcess.Password, cookies);
        using var atSecond = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, CookieContainer = cookies }) { BaseAddress = second.BaseUrl };
        JsonNode.Parse(await atSecond.GetStringAsync("api/v1/me"))!["name"]!.GetValue<string>().ShouldBe("Administrator");
        foreach (var server in site.Servers)
        {
            await Eventually.HoldsAsync(
                "it sees that the recorder answers",
                async () => (string?)(await server.GetAsync($"api/v1/servers/{Site.MainId}")).Json!["connection"] == "connected");
        }

        // A change that one makes is told by the other at once: well before its feed would look by itself.
        var before = (await second.ListChangesAsync()).Select(c => (long)c["cursor"]!).DefaultIfEmpty().Max();
        using var feed = await ReadFeedAsync(second, before);
        using var lines = new StreamReader(await feed.Content.ReadAsStreamAsync());
        (await first.PutAsync("api/v1/maintenance", new JsonObject { ["reason"] = "told by the other" })).Status.ShouldBe(HttpStatusCode.OK);
        using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (!(await lines.ReadLineAsync(soon.Token))!.Contains("told by the other", StringComparison.Ordinal))
        {
        }

        // One that ends in good order hands over at once, and its name may come back.
        (await first.EndAsync()).ShouldBe(0);
        site.Use(second);
        await site.InstallLicenseAsync();
        await first.StartAsync();
        (await first.GetAsync("api/v1/servers")).Status.ShouldBe(HttpStatusCode.OK);
    }

    /// <summary>The viewer's connection is at the first server; the run is at the second, which writes each of its steps and says nothing of it to anybody.</summary>
    [Fact]
    public async Task A_run_at_one_is_watched_at_the_other()
    {
        var database = await PostgresDatabases.TakeUnmigratedAsync();
        // Nobody is to take the run over while its commits are slow.
        var environment = new Dictionary<string, string> { ["Failback__Engine__LeaseDuration"] = "00:01:00" };
        await using (var site = await Site.StartSharedAsync(recorders: 0, database: database, environment: environment))
        {
            var (first, second) = (site.Servers[0], site.Servers[1]);
            (await second.PostAsync("elsa/api/workflow-definitions/import", ThreeLines())).Status.ShouldBe(HttpStatusCode.OK);
            var stop = new PostgresCommitStop(database);
            await stop.WhenStartsAsync("Elsa.WriteLine", TimeSpan.FromSeconds(2.5));
            await using var watcher = await RunWatcher.ConnectAsync(first);

            var started = await second.PostAsync("elsa/api/workflow-definitions/three-lines/execute", new JsonObject { ["versionOptions"] = "Latest" });
            started.Status.ShouldBe(HttpStatusCode.OK, started.ToString());
            var runId = (string)started.Json!["workflowInstanceId"]!;
            await watcher.ObserveAsync(runId);
            var owners = new HashSet<string>();
            await Eventually.HoldsAsync(
                "the badge of the first line comes while the run goes on",
                async () =>
                {
                    owners.Add(await stop.FindOwnerAsync(runId) ?? "nobody");
                    return watcher.CompletedOf("one") == 1;
                });

            watcher.CompletedOf("three").ShouldBe(0, "it was told of before the run was at its end");
            owners.ShouldBe(["manager-2"]);
            await Eventually.HoldsAsync("the badge of the last line comes", () => Task.FromResult(watcher.CompletedOf("three") == 1));
            await Eventually.HoldsAsync("the run is told of once more when it has ended", async () =>
            {
                var ended = (string?)(await first.GetAsync($"elsa/api/workflow-instances/{runId}")).Json!["status"] == "Finished";
                return ended && watcher.Heard[^1] is ("WorkflowInstanceUpdatedAsync", { } about) && (string?)about["workflowInstanceId"] == runId;
            });
        }

        await PostgresDatabases.DropAsync(database);
    }

    [Fact]
    public async Task A_second_one_of_the_same_name_is_refused()
    {
        await using var site = await Site.StartSharedAsync(servers: 1, recorders: 1);
        await using var again = site.Server.Begin(site.NewFolder("again"), new Uri($"http://127.0.0.1:{FreePort.Next()}/"));

        (await again.WaitForExitAsync(TimeSpan.FromSeconds(60))).ShouldBe(4);
        again.Output.ShouldContain("another management server that is called 'manager-1', too");
        (await site.Server.GetAsync("api/v1/servers")).Status.ShouldBe(HttpStatusCode.OK);
    }

    private static JsonObject ThreeLines()
    {
        string[] ids = ["one", "two", "three"];
        return new JsonObject
        {
            ["definitionId"] = "three-lines",
            ["name"] = "Three lines",
            ["root"] = new JsonObject
            {
                ["id"] = "flow",
                ["type"] = "Elsa.Flowchart",
                ["version"] = 1,
                ["activities"] = new JsonArray([.. ids.Select(id => (JsonNode)new JsonObject
                {
                    ["id"] = id,
                    ["type"] = "Elsa.WriteLine",
                    ["version"] = 1,
                    ["text"] = new JsonObject { ["typeName"] = "String", ["expression"] = new JsonObject { ["type"] = "Literal", ["value"] = id } },
                })]),
                ["connections"] = new JsonArray(Connection("one", "two"), Connection("two", "three")),
            },
        };

        static JsonNode Connection(string from, string to) => new JsonObject
        {
            ["source"] = new JsonObject { ["activity"] = from, ["port"] = "Done" },
            ["target"] = new JsonObject { ["activity"] = to, ["port"] = "In" },
        };
    }

    private static async Task<FailoverLogEntry?> FirstEntryAsync(Site site) => (await site.Server.GetAsync($"api/v1/failover-log?server={Site.MainId}")).As<Page>().Items.FirstOrDefault();

    private static async Task PutAsync(Site site, string what, JsonObject settings) =>
        (await site.Server.PutAsync($"api/v1/servers/{Site.MainId}/{what}", settings)).Status.ShouldBe(HttpStatusCode.OK);

    private static async Task<HttpResponseMessage> ReadFeedAsync(ManagementServerProcess server, long after)
    {
        var http = new HttpClient { BaseAddress = server.BaseUrl };
        using var request = new HttpRequestMessage(HttpMethod.Get, "api/v1/changes");
        request.Headers.Add("X-Api-Key", ManagementServerProcess.ApiKey);
        request.Headers.Add("Accept", "text/event-stream");
        request.Headers.Add("Last-Event-ID", after.ToString(System.Globalization.CultureInfo.InvariantCulture));
        return await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }

    private sealed record Page(IReadOnlyList<FailoverLogEntry> Items);
}
