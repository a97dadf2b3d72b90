using FailbackWorkflows.Engine;
using FailbackWorkflows.Testing.Processes;
using Microsoft.Data.Sqlite;
using Npgsql;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// Twenty runs wait until a recorder is connected again. It is, and the manager is killed (SIGKILL) when some of them have taken that in and the others have not: all
/// twenty get it, once.
/// </summary>
public sealed class When_an_event_is_delivered_to_20_and_the_manager_is_killed
{
    private const int Waiting = 20;

    /// <summary>So many have got it when the delivery is stopped.</summary>
    private const int Reached = 9;

    private const string Definition = $$"""
        {
          "definitionId": "failback",
          "name": "Waits for a recorder",
          "inputs": [{ "name": "EntryId", "type": "String", "isRequired": true }],
          "root": {
            "id": "flow", "type": "Elsa.Flowchart",
            "activities": [
              { "id": "wait", "type": "Failback.RecorderConnected", "server": { "typeName": "String", "expression": { "type": "Literal", "value": "{{Site.MainId}}" } } },
              { "id": "said", "type": "Elsa.WriteLine", "text": { "typeName": "String", "expression": { "type": "Literal", "value": "It is back." } } }
            ],
            "connections": [{ "source": "wait", "target": "said" }]
          }
        }
        """;

    [Theory]
    [InlineData(OwnDefinitionServer.Sqlite)]
    [InlineData(OwnDefinitionServer.Postgres)]
    public async Task All_of_them_get_it_once(string database)
    {
        await using var server = await OwnDefinitionServer.StartAsync(database, Definition);
        var folder = Directory.CreateTempSubdirectory("failback-recorder-");
        await using var recorder = new RecorderProcess(Site.MainId, folder.FullName);
        try
        {
            await recorder.StartAsync();
            (await server.Process.PostAsync("api/v1/servers", Site.ServerOf(recorder))).As<object>();
            await ConnectionIsAsync(server, "connected");
            await recorder.KillAsync();
            await ConnectionIsAsync(server, "disconnected");
            var runs = new List<string>();
            for (var i = 0; i < Waiting; i++)
            {
                runs.Add(await server.StartRunAsync($"request-{i}"));
            }

            foreach (var runId in runs)
            {
                await Eventually.GetAsync($"{runId} waits", () => server.Process.GetRunAsync(runId), run => run.SubStatus == WorkflowSubStatus.Suspended);
            }

            await using var stop = await DeliveryStop.InstallAsync(server, Reached);
            await recorder.StartAsync();
            var reached = await Eventually.GetAsync("the delivery has stopped on its way", stop.FindReachedAsync, n => n is not null);
            await server.Process.KillAsync();
            await stop.RemoveAsync();
            // On PostgreSQL those that share the transaction that is held up have not got it yet.
            reached!.Value.ShouldBeInRange(server.ConnectionString is null ? Reached : 0, Waiting - 1);
            await server.Process.StartAsync();

            foreach (var runId in runs)
            {
                await Eventually.GetAsync($"{runId} ends", () => server.Process.GetRunAsync(runId), run => run.FinishedAt is not null);
                var journal = await server.Process.ListJournalAsync(runId);
                journal.Select(e => (string?)e["event"]).Count(what => what == "stimulusReceived").ShouldBe(1, runId);
                (await server.Process.GetRunAsync(runId)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
            }
        }
        finally
        {
            await recorder.KillAsync();
            folder.Delete(recursive: true);
        }
    }

    private static Task ConnectionIsAsync(OwnDefinitionServer server, string connection) => Eventually.GetAsync(
        $"{Site.MainId} is {connection}",
        async () => (string?)(await server.Process.GetAsync($"api/v1/servers/{Site.MainId}")).Json?["connection"],
        seen => string.Equals(seen, connection, StringComparison.OrdinalIgnoreCase));

    /// <summary>
    /// Holds the commits up in which runs take a stimulus in, from the one after so many on: as <see cref="CommitStop"/>, on either database.
    /// </summary>
    private abstract class DeliveryStop : IAsyncDisposable
    {
        protected const string CountReached = "SELECT count(*) FROM journal WHERE kind = 'stimulusReceived'";

        public static async Task<DeliveryStop> InstallAsync(OwnDefinitionServer server, int after)
        {
            DeliveryStop stop = server.ConnectionString is { } connectionString ? new OnPostgres(connectionString) : new OnSqlite(server.Process.Folder);
            await stop.InstallAsync(after);
            return stop;
        }

        /// <summary>How many runs have got it, once the others are held up; null: it is not so far.</summary>
        public abstract Task<int?> FindReachedAsync();

        /// <summary>After the process has died.</summary>
        public abstract Task RemoveAsync();

        public virtual ValueTask DisposeAsync() => ValueTask.CompletedTask;

        protected abstract Task InstallAsync(int after);

        private sealed class OnSqlite(string dataFolder) : DeliveryStop
        {
            private readonly CommitStop _stop = new(dataFolder);
            private int _after;

            public override Task<int?> FindReachedAsync() => Task.FromResult(_stop.Count(CountReached) is var reached && reached >= _after ? (int?)reached : null);

            public override Task RemoveAsync()
            {
                _stop.Remove();
                return Task.CompletedTask;
            }

            protected override Task InstallAsync(int after)
            {
                _after = after;
                _stop.When($"NEW.kind = 'stimulusReceived' AND ({CountReached}) >= {after}");
                return Task.CompletedTask;
            }
        }

        private sealed class OnPostgres(string connectionString) : DeliveryStop
        {
            private const string Stuck = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
            private readonly NpgsqlDataSource _source = NpgsqlDataSource.Create(connectionString);

            public override async Task<int?> FindReachedAsync() => await CountAsync(Stuck) > 0 ? await CountAsync(CountReached) : null;

            public override async Task RemoveAsync()
            {
                // The server of the database does not look for a client that is gone while it sleeps for it.
                await ExecuteAsync("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'");
                await ExecuteAsync("DROP TRIGGER test_stop ON journal; DROP FUNCTION test_stop();");
            }

            public override ValueTask DisposeAsync() => _source.DisposeAsync();

            protected override Task InstallAsync(int after) => ExecuteAsync(
                $"""
                CREATE FUNCTION test_stop() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    IF ({CountReached}) >= {after} THEN
                        PERFORM pg_sleep(1000000);
                    END IF;
                    RETURN NEW;
                END $$;
                CREATE TRIGGER test_stop BEFORE INSERT ON journal FOR EACH ROW WHEN (NEW.kind = 'stimulusReceived') EXECUTE FUNCTION test_stop();
                """);

            private async Task<int> CountAsync(string sql)
            {
                await using var command = _source.CreateCommand(sql);
                return (int)(long)(await command.ExecuteScalarAsync())!;
            }

            private async Task ExecuteAsync(string sql)
            {
                await using var command = _source.CreateCommand(sql);
                await command.ExecuteNonQueryAsync();
            }
        }
    }
}
