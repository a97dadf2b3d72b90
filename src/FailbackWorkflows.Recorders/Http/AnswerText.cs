using System.Text.Json;

namespace FailbackWorkflows.Recorders.Http;

/// <summary>Whether what a recorder says is text. U+0000 is allowed in JSON and in no text: not every database stores it, so whatever read it could never be written down.</summary>
internal static class AnswerText
{
    /// <summary>True when a value or the name of a member holds U+0000. Throws <see cref="JsonException"/> where that cannot be said because it is no JSON.</summary>
    public static bool HasNul(ReadOnlySpan<byte> json)
    {
        // JSON allows it as an escape only; nearly no answer has one, and what looks like one may be a backslash and five letters.
        if (json.IndexOf("\\u0000"u8) < 0)
        {
            return false;
        }

        var reader = new Utf8JsonReader(json);
        while (reader.Read())
        {
            if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName && reader.ValueIsEscaped && Unescape(ref reader).Contains('\0'))
            {
                return true;
            }
        }

        return false;
    }

    private static string Unescape(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException exception)
        {
            // Half of a character.
            throw new JsonException(exception.Message, exception);
        }
    }
}
