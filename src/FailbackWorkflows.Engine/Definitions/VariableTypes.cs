using System.Globalization;
using System.Text.Json;
using FailbackWorkflows.Engine.Values;

namespace FailbackWorkflows.Engine.Definitions;

/// <summary>Elsa's type aliases. A variable's default is a JSON text in the definition and is read as the type says.</summary>
internal static class VariableTypes
{
    public static bool TryRead(string typeName, JsonElement element, out object? value)
    {
        if (element.ValueKind != JsonValueKind.String)
        {
            value = PlainValue.FromJson(element);
            return true;
        }

        var text = element.GetString()!;
        switch (typeName)
        {
            case "String" or "Object" or "Any":
                value = text;
                return true;
            case "Boolean":
                var isBoolean = bool.TryParse(text, out var flag);
                value = flag;
                return isBoolean;
            case "Int32" or "Int64" or "Byte" or "Int16":
                var isInteger = long.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out var integer);
                value = integer;
                return isInteger;
            case "Double" or "Single" or "Decimal":
                var isNumber = double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number);
                value = PlainValue.From(number);
                return isNumber;
            case "ObjectDictionary" or "ObjectArray" or "JsonElement":
                return TryParseJson(text, out value);
            default:
                value = text;
                return true;
        }
    }

    private static bool TryParseJson(string text, out object? value)
    {
        try
        {
            value = PlainValue.Parse(text);
            return true;
        }
        catch (JsonException)
        {
            value = null;
            return false;
        }
    }
}
