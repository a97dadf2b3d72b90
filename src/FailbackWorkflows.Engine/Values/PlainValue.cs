using System.Collections;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace FailbackWorkflows.Engine.Values;

/// <summary>
/// The only values a workflow holds: null, <see cref="bool"/>, <see cref="long"/>, <see cref="double"/>, <see cref="string"/>, a read-only
/// list of them and a read-only dictionary of them. Whatever an activity returns is brought into this form before it is journaled,
/// so that a state rebuilt from the journal holds exactly what the living one held.
/// </summary>
public static class PlainValue
{
    private const double LargestExactInteger = 9_007_199_254_740_992d;

    /// <summary>JSON settings for values that cross the border of the engine: camelCase, enums as camelCase text.</summary>
    public static JsonSerializerOptions Json { get; } = CreateOptions();

    /// <summary>
    /// Brings any serialisable object into plain form. Numbers without a fraction become <see cref="long"/>; NaN and infinities become null; half
    /// of a surrogate pair, for which JSON has no form, becomes U+FFFD.
    /// </summary>
    public static object? From(object? value) => value switch
    {
        null => null,
        string text => WellFormed(text),
        bool or long => value,
        int i => (long)i,
        double d => FromDouble(d),
        float f => FromDouble(f),
        decimal m => FromJson(JsonSerializer.SerializeToElement(m, Json)),
        JsonElement element => FromJson(element),
        JsonNode node => FromJson(JsonSerializer.SerializeToElement(node, Json)),
        IReadOnlyDictionary<string, object?> map => FromMap(map),
        IReadOnlyList<object?> list => FromList(list),
        _ => FromJson(JsonSerializer.SerializeToElement(value, value.GetType(), Json)),
    };

    /// <summary>Reads JSON into plain form.</summary>
    public static object? FromJson(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.String => element.GetString(),
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Number => element.TryGetInt64(out var integer) ? integer : FromDouble(element.GetDouble()),
        JsonValueKind.Array => element.EnumerateArray().Select(FromJson).ToList(),
        JsonValueKind.Object => ReadObject(element),
        _ => null,
    };

    /// <summary>Reads JSON text into plain form.</summary>
    public static object? Parse(string json)
    {
        using var document = JsonDocument.Parse(json);
        return FromJson(document.RootElement);
    }

    /// <summary>Writes a plain value as JSON text with members in the order they were set.</summary>
    public static string ToJson(object? value) => JsonSerializer.Serialize(value, Json);

    /// <summary>
    /// Turns a plain value into <typeparamref name="T"/>. Text is read as a time span, instant, number or enum where the type asks for it.
    /// Throws <see cref="FormatException"/> with a sentence when it cannot be read.
    /// </summary>
    public static T? To<T>(object? value)
    {
        if (value is null)
        {
            return default;
        }

        if (value is T same && typeof(T) != typeof(object))
        {
            return same;
        }

        var target = Nullable.GetUnderlyingType(typeof(T)) ?? typeof(T);
        try
        {
            return (T?)Convert(value, target);
        }
        catch (Exception exception) when (exception is JsonException or FormatException or OverflowException or InvalidCastException)
        {
            throw new FormatException($"'{Shorten(ToJson(value))}' cannot be read as {target.Name}.", exception);
        }
    }

    /// <summary>True when two plain values are the same, member order aside.</summary>
    public static bool AreEqual(object? left, object? right) => (left, right) switch
    {
        (null, null) => true,
        (null, _) or (_, null) => false,
        (IReadOnlyDictionary<string, object?> a, IReadOnlyDictionary<string, object?> b) =>
            a.Count == b.Count && a.All(pair => b.TryGetValue(pair.Key, out var other) && AreEqual(pair.Value, other)),
        (IReadOnlyList<object?> a, IReadOnlyList<object?> b) => a.Count == b.Count && a.Zip(b).All(pair => AreEqual(pair.First, pair.Second)),
        (long a, double b) => a == b,
        (double a, long b) => a == b,
        _ => left.Equals(right),
    };

    /// <summary>Text as a person would read it: strings bare, everything else as JSON.</summary>
    public static string ToText(object? value) => value switch
    {
        null => string.Empty,
        string text => text,
        bool flag => flag ? "true" : "false",
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => ToJson(value),
    };

    /// <summary>JavaScript's idea of true: not null, false, 0 or the empty text. The texts "true" and "false" count as what they say, as Elsa reads them.</summary>
    public static bool IsTrue(object? value) => value switch
    {
        null => false,
        bool flag => flag,
        long integer => integer != 0,
        double number => number != 0,
        string text => text.Length > 0 && !text.Equals("false", StringComparison.OrdinalIgnoreCase),
        _ => true,
    };

    private static object? Convert(object value, Type target)
    {
        if (target == typeof(object))
        {
            return value;
        }

        if (target == typeof(string))
        {
            return ToText(value);
        }

