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

    private readonly SqliteFileLock _fileLock;
    private readonly SqliteConnection _writer;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly DbContextOptions<SqliteFailbackDbContext> _writeOptions;
    private readonly IDbContextFactory<SqliteFailbackDbContext> _readers;
    private bool _isDisposed;

    public SqliteDatabase(string file, IDbContextFactory<SqliteFailbackDbContext> readers)
    {
        _readers = readers;
        _fileLock = SqliteFileLock.Take(file);
        _writer = new SqliteConnection(ConnectionString(file));
        try
        {
            _writer.Open();
            Execute("PRAGMA journal_mode=WAL");
            Execute("PRAGMA synchronous=FULL");
        }
        catch
        {
            _writer.Dispose();
            Forget();
            throw;
        }

        _writeOptions = new DbContextOptionsBuilder<SqliteFailbackDbContext>().UseSqlite(_writer).Options;
    }

    /// <summary>Foreign keys on; a busy database is waited for, not reported.</summary>
    public static string ConnectionString(string file) => new SqliteConnectionStringBuilder
    {
        DataSource = file,
        ForeignKeys = true,
        DefaultTimeout = 30,
        Pooling = true,
    }.ToString();

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

    public FailbackDbContext CreateReadContext() => _readers.CreateDbContext();

    public async Task<WriteSession> BeginWriteAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            var transaction = await _writer.BeginTransactionAsync(cancellationToken);
            return new WriteSession(_writer, transaction, CreateWriteContext, ReleaseAsync);
        }
        catch
        {
            _gate.Release();
            throw;
        }
    }

    public object ToParameter(DateTimeOffset instant) => instant.UtcTicks;

    public DateTimeOffset ReadInstant(DbDataReader reader, int ordinal) => new(reader.GetInt64(ordinal), TimeSpan.Zero);

    public bool IsUniqueViolation(Exception exception) => exception is SqliteException { SqliteExtendedErrorCode: UniqueViolation or PrimaryKeyViolation };

    public async ValueTask DisposeAsync()
    {
        await _gate.WaitAsync();
        await _writer.DisposeAsync();
        Forget();
        _gate.Release();
    }

    public void Dispose()
    {
        _gate.Wait();
        _writer.Dispose();
        Forget();
        _gate.Release();
    }

    private void Forget()
    {
        // The gate itself is left as it is: writers still queued behind it come through one by one and learn that it is over.
        _isDisposed = true;

        // The pool's idle connections would keep the file open after the lock is gone.
        SqliteConnection.ClearPool(_writer);
        _fileLock.Dispose();
    }

    private SqliteFailbackDbContext CreateWriteContext(DbTransaction transaction)
    {
        var context = new SqliteFailbackDbContext(_writeOptions);
        context.Database.UseTransaction(transaction);
        return context;
    }

    private ValueTask ReleaseAsync()
    {
        _gate.Release();
        return ValueTask.CompletedTask;
    }

    private void Execute(string sql)
    {
        using var command = _writer.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }
}
