using System.Globalization;
using System.Text.Json;
using FailbackWorkflows.Engine.Values;

namespace FailbackWorkflows.Engine.Definitions;

/// <summary>Elsa's type aliases. A variable's default is a JSON text in the definition and is read as the type says.</summary>
internal static class VariableTypes
{
    /// <summary>The alias of a type: <c>System.Int32, System.Private.CoreLib</c> is <c>Int32</c>.</summary>
    public static string AliasOf(string typeName)
    {
        var name = typeName.Split(',')[0].Trim();
        return name[(name.LastIndexOf('.') + 1)..];
    }

    /// <summary>What the values of the type are when an activity asks for them; object for what is not told apart.</summary>
    public static Type ValueTypeOf(string alias) => alias switch
    {
        "String" => typeof(string),
        "Boolean" => typeof(bool),
        "Int32" or "Int64" or "Byte" or "Int16" => typeof(long),
        "Double" or "Single" or "Decimal" => typeof(double),
        _ => typeof(object),
    };

    /// <summary>A text read as the type asks, as people and forms give it; anything else as it is. False: it is none.</summary>
    public static bool TryReadText(string alias, bool isArray, object? given, out object? value)
    {
        value = given;
        if (given is not string text || (!isArray && ValueTypeOf(alias) == typeof(string)))
        {
            return true;
        }

        var element = JsonSerializer.SerializeToElement(text, PlainValue.Json);
        return isArray ? TryReadArray(alias, element, out value) : TryRead(alias, element, out value);
    }

    /// <summary>A list, as JSON or as a JSON text, of values of the type.</summary>
    public static bool TryReadArray(string typeName, JsonElement element, out object? value)
    {
        value = null;
        if (element.ValueKind == JsonValueKind.String)
        {
            try
            {
                using var document = JsonDocument.Parse(element.GetString()!);
                return document.RootElement.ValueKind == JsonValueKind.Array && TryReadArray(typeName, document.RootElement, out value);
            }
            catch (JsonException)
            {
                return false;
            }
        }

        if (element.ValueKind != JsonValueKind.Array)
        {
            return false;
        }

        var items = new List<object?>();
        foreach (var item in element.EnumerateArray())
        {
            if (!TryRead(typeName, item, out var read))
            {
                return false;
            }

            items.Add(read);
        }

        value = items;
        return true;
    }

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
