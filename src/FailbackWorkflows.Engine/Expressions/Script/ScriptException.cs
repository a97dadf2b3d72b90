namespace FailbackWorkflows.Engine.Expressions.Script;

/// <summary>
/// The only exception an expression causes: it cannot be parsed, it failed, or it used up its budget.
/// The message names the replacement where there is one.
/// </summary>
public sealed class ScriptException(string message, int line, int column) : Exception(message)
{
    /// <summary>The line, from 1.</summary>
    public int Line { get; } = line;

    /// <summary>The column in UTF-16 code units, from 1.</summary>
    public int Column { get; } = column;
}
