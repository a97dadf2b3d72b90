using System.Net;
using FailbackWorkflows.Testing.Faults;
using FailbackWorkflows.Testing.Persistence;
using FailbackWorkflows.Testing.Processes;
using Npgsql;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>PostgreSQL dies while two management servers fail a recorder back, and comes back: what was acknowledged is there, and the run goes on by itself.</summary>
public sealed class When_the_database_goes_away
{
    private static readonly TimeSpan LongerThanTheTest = TimeSpan.FromMinutes(5);

    /// <summary>What had taken effect at a recorder when the database died.</summary>
    public static TheoryData<string, string> Commands
    {
        get
        {
            var commands = new TheoryData<string, string> { { "PUT", "/v1/duties/vms-1" } };
            if (Cases.AreAll)
            {
                commands.Add("POST", "/v1/duties/vms-1/config/staged");
            }

            return commands;
        }
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public async Task The_run_goes_on_when_it_is_back(string method, string path)
    {
        await using var postgres = await PostgresServer.StartAsync();
        await ExecuteAsync(postgres.ConnectionString, "CREATE DATABASE failback");
        var database = new NpgsqlConnectionStringBuilder(postgres.ConnectionString) { Database = "failback" }.ToString();
        var (site, entryId) = await Site.StartSharedFailedOverAsync(database: database);
        await using var _ = site;
        var settings = await site.Standby.GetSettingsAsync(Site.MainId);
        await site.Main.HoldAnswerAsync(method, path, LongerThanTheTest);
        var runId = await site.StartFailbackAsync(entryId);
        await Eventually.HoldsAsync($"{method} {path} took effect", async () => (await site.Main.ListCommandsAsync(runId)).Any(c => c.Method == method && c.Path == path));

        using var operatorsBrowser = await site.Server.SignInAsync("admin", ManagementServerProcess.Password);
        await postgres.KillAsync();
        await site.Main.ForgetFaultsAsync();
        foreach (var server in site.Servers)
        {
            await Eventually.HoldsAsync("it says that it is not ready", async () => (await server.GetAsync("health/ready", "")).Status == HttpStatusCode.ServiceUnavailable);
            (await server.GetAsync("health/live", "")).Status.ShouldBe(HttpStatusCode.OK);
        }

        var refused = await site.Server.GetAsync("api/v1/servers");
        (refused.Status, (string?)refused.Json!["type"]).ShouldBe((HttpStatusCode.ServiceUnavailable, "urn:failback:database-unavailable"));
        using var page = await operatorsBrowser.GetAsync("");
        page.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        (await page.Content.ReadAsStringAsync()).ShouldContain("Runs go on by themselves when the database is back");
        await postgres.RestartAsync();

        await site.WaitForEndAsync(runId);
        await Invariants.AssertFailedBackAsync(site, entryId, runId, settings.Sha256);
        foreach (var server in site.Servers)
        {
            await Eventually.HoldsAsync("it is ready again", async () => (await server.GetAsync("health/ready", "")).Status == HttpStatusCode.OK);
        }
    }

    /// <summary>The way of one server to the database is cut in the middle of its run; the other one still has it.</summary>
    [Fact]
    public async Task From_one_server_only_the_other_one_goes_on()
    {
        await using var postgres = await PostgresServer.StartAsync();
        await ExecuteAsync(postgres.ConnectionString, "CREATE DATABASE failback");
        var database = new NpgsqlConnectionStringBuilder(postgres.ConnectionString) { Database = "failback" };
        await using var link = FaultyLink.ToSocket(Path.Combine(database.Host!, ".s.PGSQL.5432"));
        var viaLink = new NpgsqlConnectionStringBuilder(database.ToString()) { Host = link.BaseUrl.Host, Port = link.BaseUrl.Port };
        var (site, entryId) = await Site.StartSharedFailedOverAsync(database: database.ToString(), databaseOfFirst: viaLink.ToString());
        await using var _ = site;
        var (first, second) = (site.Servers[0], site.Servers[1]);
        var settings = await site.Standby.GetSettingsAsync(Site.MainId);
        await site.Main.HoldAnswerAsync("PUT", "/v1/duties/vms-1", LongerThanTheTest);
        var runId = await site.StartFailbackAsync(entryId);
        await Eventually.HoldsAsync("the duty was given", async () => (await site.Main.ListCommandsAsync(runId)).Any(c => c.Method == "PUT" && c.Path == "/v1/duties/vms-1"));

        link.Down();
        await site.Main.ForgetFaultsAsync();
        site.Use(second);
        await site.WaitForEndAsync(runId);
        (await first.GetAsync("health/ready", "")).Status.ShouldBe(HttpStatusCode.ServiceUnavailable);
        link.Up();

        await Invariants.AssertFailedBackAsync(site, entryId, runId, settings.Sha256);
        await Eventually.HoldsAsync("it is ready again", async () => (await first.GetAsync("health/ready", "")).Status == HttpStatusCode.OK);
        site.Use(first);
        (await site.WaitForEndAsync(runId)).Result.ShouldBe("done");
    }

    private static async Task ExecuteAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false }.ToString());
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await command.ExecuteNonQueryAsync();
    }
}
