using System.Data.Common;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace FailbackWorkflows.Persistence.Sqlite;

/// <summary>
/// Keeps the statements of one connection from one use to the next. Entity Framework makes a new command each time and SQLite would parse and
/// plan its text each time, which for a row by its key takes longer than to find it. For a connection with one user at a time; a statement
/// that is still being read is not used a second time.
/// </summary>
internal sealed class KeepsStatements : DbCommandInterceptor, IDisposable
{
    /// <summary>Texts that hold lists of values differ from call to call; what exceeds this is not kept.</summary>
    private const int MaxStatements = 200;

    private readonly Dictionary<string, Statement> _statements = new(StringComparer.Ordinal);

    public override InterceptionResult<DbDataReader> ReaderExecuting(DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result) =>
        Find(command) is { } statement ? InterceptionResult<DbDataReader>.SuppressWithResult(statement.Read(command)) : result;

    public override ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result, CancellationToken cancellationToken) =>
        new(ReaderExecuting(command, eventData, result));

    public void Dispose()
    {
        foreach (var statement in _statements.Values)
        {
            statement.Dispose();
        }

        _statements.Clear();
    }

    private Statement? Find(DbCommand command)
    {
        if (_statements.TryGetValue(command.CommandText, out var statement))
        {
            return statement.IsFree ? statement : null;
        }

        return _statements.Count < MaxStatements ? _statements[command.CommandText] = new Statement() : null;
    }

    private sealed class Statement : IDisposable
    {
        private SqliteCommand? _command;
        private SqliteDataReader? _reader;

        public bool IsFree => _reader?.IsClosed != false;

        public SqliteDataReader Read(DbCommand like)
        {
            if (_command is null)
            {
                _command = (SqliteCommand)like.Connection!.CreateCommand();
                _command.CommandText = like.CommandText;
            }

            _command.Transaction = (SqliteTransaction?)like.Transaction;
            _command.CommandTimeout = like.CommandTimeout;
            for (var i = 0; i < like.Parameters.Count; i++)
            {
                var parameter = like.Parameters[i];
                if (i < _command.Parameters.Count)
                {
                    _command.Parameters[i].Value = parameter.Value;
                }
                else
                {
                    _command.Parameters.Add(new SqliteParameter { ParameterName = parameter.ParameterName, Value = parameter.Value });
                }
            }

            return _reader = _command.ExecuteReader();
        }

        public void Dispose() => _command?.Dispose();
    }
}
