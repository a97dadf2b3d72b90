using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing.Failback;
using FailbackWorkflows.Testing.Persistence;
using FailbackWorkflows.Testing.Processes;
using Npgsql;
using Shouldly;
using Xunit;
using Xunit.Abstractions;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// A site comes back: every recorder that had failed is there again, and all failbacks are started at the same moment over HTTP, half of them at each of two management
/// servers on one PostgreSQL database. None is lost and none happens twice, also when one of the servers is killed right after the last answer. Twenty, and
/// with the kill only, where <c>eng/soak.sh</c> has a thousand (<c>FAILBACK_SOAK_FAILBACKS=1000</c>) of both.
/// </summary>
public sealed class When_many_failbacks_start_at_once_on_two_servers(ITestOutputHelper output)
{
    private static readonly int Count = int.TryParse(Environment.GetEnvironmentVariable("FAILBACK_SOAK_FAILBACKS"), CultureInfo.InvariantCulture, out var given) ? given : 20;
    private const int AtATime = 64;
    private static readonly string[] Once = ["AssignDuty", "StageSettings", "ActivateSettings", "StartRecording", "StopRecording"];
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    /// <summary>Some thousand recorders on a machine that runs everything else, too.</summary>
    private static readonly Dictionary<string, string> Unhurried = new() { ["Failback__PollInterval"] = "00:00:05", ["Failback__SettingsInterval"] = "00:05:00" };

    public static TheoryData<bool> Kills => Cases.AreAll ? [false, true] : [true];

    [Theory]
    [MemberData(nameof(Kills))]
    public async Task All_of_them_are_done_once_each(bool oneIsKilled)
    {
        var database = await PostgresDatabases.TakeUnmigratedAsync();
        await using (var served = await ServedRecorders.StartAsync())
        await using (var site = await Site.StartSharedAsync(recorders: 0, database: database, environment: Unhurried))
        {
            var entries = await FailOverAsync(site, served);

            var watch = Stopwatch.StartNew();
            var answers = await Task.WhenAll(entries.Select((entry, n) => StartFailbackAsync(site.Servers[n % 2], entry)));
            if (oneIsKilled)
            {
                await site.Servers[0].KillAsync();
                site.Use(site.Servers[1]);
            }

            output.WriteLine($"{Count} failbacks accepted in {watch.Elapsed.TotalSeconds:N1} s{(oneIsKilled ? ", then one of the servers was killed" : "")}");
            var owners = new HashSet<string>(await ListOwnersAsync(database));
            foreach (var (answer, n) in answers.Select((answer, n) => (answer, n)))
            {
                answer.Status.ShouldBe(HttpStatusCode.Accepted, answer.ToString());
                var runId = (string)answer.Json!["runId"]!;
                var run = await EndAsync(site, runId);
                run.Result.ShouldBe("done", run.Message);
                (await site.Server.GetEntryAsync(entries[n])).ShouldSatisfyAllConditions(e => e.Failback.ShouldBe(FailbackState.Done), e => e.FailbackRunId.ShouldBe(runId));
            }

            output.WriteLine($"all were done {watch.Elapsed.TotalSeconds:N1} s after the first was asked for; at the start these had runs: {string.Join(", ", owners.Order(StringComparer.Ordinal))}");
            AssertOnceEach(served.Recorders, [.. answers.Select(a => (string)a.Json!["runId"]!)]);
            (await CountFailbacksAsync(database)).ShouldBe(Count, "as many runs as were asked for");
        }

        await PostgresDatabases.DropAsync(database);
    }

    /// <summary>The recorders themselves say what happened to them.</summary>
    private static void AssertOnceEach(FakeRecorders recorders, IReadOnlyList<string> runIds)
    {
        var effects = recorders.Effects;
        effects.GroupBy(c => (c.ServerId, c.Key)).ShouldAllBe(calls => calls.Count() == 1, "each command took effect once");
        for (var n = 0; n < Count; n++)
        {
            var identity = FailedId(n);
            var (home, stood) = (recorders[identity].State(identity), recorders[FailoverId(n)].State(identity));
            (home.Role, home.Recording).ShouldBe((DutyRole.Recorder, true), identity);
            (stood.Role, stood.Recording, stood.Epoch).ShouldBe((DutyRole.FailoverServer, false, home.Epoch), identity);

            // By what they mean, not by their keys: two keys for the same thing would be twice, too.
            var commands = effects.Where(c => c.Identity == identity && c.Key!.Contains(runIds[n], StringComparison.Ordinal)).ToList();
            commands.Where(c => Once.Contains(c.Name)).Select(c => $"{c.ServerId} {c.Name}").Order(StringComparer.Ordinal).ShouldBe(
                [$"{identity} ActivateSettings", $"{identity} AssignDuty", $"{identity} StageSettings", $"{identity} StartRecording", $"{FailoverId(n)} AssignDuty", $"{FailoverId(n)} StopRecording"]);
        }
    }

