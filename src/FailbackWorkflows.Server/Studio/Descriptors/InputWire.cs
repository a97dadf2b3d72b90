using System.Text.Json.Nodes;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Values;

namespace FailbackWorkflows.Server.Studio.Descriptors;

/// <summary>An input of an activity, with the editor that the designer shows for it.</summary>
internal static class InputWire
{
    public static JsonNode Of(InputDescriptor input, int order)
    {
        var hint = HintOf(input);
        return new JsonObject
        {
            ["name"] = ActivityWire.Pascal(input.Name),
            ["typeName"] = TypeNames.Of(input.ValueType),
            ["displayName"] = input.IsRequired ? input.DisplayName : $"{input.DisplayName} (optional)",
            ["description"] = DescriptionOf(input),
            ["order"] = order,
            ["isBrowsable"] = true,
            ["isSynthetic"] = false,
            ["isWrapped"] = input.IsWrapped,
            ["uiHint"] = hint,
            ["category"] = input.Category,
            ["defaultValue"] = input.DefaultValue is null ? null : JsonValue.Create(PlainValue.ToText(input.DefaultValue)),
            ["defaultSyntax"] = hint is "json-editor" or "multitext" or "checklist" ? "Object" : "Literal",
            ["isReadOnly"] = false,
            ["isSensitive"] = false,
            ["storageDriverType"] = null,
            ["uiSpecifications"] = SpecificationsOf(input, hint),
        };
    }

    private static string HintOf(InputDescriptor input)
    {
        var type = Nullable.GetUnderlyingType(input.ValueType) ?? input.ValueType;
        return input.UIHint switch
        {
            InputOptions.VmsServer or InputOptions.FailoverLogEntry => "dropdown",
            // As the designer writes it.
            "multi-text" => "multitext",
            "singleline" when type == typeof(bool) => "checkbox",
            "singleline" when input.Options.Count > 0 || type.IsEnum => "dropdown",
            "singleline" when TypeNames.Of(type) is "ObjectDictionary" or "ObjectArray" => "json-editor",
            var given => given,
        };
    }

    private static string? DescriptionOf(InputDescriptor input)
    {
        var type = Nullable.GetUnderlyingType(input.ValueType) ?? input.ValueType;
        return type == typeof(TimeSpan) ? $"{input.Description} Written as hours:minutes:seconds, for example 00:05:00.".TrimStart() : input.Description;
    }

    private static JsonObject SpecificationsOf(InputDescriptor input, string hint)
    {
        var type = Nullable.GetUnderlyingType(input.ValueType) ?? input.ValueType;
        IEnumerable<string> options = input.Options.Count > 0 ? input.Options : type.IsEnum ? Enum.GetNames(type) : [];
        return (hint, input.UIHint) switch
        {
            // Filled when the panel is opened: servers and entries come and go.
            ("dropdown", InputOptions.VmsServer or InputOptions.FailoverLogEntry) => InputOptions.Refreshed(InputOptions.Dropdown([])),
            ("dropdown", _) => InputOptions.Dropdown(options.Select(o => (o, o))),
            ("radiolist", _) => new JsonObject { ["radiolist"] = new JsonObject { ["radioList"] = Items(options, null) } },
            ("checklist", _) => new JsonObject { ["checklist"] = new JsonObject { ["checkList"] = Items(options, false) } },
            ("code-editor", _) => new JsonObject { ["code-editor"] = new JsonObject { ["language"] = "javascript", ["editorHeight"] = 0, ["singleLineMode"] = false } },
            ("singleline", _) when type == typeof(TimeSpan) => new JsonObject { ["singleline"] = new JsonObject { ["adornmentText"] = "hh:mm:ss", ["enableCopyAdornment"] = false } },
            _ => [],
        };
    }

    private static JsonObject Items(IEnumerable<string> options, bool? isChecked) => new()
    {
        ["items"] = new JsonArray([.. options.Select(o => (JsonNode)(isChecked is { } value ? new JsonObject { ["text"] = o, ["value"] = o, ["isChecked"] = value } : new JsonObject { ["text"] = o, ["value"] = o }))]),
        ["isFlagsEnum"] = false,
    };
}
