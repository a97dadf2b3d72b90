using System.Collections.Concurrent;
using Microsoft.Data.Sqlite;

namespace FailbackWorkflows.ReferenceRecorder.Storage;

/// <summary>
/// Connections for reading that stay open from one read to the next, with their statements: opening one and parsing a statement takes longer
/// than most reads. Between two reads a connection holds no transaction and no lock.
/// </summary>
internal sealed class ReadConnections(string connectionString) : IDisposable
{
    private const int MaxIdle = 16;

    private readonly ConcurrentStack<(SqliteConnection Connection, Statements Statements)> _idle = new();
    private volatile bool _isDisposed;

    /// <summary>One consistent view.</summary>
    public T Read<T>(Func<Sql, T> work)
    {
        var (connection, statements) = _idle.TryPop(out var kept) ? kept : Open();
        try
        {
            using var transaction = connection.BeginTransaction(deferred: true);
            return work(new Sql(connection, transaction, statements));
        }
        finally
        {
            if (!_isDisposed && _idle.Count < MaxIdle)
            {
                _idle.Push((connection, statements));
                if (_isDisposed)
                {
                    Dispose();
                }
            }
            else
            {
                Close(connection, statements);
            }
        }
    }

    /// <summary>Closes the idle connections now and the others when their reads are over.</summary>
    public void Dispose()
    {
        _isDisposed = true;
        while (_idle.TryPop(out var kept))
        {
            Close(kept.Connection, kept.Statements);
        }
    }

    private static void Close(SqliteConnection connection, Statements statements)
    {
        statements.Dispose();
        connection.Dispose();
    }

    private (SqliteConnection Connection, Statements Statements) Open()
    {
        var connection = new SqliteConnection(connectionString);
        try
        {
            connection.Open();
            return (connection, new Statements(connection));
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }
}

/// <summary>Statements of one connection, parsed once and used many times; for a connection with one user at a time.</summary>
internal sealed class Statements(SqliteConnection connection) : IDisposable
{
    /// <summary>The texts of this program are far fewer; a text made of values would not be kept for ever.</summary>
    private const int MaxIdle = 200;

    private readonly Dictionary<string, SqliteCommand> _idle = new(StringComparer.Ordinal);

    /// <summary>The caller's until it is given back; a second use of the same text meanwhile is another command.</summary>
    public SqliteCommand Take(string text)
    {
        if (!_idle.Remove(text, out var command))
        {
            command = connection.CreateCommand();
            command.CommandText = text;
        }

        return command;
    }

    public void GiveBack(SqliteCommand command)
    {
        command.Parameters.Clear();
        command.Transaction = null;
        if (_idle.Count >= MaxIdle || !_idle.TryAdd(command.CommandText, command))
        {
            command.Dispose();
        }
    }

    public void Dispose()
    {
        foreach (var command in _idle.Values)
        {
            command.Dispose();
        }

        _idle.Clear();
    }
}