    /// <summary>Twice as many recorders are registered, half of them die, and the others take over. Then the dead ones are there again and stand by.</summary>
    private async Task<IReadOnlyList<string>> FailOverAsync(Site site, ServedRecorders served)
    {
        var watch = Stopwatch.StartNew();
        (await site.InstallLicenseAsync(recorders: 2 * Count)).Status.ShouldBe(HttpStatusCode.OK);
        (await site.Server.PutAsync("api/v1/settings/failback-policy", new JsonObject
        {
            ["darkChannels"] = "refuse", ["materialCopy"] = "manual", ["confirmTimeout"] = "00:01:00", ["handOverTimeout"] = "00:01:00",
        })).Status.ShouldBe(HttpStatusCode.OK);
        var addresses = Enumerable.Range(0, Count).SelectMany(n => new[] { FailedId(n), FailoverId(n) }).Select(id => (id, served.Add(id))).ToList();
        await EachAsync(addresses, async (recorder, _) => (await site.Server.PostAsync("api/v1/servers", new JsonObject
        {
            ["id"] = recorder.id, ["name"] = recorder.id, ["baseUrl"] = recorder.Item2.ToString(), ["credential"] = served.Recorders[recorder.id].Credential, ["isFailoverEnabled"] = true, ["isAutomaticFailbackEnabled"] = false,
        })).Status.ShouldBe(HttpStatusCode.Created));
        output.WriteLine($"{addresses.Count} recorders registered in {watch.Elapsed.TotalSeconds:N1} s");

        watch.Restart();
        var entries = new string[Count];
        for (var n = 0; n < Count; n++)
        {
            served.Recorders[FailedId(n)].Die();
        }

        await EachAsync(Enumerable.Range(0, Count), async (n, _) =>
        {
            var started = await site.Servers[n % 2].PostAsync($"api/v1/servers/{FailedId(n)}/failover", new JsonObject
            {
                ["failoverServerId"] = FailoverId(n), ["requestId"] = $"failover-{n}", ["reason"] = "the hall has no power",
            });
            started.Status.ShouldBe(HttpStatusCode.Accepted, started.ToString());
            entries[n] = (string)started.Json!["entryId"]!;
            var run = await EndAsync(site, (string)started.Json["runId"]!);
            run.Result.ShouldBe("done", run.Message);
        });
        output.WriteLine($"{Count} failovers done in {watch.Elapsed.TotalSeconds:N1} s");

        watch.Restart();
        for (var n = 0; n < Count; n++)
        {
            served.Recorders[FailedId(n)].Boot();
        }

        await Eventually.HoldsAsync(
            "all that came back are told to stand by",
            () => Task.FromResult(Enumerable.Range(0, Count).All(n => served.Recorders[FailedId(n)].State(FailedId(n)).Role is DutyRole.Standby or DutyRole.FailoverServer)),
            Patience);
        await Eventually.HoldsAsync("nobody is owed anything", async () => (await site.Server.GetAsync("api/v1/obligations")).Json!["items"]!.AsArray().Count == 0, Patience);
        output.WriteLine($"all were told to stand by {watch.Elapsed.TotalSeconds:N1} s after they were there again");
        return entries;
    }

    /// <summary>Whoever waits in vain for an answer asks again with the same request id, as every client should: it starts nothing new.</summary>
    private static Task<Answer> StartFailbackAsync(ManagementServerProcess server, string entryId) => Eventually.GetAsync(
        $"the failback of {entryId} is accepted",
        () => server.PostAsync($"api/v1/failover-log/{entryId}/failback", new JsonObject { ["requestId"] = $"failback-of-{entryId}", ["reason"] = "the hall has power again" }),
        _ => true,
        Patience);

    private static Task<RunReport> EndAsync(Site site, string runId) => Eventually.GetAsync($"run {runId} ends", () => site.Server.GetRunAsync(runId), r => r.Result != "running", Patience);

    private static string FailedId(int n) => string.Create(CultureInfo.InvariantCulture, $"failed-{n:0000}");

    private static string FailoverId(int n) => string.Create(CultureInfo.InvariantCulture, $"failover-{n:0000}");

    private static Task EachAsync<T>(IEnumerable<T> items, Func<T, CancellationToken, Task> action) =>
        Parallel.ForEachAsync(items, new ParallelOptions { MaxDegreeOfParallelism = AtATime }, async (item, stop) => await action(item, stop));

    private static async Task<IReadOnlyList<string>> ListOwnersAsync(string database)
    {
        await using var data = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(database) { Pooling = false }.ToString());
        await using var command = data.CreateCommand("SELECT DISTINCT owner FROM wake_ups WHERE owner IS NOT NULL");
        await using var rows = await command.ExecuteReaderAsync();
        var owners = new List<string>();
        while (await rows.ReadAsync())
        {
            owners.Add(rows.GetString(0));
        }

        return owners;
    }

    private static async Task<long> CountFailbacksAsync(string database)
    {
        await using var data = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(database) { Pooling = false }.ToString());
        await using var command = data.CreateCommand("SELECT count(*) FROM workflow_instances WHERE definition_id = 'failback'");
        return (long)(await command.ExecuteScalarAsync())!;
    }
}
