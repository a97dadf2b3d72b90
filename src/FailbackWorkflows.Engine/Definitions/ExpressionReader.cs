using System.Text.Json;
using FailbackWorkflows.Engine.Expressions;
using FailbackWorkflows.Engine.Expressions.Script;
using FailbackWorkflows.Engine.Values;

namespace FailbackWorkflows.Engine.Definitions;

/// <summary>Reads the value of an activity input: <c>{typeName, expression: {type, value}}</c>, or a bare JSON value as a literal.</summary>
internal sealed class ExpressionReader(
    Func<string, string?> findVariable,
    Func<string, bool> hasInput,
    Action<string?, string, string> report,
    Action<Action> whenAllNodesAreKnown,
    Func<string, bool> hasActivity,
    Action<ScriptReference> readsOutput)
{
    /// <summary>True when the last value read had a problem (then it is not also reported as missing).</summary>
    public bool Failed { get; private set; }

    public IExpression? Read(JsonElement value, Type valueType, string activityId, string path)
    {
        Failed = false;
        if (valueType == typeof(FlowSwitchBranches))
        {
            return ReadCases(value, activityId, path);
        }

        if (valueType == typeof(VariableReference) && !(value.ValueKind == JsonValueKind.Object && value.TryGetProperty("expression", out _)))
        {
            // Elsa writes the variable of SetVariable bare, not wrapped as an expression.
            return ReadVariable(value, valueType, activityId, path);
        }

        if (value.ValueKind == JsonValueKind.Object && value.TryGetProperty("expression", out var expression))
        {
            return expression.ValueKind == JsonValueKind.Object ? ReadExpression(expression, valueType, activityId, path + ".expression") : null;
        }

        return ReadLiteral(value, valueType, activityId, path);
    }

    private IExpression? ReadExpression(JsonElement expression, Type valueType, string activityId, string path)
    {
        var type = expression.TryGetProperty("type", out var t) && t.ValueKind == JsonValueKind.String ? t.GetString() : "Literal";
        expression.TryGetProperty("value", out var value);
        switch (type)
        {
            case "Literal":
                return ReadLiteral(value, valueType, activityId, path + ".value");
            case "Object":
                return ReadObject(value, valueType, activityId, path);
            case "Variable":
                return ReadVariable(value, valueType, activityId, path);
            case "Input":
                return ReadInput(value, activityId, path);
            case "Output":
                return ReadOutput(value, activityId, path);
            case "JavaScript":
                return ReadScript(value, activityId, path);
            case "CSharp" or "Liquid" or "Python":
                return Fail(activityId, path + ".type", $"{type} expressions are not available. Write it as a JavaScript expression.");
            default:
                return Fail(activityId, path + ".type", $"There is no expression type '{type}'. There are Literal, Object, Variable, Input, Output and JavaScript.");
        }
    }

    private LiteralExpression? ReadLiteral(JsonElement value, Type valueType, string activityId, string path) =>
        value.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined || (value.ValueKind == JsonValueKind.String && value.GetString()!.Length == 0 && valueType != typeof(string))
            ? null
            : Literal(PlainValue.FromJson(value), valueType, activityId, path);

    private LiteralExpression? Literal(object? value, Type valueType, string activityId, string path)
    {
        // A literal that cannot become the input's type would only fail at run time; it can be known now.
        var reader = typeof(PlainValue).GetMethod(nameof(PlainValue.To))!.MakeGenericMethod(valueType);
        try
        {
            reader.Invoke(null, [value]);
            return new LiteralExpression(value);
        }
        catch (System.Reflection.TargetInvocationException exception) when (exception.InnerException is FormatException format)
        {
            Fail(activityId, path, format.Message);
            return null;
        }
    }

    private LiteralExpression? ReadObject(JsonElement value, Type valueType, string activityId, string path)
    {
        if (value.ValueKind != JsonValueKind.String)
        {
            return value.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined ? null : Literal(PlainValue.FromJson(value), valueType, activityId, path + ".value");
        }

        try
        {
            var text = value.GetString()!;
            return text.Trim().Length == 0 ? null : Literal(PlainValue.Parse(text), valueType, activityId, path + ".value");
        }
        catch (JsonException exception)
        {
            Fail(activityId, path + ".value", $"The object is not JSON (column {exception.BytePositionInLine + 1}).");
            return null;
        }
    }

    private IExpression? ReadVariable(JsonElement value, Type valueType, string activityId, string path)
    {
        value = Opened(value);
        var reference = value.ValueKind switch
        {
            JsonValueKind.String => value.GetString(),
            JsonValueKind.Object => Text(value, "id") ?? Text(value, "name"),
            _ => null,
        };
        if (string.IsNullOrEmpty(reference))
        {
            return null;
        }

        var name = findVariable(reference) ?? (Text(value, "name") is { } byName ? findVariable(byName) : null);
        if (name is null)
        {
            return Fail(activityId, path + ".value", $"There is no variable '{Text(value, "name") ?? reference}' here.");
        }

        return valueType == typeof(VariableReference) ? new VariableReferenceExpression(name) : new VariableExpression(name);
    }

    private IExpression? ReadInput(JsonElement value, string activityId, string path)
    {
        value = Opened(value);
        var name = value.ValueKind == JsonValueKind.String ? value.GetString() : Text(value, "name");
        if (string.IsNullOrEmpty(name))
        {
            return null;
        }

        if (!hasInput(name))
        {
            return Fail(activityId, path + ".value", $"There is no input '{name}' here.");
        }

        return new InputExpression(name);
    }

    /// <summary>The output of an activity: <c>activity</c>, <c>activity.output</c>, or <c>{activity, output}</c>, also as JSON text.</summary>
    private IExpression? ReadOutput(JsonElement value, string activityId, string path)
    {
        value = Opened(value);
        var (activity, output) = value.ValueKind == JsonValueKind.String && value.GetString()!.Split('.', 2) is var parts
            ? (parts[0], parts.Length > 1 ? parts[1] : null)
            : (Text(value, "activity") ?? Text(value, "activityId"), Text(value, "output") ?? Text(value, "outputName"));
        if (string.IsNullOrEmpty(activity))
        {
            return null;
        }

        readsOutput(new(ScriptReferenceKind.Output, activity, null, output, 1, 1));
        whenAllNodesAreKnown(() =>
        {
            if (!hasActivity(activity))
            {
                report(activityId, path + ".value", $"There is no activity '{activity}'.");
            }
        });
        return new OutputExpression(activity, output);
    }

    private IExpression? ReadScript(JsonElement value, string activityId, string path)
    {
        if (value.ValueKind != JsonValueKind.String || string.IsNullOrWhiteSpace(value.GetString()))
        {
            return null;
        }

        try
        {
            var script = Script.Parse(value.GetString()!);
            foreach (var reference in script.References)
            {
                CheckReference(reference, activityId, path);
            }

            return new ScriptExpression(script);
        }
        catch (ScriptException exception)
        {
            return Fail(activityId, path + ".value", $"{exception.Message} (line {exception.Line}, column {exception.Column})");
        }
    }

    private void CheckReference(ScriptReference reference, string activityId, string path)
    {
        var place = $"(line {reference.Line}, column {reference.Column})";
        switch (reference.Kind)
        {
            case ScriptReferenceKind.Variable when findVariable(reference.Name) is null
                && (reference.AlternativeName is null || findVariable(reference.AlternativeName) is null):
                Fail(activityId, path + ".value", $"There is no variable '{reference.Name}' here {place}.");
                break;
            case ScriptReferenceKind.Input when !hasInput(reference.Name):
                Fail(activityId, path + ".value", $"There is no input '{reference.Name}' here {place}.");
                break;
            case ScriptReferenceKind.Output:
                readsOutput(reference);
                whenAllNodesAreKnown(() =>
                {
                    if (!hasActivity(reference.Name))
                    {
                        report(activityId, path + ".value", $"There is no activity '{reference.Name}' {place}.");
                    }
                });
                break;
            default:
                break;
        }
    }

    private FlowSwitchExpression ReadCases(JsonElement value, string activityId, string path)
    {
        var cases = new List<(string, IExpression?)>();
        var index = 0;
        foreach (var (label, condition) in FlowSwitchCases.Read(value))
        {
            cases.Add((label ?? string.Empty, condition.ValueKind == JsonValueKind.Object
                ? ReadExpression(condition, typeof(object), activityId, $"{path}[{index}].condition")
                : null));
            index++;
        }

        return new FlowSwitchExpression(cases);
    }

    /// <summary>The designer stores what an expression names as JSON in a text; files have the object itself, or its name.</summary>
    private static JsonElement Opened(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.String || !value.GetString()!.TrimStart().StartsWith('{'))
        {
            return value;
        }

        try
        {
            using var document = JsonDocument.Parse(value.GetString()!);
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            // Whatever it is, it names nothing; that is said where it is looked up.
            return value;
        }
    }

    private IExpression? Fail(string activityId, string path, string message)
    {
        Failed = true;
        report(activityId, path, message);
        return null;
    }

    private static string? Text(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}

/// <summary>Marker type of an input that names a variable instead of holding a value.</summary>
internal sealed record VariableReference(string Name);

/// <summary>Marker type of FlowSwitch's cases: evaluates to the labels whose condition is true.</summary>
internal sealed record FlowSwitchBranches(IReadOnlyList<string> Labels);

internal sealed class VariableReferenceExpression(string name) : IExpression
{
    public object? Evaluate(IScriptScope scope) => new Dictionary<string, object?> { ["name"] = name };
}

internal sealed class FlowSwitchExpression(IReadOnlyList<(string Label, IExpression? Condition)> cases) : IExpression
{
    public object? Evaluate(IScriptScope scope) => new Dictionary<string, object?>
    {
        ["labels"] = cases.Where(c => c.Condition is not null && PlainValue.IsTrue(c.Condition.Evaluate(scope))).Select(c => (object?)c.Label).ToList(),
    };
}
