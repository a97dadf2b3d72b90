using System.Text.Json;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Server.Api.Runs;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Http.HttpResults;

namespace FailbackWorkflows.Server.Api.MaterialCopy;

internal static class MaterialCopyEndpoints
{
    public static void MapMaterialCopy(this IEndpointRouteBuilder api)
    {
        var copies = api.MapGroup("").WithTags("Material copy");
        const string entry = "/failover-log/{entryId}/material-copy";
        copies.MapGet(entry, GetAsync).RequireAuthorization(Permissions.Read)
            .WithSummary("The material copy of an entry: state, progress per channel, bytes, rate, time left");
        copies.MapPost(entry, StartAsync).RequireAuthorization(Permissions.Operate)
            .WithSummary("Starts the material copy of an entry");
        copies.MapPost("/servers/{serverId}/material-copy", StartOldestAsync).RequireAuthorization(Permissions.Operate)
            .WithSummary("Starts the material copy of the oldest period that is owed to a failed server");
        copies.MapPost($"{entry}:pause", PauseAsync).RequireAuthorization(Permissions.Operate)
            .WithSummary("Pauses the material copy at the failed server");
        copies.MapPost($"{entry}:resume", ResumeAsync).RequireAuthorization(Permissions.Operate)
            .WithSummary("Lets a material copy that an operator paused go on");
        copies.MapPost($"{entry}:cancel", CancelAsync).RequireAuthorization(Permissions.Operate)
            .WithSummary("Cancels the material copy; what is copied stays, the rest is still owed");
        copies.MapPost($"{entry}:limits", LimitAsync).RequireAuthorization(Permissions.Operate)
            .WithSummary("Changes bandwidth limit and daily window, also while it runs");
        copies.MapPost($"{entry}/accept-losses", AcceptLossesAsync).RequireAuthorization(Permissions.Administer)
            .WithSummary("Gives up what is not home, with a reason; the hold is released");
        copies.MapGet($"{entry}/disputed", GetDisputedAsync).RequireAuthorization(Permissions.Read)
            .WithSummary("What of the period was recorded without authority, and the copy of it that was asked for");
        copies.MapPost($"{entry}/disputed", CopyDisputedAsync).RequireAuthorization(Permissions.Operate)
            .WithSummary("Copies the disputed material of the period beside the ordinary, marked; needs a reason");
        copies.MapPost($"{entry}/disputed:pause", PauseDisputedAsync).RequireAuthorization(Permissions.Operate)
            .WithSummary("Pauses the copy of disputed material at the failed server");
        copies.MapPost($"{entry}/disputed:resume", ResumeDisputedAsync).RequireAuthorization(Permissions.Operate)
            .WithSummary("Lets a copy of disputed material that an operator paused go on");
        copies.MapPost($"{entry}/disputed:cancel", CancelDisputedAsync).RequireAuthorization(Permissions.Operate)
            .WithSummary("Cancels the copy of disputed material; what is copied stays, the rest stays held");
        copies.MapPost($"{entry}/disputed:limits", LimitDisputedAsync).RequireAuthorization(Permissions.Operate)
            .WithSummary("Changes bandwidth limit and daily window of the copy of disputed material");
        copies.MapPost($"{entry}/disputed/release", ReleaseDisputedAsync).RequireAuthorization(Permissions.Administer)
            .WithSummary("Gives up the disputed material of the period, with a reason; the hold on it is released");
        copies.MapGet($"{entry}/disputed/coverage", GetDisputedCoverageAsync).RequireAuthorization(Permissions.Read)
            .Produces<CoverageReport>()
            .WithSummary("The coverage report of the copy of disputed material, as JSON or CSV");
        copies.MapGet($"{entry}/coverage", GetCoverageAsync).RequireAuthorization(Permissions.Read)
            .Produces<CoverageReport>()
            .WithSummary("The coverage report of the newest copy that ended, as JSON or (Accept: text/csv or ?format=csv) as CSV");
    }

    private static async Task<Results<Ok<MaterialCopyResponse>, Problem>> GetAsync(
        string entryId, IFailoverLog log, IMaterialCopies copies, TimeProvider time, CancellationToken cancellationToken) =>
        await log.FindAsync(entryId, cancellationToken) is { } entry
            ? TypedResults.Ok(MaterialCopyResponse.From(entry, await copies.FindByEntryAsync(entryId, cancellationToken), time.GetUtcNow()))
            : UnknownEntry();

