using System.Data.Common;
using Npgsql;

namespace FailbackWorkflows.Persistence;

/// <summary>One write transaction: raw commands for the hot path and, when asked for, a context on the same transaction.</summary>
public sealed class WriteSession : IAsyncDisposable
{
    private readonly DbConnection _connection;
    private readonly DbTransaction _transaction;
    private readonly Func<DbTransaction, FailbackDbContext> _openContext;
    private readonly Func<ValueTask> _release;
    private readonly PreparedCommands? _prepared;
    private readonly Action? _committed;
    private readonly List<(DatabaseLock Place, StatementCall Call)> _last = [];
    private FailbackDbContext? _context;

    /// <param name="openContext">A context on the transaction. It stays the database's own, which puts it away when the session is released.</param>
    /// <param name="prepared">Commands that the connection keeps from one session to the next; null where the driver does that itself.</param>
    /// <param name="committed">Called after a commit.</param>
    /// <param name="dialect">Null: there is one writer at a time.</param>
    internal WriteSession(
        DbConnection connection,
        DbTransaction transaction,
        Func<DbTransaction, FailbackDbContext> openContext,
        Func<ValueTask> release,
        PreparedCommands? prepared = null,
        Action? committed = null,
        SqlDialect? dialect = null)
    {
        _connection = connection;
        _transaction = transaction;
        _openContext = openContext;
        _release = release;
        _prepared = prepared;
        _committed = committed;
        Dialect = dialect ?? SqlDialect.OneWriter;
    }

    /// <summary>What the SQL of the stores must say differently on this database.</summary>
    public SqlDialect Dialect { get; }

    /// <summary>A context on this transaction. Its errors end the transaction: it makes no savepoints to go back to.</summary>
    public FailbackDbContext Context => _context ??= _openContext(_transaction);

    /// <summary>Gets the commit to carry out instead of having it done; for tests that kill a process right before or after one. Null: nobody stands between.</summary>
    internal Func<Func<Task>, Task>? Committing { get; set; }

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

    /// <summary>
    /// Runs statements in order, in one round trip where the driver can. False: one that has to change a row changed none; then the transaction is
    /// not to be committed.
    /// </summary>
    internal async Task<bool> ExecuteAsync(IReadOnlyList<StatementCall> calls, CancellationToken cancellationToken)
    {
        if (!_connection.CanCreateBatch)
        {
            foreach (var call in calls)
            {
                if (await ExecuteAsync(call.Statement.Sql, cancellationToken, call.Named()) == 0 && call.MustChange)
                {
                    return false;
                }
            }

            return true;
        }

        await using var batch = _connection.CreateBatch();
        batch.Transaction = _transaction;
        foreach (var call in calls)
        {
            call.AddTo(batch, call.Statement.Numbered);
        }

        await batch.ExecuteNonQueryAsync(cancellationToken);
        for (var i = 0; i < calls.Count; i++)
        {
            if (calls[i].MustChange && batch.BatchCommands[i].RecordsAffected == 0)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Keeps every other transaction that takes this lock waiting until this one has ended.</summary>
    public Task LockAsync(DatabaseLock what, CancellationToken cancellationToken) =>
        Dialect.TakeLock is { } sql ? ExecuteAsync(sql, cancellationToken, ("lock", (long)what)) : Task.CompletedTask;

    /// <summary>
    /// Has a statement carried out right before the commit, behind everything else and under a lock. It gives out the next place of something that is read by "what came
    /// after", so everybody waits for everybody there: with lock, statements and commit in one round trip nobody keeps the others waiting for what happens between two.
    /// </summary>
    internal void WriteLast(DatabaseLock place, StatementCall call) => _last.Add((place, call));

    /// <summary>How many statements there are for the end.</summary>
    internal int LastCount => _last.Count;

    /// <summary>After a commit that failed: which of the statements for the end was refused, in the order in which they came; null: none, so it is not known whether it was committed.</summary>
    internal int? RefusedLast { get; private set; }

    /// <summary>Puts a command that was made in an earlier session on this transaction.</summary>
    internal void Join(DbCommand command) => command.Transaction = _transaction;

    /// <summary>Durable when it returns.</summary>
    public async Task CommitAsync(CancellationToken cancellationToken)
    {
        Task Commit() => _last.Count == 0 ? _transaction.CommitAsync(cancellationToken) : CommitLastAsync(cancellationToken);
        await (Committing is { } committing ? committing(Commit) : Commit());
        _committed?.Invoke();
    }

    /// <summary>Places are taken in the order of the locks, whoever takes several: so nobody has what another waits for while waiting for what that one has.</summary>
    private async Task CommitLastAsync(CancellationToken cancellationToken)
    {
        var inOrder = _last.Select((last, number) => (last.Place, last.Call, Number: number)).OrderBy(last => last.Place).ToList();
        if (!_connection.CanCreateBatch)
        {
            foreach (var (place, call, number) in inOrder)
            {
                RefusedLast = number;
                await LockAsync(place, cancellationToken);
                await ExecuteAsync(call.Statement.Sql, cancellationToken, call.Named());
            }

            RefusedLast = null;
            await _transaction.CommitAsync(cancellationToken);
            return;
        }

        await using var batch = _connection.CreateBatch();
        batch.Transaction = _transaction;
        var commands = new Dictionary<DbBatchCommand, int>();
        DatabaseLock? held = null;
        foreach (var (place, call, number) in inOrder)
        {
            if (held != place && Dialect.Lock is { } taken)
            {
                taken.With((long)place).AddTo(batch, taken.Numbered);
                held = place;
            }

            commands[call.AddTo(batch, call.Statement.Numbered)] = number;
        }

        var commit = batch.CreateBatchCommand();
        commit.CommandText = "COMMIT";
        batch.BatchCommands.Add(commit);
        try
        {
            await batch.ExecuteNonQueryAsync(cancellationToken);
        }
        catch (PostgresException refusal) when (refusal.InvariantSeverity == "ERROR" && refusal.BatchCommand is { } refused && commands.TryGetValue(refused, out var number))
        {
            // What ends the session instead of a statement says nothing about the commit.
            RefusedLast = number;
            throw;
        }
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
