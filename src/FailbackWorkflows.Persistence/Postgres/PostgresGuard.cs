using System.Buffers.Binary;
using System.Data;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Npgsql;

namespace FailbackWorkflows.Persistence.Postgres;

/// <summary>
/// Keeps a second node of the same name off the database: it would take the leases and the watch of the first for its own of an earlier life. A lock
/// of a session of its own, so it ends with the process however that ends. When the session is lost, the next write takes it again, or learns that
/// somebody else has it; it may go unnoticed for <see cref="KeepAliveSeconds"/>, in which the fences of the leases keep the two apart.
/// </summary>
internal sealed class PostgresGuard(NpgsqlConnectionStringBuilder connectionString, string node, TimeSpan patience) : IAsyncDisposable, IDisposable
{
    private const int KeepAliveSeconds = 5;

    private readonly string _connectionString = new NpgsqlConnectionStringBuilder(connectionString.ConnectionString) { Pooling = false, KeepAlive = KeepAliveSeconds }.ToString();
    private readonly string _database = $"{connectionString.Database ?? connectionString.Username} at {connectionString.Host}";
    private readonly long _key = KeyOf(node);
    private readonly SemaphoreSlim _gate = new(1, 1);
    private volatile NpgsqlConnection? _session;

    /// <summary>Throws <see cref="DatabaseInUseException"/> when another node of this name has it.</summary>
    public ValueTask HoldAsync(CancellationToken cancellationToken) => _session?.State == ConnectionState.Open ? ValueTask.CompletedTask : new(TakeAsync(cancellationToken));

    public async ValueTask DisposeAsync()
    {
        if (_session is { } session)
        {
            await session.DisposeAsync();
        }
    }

    public void Dispose() => _session?.Dispose();

    private async Task TakeAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            if (_session?.State == ConnectionState.Open)
            {
                return;
            }

            if (_session is { } lost)
            {
                _session = null;
                await lost.DisposeAsync();
            }

            var session = new NpgsqlConnection(_connectionString);
            try
            {
                await session.OpenAsync(cancellationToken);
                await LockAsync(session, cancellationToken);
                _session = session;
            }
            catch
            {
                await session.DisposeAsync();
                throw;
            }
        }
        finally
        {
            _gate.Release();
        }
    }

    private async Task LockAsync(NpgsqlConnection session, CancellationToken cancellationToken)
    {
        // The server may need a moment to notice that a process that had the lock is dead.
        await using var command = session.CreateCommand();
        command.CommandText = string.Create(CultureInfo.InvariantCulture, $"SET lock_timeout = {(long)patience.TotalMilliseconds}; SELECT pg_advisory_lock({_key})");
        try
        {
            await command.ExecuteNonQueryAsync(cancellationToken);
        }
        catch (PostgresException exception) when (exception.SqlState == PostgresErrorCodes.LockNotAvailable)
        {
            throw new DatabaseInUseException($"The database {_database} is in use by another management server that is called '{node}', too. End that one, or give this one a name of its own in Failback:Engine:Node.");
        }
    }

    /// <summary>Negative, so that it is no <see cref="DatabaseLock"/>.</summary>
    private static long KeyOf(string node) => BinaryPrimitives.ReadInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(node))) | long.MinValue;
}