    private static async Task<Results<Accepted<StartedRun>, Problem>> StartAsync(
        string entryId, StartCopyRequest request, HttpContext context, StartMaterialCopy start, CancellationToken cancellationToken)
    {
        if (Check(request) is { } invalid)
        {
            return invalid;
        }

        context.Audit(entryId, request.Reason);
        return StartedRun.Answer(
            await start.ExecuteAsync(new(entryId, request.RequestId!, CurrentActor.Of(context), request.Reason), cancellationToken), Problems.UnknownEntry);
    }

    private static async Task<Results<Accepted<StartedRun>, Problem>> StartOldestAsync(
        string serverId, StartCopyRequest request, HttpContext context, StartMaterialCopy start, CancellationToken cancellationToken)
    {
        if (Check(request) is { } invalid)
        {
            return invalid;
        }

        context.Audit(serverId, request.Reason);
        return StartedRun.Answer(
            await start.ExecuteOldestAsync(serverId, request.RequestId!, CurrentActor.Of(context), request.Reason, cancellationToken), Problems.UnknownServer);
    }

    private static Task<Results<Accepted<MaterialCopyResponse>, Problem>> PauseAsync(
        string entryId, CopyOrderRequest request, HttpContext context, ControlMaterialCopy control, CopyReader reader, CancellationToken cancellationToken) =>
        OrderAsync(entryId, request.Reason, context, reader, actor => control.PauseAsync(entryId, actor, cancellationToken), cancellationToken);

    private static Task<Results<Accepted<MaterialCopyResponse>, Problem>> ResumeAsync(
        string entryId, CopyOrderRequest request, HttpContext context, ControlMaterialCopy control, CopyReader reader, CancellationToken cancellationToken) =>
        OrderAsync(entryId, request.Reason, context, reader, actor => control.ResumeAsync(entryId, actor, cancellationToken), cancellationToken);

    private static Task<Results<Accepted<MaterialCopyResponse>, Problem>> CancelAsync(
        string entryId, CopyOrderRequest request, HttpContext context, ControlMaterialCopy control, CopyReader reader, CancellationToken cancellationToken) =>
        OrderAsync(entryId, request.Reason, context, reader, actor => control.CancelAsync(entryId, actor, request.Reason, cancellationToken), cancellationToken);

    private static async Task<Results<Accepted<MaterialCopyResponse>, Problem>> LimitAsync(
        string entryId, CopyLimitsRequest request, HttpContext context, ControlMaterialCopy control, CopyReader reader, CancellationToken cancellationToken) =>
        Check(request) is { } invalid
            ? invalid
            : await OrderAsync(entryId, request.Reason, context, reader, actor => control.LimitAsync(entryId, request.ToLimits(), actor, cancellationToken), cancellationToken);

    private static Task<Results<Accepted<DisputedMaterialResponse>, Problem>> PauseDisputedAsync(
        string entryId, CopyOrderRequest request, HttpContext context, ControlMaterialCopy control, CopyReader reader, CancellationToken cancellationToken) =>
        OrderDisputedAsync(entryId, request.Reason, context, reader, actor => control.OfDisputed.PauseAsync(entryId, actor, cancellationToken), cancellationToken);

    private static Task<Results<Accepted<DisputedMaterialResponse>, Problem>> ResumeDisputedAsync(
        string entryId, CopyOrderRequest request, HttpContext context, ControlMaterialCopy control, CopyReader reader, CancellationToken cancellationToken) =>
        OrderDisputedAsync(entryId, request.Reason, context, reader, actor => control.OfDisputed.ResumeAsync(entryId, actor, cancellationToken), cancellationToken);

    private static Task<Results<Accepted<DisputedMaterialResponse>, Problem>> CancelDisputedAsync(
        string entryId, CopyOrderRequest request, HttpContext context, ControlMaterialCopy control, CopyReader reader, CancellationToken cancellationToken) =>
        OrderDisputedAsync(entryId, request.Reason, context, reader, actor => control.OfDisputed.CancelAsync(entryId, actor, request.Reason, cancellationToken), cancellationToken);

    private static async Task<Results<Accepted<DisputedMaterialResponse>, Problem>> LimitDisputedAsync(
        string entryId, CopyLimitsRequest request, HttpContext context, ControlMaterialCopy control, CopyReader reader, CancellationToken cancellationToken) =>
        Check(request) is { } invalid
            ? invalid
            : await OrderDisputedAsync(entryId, request.Reason, context, reader, actor => control.OfDisputed.LimitAsync(entryId, request.ToLimits(), actor, cancellationToken), cancellationToken);

