using System.Collections;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using System.Xml;

namespace FailbackWorkflows.Recorders;

/// <summary>
/// How the records of this project look on the wire: camelCase members, enums as camelCase strings, instants as RFC 3339 UTC with
/// <c>Z</c> (an instant with any other offset is refused), lengths as ISO 8601 durations such as <c>PT0.001S</c>. A member that is
/// missing or null where the record wants a value, or an item of a list that is null, is a <see cref="JsonException"/>, never a default.
/// </summary>
public static class RecorderJson
{
    /// <summary>Options shared by the client and by recorders. Read only.</summary>
    public static JsonSerializerOptions Options { get; } = Create();

    /// <summary>The instant in the form the contract uses, with 7 fractional digits so that 100 ns survive the trip.</summary>
    public static string FormatInstant(DateTimeOffset instant) =>
        instant.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture);

    /// <summary>Reads an RFC 3339 instant in UTC; false for local or offset times.</summary>
    public static bool TryParseInstant(string? text, out DateTimeOffset instant)
    {
        instant = default;
        return text is not null
            && text.EndsWith('Z')
            && text.Contains('T')
            && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out instant);
    }

    private static JsonSerializerOptions Create()
    {
        var options = new JsonSerializerOptions(JsonSerializerDefaults.Web)
        {
            NumberHandling = JsonNumberHandling.Strict,
            RespectNullableAnnotations = true,
            RespectRequiredConstructorParameters = true,
            TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { RefuseNullItems } },
            Converters =
            {
                new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false),
                new InstantConverter(),
                new DurationConverter(),
            },
        };
        options.MakeReadOnly(populateMissingResolver: true);
        return options;
    }

    // The serializer respects what may be null of members, not of items.
    private static void RefuseNullItems(JsonTypeInfo type)
    {
        if (type is { Kind: JsonTypeInfoKind.Enumerable, ElementType.IsValueType: false })
        {
            type.OnDeserialized = static items =>
            {
                foreach (var item in (IEnumerable)items)
                {
                    if (item is null)
                    {
                        throw new JsonException("An item of a list is null.");
                    }
                }
            };
        }
    }

    private sealed class InstantConverter : JsonConverter<DateTimeOffset>
    {
        public override DateTimeOffset Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            reader.TokenType == JsonTokenType.String && TryParseInstant(reader.GetString(), out var instant)
                ? instant
                : throw new JsonException("An instant must be RFC 3339 in UTC, e.g. 2026-03-01T12:00:00.000Z.");

        public override void Write(Utf8JsonWriter writer, DateTimeOffset value, JsonSerializerOptions options) =>
            writer.WriteStringValue(FormatInstant(value));
    }

    private sealed class DurationConverter : JsonConverter<TimeSpan>
    {
        public override TimeSpan Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            try
            {
                return XmlConvert.ToTimeSpan(reader.GetString() ?? "");
            }
            catch (Exception error) when (error is FormatException or OverflowException or InvalidOperationException)
            {
                throw new JsonException("A length must be an ISO 8601 duration, e.g. PT2S.", error);
            }
        }

        public override void Write(Utf8JsonWriter writer, TimeSpan value, JsonSerializerOptions options) =>
            writer.WriteStringValue(XmlConvert.ToString(value));
    }
}
