using System.Buffers;
using System.Text;
using System.Text.Json;

namespace FailbackWorkflows.Recorders;

/// <summary>
/// One text per JSON value: object members sorted ordinally, no white space, array order and number texts kept. Two values that differ
/// only in member order or formatting have the same canonical form, so it can be hashed.
/// </summary>
public static class CanonicalJson
{
    /// <summary>The canonical form as text.</summary>
    public static string Text(JsonElement element) => Text(element, isStrict: false);

    /// <summary>The canonical form as text; null when there is none to rely on: a string is not valid Unicode, or an object has a member twice.</summary>
    public static string? FindText(JsonElement element)
    {
        try
        {
            return Text(element, isStrict: true);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or ArgumentException)
        {
            // The latter two are how the JSON library says that a string is not valid Unicode.
            return null;
        }
    }

    /// <summary>Writes <paramref name="element"/> in canonical form; an undefined element is written as null.</summary>
    public static void Write(Utf8JsonWriter writer, JsonElement element) => Write(writer, element, isStrict: false);

    private static string Text(JsonElement element, bool isStrict)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var writer = new Utf8JsonWriter(buffer))
        {
            Write(writer, element, isStrict);
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static void Write(Utf8JsonWriter writer, JsonElement element, bool isStrict)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                writer.WriteStartObject();
                string? former = null;
                foreach (var member in element.EnumerateObject().OrderBy(m => m.Name, StringComparer.Ordinal))
                {
                    if (isStrict && member.Name == former)
                    {
                        throw new JsonException($"The member '{former}' is there twice.");
                    }

                    former = member.Name;
                    writer.WritePropertyName(member.Name);
                    Write(writer, member.Value, isStrict);
                }

                writer.WriteEndObject();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (var item in element.EnumerateArray())
                {
                    Write(writer, item, isStrict);
                }

                writer.WriteEndArray();
                break;
            case JsonValueKind.Undefined:
                writer.WriteNullValue();
                break;
            default:
                element.WriteTo(writer);
                break;
        }
    }
}