    private static Problem? Check(CopyLimitsRequest request)
    {
        var errors = new FieldErrors();
        if (request.MaxBytesPerSecond < ControlMaterialCopy.LeastBytesPerSecond)
        {
            errors.Add("maxBytesPerSecond", $"It must be at least {ControlMaterialCopy.LeastBytesPerSecond}. To stop the copy for a while, pause it.");
        }

        if (request.WindowFrom is null != request.WindowTo is null || (request.WindowFrom is not null && request.WindowFrom == request.WindowTo))
        {
            errors.Add("windowTo", "A daily window needs a start and another end, or neither.");
        }

        return errors.Any ? errors.ToProblem() : null;
    }

    private static async Task<Results<Accepted<MaterialCopyResponse>, Problem>> AcceptLossesAsync(
        string entryId, AcceptLossesRequest request, HttpContext context, AcceptLosses accept, CopyReader reader, CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        errors.Required("reason", request.Reason, 1000);
        return errors.Any
            ? errors.ToProblem()
            : await OrderAsync(entryId, request.Reason, context, reader, actor => accept.ExecuteAsync(entryId, actor, request.Reason!.Trim(), cancellationToken), cancellationToken);
    }

    private static async Task<Results<Ok<DisputedMaterialResponse>, Problem>> GetDisputedAsync(
        string entryId, IFailoverLog log, DisputedMaterial disputed, TimeProvider time, CancellationToken cancellationToken) =>
        await log.FindAsync(entryId, cancellationToken) is { } entry
            ? TypedResults.Ok(DisputedMaterialResponse.From(entry, await disputed.ReadAsync(entry, cancellationToken), time.GetUtcNow()))
            : UnknownEntry();

    private static async Task<Results<Accepted<StartedRun>, Problem>> CopyDisputedAsync(
        string entryId, CopyDisputedRequest request, HttpContext context, CopyDisputedMaterial copy, CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        errors.Required("requestId", request.RequestId, 64);
        errors.Required("reason", request.Reason, 1000);
        if (errors.Any)
        {
            return errors.ToProblem();
        }

        context.Audit(entryId, request.Reason);
        return StartedRun.Answer(
            await copy.ExecuteAsync(new(entryId, request.RequestId!, CurrentActor.Of(context), request.Reason!.Trim()), cancellationToken), Problems.UnknownEntry);
    }

    private static async Task<Results<Accepted<DisputedMaterialResponse>, Problem>> ReleaseDisputedAsync(
        string entryId,
        AcceptLossesRequest request,
        HttpContext context,
        AcceptLosses accept,
        IFailoverLog log,
        DisputedMaterial disputed,
        TimeProvider time,
        CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        errors.Required("reason", request.Reason, 1000);
        if (errors.Any)
        {
            return errors.ToProblem();
        }

        context.Audit(entryId, request.Reason);
        var result = await accept.ReleaseDisputedAsync(entryId, CurrentActor.Of(context), request.Reason!.Trim(), cancellationToken);
        if (result.Outcome == ControlOutcome.Refused)
        {
            return new Problem(Problems.Refused, result.Message ?? "That is not possible now.");
        }

        return result.Outcome == ControlOutcome.Accepted && await log.FindAsync(entryId, cancellationToken) is { } entry
            ? TypedResults.Accepted(
                $"/api/v1/failover-log/{Uri.EscapeDataString(entryId)}/material-copy/disputed",
                DisputedMaterialResponse.From(entry, await disputed.ReadAsync(entry, cancellationToken), time.GetUtcNow()))
            : UnknownEntry();
    }

    private static Task<IResult> GetCoverageAsync(string entryId, HttpContext context, IFailoverLog log, IMaterialCopies copies, CancellationToken cancellationToken, string? format = null) =>
        CoverageAsync(context, log, entryId, _ => copies.FindCoverageAsync(entryId, cancellationToken), "No material copy of this entry has ended yet. Its progress is at material-copy.", format, cancellationToken);

    private static Task<IResult> GetDisputedCoverageAsync(string entryId, HttpContext context, IFailoverLog log, IMaterialCopies copies, CancellationToken cancellationToken, string? format = null) =>
        CoverageAsync(
            context,
            log,
            entryId,
            entry => copies.FindCoverageOfTaskAsync(MaterialCopyTask.IdOf(entry.Id, entry.FailoverServerId, isDisputed: true), cancellationToken),
            "No copy of the disputed material of this entry has ended yet. How it stands is at disputed.",
            format,
            cancellationToken);

