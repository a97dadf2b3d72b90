using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using FailbackWorkflows.Server.Api;

namespace FailbackWorkflows.Server.Studio;

/// <summary>JSON as Elsa Studio speaks it: camelCase, enums as the names they have in C#, members it does not know ignored on both sides.</summary>
internal static class StudioJson
{
    private const int MaxDepth = 128;

    public static JsonSerializerOptions Options { get; } = new(JsonSerializerDefaults.Web)
    {
        MaxDepth = MaxDepth,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(), new TextConverter() },
    };

    public static IResult Ok(object? value) => Results.Json(value, Options);

    /// <summary>A list in its envelope.</summary>
    public static IResult List<T>(IReadOnlyCollection<T> items) => Ok(new { Items = items, items.Count });

    /// <summary>Refused, each sentence shown as a message of its own.</summary>
    public static IResult Refused(params IEnumerable<string> sentences)
    {
        string[] all = [.. sentences];
        return Results.Json(new { StatusCode = 400, Message = all[0], Errors = new { GeneralErrors = all } }, Options, statusCode: StatusCodes.Status400BadRequest);
    }

    /// <summary>The body as a JSON object. Throws <see cref="JsonException"/>.</summary>
    public static async Task<JsonObject> ReadObjectAsync(HttpContext context)
    {
        var node = await JsonNode.ParseAsync(
            context.Request.Body, null, new JsonDocumentOptions { MaxDepth = MaxDepth, AllowDuplicateProperties = false }, context.RequestAborted);
        return node as JsonObject ?? throw new JsonException("The body is a JSON object.");
    }

    /// <summary>The body as a request. Throws <see cref="JsonException"/>.</summary>
    public static async Task<T> ReadAsync<T>(HttpContext context) =>
        await JsonSerializer.DeserializeAsync<T>(context.Request.Body, Options, context.RequestAborted) ?? throw new JsonException("The body is a JSON object.");

    public static string? Text(JsonNode? node) => node is JsonValue value && value.GetValueKind() == JsonValueKind.String ? (string?)value : null;
}

/// <summary>What our page around the designer adds to its requests and hears of in the answers.</summary>
internal static class StudioHeaders
{
    private const string Reason = "X-Failback-Reason";
    private const string Messages = "X-Failback-Messages";
    private const int MostReason = 1000;
    private const int MostMessages = 12_000;
    private const int MostOfMany = 6;

    /// <summary>Why, as the person was asked by our page; null: nobody was.</summary>
    public static string? ReasonOf(HttpContext context)
    {
        var text = Uri.UnescapeDataString(context.Request.Headers[Reason].ToString()).Replace("\0", "", StringComparison.Ordinal).Trim();
        return text.Length switch { 0 => null, > MostReason => text[..MostReason], _ => text };
    }

    /// <summary>Sentences that our page shows above the designer.</summary>
    public static void Tell(HttpContext context, params IEnumerable<StudioMessage> messages)
    {
        StudioMessage[] all = [.. messages];
        if (all.Length > 0 && Uri.EscapeDataString(JsonSerializer.Serialize(all, StudioJson.Options)) is { Length: < MostMessages } text)
        {
            context.Response.Headers[Messages] = text;
        }
    }

    /// <summary>What became of each of several things. Our page has room for a few sentences, so what was refused goes first and is counted; what went well the designer counts itself.</summary>
    public static void TellOfMany(HttpContext context, IReadOnlyCollection<StudioMessage> messages)
    {
        var refused = messages.Count(m => m.Tone == "bad");
        var room = refused > MostOfMany ? MostOfMany - 1 : MostOfMany;
        Tell(
            context,
            [
                .. messages.OrderBy(m => m.Tone switch { "bad" => 0, "warn" => 1, _ => 2 }).Take(room),
                .. refused > room ? (IEnumerable<StudioMessage>)[new("bad", string.Create(CultureInfo.InvariantCulture, $"{refused - room} more were refused. Choose fewer to read why."))] : [],
            ]);
    }
}

/// <summary>A sentence above the designer, with a way on.</summary>
/// <param name="Tone"><c>ok</c>, <c>warn</c>, <c>bad</c>, or nothing.</param>
internal sealed record StudioMessage(string Tone, string Text, string? Href = null, string? Link = null);
