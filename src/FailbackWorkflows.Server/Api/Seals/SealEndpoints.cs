using FailbackWorkflows.Persistence.Identity;
using FailbackWorkflows.Persistence.Seals;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Http.HttpResults;

namespace FailbackWorkflows.Server.Api.Seals;

/// <summary>The checkpoint that introduced a new key.</summary>
/// <param name="KeyId">Id of the key that signs from now on.</param>
public sealed record KeyRotated(string KeyId, long Checkpoint);

/// <summary>Why the key is changed.</summary>
public sealed record RotateKeyRequest(string Reason);

internal static class SealEndpoints
{
    private const string ContentType = "application/x-ndjson";

    public static void MapSeals(this IEndpointRouteBuilder api)
    {
        api.MapGet("/verification", VerifyAsync)
            .RequireAuthorization(Permissions.Audit)
            .WithTags("Audit")
            .WithSummary("Verifies the history, or one run of it, against the checkpoints outside of the database, and names what is wrong and what is not sealed yet");
        api.MapGet("/seals/checkpoints", DownloadAsync)
            .RequireAuthorization(Permissions.Audit)
            .Produces<byte[]>(StatusCodes.Status200OK, ContentType)
            .WithTags("Audit")
            .WithSummary("This management server's file of checkpoints, to be kept elsewhere; a range (bytes=N-) reads on from where a copy ends");
        api.MapPost("/seals/key", RotateAsync)
            .RequireAuthorization(Permissions.Administer)
            .WithTags("Audit")
            .WithSummary("Makes a new key for sealing the history at this management server; the present one vouches for it");
    }

    private static async Task<Results<Ok<VerificationReport>, Problem>> VerifyAsync(
        HttpContext context, IHistoryVerifications verifications, IAuditLog audit, TimeProvider time, CancellationToken cancellationToken, string? runId = null)
    {
        if (runId is { Length: 0 or > 128 })
        {
            return UnknownRun();
        }

        var report = await verifications.VerifyAsync(runId, cancellationToken);
        await audit.AppendAsync(
            new AuditRecord(time.GetUtcNow(), CurrentActor.Of(context), "verify history", runId, null, ResultOf(report, runId)), CancellationToken.None);
        return runId is not null && report.IsOfNoRun ? UnknownRun() : TypedResults.Ok(report);
    }

    /// <summary>As the audit log has it.</summary>
    internal static string ResultOf(VerificationReport report, string? runId) =>
        !report.IsClean ? $"{report.Findings.Count} findings" : runId is not null && report.IsOfNoRun ? "no such run" : report.HasOutsideFile ? "done" : "no file of checkpoints";

    private static Problem UnknownRun() => new(Problems.UnknownRun, "A run's id comes with the answer that started it and is shown in the failover log.");

    private static async Task<IResult> DownloadAsync(HttpContext context, SealFolder folder, IAuditLog audit, TimeProvider time)
    {
        if (!File.Exists(folder.Checkpoints.Path))
        {
            return new Problem(Problems.Refused, "Nothing has been sealed yet.");
        }

        await audit.AppendAsync(new AuditRecord(time.GetUtcNow(), CurrentActor.Of(context), "export checkpoints", context.Request.Headers.Range.ToString() is { Length: > 0 } range ? range : null, null, "done"), CancellationToken.None);

        // It only grows: what is there now is whole lines, and stays.
        var file = new FileStream(folder.Checkpoints.Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        return Results.Stream(file, ContentType, "checkpoints.ndjson", enableRangeProcessing: true);
    }

    private static async Task<Results<Ok<KeyRotated>, Problem>> RotateAsync(RotateKeyRequest request, HttpContext context, IHistorySeals seals, CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        errors.Required("reason", request.Reason, 1000);
        if (errors.Any)
        {
            return errors.ToProblem();
        }

        context.Audit("sealing key", request.Reason);
        try
        {
            var sealedBy = await seals.RotateKeyAsync(cancellationToken);
            return TypedResults.Ok(new KeyRotated(SealingKey.IdOf(sealedBy.Checkpoint.NewKey!), sealedBy.Checkpoint.Number));
        }
        catch (SealConflictException conflict)
        {
            return new Problem(Problems.Refused, conflict.Message);
        }
    }
}
