using System.Data.Common;
using FailbackWorkflows.Persistence.Sqlite;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace FailbackWorkflows.Persistence.Seals;

/// <summary>Verifies the history of the running server's database.</summary>
public interface IHistoryVerifications
{
    /// <summary>Verifies everything, or one run, against the checkpoints outside of the database. Reads a consistent snapshot; about a second per 200,000 events.</summary>
    Task<VerificationReport> VerifyAsync(string? runId, CancellationToken cancellationToken);

    /// <summary>Verifies some runs with their definitions, and a part of the audit log, which is read whole for it.</summary>
    /// <param name="audit">First and last record; null: the audit log is not looked at.</param>
    Task<VerificationReport> VerifyAsync(IReadOnlyCollection<string> runIds, (long From, long To)? audit, CancellationToken cancellationToken);
}

/// <inheritdoc cref="IHistoryVerifications"/>
internal sealed class HistoryVerifications(IDatabase database, SealFolder folder, TimeProvider time) : IHistoryVerifications
{
    public Task<VerificationReport> VerifyAsync(string? runId, CancellationToken cancellationToken) => WithAsync(verification => verification.VerifyAsync(runId, cancellationToken), cancellationToken);

    public Task<VerificationReport> VerifyAsync(IReadOnlyCollection<string> runIds, (long From, long To)? audit, CancellationToken cancellationToken) =>
        WithAsync(verification => verification.VerifyAsync(runIds, audit, cancellationToken), cancellationToken);

    private async Task<VerificationReport> WithAsync(Func<HistoryVerification, Task<VerificationReport>> verify, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        await db.Database.OpenConnectionAsync(cancellationToken);
        try
        {
            return await verify(new HistoryVerification(db.Database.GetDbConnection(), folder.Checkpoints, time));
        }
        finally
        {
            await db.Database.CloseConnectionAsync();
        }
    }
}

/// <summary>Opens a database for verifying, beside a server that may be running on it.</summary>
public static class VerifiedDatabase
{
    /// <summary>A connection that changes nothing. Throws <see cref="DatabaseNotOpenedException"/> with a sentence when there is no such database.</summary>
    /// <param name="postgres">Connection string, or null: <paramref name="sqliteFile"/>.</param>
    public static async Task<DbConnection> OpenAsync(string? postgres, string sqliteFile, CancellationToken cancellationToken)
    {
        DbConnection connection = postgres is null
            ? new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = sqliteFile, Mode = SqliteOpenMode.ReadWrite, Pooling = false }.ToString())
            : new NpgsqlConnection(new NpgsqlConnectionStringBuilder(postgres) { Pooling = false }.ToString());
        try
        {
            await connection.OpenAsync(cancellationToken);
            if (postgres is null)
            {
                // Opened for writing all the same: a log that a stopped server has left can only be read by who may also put it away.
                await using var command = connection.CreateCommand();
                command.CommandText = "PRAGMA query_only = 1";
                await command.ExecuteNonQueryAsync(cancellationToken);
            }

            return connection;
        }
        catch (Exception exception) when (exception is DbException or TimeoutException or System.Net.Sockets.SocketException)
        {
            await connection.DisposeAsync();
            throw new DatabaseNotOpenedException($"The database cannot be opened: {exception.Message} Give the same --data and --Failback:Postgres as to the server.", exception);
        }
    }
}
