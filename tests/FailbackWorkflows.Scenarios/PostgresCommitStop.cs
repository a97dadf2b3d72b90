using System.Globalization;
using Npgsql;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// As <see cref="CommitStop"/>, where the management servers work on PostgreSQL: it is the commit itself that takes long, so the server may be stopped
/// meanwhile and its commit succeeds all the same. Nothing in the product knows of it.
/// </summary>
internal sealed class PostgresCommitStop(string connectionString)
{
    private readonly string _connection = new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false }.ToString();

    /// <summary>The commit that says a given activity begins takes so long, i.e. the commit of the step before it.</summary>
    public Task WhenStartsAsync(string activityType, TimeSpan length) => InstallAsync($"NEW.kind = 'activityStarted' AND position('\"activityType\":\"{activityType}\"' IN NEW.payload) > 0", length);

    /// <summary>The last commit of any run takes so long.</summary>
    public Task WhenFinishesAsync(TimeSpan length) => InstallAsync("NEW.kind = 'instanceFinished'", length);

    /// <summary>Whether a commit is stuck at this moment.</summary>
    public async Task<bool> IsStuckAsync() => await ScalarAsync("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'") is > 0L;

    /// <summary>Waits for the commit that is stuck, if any, to end one way or the other.</summary>
    public Task RemoveAsync() => ScalarAsync("DROP TRIGGER IF EXISTS test_stop ON journal");

    /// <summary>The node that has the lease of a run at this moment; null: none has.</summary>
    public async Task<string?> FindOwnerAsync(string runId)
    {
        await using var connection = new NpgsqlConnection(_connection);
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = "SELECT owner FROM wake_ups WHERE instance_id = @run";
        command.Parameters.AddWithValue("run", runId);
        return await command.ExecuteScalarAsync() as string;
    }

    private Task InstallAsync(string condition, TimeSpan length) => ScalarAsync(string.Create(
        CultureInfo.InvariantCulture,
        $"""
        CREATE OR REPLACE FUNCTION test_stop() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF {condition} THEN
                PERFORM pg_sleep({length.TotalSeconds});
            END IF;
            RETURN NULL;
        END $$;
        DROP TRIGGER IF EXISTS test_stop ON journal;
        CREATE CONSTRAINT TRIGGER test_stop AFTER INSERT ON journal DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION test_stop();
        """));

    private async Task<object?> ScalarAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(_connection);
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        return await command.ExecuteScalarAsync();
    }
}
