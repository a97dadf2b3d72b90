using System.Data;
using System.Data.Common;
using System.Net.Sockets;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Npgsql;

namespace FailbackWorkflows.Persistence.Postgres;

/// <summary>
/// The production store. Transactions run side by side under READ COMMITTED: what must not happen side by side is kept apart by rows
/// (<see cref="SqlDialect"/>) and named locks (<see cref="DatabaseLock"/>), and what was overtaken is done once more
/// (<see cref="DatabaseWriting.WriteAsync{T}"/>). Every commit is on the server's disk before it is acknowledged.
/// </summary>
internal sealed class PostgresDatabase : IDatabase, IAsyncDisposable, IDisposable
{
    /// <summary>The oldest server that is tested against.</summary>
    private const int OldestVersion = 15;

    private const int KeptContexts = 128;
    private const int KeptStatements = 200;

    /// <summary>Unless the connection string says otherwise. Two management servers of so many, with what they hold besides, fit into a server as it comes (100).</summary>
    private const int MostConnections = 40;

    private readonly NpgsqlConnectionStringBuilder _connectionString;
    private readonly NpgsqlDataSource _source;
    private readonly PostgresGuard _guard;
    private readonly PooledDbContextFactory<PostgresFailbackDbContext> _readers;
    private readonly PooledDbContextFactory<PostgresFailbackDbContext> _writers;
    private readonly DbContextOptions<PostgresFailbackDbContext> _writeOptions;

    // Not disposed: somebody may be waiting for a turn while the host stops.
    private readonly SemaphoreSlim _turns;
    private long _commits;

    /// <param name="node">The name of this node; there is no second one of this name on the database.</param>
    /// <param name="patience">How long an earlier process of this name may take to let go of the database.</param>
    public PostgresDatabase(NpgsqlConnectionStringBuilder connectionString, string node, TimeSpan patience)
    {
        _connectionString = new NpgsqlConnectionStringBuilder(connectionString.ConnectionString);
        _connectionString.ApplicationName ??= "failback";
        if (_connectionString.MaxAutoPrepare == 0)
        {
            _connectionString.MaxAutoPrepare = KeptStatements;
        }

        if (!_connectionString.ShouldSerialize("Maximum Pool Size"))
        {
            _connectionString.MaxPoolSize = MostConnections;
        }

        if (string.IsNullOrEmpty(_connectionString.Options))
        {
            // What a process holds that was killed or stopped in the middle of a transaction is let go of soon, so that another node can go on.
            _connectionString.Options = "-c client_connection_check_interval=1000 -c idle_in_transaction_session_timeout=5000";
        }

        // Sessions leave nothing behind that the next user of the connection would have to be protected from, and to undo it costs as much as a read.
        _connectionString.NoResetOnClose = true;

        // Tells whose statement in a shared transaction was refused.
        _connectionString.IncludeFailedBatchedCommand = true;

        // Half of the connections: what is to be written waits for its turn without one, however much it is, and does not keep anybody from reading.
        var turns = Math.Max(1, _connectionString.MaxPoolSize / 2);
        _turns = new SemaphoreSlim(turns, turns);
        _source = new NpgsqlDataSourceBuilder(_connectionString.ConnectionString).Build();
        _guard = new PostgresGuard(_connectionString, node, patience);
        Shared = new SharedTransactions(_source, _guard, () => Interlocked.Increment(ref _commits));
        _writeOptions = new DbContextOptionsBuilder<PostgresFailbackDbContext>().UseNpgsql(_source).Options;
        _writers = new(_writeOptions, KeptContexts);
        _readers = new(
            new DbContextOptionsBuilder<PostgresFailbackDbContext>().UseNpgsql(_source).UseQueryTrackingBehavior(QueryTrackingBehavior.NoTracking).Options, KeptContexts);
    }

    public long Commits => Interlocked.Read(ref _commits);

    public SharedTransactions? Shared { get; }

