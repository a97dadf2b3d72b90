using FailbackWorkflows.Engine.Expressions.Script;

namespace FailbackWorkflows.Engine.Expressions;

/// <summary>An expression of a definition, compiled. Deterministic: the same scope gives the same value.</summary>
internal interface IExpression
{
    object? Evaluate(IScriptScope scope);
}

/// <summary>A value written in the definition.</summary>
internal sealed class LiteralExpression(object? value) : IExpression
{
    public object? Value => value;

    public object? Evaluate(IScriptScope scope) => value;
}

/// <summary>The value of a variable, found outwards from the activity.</summary>
internal sealed class VariableExpression(string name) : IExpression
{
    public string Name => name;

    public object? Evaluate(IScriptScope scope) => scope.TryGetVariable(name, out var value)
        ? value
        : throw new ExpressionException($"There is no variable '{name}'.");
}

/// <summary>An input of the workflow, or of the composite the activity is in.</summary>
internal sealed class InputExpression(string name) : IExpression
{
    public object? Evaluate(IScriptScope scope) => scope.TryGetInput(name, out var value) ? value : null;
}

/// <summary>The latest output of an activity, by its id or name; null when there is none yet.</summary>
internal sealed class OutputExpression(string activity, string? output) : IExpression
{
    public object? Evaluate(IScriptScope scope) => scope.TryGetOutput(activity, output, out var value) ? value : null;
}

/// <summary>Elsa's JavaScript, in the subset of docs/expressions.md.</summary>
internal sealed class ScriptExpression(Script.Script script) : IExpression
{
    public object? Evaluate(IScriptScope scope)
    {
        try
        {
            return script.Evaluate(scope);
        }
        catch (ScriptException exception)
        {
            throw new ExpressionException(exception.Message);
        }
    }
}

/// <summary>An expression that has no value.</summary>
internal sealed class ExpressionException(string message) : Exception(message);
