using FailbackWorkflows.Engine.Expressions.Script.Builtins;
using FailbackWorkflows.Engine.Expressions.Script.Runtime;

namespace FailbackWorkflows.Engine.Expressions.Script.Syntax;

/// <summary>The value that a chain yields once a <c>?.</c> in it met null; every later link hands it on.</summary>
internal static class BrokenChain
{
    public static readonly object Value = new();
}

/// <summary>The whole of an optional chain.</summary>
internal sealed class ChainNode(Node chain) : Node(chain.Position, Above(chain))
{
    protected override object? Run(Evaluation e, Frame frame)
    {
        var value = chain.Evaluate(e, frame);
        return ReferenceEquals(value, BrokenChain.Value) ? Undefined.Value : value;
    }
}

/// <summary>A link of a chain: evaluates what is before it, and then itself unless the chain is broken.</summary>
internal abstract class LinkNode(SourcePosition position, Node target, bool optional, int height) : Node(position, height)
{
    protected override object? Run(Evaluation e, Frame frame)
    {
        var value = target.Evaluate(e, frame);
        return ReferenceEquals(value, BrokenChain.Value) || (optional && ScriptValues.IsNullish(value))
            ? BrokenChain.Value
            : Follow(e, frame, value);
    }

    protected abstract object? Follow(Evaluation e, Frame frame, object? value);
}

internal sealed class PropertyNode(SourcePosition position, Node target, string name, bool optional)
    : LinkNode(position, target, optional, Above(target))
{
    protected override object? Follow(Evaluation e, Frame frame, object? value)
    {
        e.MoveTo(Position);
        return Properties.Get(e, value, name);
    }
}

internal sealed class IndexNode(SourcePosition position, Node target, Node key, bool optional)
    : LinkNode(position, target, optional, Above(target, key))
{
    protected override object? Follow(Evaluation e, Frame frame, object? value)
    {
        var index = key.Evaluate(e, frame);
        e.MoveTo(Position);
        return Properties.GetIndex(e, value, index);
    }
}

internal sealed class CallNode(SourcePosition position, Node target, ElementsNode arguments, bool optional)
    : LinkNode(position, target, optional, Above(target, arguments))
{
    protected override object? Follow(Evaluation e, Frame frame, object? value)
    {
        var values = arguments.EvaluateAll(e, frame);
        e.MoveTo(Position);
        return value is Callable callable
            ? callable.Invoke(e, values)
            : throw e.Error($"This is {ScriptValues.Describe(value)}, not a function.");
    }
}

/// <summary>A call of a method of a string, array, number or date, or of a function held by an object.</summary>
internal sealed class MethodCallNode(
    SourcePosition position, Node target, string name, ElementsNode arguments, bool optional, bool optionalCall)
    : LinkNode(position, target, optional, Above(target, arguments))
{
    // Looked up once: the name is fixed, only the kind of the target varies.
    private readonly Method<string>? _ofText = TextMethods.Find(name);
    private readonly Method<IReadOnlyList<object?>>? _ofArray = ArrayMethods.Find(name);
    private readonly Method<object>? _ofNumber = NumberMethods.Find(name);
    private readonly Method<ScriptDate>? _ofDate = DateMethods.Find(name);

    protected override object? Follow(Evaluation e, Frame frame, object? value)
    {
        switch (value)
        {
            case null or Undefined:
                e.MoveTo(Position);
                throw e.Error($"Cannot call '{name}' of {ScriptValues.Describe(value)}; write ?. if it may be missing.");
            case string text when _ofText is not null:
                return _ofText(e, text, Arguments(e, frame));
            case double or long when _ofNumber is not null:
                return _ofNumber(e, value, Arguments(e, frame));
            case ScriptDate date when _ofDate is not null:
                return _ofDate(e, date, Arguments(e, frame));
            case IReadOnlyDictionary<string, object?>:
                return CallProperty(e, frame, value);
            case IReadOnlyList<object?> list when _ofArray is not null:
                return _ofArray(e, list, Arguments(e, frame));
            case bool when name == "toString":
                return ScriptValues.ToText(e, value);
            default:
                return CallProperty(e, frame, value);
        }
    }

    private object? CallProperty(Evaluation e, Frame frame, object? value)
    {
        e.MoveTo(Position);
        var function = Properties.Get(e, value, name);
        if (optionalCall && ScriptValues.IsNullish(function))
        {
            return BrokenChain.Value;
        }

        return function is Callable callable
            ? callable.Invoke(e, Arguments(e, frame))
            : throw e.Error($"'{name}' is not a function of {ScriptValues.Describe(value)}.");
    }

    private object?[] Arguments(Evaluation e, Frame frame)
    {
        var values = arguments.EvaluateAll(e, frame);
        e.MoveTo(Position);
        return values;
    }
}

/// <summary>new Date(value).</summary>
internal sealed class NewDateNode(SourcePosition position, Node value) : Node(position, Above(value))
{
    protected override object? Run(Evaluation e, Frame frame)
    {
        var source = value.Evaluate(e, frame);
        e.MoveTo(Position);
        source = source is ScriptDate ? source : ScriptValues.ToPrimitive(e, source);
        return new ScriptDate(source is string text ? DateMethods.Parse(e, text) : ScriptValues.ToNumber(e, source));
    }
}

/// <summary>A read of the workflow by name: variables.X, getVariable, getX, input.X, getInput.</summary>
internal sealed class WorkflowValueNode(
    SourcePosition position, ScriptReferenceKind kind, string? name, string? alternative, Node? computed)
    : Node(position, Above(computed))
{
    protected override object? Run(Evaluation e, Frame frame)
    {
        var wanted = name ?? ScriptValues.ToText(e, computed!.Evaluate(e, frame));
        e.MoveTo(Position);
        if (kind == ScriptReferenceKind.Input)
        {
            return e.Scope.TryGetInput(wanted, out var input) ? ScriptValues.Import(e, input, "The input") : Undefined.Value;
        }

        return e.Scope.TryGetVariable(wanted, out var value) || (alternative is not null && e.Scope.TryGetVariable(alternative, out value))
            ? ScriptValues.Import(e, value, "The variable")
            : throw e.Error($"There is no variable '{Properties.Shorten(wanted)}'.");
    }
}

/// <summary>getOutputFrom(activity, output?).</summary>
internal sealed class OutputNode(SourcePosition position, Node activity, Node? output) : Node(position, Above(activity, output))
{
    protected override object? Run(Evaluation e, Frame frame)
    {
        var from = ScriptValues.ToText(e, activity.Evaluate(e, frame));
        var name = output?.Evaluate(e, frame);
        e.MoveTo(Position);
        return e.Scope.TryGetOutput(from, ScriptValues.IsNullish(name) ? null : ScriptValues.ToText(e, name), out var value)
            ? ScriptValues.Import(e, value, "The output")
            : Undefined.Value;
    }
}

/// <summary>A fact about the workflow instance, such as getCorrelationId().</summary>
internal sealed class FactNode(SourcePosition position, Func<IScriptScope, object?> read) : Node(position, 1)
{
    protected override object? Run(Evaluation e, Frame frame) => ScriptValues.Import(e, read(e.Scope), "The value");
}
