using FailbackWorkflows.Engine.Expressions.Script.Runtime;

namespace FailbackWorkflows.Engine.Expressions.Script.Syntax;

/// <summary>An immutable piece of syntax that knows how to run. Its height bounds the stack that running it needs.</summary>
internal abstract class Syntax(SourcePosition position, int height)
{
    public SourcePosition Position { get; } = position;

    public int Height { get; } = height;

    protected static int Above(params ReadOnlySpan<Syntax?> children)
    {
        var height = 0;
        foreach (var child in children)
        {
            height = Math.Max(height, child?.Height ?? 0);
        }

        return height + 1;
    }
}

/// <summary>An expression.</summary>
internal abstract class Node(SourcePosition position, int height) : Syntax(position, height)
{
    public object? Evaluate(Evaluation e, Frame frame)
    {
        e.Step(Position);
        return Run(e, frame);
    }

    protected abstract object? Run(Evaluation e, Frame frame);
}

/// <summary>A statement. Its value, if it has one, goes to <see cref="Frame.Completion"/>.</summary>
internal abstract class Statement(SourcePosition position, int height) : Syntax(position, height)
{
    /// <summary>Runs the statement; true when it returned.</summary>
    public abstract bool Execute(Evaluation e, Frame frame);
}

internal sealed class ExpressionStatement(Node expression) : Statement(expression.Position, Above(expression))
{
    public override bool Execute(Evaluation e, Frame frame)
    {
        frame.Completion = expression.Evaluate(e, frame);
        return false;
    }
}

internal sealed class ReturnStatement(SourcePosition position, Node? value) : Statement(position, Above(value))
{
    public override bool Execute(Evaluation e, Frame frame)
    {
        frame.Completion = value is null ? Undefined.Value : value.Evaluate(e, frame);
        return true;
    }
}

internal sealed class DeclarationStatement(SourcePosition position, Pattern pattern, Node? value)
    : Statement(position, Above(value))
{
    public override bool Execute(Evaluation e, Frame frame)
    {
        e.Step(Position);
        pattern.Bind(e, frame, value is null ? Undefined.Value : value.Evaluate(e, frame));
        return false;
    }
}

internal sealed class IfStatement(SourcePosition position, Node condition, Statement then, Statement? otherwise)
    : Statement(position, Above(condition, then, otherwise))
{
    public override bool Execute(Evaluation e, Frame frame)
    {
        e.Step(Position);
        var holds = ScriptValues.Truthy(condition.Evaluate(e, frame));
        frame.Completion = Undefined.Value;
        return holds ? then.Execute(e, frame) : otherwise is not null && otherwise.Execute(e, frame);
    }
}

internal sealed class BlockStatement(SourcePosition position, Statement[] statements) : Statement(position, Above(statements))
{
    public override bool Execute(Evaluation e, Frame frame)
    {
        foreach (var statement in statements)
        {
            if (statement.Execute(e, frame))
            {
                return true;
            }
        }

        return false;
    }
}

/// <summary>What a declaration or parameter binds: one name, or the parts of an array or object, one level deep.</summary>
internal sealed class Pattern(SourcePosition position, int slot, PatternPart[]? parts, bool fromArray)
{
    public bool TakesApart => parts is not null;

    public void Bind(Evaluation e, Frame frame, object? value)
    {
        if (parts is null)
        {
            frame.Slots[slot] = value;
            return;
        }

        e.MoveTo(position);
        if (ScriptValues.IsNullish(value) || (fromArray && value is not string && (value is not IReadOnlyList<object?> || value is IReadOnlyDictionary<string, object?>)))
        {
            throw e.Error($"Cannot take {ScriptValues.Describe(value)} apart.");
        }

        foreach (var part in parts)
        {
            e.Step(position);
            frame.Slots[part.Slot] = Properties.Get(e, value, part.Name);
        }
    }

}

internal readonly record struct PatternPart(string Name, int Slot);
