using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using FailbackWorkflows.Engine.Values;

namespace FailbackWorkflows.Engine.Journal;

/// <summary>
/// The one form in which an event is stored and hashed: a line of JSON without white space, members in the order of their names (by code unit), enums as
/// camelCase text, instants as RFC 3339, numbers in their shortest form. Only what a workflow's own values hold stays in the order in which it was set, because scripts
/// see that order and would decide by it. Whoever checks a hash needs none of these rules: the stored bytes are what was hashed.
/// </summary>
public static class CanonicalJson
{
    private static readonly JsonSerializerOptions Sorted = CreateOptions();

    /// <summary>An event in its canonical form.</summary>
    public static string Of(JournalEvent item) => JsonSerializer.Serialize(item, item.GetType(), Sorted);

    /// <summary>As <see cref="Of(JournalEvent)"/>, in UTF-8.</summary>
    internal static byte[] Utf8Of(JournalEvent item) => JsonSerializer.SerializeToUtf8Bytes(item, item.GetType(), Sorted);

    /// <summary>Any record made of plain members in the same form.</summary>
    public static string Of<T>(T value) => JsonSerializer.Serialize(value, Sorted);

    private static JsonSerializerOptions CreateOptions()
    {
        var options = new JsonSerializerOptions(JsonSerializerDefaults.Web)
        {
            DefaultIgnoreCondition = JsonIgnoreCondition.Never,
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
            TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { NameEvents, SortMembers } },
        };
        options.Converters.Add(new JsonStringEnumConverter(JsonNamingPolicy.CamelCase));
        options.Converters.Add(new MapConverter());
        options.Converters.Add(new ValueConverter());
        options.MakeReadOnly();
        return options;
    }

    /// <summary>An event is written as what it is, not as what it is derived from; so its name is a member like any other.</summary>
    private static void NameEvents(JsonTypeInfo type)
    {
        if (type.Kind != JsonTypeInfoKind.Object || !type.Type.IsAssignableTo(typeof(JournalEvent)) || type.Type.IsAbstract)
        {
            return;
        }

        var name = JournalEvent.NameOf(type.Type);
        var member = type.CreateJsonPropertyInfo(typeof(string), JournalEvent.Discriminator);
        member.Get = _ => name;
        type.Properties.Add(member);
    }

    private static void SortMembers(JsonTypeInfo type)
    {
        if (type.Kind != JsonTypeInfoKind.Object)
        {
            return;
        }

        var order = 0;
        foreach (var member in type.Properties.OrderBy(p => p.Name, StringComparer.Ordinal).ToList())
        {
            member.Order = order++;
        }
    }

    private static void WriteMap(Utf8JsonWriter writer, IReadOnlyDictionary<string, object?> map, JsonSerializerOptions options)
    {
        writer.WriteStartObject();
        foreach (var (key, item) in map)
        {
            writer.WritePropertyName(key);
            WriteValue(writer, item, options);
        }

        writer.WriteEndObject();
    }

    private static void WriteValue(Utf8JsonWriter writer, object? value, JsonSerializerOptions options)
    {
        switch (value)
        {
            case IReadOnlyDictionary<string, object?> map:
                WriteMap(writer, map, options);
                break;
            case IReadOnlyList<object?> list:
                writer.WriteStartArray();
                foreach (var item in list)
                {
                    WriteValue(writer, item, options);
                }

                writer.WriteEndArray();
                break;
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
            default:
                // Not plain yet: a test, or an activity's own list.
                WriteValue(writer, PlainValue.From(value), options);
                break;
        }
    }

    private sealed class MapConverter : JsonConverter<IReadOnlyDictionary<string, object?>>
    {
        public override IReadOnlyDictionary<string, object?> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => throw new NotSupportedException();

        public override void Write(Utf8JsonWriter writer, IReadOnlyDictionary<string, object?> value, JsonSerializerOptions options) => WriteMap(writer, value, options);
    }

    private sealed class ValueConverter : JsonConverter<object?>
    {
        public override object? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => throw new NotSupportedException();

        public override void Write(Utf8JsonWriter writer, object? value, JsonSerializerOptions options) => WriteValue(writer, value, options);
    }
}
