using System.Data;
using System.Data.Common;
using System.Text.RegularExpressions;

namespace FailbackWorkflows.Persistence;

/// <summary>
/// A statement of the hot path: a text that is parsed once, and what it takes, in order. The types are given because a value may be missing, and
/// a server that has to guess a type prepares the same text once per guess.
/// </summary>
internal sealed partial class Statement
{
    private readonly (string Name, DbType Type)[] _parameters;

    /// <param name="sql">With <c>@name</c> for each parameter, as often as it is needed.</param>
    public Statement(string sql, params (string Name, DbType Type)[] parameters)
    {
        Sql = sql;
        _parameters = parameters;
        Numbered = Placeholder().Replace(sql, match => $"${Array.FindIndex(parameters, p => p.Name == match.Groups[1].Value) + 1}");
    }

    public string Sql { get; }

    /// <summary>The text with <c>$1</c> for the first parameter and so on: what a PostgreSQL server reads.</summary>
    public string Numbered { get; }

    public ReadOnlySpan<(string Name, DbType Type)> Parameters => _parameters;

    /// <summary>The statement with its values, in the order of its parameters.</summary>
    public StatementCall With(params object?[] values) => new(this, values, MustChange: false);

    /// <summary>The same of one that has to change a row: what it belongs to is void when it does not.</summary>
    public StatementCall Demanding(params object?[] values) => new(this, values, MustChange: true);

    [GeneratedRegex("@([A-Za-z0-9]+)")]
    private static partial Regex Placeholder();
}

/// <summary>A statement with its values.</summary>
internal readonly record struct StatementCall(Statement Statement, object?[] Values, bool MustChange)
{
    /// <summary>The values as a session takes them.</summary>
    public (string Name, object? Value)[] Named()
    {
        var named = new (string Name, object? Value)[Values.Length];
        for (var i = 0; i < named.Length; i++)
        {
            named[i] = (Statement.Parameters[i].Name, Values[i]);
        }

        return named;
    }

    /// <summary>Puts the statement at the end of a batch.</summary>
    /// <param name="text">With numbered parameters.</param>
    public DbBatchCommand AddTo(DbBatch batch, string text)
    {
        var command = batch.CreateBatchCommand();
        command.CommandText = text;
        for (var i = 0; i < Values.Length; i++)
        {
            var parameter = command.CreateParameter();
            parameter.DbType = Statement.Parameters[i].Type;
            parameter.Value = Values[i] ?? DBNull.Value;
            command.Parameters.Add(parameter);
        }

        batch.BatchCommands.Add(command);
        return command;
    }
}
