using System.Net;
using System.Text.Json;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Server.Health;
using FailbackWorkflows.Server.Jobs;
using FailbackWorkflows.Testing;
using FailbackWorkflows.Testing.Persistence;
using FailbackWorkflows.Testing.Processes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;
using Quartz;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server;

/// <summary>The whole server, with dispatcher and jobs: whether what it says of itself is true.</summary>
public sealed class HealthTests : IDisposable
{
    private const string AdminKey = "test-key-of-the-administrator-0123456789";

    private readonly string folder = Path.Combine(Path.GetTempPath(), $"failback-health-{Guid.NewGuid():N}");

    public void Dispose()
    {
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task Ready_JobsNoLongerRun_SaysSo()
    {
        await using var app = Build();
        await app.StartAsync();
        using var client = Client(app);
        await Eventually.GetAsync("it is ready", () => ReadyAsync(client), r => r.Status == HttpStatusCode.OK);
        (await PartsAsync(client)).ShouldBe(
            new Dictionary<string, string> { ["database"] = "Healthy", ["dispatcher"] = "Healthy", ["polling"] = "Healthy", ["settings"] = "Healthy", ["seals"] = "Healthy", ["node jobs"] = "Healthy", ["cluster jobs"] = "Healthy" }, ignoreOrder: true);

        await (await app.Services.GetRequiredKeyedService<ISchedulerFactory>(JobSchedule.Cluster).GetScheduler()).Standby();

        (await ReadyAsync(client)).Status.ShouldBe(HttpStatusCode.ServiceUnavailable);
        (await PartsAsync(client))["cluster jobs"].ShouldBe("Unhealthy");
        (await client.GetAsync("/health/live")).StatusCode.ShouldBe(HttpStatusCode.OK);
        await app.StopAsync();
    }

    [Fact]
    public async Task Ready_DatabaseGoesAndComesBack_TellsTheTruth_AndWorkGoesOn()
    {
        var connectionString = await PostgresDatabases.TakeUnmigratedAsync();
        await using (var app = Build("--Failback:Postgres", new NpgsqlConnectionStringBuilder(connectionString) { Password = "hush-hush" }.ToString()))
        {
            await app.StartAsync();
            using var client = Client(app);
            await Eventually.GetAsync("it is ready", () => ReadyAsync(client), r => r.Status == HttpStatusCode.OK);

            await SetReachableAsync(connectionString, false);
            (await Eventually.GetAsync("it is not ready", () => ReadyAsync(client), r => r.Status == HttpStatusCode.ServiceUnavailable)).Text.ShouldNotContain("hush-hush");
            (await client.GetAsync("/health/live")).StatusCode.ShouldBe(HttpStatusCode.OK, "a new process would not do better");

            await SetReachableAsync(connectionString, true);
            await Eventually.GetAsync("it is ready again", () => ReadyAsync(client), r => r.Status == HttpStatusCode.OK);
            (await client.GetAsync("/api/v1/failover-log")).StatusCode.ShouldBe(HttpStatusCode.OK);
            await app.StopAsync();
        }

        await PostgresDatabases.DropAsync(connectionString);
    }

    [Fact]
    public async Task Dispatcher_ThatNoLongerGoesRound_IsNotReady_AndAfterLongNotAlive()
    {
        var time = new FakeTimeProvider();
        var pulse = new WorkflowPulse(time);
        var check = new DispatcherCheck(pulse, new WorkflowEngineOptions());
        async Task<HealthStatus> LookAsync() => (await check.CheckHealthAsync(new HealthCheckContext())).Status;

        (await LookAsync()).ShouldBe(HealthStatus.Unhealthy, "it has not begun");
        Live(pulse).ShouldBe(StatusCodes.Status200OK, "it is about to");
        pulse.Beat();
        (await LookAsync()).ShouldBe(HealthStatus.Healthy);

        // As long as the database's timeout lets a look hang.
        time.Advance(TimeSpan.FromSeconds(31));
        (await LookAsync()).ShouldBe(HealthStatus.Healthy);
        time.Advance(TimeSpan.FromSeconds(20));
        (await LookAsync()).ShouldBe(HealthStatus.Unhealthy);
        Live(pulse).ShouldBe(StatusCodes.Status200OK);

        time.Advance(TimeSpan.FromMinutes(5));
        Live(pulse).ShouldBe(StatusCodes.Status503ServiceUnavailable);
        pulse.Beat();
        Live(pulse).ShouldBe(StatusCodes.Status200OK);
    }

    private static int? Live(WorkflowPulse pulse) => ((IStatusCodeHttpResult)HealthEndpoints.Live(pulse)).StatusCode ?? StatusCodes.Status200OK;

    private WebApplication Build(params string[] more) => FailbackWorkflows.Server.Program.Build(
        [
            "--urls", "http://127.0.0.1:0",
            "--data", folder,
            "--FAILBACK_ADMIN_PASSWORD", "a long test password",
            "--FAILBACK_BOOTSTRAP_API_KEY", AdminKey,
            "--Serilog:MinimumLevel:Default", "Fatal",
            .. more,
        ],
        null);

    private static HttpClient Client(WebApplication app)
    {
        var client = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };
        client.DefaultRequestHeaders.Add("X-Api-Key", AdminKey);
        return client;
    }

    private static async Task<(HttpStatusCode Status, string Text)> ReadyAsync(HttpClient client)
    {
        using var answer = await client.GetAsync("/health/ready");
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    private static async Task<Dictionary<string, string>> PartsAsync(HttpClient client)
    {
        using var answer = JsonDocument.Parse((await ReadyAsync(client)).Text);
        return answer.RootElement.GetProperty("parts").EnumerateArray().ToDictionary(p => p.GetProperty("name").GetString()!, p => p.GetProperty("status").GetString()!);
    }

    private static async Task SetReachableAsync(string connectionString, bool isReachable)
    {
        var name = new NpgsqlConnectionStringBuilder(connectionString).Database;
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString) { Database = "postgres", Pooling = false }.ToString());
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = isReachable
            ? $"ALTER DATABASE {name} ALLOW_CONNECTIONS true"
            : $"ALTER DATABASE {name} ALLOW_CONNECTIONS false; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'";
        await command.ExecuteNonQueryAsync();
    }
}
