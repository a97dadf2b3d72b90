using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http.Metadata;

namespace FailbackWorkflows.Server.Api;

/// <summary>An error answer (RFC 9457) of a kind from <see cref="Problems"/>, with a sentence for the operator.</summary>
public sealed class Problem(ProblemKind kind, string detail) : IResult, IStatusCodeHttpResult
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    public ProblemKind Kind { get; } = kind;

    public string Detail { get; } = detail;

    public int? StatusCode => Kind.Status;

    /// <summary>Per field what is wrong with it.</summary>
    public IReadOnlyDictionary<string, string[]>? Errors { get; init; }

    /// <summary>The run in the way.</summary>
    public string? RunId { get; init; }

    /// <summary>Links by name, e.g. to the run in the way.</summary>
    public IReadOnlyDictionary<string, string>? Links { get; init; }

    public Task ExecuteAsync(HttpContext httpContext)
    {
        httpContext.Response.StatusCode = Kind.Status;
        var body = new ProblemBody(Kind.Type, Kind.Title, Kind.Status, Detail, httpContext.TraceIdentifier, Errors, RunId, Links);
        return httpContext.Response.WriteAsJsonAsync(body, Json, "application/problem+json", httpContext.RequestAborted);
    }

    private sealed record ProblemBody(
        string Type,
        string Title,
        int Status,
        string Detail,
        string TraceId,
        IReadOnlyDictionary<string, string[]>? Errors,
        string? RunId,
        IReadOnlyDictionary<string, string>? Links);
}
