using System.Text;
using FailbackWorkflows.Engine.Expressions.Script.Runtime;

namespace FailbackWorkflows.Engine.Expressions.Script.Syntax;

internal sealed class ConstantNode(SourcePosition position, object? value) : Node(position, 1)
{
    public object? Value => value;

    protected override object? Run(Evaluation e, Frame frame) => value;
}

internal sealed class LocalNode(SourcePosition position, string name, int hops, Local local) : Node(position, 1)
{
    public string Name => name;

    public bool IsConstant => local.IsConstant;

    public void Assign(Frame frame, object? value) => Owner(frame).Slots[local.Slot] = value;

    protected override object? Run(Evaluation e, Frame frame)
    {
        var value = Owner(frame).Slots[local.Slot];
        return ReferenceEquals(value, Frame.Undeclared) ? throw e.Error($"'{name}' is used before its declaration.") : value;
    }

    private Frame Owner(Frame frame)
    {
        for (var i = 0; i < hops; i++)
        {
            frame = frame.Parent!;
        }

        return frame;
    }
}

internal sealed class TemplateNode(SourcePosition position, string[] texts, Node[] values) : Node(position, Above(values))
{
    protected override object? Run(Evaluation e, Frame frame)
    {
        var parts = new string[texts.Length + values.Length];
        long length = 0;
        for (var i = 0; i < parts.Length; i++)
        {
            parts[i] = i % 2 == 0 ? texts[i / 2] : ScriptValues.ToText(e, values[i / 2].Evaluate(e, frame));
            length += parts[i].Length;
        }

        e.ReserveText(length);
        return string.Concat(parts);
    }
}

/// <summary>An element of an array literal or an argument, perhaps spread.</summary>
internal sealed class ElementsNode(SourcePosition position, Node[] items, bool[] spread, bool anySpread)
    : Node(position, Above(items))
{
    public Node[] Items => items;

    public bool AnySpread => anySpread;

    public object?[] EvaluateAll(Evaluation e, Frame frame)
    {
        if (items.Length == 0)
        {
            return [];
        }

        if (!anySpread)
        {
            var values = new object?[items.Length];
            for (var i = 0; i < values.Length; i++)
            {
                values[i] = items[i].Evaluate(e, frame);
            }

            return values;
        }

        var list = new List<object?>();
        for (var i = 0; i < items.Length; i++)
        {
            var value = items[i].Evaluate(e, frame);
            if (!spread[i])
            {
                list.Add(value);
                continue;
            }

            e.MoveTo(items[i].Position);
            list.AddRange(Iterate(e, value, "..."));
        }

        return list.ToArray();
    }

    /// <summary>What iterating a value yields: the items of an array, the code points of a string.</summary>
    public static IReadOnlyList<object?> Iterate(Evaluation e, object? value, string use)
    {
        switch (value)
        {
            case string text:
                e.Charge(text.Length);
                var points = new List<object?>(text.Length);
                for (var i = 0; i < text.Length; i++)
                {
                    var length = char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]) ? 2 : 1;
                    points.Add(text.Substring(i, length));
                    i += length - 1;
                }

                return points;
            case IReadOnlyList<object?> list when value is not IReadOnlyDictionary<string, object?>:
                e.Charge(list.Count);
                return list;
            default:
                throw e.Error($"{use} needs an array or a string, not {ScriptValues.Describe(value)}.");
        }
    }

    protected override object? Run(Evaluation e, Frame frame) =>
        // An array literal is equal to no other array, so the shared empty one will not do.
        items.Length == 0 ? new object?[0] : EvaluateAll(e, frame);
}

/// <summary>A property of an object literal: a fixed name, a computed one, or a spread when it has neither.</summary>
internal readonly record struct PropertyPart(string? Name, Node? Key, Node Value);

