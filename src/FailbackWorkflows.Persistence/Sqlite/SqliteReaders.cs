using System.Collections.Concurrent;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;

namespace FailbackWorkflows.Persistence.Sqlite;

/// <summary>
/// Contexts for reading that stay connected from one read to the next. To open a connection sets pragmas and defines some twenty functions,
/// which takes longer than most reads, and Entity Framework's own pool closes the connection each time. Between two reads a connection holds
/// no transaction and no lock. As many are kept as were ever in use at the same time, at most <see cref="MaxIdle"/>.
/// </summary>
internal sealed class SqliteReaders(string connectionString) : IDisposable
{
    private const int MaxIdle = 16;

    private readonly ConcurrentStack<SqliteFailbackDbContext> _idle = new();
    private volatile bool _isDisposed;

    public SqliteFailbackDbContext Take() => _idle.TryPop(out var context) ? context : Open();

    /// <summary>True when the context is kept for the next reader; else its owner disposes it.</summary>
    public bool TryKeep(SqliteFailbackDbContext context)
    {
        if (_isDisposed || _idle.Count >= MaxIdle)
        {
            return false;
        }

        context.ChangeTracker.Clear();
        _idle.Push(context);
        if (_isDisposed)
        {
            DisposeIdle();
        }

        return true;
    }

    /// <summary>Closes the idle connections now and the others when their reads are over.</summary>
    public void Dispose()
    {
        _isDisposed = true;
        DisposeIdle();
    }

    private SqliteFailbackDbContext Open()
    {
        // Not pooled a second time: when this one is closed, the file is.
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder(connectionString) { Pooling = false }.ToString());
        try
        {
            connection.Open();
            return new SqliteFailbackDbContext(
                new DbContextOptionsBuilder<SqliteFailbackDbContext>()
                    .UseSqlite(connection, contextOwnsConnection: true)
                    .UseQueryTrackingBehavior(QueryTrackingBehavior.NoTracking)
                    .AddInterceptors(new KeepsStatements())
                    .Options)
            {
                Readers = this,
            };
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    private void DisposeIdle()
    {
        while (_idle.TryPop(out var context))
        {
            context.Readers = null;
            context.Dispose();
        }
    }
}
