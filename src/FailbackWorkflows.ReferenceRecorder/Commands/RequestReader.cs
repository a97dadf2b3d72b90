using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Http;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.ReferenceRecorder.Commands;

/// <summary>Reads what a caller sent; whatever is wrong with it is a <see cref="Refusal"/>, never a failure of the recorder.</summary>
public static class RequestReader
{
    public static string Identity(HttpContext context) => CheckName(context.Request.RouteValues["identity"] as string, "identity");

    public static string CheckName(string? name, string what) =>
        Names.IsValid(name) ? name! : throw Refusal.Malformed($"The {what} is missing or not a name. {Names.Rule}");

    public static string CheckText(string text, string what, int mostCharacters) =>
        !string.IsNullOrWhiteSpace(text) && text.Length <= mostCharacters && !text.Any(char.IsControl)
            ? text
            : throw Refusal.Malformed($"The {what} must have 1 to {mostCharacters} characters and no control characters.");

    /// <summary>Body as JSON together with the hash that tells one request from another under the same key.</summary>
    public static async Task<(T Body, string Hash)> ReadAsync<T>(HttpContext context)
        where T : class
    {
        using var buffer = new MemoryStream();
        await context.Request.Body.CopyToAsync(buffer, context.RequestAborted).ConfigureAwait(false);
        var bytes = buffer.GetBuffer().AsMemory(0, (int)buffer.Length);
        try
        {
            using var document = JsonDocument.Parse(bytes);
            var body = document.Deserialize<T>(RecorderJson.Options) ?? throw Refusal.Malformed("The body must be a JSON object, not null.");
            return (body, Hash(context.Request, document.RootElement));
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or ArgumentException)
        {
            // The latter two are how the JSON library says that a string is not valid Unicode.
            throw Refusal.Malformed($"The body is not the JSON this route expects: {Place(error)}. Check it against /openapi/v1.json.");
        }
    }

    /// <summary>Hash of a request whose body is not JSON or is left out.</summary>
    public static string HashWithoutBody(HttpContext context) => Hash(context.Request, default);

    /// <summary>Authority of the caller as its headers state it.</summary>
    public static DutyAuthority Authority(HttpContext context) => new(
        WholeHeader(context, RecorderHeaders.DutyEpoch, "the epoch under which the caller acts"),
        WholeHeader(context, RecorderHeaders.DutyFence, "the caller's fence"));

    public static long Epoch(HttpContext context) => WholeHeader(context, RecorderHeaders.DutyEpoch, "the epoch under which the caller acts");

    /// <summary>Authority of a caller that acts for a copy task or a read token.</summary>
    public static CopyAuthority TaskAuthority(HttpContext context) => new(
        WholeHeader(context, RecorderHeaders.DutyEpoch, "the epoch under which the caller acts"),
        WholeHeader(context, RecorderHeaders.CopyFence, "the caller's fence for this task"));

    public static string Key(HttpContext context)
    {
        var key = context.Request.Headers[RecorderHeaders.IdempotencyKey].ToString();
        return key.Length is >= 1 and <= 200 && key.All(c => c is > ' ' and <= '~')
            ? key
            : throw Refusal.Malformed($"The header {RecorderHeaders.IdempotencyKey} is missing or has other than 1 to 200 visible ASCII characters. Send a key that names this command.");
    }

    public static long ExpectedRevision(HttpContext context)
    {
        // The revision alone, or the whole tag that came with the settings.
        var text = context.Request.Headers.IfMatch.ToString().Trim().Trim('"').Split('-')[0];
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var revision)
            ? revision
            : throw Refusal.Malformed("The header If-Match must name the active revision that is expected, e.g. \"7\".");
    }

    /// <summary>True when If-None-Match names the tag (or is <c>*</c>): the caller has what it would get.</summary>
    public static bool KnowsTag(HttpContext context, string tag) =>
        context.Request.Headers.IfNoneMatch.ToString().Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Any(known => known == tag || known == "*");

    public static DateTimeOffset? InstantQuery(HttpContext context, string name)
    {
        var text = context.Request.Query[name].ToString();
        if (text.Length == 0)
        {
            return null;
        }

        return RecorderJson.TryParseInstant(text, out var instant)
            ? instant
            : throw Refusal.Malformed($"The query value '{name}' must be RFC 3339 in UTC, e.g. 2026-03-01T12:00:00.000Z.");
    }

    /// <summary>Items wanted on one page; more than <paramref name="most"/> gives that many.</summary>
    public static int Limit(HttpContext context, int usual, int most)
    {
        var text = context.Request.Query["limit"].ToString();
        if (text.Length == 0)
        {
            return usual;
        }

        return decimal.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) && limit >= 1
            ? (int)Math.Min(limit, most)
            : throw Refusal.Malformed("The query value 'limit' must be a whole number, 1 or more.");
    }

    /// <summary>The range <c>[from, to)</c> of the query; either may be missing.</summary>
    public static (DateTimeOffset? From, DateTimeOffset? To) RangeQuery(HttpContext context)
    {
        var range = (From: InstantQuery(context, "from"), To: InstantQuery(context, "to"));
        return range.To <= range.From ? throw Refusal.Malformed("The query value 'to' must lie after 'from'.") : range;
    }

    private static long WholeHeader(HttpContext context, string name, string meaning) =>
        long.TryParse(context.Request.Headers[name].ToString(), NumberStyles.None, CultureInfo.InvariantCulture, out var value)
            ? value
            : throw Refusal.Malformed($"The header {name} must be a whole number, {meaning}.");

    /// <summary>Method, path, expected revision and body without the fence, which grows when another run repeats the same command.</summary>
    private static string Hash(HttpRequest request, JsonElement body)
    {
        var canonical = new ArrayBufferWriter<byte>();
        canonical.Write(Encoding.UTF8.GetBytes($"{request.Method}\n{request.Path}\n{request.Headers.IfMatch}\n"));
        using (var writer = new Utf8JsonWriter(canonical))
        {
            if (body.ValueKind == JsonValueKind.Object)
            {
                writer.WriteStartObject();
                foreach (var member in body.EnumerateObject().Where(m => m.Name != "fence").OrderBy(m => m.Name, StringComparer.Ordinal))
                {
                    writer.WritePropertyName(member.Name);
                    CanonicalJson.Write(writer, member.Value);
                }

                writer.WriteEndObject();
            }
            else
            {
                CanonicalJson.Write(writer, body);
            }
        }

        return Convert.ToHexStringLower(SHA256.HashData(canonical.WrittenSpan));
    }

    /// <summary>The library's own text names our types, and may hold what was sent; place and line are what helps the sender.</summary>
    private static string Place(Exception error)
    {
        if (error is not JsonException json)
        {
            return "a text in it is not valid Unicode";
        }

        var place = string.IsNullOrEmpty(json.Path) || json.Path == "$" ? "it cannot be read" : $"{json.Path} is missing, has a wrong type or is no such value";
        return json.LineNumber is { } number ? $"{place} (line {number + 1}, byte {json.BytePositionInLine + 1})" : place;
    }
}