internal sealed class ObjectNode(SourcePosition position, PropertyPart[] parts)
    : Node(position, Above(parts.SelectMany(part => new[] { part.Key, part.Value }).ToArray()))
{
    protected override object? Run(Evaluation e, Frame frame)
    {
        var map = new OrderedDictionary<string, object?>(parts.Length);
        foreach (var part in parts)
        {
            if (part.Name is not null)
            {
                map[part.Name] = part.Value.Evaluate(e, frame);
            }
            else if (part.Key is not null)
            {
                var name = ScriptValues.ToText(e, part.Key.Evaluate(e, frame));
                map[name] = part.Value.Evaluate(e, frame);
            }
            else
            {
                var value = part.Value.Evaluate(e, frame);
                e.MoveTo(part.Value.Position);
                Spread(e, value, map);
            }
        }

        return map;
    }

    /// <summary>Copies own properties, as {...value} and Object.assign do; what has none adds nothing.</summary>
    public static void Spread(Evaluation e, object? value, OrderedDictionary<string, object?> map)
    {
        switch (value)
        {
            case IReadOnlyDictionary<string, object?> source:
                e.Charge(source.Count);
                foreach (var (name, item) in Properties.Of(source))
                {
                    map[name] = item;
                }

                break;
            case string or IReadOnlyList<object?>:
                var items = ElementsNode.Iterate(e, value, "...");
                for (var i = 0; i < items.Count; i++)
                {
                    map[NumberText.Format(i)] = items[i];
                }

                break;
        }
    }
}

internal sealed class ArrowNode(SourcePosition position, Pattern[] parameters, int slots, Node? expression, BlockStatement? block)
    : Node(position, Above(expression, block))
{
    public int ParameterCount => parameters.Length;

    public int Slots => slots;

    public void Bind(Evaluation e, Frame frame, int parameter, object? argument)
    {
        if (parameter < parameters.Length)
        {
            parameters[parameter].Bind(e, frame, argument);
        }
    }

    public object? RunBody(Evaluation e, Frame frame)
    {
        if (expression is not null)
        {
            return expression.Evaluate(e, frame);
        }

        return block!.Execute(e, frame) ? frame.Completion : Undefined.Value;
    }

    protected override object? Run(Evaluation e, Frame frame) => new Closure(this, frame);
}

internal sealed class UnaryNode(SourcePosition position, string operation, Node operand) : Node(position, Above(operand))
{
    protected override object? Run(Evaluation e, Frame frame)
    {
        var value = operand.Evaluate(e, frame);
        e.MoveTo(Position);
        return operation switch
        {
            "!" => ScriptValues.Bool(!ScriptValues.Truthy(value)),
            "-" => ScriptValues.Number(-ScriptValues.ToNumber(e, value)),
            "+" => ScriptValues.Number(ScriptValues.ToNumber(e, value)),
            "~" => ScriptValues.Number(~ScriptValues.ToInt32(e, value)),
            _ => ScriptValues.TypeOf(value),
        };
    }
}

/// <summary>An operator that evaluates both sides.</summary>
internal sealed class BinaryNode(SourcePosition position, string name, Node left, Node right) : Node(position, Above(left, right))
{
    private readonly Func<Evaluation, object?, object?, object?> _apply = Find(name);

    protected override object? Run(Evaluation e, Frame frame)
    {
        var a = left.Evaluate(e, frame);
        var b = right.Evaluate(e, frame);
        e.MoveTo(Position);
        return _apply(e, a, b);
    }

