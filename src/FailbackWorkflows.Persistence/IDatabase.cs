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

    /// <summary>Transactions committed so far, for whoever measures.</summary>
    long Commits { get; }

    /// <summary>An instant as this database stores it in a parameter.</summary>
    object ToParameter(DateTimeOffset instant);

    /// <summary>True when the exception says that a unique index refused a row.</summary>
    bool IsUniqueViolation(Exception exception);
}

/// <summary>One write transaction: raw commands for the hot path and, when asked for, a context on the same transaction.</summary>
public sealed class WriteSession : IAsyncDisposable
{
    private readonly DbConnection _connection;
    private readonly DbTransaction _transaction;
    private readonly Func<DbTransaction, FailbackDbContext> _openContext;
    private readonly Func<ValueTask> _release;
    private readonly PreparedCommands? _prepared;
    private readonly Action? _committed;
    private FailbackDbContext? _context;

    /// <param name="openContext">A context on the transaction. It stays the database's own, which puts it away when the session is released.</param>
    /// <param name="prepared">Commands that the connection keeps from one session to the next; null where the driver does that itself.</param>
    /// <param name="committed">Called after a commit.</param>
    internal WriteSession(
        DbConnection connection,
        DbTransaction transaction,
        Func<DbTransaction, FailbackDbContext> openContext,
        Func<ValueTask> release,
        PreparedCommands? prepared = null,
        Action? committed = null)
    {
        _connection = connection;
        _transaction = transaction;
        _openContext = openContext;
        _release = release;
        _prepared = prepared;
        _committed = committed;
    }

    /// <summary>A context on this transaction. Its errors end the transaction: it makes no savepoints to go back to.</summary>
    public FailbackDbContext Context => _context ??= _openContext(_transaction);

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

    /// <summary>Runs a command and answers with the number of rows it changed. The text is a constant: it may be kept prepared.</summary>
    public async Task<int> ExecuteAsync(string sql, CancellationToken cancellationToken, params (string Name, object? Value)[] parameters)
    {
        if (_prepared is not null)
        {
            return await _prepared.Get(this, sql, parameters).ExecuteNonQueryAsync(cancellationToken);
        }

        await using var command = Command(sql, parameters);
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Puts a command that was made in an earlier session on this transaction.</summary>
    internal void Join(DbCommand command) => command.Transaction = _transaction;

    /// <summary>Durable when it returns.</summary>
    public async Task CommitAsync(CancellationToken cancellationToken)
    {
        await _transaction.CommitAsync(cancellationToken);
        _committed?.Invoke();
    }

    /// <summary>Rolls back what was not committed and lets the next writer in.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            await _transaction.DisposeAsync();
        }
        finally
        {
            // Even when the rollback failed: otherwise one error of the disk would stop every later writer for good.
            await _release();
        }
    }
}

/// <summary>
/// Commands of one connection that are parsed once and run many times. Only for a connection with one user at a time; a text must always come
/// with the same parameters in the same order.
/// </summary>
internal sealed class PreparedCommands : IDisposable
{
    private readonly Dictionary<string, DbCommand> _commands = new(StringComparer.Ordinal);

    /// <summary>The command with these values, on the session's transaction.</summary>
    public DbCommand Get(WriteSession session, string sql, (string Name, object? Value)[] parameters)
    {
        if (!_commands.TryGetValue(sql, out var command))
        {
            return _commands[sql] = session.Command(sql, parameters);
        }

        session.Join(command);
        for (var i = 0; i < parameters.Length; i++)
        {
            command.Parameters[i].Value = parameters[i].Value ?? DBNull.Value;
        }

        return command;
    }

    public void Dispose()
    {
        foreach (var command in _commands.Values)
        {
            command.Dispose();
        }

        _commands.Clear();
    }
}
