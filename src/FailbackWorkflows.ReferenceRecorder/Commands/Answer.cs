using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Http;

namespace FailbackWorkflows.ReferenceRecorder.Commands;

/// <summary>An answer as it goes out, and as it is remembered under a key.</summary>
public sealed record Answer(int Status, string Body, bool IsReplay = false)
{
    // Sentences have quotes and dashes; the answer is JSON with its own content type and never part of a page.
    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Answer Ok(object value) => new(StatusCodes.Status200OK, JsonSerializer.Serialize(value, value.GetType(), RecorderJson.Options));

    public static Answer Created(object value) => Ok(value) with { Status = StatusCodes.Status201Created };

    public static Answer Problem(int status, string type, string sentence, DateTimeOffset? from = null, string? reason = null)
    {
        var problem = new JsonObject
        {
            ["type"] = type,
            ["title"] = type[(type.LastIndexOf(':') + 1)..].Replace('-', ' '),
            ["status"] = status,
            ["detail"] = sentence,
        };
        if (from is { } begin)
        {
            problem["from"] = RecorderJson.FormatInstant(begin);
        }

        if (reason is not null)
        {
            problem["reason"] = reason;
        }

        return new Answer(status, problem.ToJsonString(Plain));
    }

    public static Answer Of(Refusal refusal) => Problem(refusal.Status, refusal.Type, refusal.Message, refusal.From, refusal.Reason);

    public async Task WriteAsync(HttpContext context)
    {
        context.Response.StatusCode = Status;
        context.Response.ContentType = Status >= 400 ? "application/problem+json" : "application/json; charset=utf-8";
        context.Response.Headers.CacheControl = "no-store";
        if (IsReplay)
        {
            context.Response.Headers[RecorderHeaders.IdempotencyReplayed] = "true";
        }

        await context.Response.WriteAsync(Body, context.RequestAborted).ConfigureAwait(false);
    }
}