    /// <summary>The function of an operator; assignments such as += use it as well.</summary>
    public static Func<Evaluation, object?, object?, object?> Find(string name) => name switch
    {
        "+" => ScriptValues.Add,
        "-" => static (e, a, b) => ScriptValues.Number(ScriptValues.ToNumber(e, a) - ScriptValues.ToNumber(e, b)),
        "*" => static (e, a, b) => ScriptValues.Number(ScriptValues.ToNumber(e, a) * ScriptValues.ToNumber(e, b)),
        "/" => static (e, a, b) => ScriptValues.Number(ScriptValues.ToNumber(e, a) / ScriptValues.ToNumber(e, b)),
        "%" => static (e, a, b) => ScriptValues.Number(ScriptValues.ToNumber(e, a) % ScriptValues.ToNumber(e, b)),
        "**" => static (e, a, b) => ScriptValues.Number(ScriptValues.Power(ScriptValues.ToNumber(e, a), ScriptValues.ToNumber(e, b))),
        "&" => static (e, a, b) => ScriptValues.Number(ScriptValues.ToInt32(e, a) & ScriptValues.ToInt32(e, b)),
        "|" => static (e, a, b) => ScriptValues.Number(ScriptValues.ToInt32(e, a) | ScriptValues.ToInt32(e, b)),
        "^" => static (e, a, b) => ScriptValues.Number(ScriptValues.ToInt32(e, a) ^ ScriptValues.ToInt32(e, b)),
        "<<" => static (e, a, b) => ScriptValues.Number(ScriptValues.ToInt32(e, a) << (ScriptValues.ToInt32(e, b) & 31)),
        ">>" => static (e, a, b) => ScriptValues.Number(ScriptValues.ToInt32(e, a) >> (ScriptValues.ToInt32(e, b) & 31)),
        ">>>" => static (e, a, b) => ScriptValues.Number((uint)ScriptValues.ToInt32(e, a) >> (ScriptValues.ToInt32(e, b) & 31)),
        "===" => static (e, a, b) => ScriptValues.Bool(ScriptValues.StrictEquals(e, a, b)),
        "!==" => static (e, a, b) => ScriptValues.Bool(!ScriptValues.StrictEquals(e, a, b)),
        "==" => static (e, a, b) => ScriptValues.Bool(ScriptValues.LooseEquals(e, a, b)),
        "!=" => static (e, a, b) => ScriptValues.Bool(!ScriptValues.LooseEquals(e, a, b)),
        "<" => static (e, a, b) => ScriptValues.Bool(ScriptValues.Compare(e, a, b) < 0),
        "<=" => static (e, a, b) => ScriptValues.Bool(ScriptValues.Compare(e, a, b) <= 0),
        ">" => static (e, a, b) => ScriptValues.Bool(ScriptValues.Compare(e, a, b) > 0),
        ">=" => static (e, a, b) => ScriptValues.Bool(ScriptValues.Compare(e, a, b) >= 0),
        "in" => static (e, a, b) => ScriptValues.Bool(Properties.Has(e, b, a)),
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, null),
    };
}

/// <summary>&amp;&amp;, || and ??, whose right side is evaluated only when needed.</summary>
internal sealed class LogicalNode(SourcePosition position, string operation, Node left, Node right)
    : Node(position, Above(left, right))
{
    /// <summary>Whether the left value is already the answer.</summary>
    public static bool Settles(string operation, object? left) => operation switch
    {
        "&&" => !ScriptValues.Truthy(left),
        "||" => ScriptValues.Truthy(left),
        _ => !ScriptValues.IsNullish(left),
    };

    protected override object? Run(Evaluation e, Frame frame)
    {
        var value = left.Evaluate(e, frame);
        return Settles(operation, value) ? value : right.Evaluate(e, frame);
    }
}

internal sealed class ConditionalNode(SourcePosition position, Node condition, Node then, Node otherwise)
    : Node(position, Above(condition, then, otherwise))
{
    protected override object? Run(Evaluation e, Frame frame) =>
        ScriptValues.Truthy(condition.Evaluate(e, frame)) ? then.Evaluate(e, frame) : otherwise.Evaluate(e, frame);
}

/// <summary>An assignment to a local; the operation is what stands before the equals sign, or empty.</summary>
internal sealed class AssignmentNode(SourcePosition position, string operation, LocalNode target, Node value)
    : Node(position, Above(target, value))
{
    private readonly bool _logical = operation is "&&" or "||" or "??";

    private readonly Func<Evaluation, object?, object?, object?>? _apply =
        operation is "" or "&&" or "||" or "??" ? null : BinaryNode.Find(operation);

    protected override object? Run(Evaluation e, Frame frame)
    {
        // Read first in every case, as assigning before the declaration is an error as well.
        var before = target.Evaluate(e, frame);
        if (_logical && LogicalNode.Settles(operation, before))
        {
            return before;
        }

        var result = value.Evaluate(e, frame);
        if (_apply is not null)
        {
            e.MoveTo(Position);
            result = _apply(e, before, result);
        }

        target.Assign(frame, result);
        return result;
    }
}
