using System.Data.Common;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;

namespace FailbackWorkflows.Persistence.Sqlite;

/// <summary>
/// The embedded default: one process, one writer. Writers queue here, fairly, instead of meeting "database is locked"; readers have
/// connections of their own and are never held up (write-ahead log). Every commit is on disk before it is acknowledged.
/// </summary>
internal sealed class SqliteDatabase : IDatabase, IAsyncDisposable, IDisposable
{
    private const int UniqueViolation = 2067;
    private const int PrimaryKeyViolation = 1555;

    /// <summary>About the 1,000 pages after which SQLite itself would do it, in the middle of a commit that somebody waits for.</summary>
    private const int WritesPerCheckpoint = 64;

    /// <summary>The commit that finds so many pages in the log makes the checkpoint itself after all, so the log cannot grow for ever (40 MB).</summary>
    private const int MaxPagesInLog = 10_000;

    private readonly SqliteFileLock _fileLock;
    private readonly SqliteConnection _writer;
    private readonly PreparedCommands _prepared = new();
    private readonly KeepsStatements _statements = new();
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly DbContextOptions<SqliteFailbackDbContext> _writeOptions;
    private readonly SqliteReaders _readers;
    private readonly string _connectionString;
    private readonly Lock _checkpointing = new();
    private SqliteFailbackDbContext? _writeContext;
    private int _writesSinceCheckpoint;
    private long _commits;
    private bool _isDisposed;

    public SqliteDatabase(string file)
    {
        _fileLock = SqliteFileLock.Take(file);
        _connectionString = ConnectionString(file);
        _readers = new SqliteReaders(_connectionString);
        _writer = new SqliteConnection(_connectionString);
        try
        {
            _writer.Open();
            Execute("PRAGMA journal_mode=WAL");
            Execute("PRAGMA synchronous=FULL");
            Execute($"PRAGMA wal_autocheckpoint={MaxPagesInLog}");
        }
        catch
        {
            _writer.Dispose();
            Forget();
            throw;
        }

        _writeOptions = new DbContextOptionsBuilder<SqliteFailbackDbContext>().UseSqlite(_writer).AddInterceptors(_statements).Options;
    }

    /// <summary>Foreign keys on; a busy database is waited for, not reported.</summary>
    public static string ConnectionString(string file) => new SqliteConnectionStringBuilder
    {
        DataSource = file,
        ForeignKeys = true,
        DefaultTimeout = 30,
        Pooling = true,
    }.ToString();

    /// <summary>The lock on the file has seen to it already.</summary>
    public Task<IAsyncDisposable> EnterStartAsync(CancellationToken cancellationToken) => Task.FromResult<IAsyncDisposable>(new Alone());

    public async Task MigrateAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);

            // A process that died while migrating leaves this behind, and Entity Framework would wait for it for ever. The lock on the file
            // says that there is nobody to wait for.
            Execute("DROP TABLE IF EXISTS \"__EFMigrationsLock\"");
            await using var context = new SqliteFailbackDbContext(_writeOptions);
            await context.Database.MigrateAsync(cancellationToken);
        }
        finally
        {
            _gate.Release();
        }
    }

    public FailbackDbContext CreateReadContext() => _readers.Take();

    public async Task<WriteSession> BeginWriteAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            var transaction = await _writer.BeginTransactionAsync(cancellationToken);
            return new WriteSession(_writer, transaction, OpenWriteContext, ReleaseAsync, _prepared, () => Interlocked.Increment(ref _commits));
        }
        catch
        {
            _gate.Release();
            throw;
        }
    }

    public long Commits => Interlocked.Read(ref _commits);

    public object ToParameter(DateTimeOffset instant) => instant.UtcTicks;

    public bool IsUniqueViolation(Exception exception) => exception is SqliteException { SqliteExtendedErrorCode: UniqueViolation or PrimaryKeyViolation };

    /// <summary>There is one writer at a time: what it has read is still true when it writes.</summary>
    public bool IsOvertaken(Exception exception) => false;

    public async Task CheckAsync(CancellationToken cancellationToken)
    {
        await using var db = _readers.Take();
        await db.SystemSettings.AnyAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _gate.WaitAsync();
        if (_writeContext is not null)
        {
            await _writeContext.DisposeAsync();
        }

        _prepared.Dispose();
        _statements.Dispose();
        await _writer.DisposeAsync();
        Forget();
        _gate.Release();
    }

    public void Dispose()
    {
        _gate.Wait();
        _writeContext?.Dispose();
        _prepared.Dispose();
        _statements.Dispose();
        _writer.Dispose();
        Forget();
        _gate.Release();
    }

    private void Forget()
    {
        // The gate itself is left as it is: writers still queued behind it come through one by one and learn that it is over.
        lock (_checkpointing)
        {
            _isDisposed = true;
        }

        _readers.Dispose();

        // The pool's idle connections would keep the file open after the lock is gone.
        SqliteConnection.ClearPool(_writer);
        _fileLock.Dispose();
    }

    /// <summary>One context for all write sessions, because there is only ever one of them, and setting a context up costs more than most of its changes.</summary>
    private SqliteFailbackDbContext OpenWriteContext(DbTransaction transaction)
    {
        if (_writeContext is null)
        {
            _writeContext = new SqliteFailbackDbContext(_writeOptions);
            _writeContext.Database.AutoSavepointsEnabled = false;
        }

        _writeContext.Database.UseTransaction(transaction);
        return _writeContext;
    }

    private ValueTask ReleaseAsync()
    {
        try
        {
            _writeContext?.ChangeTracker.Clear();
            _writeContext?.Database.UseTransaction(null);
            if (++_writesSinceCheckpoint == WritesPerCheckpoint)
            {
                _writesSinceCheckpoint = 0;
                ThreadPool.QueueUserWorkItem(_ => Checkpoint());
            }
        }
        finally
        {
            _gate.Release();
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>
    /// Copies what is in the log into the database file, beside writers and readers, which it does not hold up. The log keeps its size and is
    /// written again from its beginning: syncing a file that does not grow is cheaper.
    /// </summary>
    private void Checkpoint()
    {
        lock (_checkpointing)
        {
            if (_isDisposed)
            {
                return;
            }

            try
            {
                using var connection = new SqliteConnection(_connectionString);
                connection.Open();
                using var command = connection.CreateCommand();
                command.CommandText = "PRAGMA synchronous=FULL; PRAGMA wal_checkpoint(PASSIVE)";
                command.ExecuteNonQuery();
            }
            catch (SqliteException)
            {
                // Nothing is lost: it is all in the log. The next checkpoint tries again, and a disk that is broken refuses the next commit.
            }
        }
    }

    private void Execute(string sql)
    {
        using var command = _writer.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    /// <summary>It is a file: what is wrong with it is a mistake of this server, or of its disk.</summary>
    public bool IsAway(Exception exception) => false;

    private sealed class Alone : IAsyncDisposable
    {
        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