    public async Task MigrateAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _guard.HoldAsync(cancellationToken);
            await RequireSafeServerAsync(cancellationToken);
            await using var context = _writers.CreateDbContext();
            await context.Database.MigrateAsync(cancellationToken);
        }
        catch (Exception exception) when (exception is NpgsqlException or SocketException or TimeoutException)
        {
            throw NotReached(exception);
        }
    }

    /// <summary>A session lock: a process that ends in the middle of its start lets the next one in.</summary>
    public async Task<IAsyncDisposable> EnterStartAsync(CancellationToken cancellationToken)
    {
        var session = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(_connectionString.ConnectionString) { Pooling = false, CommandTimeout = 0 }.ToString());
        try
        {
            await session.OpenAsync(cancellationToken);
            await using var command = session.CreateCommand();
            command.CommandText = "SELECT pg_advisory_lock(@lock)";
            command.Parameters.AddWithValue("lock", (long)DatabaseLock.Start);
            await command.ExecuteNonQueryAsync(cancellationToken);
            return session;
        }
        catch (Exception exception) when (exception is NpgsqlException or SocketException or TimeoutException)
        {
            await session.DisposeAsync();
            throw NotReached(exception);
        }
        catch
        {
            await session.DisposeAsync();
            throw;
        }
    }

    public FailbackDbContext CreateReadContext() => _readers.CreateDbContext();

    /// <summary>A context of its own that tracks and saves by itself.</summary>
    public FailbackDbContext CreateTrackingContext() => new PostgresFailbackDbContext(_writeOptions);

    public async Task<WriteSession> BeginWriteAsync(CancellationToken cancellationToken)
    {
        await _turns.WaitAsync(cancellationToken);
        try
        {
            return await BeginAsync(() => _turns.Release(), cancellationToken);
        }
        catch
        {
            _turns.Release();
            throw;
        }
    }

    public Task<WriteSession> BeginUrgentWriteAsync(CancellationToken cancellationToken) => BeginAsync(null, cancellationToken);

    public object ToParameter(DateTimeOffset instant) => instant.UtcTicks;

    public bool IsUniqueViolation(Exception exception) => exception is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation };

    /// <summary>
    /// Two transactions waited for each other and this one was chosen to give way, or what it had looked for in vain, or read, was written by
    /// another before it wrote itself. What a store has an answer of its own for does not come here.
    /// </summary>
    public bool IsOvertaken(Exception exception)
    {
        for (var at = exception; at is not null; at = at.InnerException)
        {
            if (at is DbUpdateConcurrencyException
                or PostgresException { SqlState: PostgresErrorCodes.UniqueViolation or PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure })
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>What the server says with its own words, it is there to say, unless these are that it ends, begins, or has no room.</summary>
    public bool IsAway(Exception exception)
    {
        for (var at = exception; at is not null; at = at.InnerException)
        {
            if (at is PostgresException said)
            {
                // Whatever it says fatally is its last word on this connection: that it stops, or that it has given up waiting for a transaction of a line that was cut.
                return said.InvariantSeverity is "FATAL" or "PANIC"
                    || said.SqlState is PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown or PostgresErrorCodes.CannotConnectNow or PostgresErrorCodes.TooManyConnections;
            }

            if (at is NpgsqlException)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>A server that only answers reads (a standby, or one whose administrator has closed it) is as good as none.</summary>
    public async Task CheckAsync(CancellationToken cancellationToken)
    {
        await _guard.HoldAsync(cancellationToken);
        if (await SettingAsync("transaction_read_only", cancellationToken) != "off")
        {
            throw new InvalidOperationException($"The database {Name} can only be read.");
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _guard.DisposeAsync();
        await _source.DisposeAsync();
    }

    public void Dispose()
    {
        _guard.Dispose();
        _source.Dispose();
    }

    private string Name => $"{_connectionString.Database ?? _connectionString.Username} at {_connectionString.Host}:{_connectionString.Port}";

    private static PostgresFailbackDbContext Join(PostgresFailbackDbContext context, DbTransaction transaction)
    {
        context.Database.UseTransaction(transaction);
        return context;
    }

    private async Task<WriteSession> BeginAsync(Action? ended, CancellationToken cancellationToken)
    {
        await _guard.HoldAsync(cancellationToken);
        var context = await _writers.CreateDbContextAsync(cancellationToken);
        try
        {
            context.Database.AutoSavepointsEnabled = false;
            await context.Database.OpenConnectionAsync(cancellationToken);
            var connection = context.Database.GetDbConnection();
            var transaction = await connection.BeginTransactionAsync(IsolationLevel.ReadCommitted, cancellationToken);
            return new WriteSession(
                connection,
                transaction,
                ongoing => Join(context, ongoing),
                () => ReleaseAsync(context, ended),
                committed: () => Interlocked.Increment(ref _commits),
                dialect: SqlDialect.ManyWriters);
        }
        catch
        {
            await CloseAsync(context);
            throw;
        }
    }

    private static async ValueTask ReleaseAsync(PostgresFailbackDbContext context, Action? ended)
    {
        try
        {
            await CloseAsync(context);
        }
        finally
        {
            ended?.Invoke();
        }
    }

    private static async Task CloseAsync(PostgresFailbackDbContext context)
    {
        try
        {
            await context.Database.CloseConnectionAsync();
        }
        finally
        {
            await context.DisposeAsync();
        }
    }

    /// <summary>Acknowledged means on the disk, and texts are kept as they are: a server that does otherwise is refused, not trusted.</summary>
    private async Task RequireSafeServerAsync(CancellationToken cancellationToken)
    {
        await using (var connection = await _source.OpenConnectionAsync(cancellationToken))
        {
            if (connection.PostgreSqlVersion.Major < OldestVersion)
            {
                throw NotOpened($"Its server is PostgreSQL {connection.PostgreSqlVersion}, which is older than {OldestVersion}. Use a newer one.", null);
            }
        }

        foreach (var (setting, refused) in new[] { ("fsync", "off"), ("synchronous_commit", "off") })
        {
            if (await SettingAsync(setting, cancellationToken) == refused)
            {
                throw NotOpened($"Its server runs with {setting} = {refused}, so that it acknowledges what a power failure takes away. Turn it on.", null);
            }
        }

        if (await SettingAsync("server_encoding", cancellationToken) is var encoding && encoding != "UTF8")
        {
            throw NotOpened($"Its encoding is {encoding}, which cannot hold every text. Make it anew with ENCODING 'UTF8'.", null);
        }
    }

    private async Task<string> SettingAsync(string name, CancellationToken cancellationToken)
    {
        await using var command = _source.CreateCommand($"SHOW {name}");
        return (string)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <summary>With what the server or the network says; a password is in none of it.</summary>
    private DatabaseNotOpenedException NotReached(Exception exception) =>
        NotOpened($"{exception.Message} See that it runs, that this machine and user may connect, and that Failback:Postgres names the right one.", exception);

    private DatabaseNotOpenedException NotOpened(string why, Exception? exception) => new($"The PostgreSQL database {Name} cannot be used. {why}", exception);
}