    private static async Task<IResult> CoverageAsync(
        HttpContext context, IFailoverLog log, string entryId, Func<FailoverLogEntry, Task<KeptCoverage?>> find, string none, string? format, CancellationToken cancellationToken)
    {
        if (format is not (null or "json" or "csv"))
        {
            var errors = new FieldErrors();
            errors.Add("format", "It must be json or csv.");
            return errors.ToProblem();
        }

        if (await log.FindAsync(entryId, cancellationToken) is not { } entry)
        {
            return UnknownEntry();
        }

        if (await find(entry) is not { } coverage)
        {
            return new Problem(Problems.NoCoverage, none);
        }

        context.Response.Headers.ETag = $"\"{coverage.Sha256}\"";
        var isCsv = format is null ? WantsCsv(context.Request) : format == "csv";

        // As the recorder wrote it, so that its digest can be checked by whoever reads it.
        return isCsv
            ? Results.Text(CoverageCsv.Write(coverage.Report), CsvText.ContentType)
            : Results.Text(JsonSerializer.Serialize(coverage.Report, RecorderJson.Options), "application/json");
    }

    private static bool WantsCsv(HttpRequest request) =>
        request.GetTypedHeaders().Accept is { Count: > 0 } accept
        && accept.Max(a => a.MediaType.Equals(CsvText.ContentType, StringComparison.OrdinalIgnoreCase) ? a.Quality ?? 1 : 0) is > 0 and var csv
        && csv > accept.Max(a => a.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase) ? a.Quality ?? 1 : 0);

    private static Problem? Check(StartCopyRequest request)
    {
        var errors = new FieldErrors();
        errors.Required("requestId", request.RequestId, 64);
        errors.Optional("reason", request.Reason, 1000);
        return errors.Any ? errors.ToProblem() : null;
    }

    private static Task<Results<Accepted<MaterialCopyResponse>, Problem>> OrderAsync(
        string entryId, string? reason, HttpContext context, CopyReader reader, Func<Actor, Task<ControlResult>> order, CancellationToken cancellationToken) =>
        OrderAsync(entryId, reason, context, order, "", () => reader.ReadAsync(entryId, cancellationToken));

    private static Task<Results<Accepted<DisputedMaterialResponse>, Problem>> OrderDisputedAsync(
        string entryId, string? reason, HttpContext context, CopyReader reader, Func<Actor, Task<ControlResult>> order, CancellationToken cancellationToken) =>
        OrderAsync(entryId, reason, context, order, "/disputed", () => reader.ReadDisputedAsync(entryId, cancellationToken));

    private static async Task<Results<Accepted<T>, Problem>> OrderAsync<T>(
        string entryId, string? reason, HttpContext context, Func<Actor, Task<ControlResult>> order, string what, Func<Task<T>> read)
    {
        var errors = new FieldErrors();
        errors.Optional("reason", reason, 1000);
        if (errors.Any)
        {
            return errors.ToProblem();
        }

        context.Audit(entryId, reason);
        var result = await order(CurrentActor.Of(context));
        return result.Outcome switch
        {
            ControlOutcome.Accepted => TypedResults.Accepted($"/api/v1/failover-log/{Uri.EscapeDataString(entryId)}/material-copy{what}", await read()),
            ControlOutcome.Unknown => UnknownEntry(),
            _ => new Problem(Problems.Refused, result.Message ?? "That is not possible now."),
        };
    }

    private static Problem UnknownEntry() => new(Problems.UnknownEntry, "GET /api/v1/failover-log lists the entries there are.");
}

/// <summary>Reads the copy of an entry again after an order.</summary>
internal sealed class CopyReader(IFailoverLog log, IMaterialCopies copies, DisputedMaterial disputed, TimeProvider time)
{
    public async Task<DisputedMaterialResponse> ReadDisputedAsync(string entryId, CancellationToken cancellationToken)
    {
        var entry = (await log.FindAsync(entryId, cancellationToken))!;
        return DisputedMaterialResponse.From(entry, await disputed.ReadAsync(entry, cancellationToken), time.GetUtcNow());
    }

    public async Task<MaterialCopyResponse> ReadAsync(string entryId, CancellationToken cancellationToken) =>
        MaterialCopyResponse.From((await log.FindAsync(entryId, cancellationToken))!, await copies.FindByEntryAsync(entryId, cancellationToken), time.GetUtcNow());
}
