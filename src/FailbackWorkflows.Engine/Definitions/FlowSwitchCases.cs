using System.Text.Json;

namespace FailbackWorkflows.Engine.Definitions;

/// <summary>The cases of a FlowSwitch, wrapped or not: <c>[{label, condition: {type, value}}]</c>.</summary>
internal static class FlowSwitchCases
{
    public static IEnumerable<(string? Label, JsonElement Condition)> Read(JsonElement value)
    {
        var array = Unwrap(value);
        if (array.ValueKind != JsonValueKind.Array)
        {
            yield break;
        }

        foreach (var item in array.EnumerateArray())
        {
            if (item.ValueKind == JsonValueKind.Object)
            {
                yield return (
                    item.TryGetProperty("label", out var label) && label.ValueKind == JsonValueKind.String ? label.GetString() : null,
                    item.TryGetProperty("condition", out var condition) ? condition : default);
            }
        }
    }

    /// <summary>Studio writes the list bare, or inside <c>{typeName, expression: {type: "Object", value}}</c> with the value as JSON or as JSON text.</summary>
    public static JsonElement Unwrap(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Object && value.TryGetProperty("expression", out var expression) && expression.ValueKind == JsonValueKind.Object
            && expression.TryGetProperty("value", out var inner))
        {
            value = inner;
        }

        if (value.ValueKind == JsonValueKind.String)
        {
            try
            {
                using var document = JsonDocument.Parse(value.GetString()!);
                return document.RootElement.Clone();
            }
            catch (JsonException)
            {
                return default;
            }
        }

        return value;
    }
}

/// <summary>Outcomes that an input names: texts, numbers, or objects with a <c>label</c> or <c>statusCode</c>.</summary>
internal static class OutcomeNames
{
    public static IEnumerable<string?> Read(JsonElement value)
    {
        var array = FlowSwitchCases.Unwrap(value);
        if (array.ValueKind != JsonValueKind.Array)
        {
            yield break;
        }

        foreach (var item in array.EnumerateArray())
        {
            yield return Name(item);
        }
    }

    private static string? Name(JsonElement item) => item.ValueKind switch
    {
        JsonValueKind.String => item.GetString(),
        JsonValueKind.Number => item.GetRawText(),
        JsonValueKind.Object when item.TryGetProperty("label", out var label) => Name(label),
        JsonValueKind.Object when item.TryGetProperty("statusCode", out var status) => Name(status),
        _ => null,
    };
}