        if (value is string text)
        {
            if (target == typeof(TimeSpan))
            {
                return TimeSpan.Parse(text, CultureInfo.InvariantCulture);
            }

            if (target == typeof(DateTimeOffset))
            {
                return DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
            }

            if (target == typeof(bool))
            {
                return bool.Parse(text);
            }

            if (target.IsPrimitive)
            {
                return System.Convert.ChangeType(text, target, CultureInfo.InvariantCulture);
            }

            if (!target.IsEnum && target != typeof(Guid) && target != typeof(Uri))
            {
                return JsonSerializer.Deserialize(text, target, Json);
            }
        }

        if (target.IsPrimitive && value is long or double or bool)
        {
            // A conversion would round in silence.
            if (value is double number && number != Math.Truncate(number) && target != typeof(double) && target != typeof(float) && target != typeof(bool))
            {
                throw new FormatException($"{number} has a fraction.");
            }

            return System.Convert.ChangeType(value, target, CultureInfo.InvariantCulture);
        }

        return JsonSerializer.Deserialize(JsonSerializer.SerializeToUtf8Bytes(value, Json), target, Json);
    }

    private static object? FromDouble(double number)
    {
        if (!double.IsFinite(number))
        {
            return null;
        }

        return Math.Abs(number) <= LargestExactInteger && number == Math.Truncate(number) ? (long)number : number;
    }

    private static string WellFormed(string text) =>
        text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') < 0 ? text : Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));

    private static object FromMap(IReadOnlyDictionary<string, object?> map)
    {
        var copy = new Dictionary<string, object?>(map.Count, StringComparer.Ordinal);
        foreach (var (key, item) in map)
        {
            copy[WellFormed(key)] = From(item);
        }

        return copy;
    }

    private static object FromList(IReadOnlyList<object?> list) => list.Select(From).ToList();

    private static Dictionary<string, object?> ReadObject(JsonElement element)
    {
        var map = new Dictionary<string, object?>(StringComparer.Ordinal);
        foreach (var member in element.EnumerateObject())
        {
            map[member.Name] = FromJson(member.Value);
        }

        return map;
    }

    private static string Shorten(string text) => text.Length <= 80 ? text : text[..80] + "…";

    private static JsonSerializerOptions CreateOptions()
    {
        var options = new JsonSerializerOptions(JsonSerializerDefaults.Web)
        {
            DefaultIgnoreCondition = JsonIgnoreCondition.Never,
            // Events are stored with their members in the order of their names, and a database may change that, too.
            AllowOutOfOrderMetadataProperties = true,
            Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        };
        options.Converters.Add(new JsonStringEnumConverter(JsonNamingPolicy.CamelCase));
        options.Converters.Add(new PlainValueConverter());
        options.MakeReadOnly(populateMissingResolver: true);
        return options;
    }

    /// <summary>Members declared as <c>object</c> are read as plain values instead of as raw JSON elements.</summary>
    private sealed class PlainValueConverter : JsonConverter<object?>
    {
        public override object? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => ReadValue(ref reader);

        public override void Write(Utf8JsonWriter writer, object? value, JsonSerializerOptions options) => WriteValue(writer, value, options);

        private static object? ReadValue(ref Utf8JsonReader reader)
        {
            switch (reader.TokenType)
            {
                case JsonTokenType.String:
                    return reader.GetString();
                case JsonTokenType.True:
                    return true;
                case JsonTokenType.False:
                    return false;
                case JsonTokenType.Number:
                    return reader.TryGetInt64(out var integer) ? integer : FromDouble(reader.GetDouble());
                case JsonTokenType.StartArray:
                    var list = new List<object?>();
                    while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                    {
                        list.Add(ReadValue(ref reader));
                    }

                    return list;
                case JsonTokenType.StartObject:
                    var map = new Dictionary<string, object?>(StringComparer.Ordinal);
                    while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
                    {
                        var name = reader.GetString()!;
                        reader.Read();
                        map[name] = ReadValue(ref reader);
                    }

                    return map;
                default:
                    return null;
            }
        }

        private static void WriteValue(Utf8JsonWriter writer, object? value, JsonSerializerOptions options)
        {
            switch (value)
            {
                case null:
                    writer.WriteNullValue();
                    break;
                case string text:
                    writer.WriteStringValue(text);
                    break;
                case bool flag:
                    writer.WriteBooleanValue(flag);
                    break;
                case long integer:
                    writer.WriteNumberValue(integer);
                    break;
                case double number when double.IsFinite(number):
                    writer.WriteNumberValue(number);
                    break;
                case double:
                    writer.WriteNullValue();
                    break;
                case IReadOnlyDictionary<string, object?> map:
                    writer.WriteStartObject();
                    foreach (var (key, item) in map)
                    {
                        writer.WritePropertyName(key);
                        WriteValue(writer, item, options);
                    }

                    writer.WriteEndObject();
                    break;
                case IReadOnlyList<object?> list:
                    writer.WriteStartArray();
                    foreach (var item in list)
                    {
                        WriteValue(writer, item, options);
                    }

                    writer.WriteEndArray();
                    break;
                case IEnumerable when value.GetType() == typeof(object):
                    writer.WriteNullValue();
                    break;
                default:
                    if (value.GetType() == typeof(object))
                    {
                        writer.WriteStartObject();
                        writer.WriteEndObject();
                    }
                    else
                    {
                        JsonSerializer.Serialize(writer, value, value.GetType(), options);
                    }

                    break;
            }
        }
    }
}
