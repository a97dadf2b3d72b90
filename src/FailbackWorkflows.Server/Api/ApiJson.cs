using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace FailbackWorkflows.Server.Api;

/// <summary>JSON of the API: camelCase, enums as camelCase text, instants in UTC with <c>Z</c>, unknown and doubled members refused.</summary>
internal static class ApiJson
{
    public static void Configure(JsonSerializerOptions options)
    {
        options.PropertyNamingPolicy = JsonNamingPolicy.CamelCase;
        options.UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow;
        options.AllowDuplicateProperties = false;
        options.NumberHandling = JsonNumberHandling.Strict;
        options.MaxDepth = 32;
        options.Converters.Add(new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false));
        options.Converters.Add(new UtcInstantConverter());
        options.Converters.Add(new TextConverter());
    }

    /// <summary>RFC 3339 with <c>Z</c>; what comes in with another offset is brought to UTC, what comes without one is refused.</summary>
    private sealed class UtcInstantConverter : JsonConverter<DateTimeOffset>
    {
        public override DateTimeOffset Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            if (reader.TokenType != JsonTokenType.String
                || reader.GetString() is not { Length: >= 20 and <= 40 } text
                || !(text.EndsWith('Z') || text[^6] is '+' or '-')
                || !reader.TryGetDateTimeOffset(out var instant))
            {
                throw new JsonException("An instant is written like 2026-01-31T12:00:00Z.");
            }

            return instant.ToUniversalTime();
        }

        public override void Write(Utf8JsonWriter writer, DateTimeOffset value, JsonSerializerOptions options) =>
            writer.WriteStringValue(value.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", CultureInfo.InvariantCulture));
    }
}
