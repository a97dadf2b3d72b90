using System.Data.Common;

namespace FailbackWorkflows.Persistence;

/// <summary>The database behind all stores: one model, one kind of transaction, whatever the product.</summary>
public interface IDatabase
{
    /// <summary>Applies pending migrations. Called once at start, before anything else.</summary>
    Task MigrateAsync(CancellationToken cancellationToken);

    /// <summary>A context for reading; nothing is tracked.</summary>
    FailbackDbContext CreateReadContext();

    /// <summary>Begins a write transaction. Writers queue; the session must be disposed.</summary>
    Task<WriteSession> BeginWriteAsync(CancellationToken cancellationToken);

    /// <summary>An instant as this database stores it in a parameter.</summary>
    object ToParameter(DateTimeOffset instant);

    /// <summary>An instant as this database returns it in a column.</summary>
    DateTimeOffset ReadInstant(DbDataReader reader, int ordinal);

    /// <summary>True when the exception says that a unique index refused a row.</summary>
    bool IsUniqueViolation(Exception exception);
}

/// <summary>One write transaction: raw commands for the hot path and, when asked for, a context on the same transaction.</summary>
public sealed class WriteSession : IAsyncDisposable
{
    private readonly DbConnection _connection;
    private readonly DbTransaction _transaction;
    private readonly Func<DbTransaction, FailbackDbContext> _createContext;
    private readonly Func<ValueTask> _release;
    private FailbackDbContext? _context;

    internal WriteSession(DbConnection connection, DbTransaction transaction, Func<DbTransaction, FailbackDbContext> createContext, Func<ValueTask> release)
    {
        _connection = connection;
        _transaction = transaction;
        _createContext = createContext;
        _release = release;
    }

    /// <summary>A context on this transaction.</summary>
    public FailbackDbContext Context => _context ??= _createContext(_transaction);

    /// <summary>A command on this transaction; parameters are named and portable.</summary>
    public DbCommand Command(string sql, params ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        var command = _connection.CreateCommand();
        command.Transaction = _transaction;
        command.CommandText = sql;
        foreach (var (name, value) in parameters)
        {
            var parameter = command.CreateParameter();
            parameter.ParameterName = name;
            parameter.Value = value ?? DBNull.Value;
            command.Parameters.Add(parameter);
        }

        return command;
    }

    /// <summary>Runs a command and answers with the number of rows it changed.</summary>
    public async Task<int> ExecuteAsync(string sql, CancellationToken cancellationToken, params (string Name, object? Value)[] parameters)
    {
        await using var command = Command(sql, parameters);
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Durable when it returns.</summary>
    public Task CommitAsync(CancellationToken cancellationToken) => _transaction.CommitAsync(cancellationToken);

    /// <summary>Rolls back what was not committed and lets the next writer in.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            if (_context is not null)
            {
                await _context.DisposeAsync();
            }

            await _transaction.DisposeAsync();
        }
        finally
        {
            // Even when the rollback failed: otherwise one error of the disk would stop every later writer for good.
            await _release();
        }
    }
}
