using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace FailbackWorkflows.Testing.Processes;

/// <summary>An answer of the management server's API as it came.</summary>
public sealed record Answer(HttpStatusCode Status, string? ContentType, string Text)
{
    internal static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web) { Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) } };

    /// <summary>The end of what the server has printed, when it says that it made a mistake; else null.</summary>
    public string? Printed { get; init; }

    public JsonNode? Json => Text.Length == 0 ? null : JsonNode.Parse(Text);

    /// <summary>The <c>type</c> of a problem answer without its prefix, or null when it is none.</summary>
    public string? Problem => ContentType == "application/problem+json" ? ((string?)Json?["type"])?["urn:failback:".Length..] : null;

    public T As<T>() => (int)Status is >= 200 and < 300
        ? JsonSerializer.Deserialize<T>(Text, Options)!
        : throw (Status == HttpStatusCode.ServiceUnavailable
            // The server says that something it needs is away for a moment: whoever waits for something asks again, as for a server that is away itself.
            ? new HttpRequestException($"The answer was 503: {Text}")
            : new InvalidOperationException($"The answer was {(int)Status}: {Text}{Environment.NewLine}{Printed}"));

    public override string ToString() => $"{(int)Status} {Text}{(Printed is null ? "" : Environment.NewLine + Printed)}";
}
