using System.Globalization;
using System.Net.Http.Headers;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Server.Identity;

namespace FailbackWorkflows.Server.Api.MaterialCopy;

/// <summary>
/// What a material copy has brought home, to be looked at: read from the failed server with the management server's credential, which never
/// leaves it. Seeing pictures and hearing sound of people is more than seeing states, so it needs the role that works with them, and the audit
/// log says who did.
/// </summary>
internal static class RestoredMaterialEndpoints
{
    private const string Track = "/failover-log/{entryId}/material-copy/tracks/{trackId}/segments";
    private const int UsualSegments = 100;

    public static void MapRestoredMaterial(this IEndpointRouteBuilder api)
    {
        var material = api.MapGroup("").WithTags("Material copy");
        material.MapGet(Track, ListAsync).RequireAuthorization(Permissions.Operate)
            .Produces<RestoredSegmentsResponse>().ProducesProblem(404).ProducesProblem(502).ProducesProblem(503)
            .WithSummary("Segments of a restored track, oldest first: from and to (instants, UTC) within the copy's period, limit 1 to 500 (100)");
        material.MapGet($"{Track}/{{segmentId}}", ReadAsync).RequireAuthorization(Permissions.Operate)
            .Produces<byte[]>(200, "video/mp4").Produces<byte[]>(206, "video/mp4").ProducesProblem(404).ProducesProblem(410).ProducesProblem(416).ProducesProblem(502).ProducesProblem(503)
            .WithSummary("The bytes of a restored segment, whole or a Range; from is its start as listed");
    }

    /// <summary>Where a browser gets the bytes of a segment.</summary>
    public static string UrlOf(string entryId, Segment segment) =>
        $"/api/v1/failover-log/{Uri.EscapeDataString(entryId)}/material-copy/tracks/{Uri.EscapeDataString(segment.TrackId)}/segments/{Uri.EscapeDataString(segment.Id)}"
        + $"?from={Uri.EscapeDataString(RecorderJson.FormatInstant(segment.From))}";

    private static async Task<IResult> ListAsync(
        string entryId, string trackId, RestoredMaterial material, CancellationToken cancellationToken, string? from = null, string? to = null, string? limit = null)
    {
        var errors = new FieldErrors();
        var first = Instant(errors, "from", from);
        var end = Instant(errors, "to", to);
        var most = UsualSegments;
        if (limit is not null && (!int.TryParse(limit, NumberStyles.None, CultureInfo.InvariantCulture, out most) || most is < 1 or > RestoredMaterial.MostSegments))
        {
            errors.Add("limit", $"It must be a whole number from 1 to {RestoredMaterial.MostSegments}.");
        }

        if (errors.Any)
        {
            return errors.ToProblem();
        }

        var result = await material.ListAsync(entryId, trackId, first, end, most, cancellationToken);
        return result.Value is { } segments
            ? TypedResults.Ok(new RestoredSegmentsResponse([.. segments.Items.Select(s => RestoredSegmentResponse.Of(entryId, s))], segments.IsComplete))
            : ProblemOf(result);
    }

    private static async Task<IResult> ReadAsync(
        string entryId,
        string trackId,
        string segmentId,
        HttpRequest request,
        RestoredMaterial material,
        ViewingTrail viewings,
        ILogger<RestoredSegmentAnswer> logger,
        CancellationToken cancellationToken,
        string? from = null)
    {
        var errors = new FieldErrors();
        if (Instant(errors, "from", from) is not { } start)
        {
            errors.Add("from", "It is needed: the segment's start, as GET …/segments lists it.");
            return errors.ToProblem();
        }

        var result = await material.OpenAsync(entryId, trackId, segmentId, start, RangeOf(request), IfRangeOf(request), cancellationToken);
        if (result.Value is not { } open)
        {
            return ProblemOf(result);
        }

        try
        {
            await viewings.NoteAsync(request.HttpContext, "view restored material", $"{entryId} {open.Segment.Id}", cancellationToken);
        }
        catch
        {
            open.Dispose();
            throw;
        }

        return new RestoredSegmentAnswer(open, logger);
    }

    /// <summary>One range of bytes is passed on; anything else is answered whole, as HTTP allows.</summary>
    private static string? RangeOf(HttpRequest request) =>
        RangeHeaderValue.TryParse(request.Headers.Range, out var range) && range is { Unit: "bytes", Ranges.Count: 1 } ? range.ToString() : null;

    private static string? IfRangeOf(HttpRequest request) =>
        EntityTagHeaderValue.TryParse(request.Headers.IfRange, out var tag) && !tag.IsWeak ? tag.ToString() : null;

    private static DateTimeOffset? Instant(FieldErrors errors, string name, string? text)
    {
        if (text is null)
        {
            return null;
        }

        if (RecorderJson.TryParseInstant(text, out var instant))
        {
            return instant;
        }

        errors.Add(name, "It must be an instant in UTC, such as 2026-03-01T12:00:00Z.");
        return null;
    }

    private static Problem ProblemOf<T>(RestoredResult<T> result)
        where T : class => new(
            result.Outcome switch
            {
                RestoredOutcome.UnknownEntry => Problems.UnknownEntry,
                RestoredOutcome.NoCoverage => Problems.NoCoverage,
                RestoredOutcome.UnknownTrack => Problems.UnknownTrack,
                RestoredOutcome.UnknownSegment => Problems.UnknownSegment,
                RestoredOutcome.Gone => Problems.SegmentGone,
                RestoredOutcome.OutOfRange => Problems.RangeNotSatisfiable,
                RestoredOutcome.Unavailable => Problems.RecorderUnavailable,
                _ => Problems.RecorderRefuses,
            },
            result.Message ?? "It cannot be shown.");
}

/// <summary>Segments of a restored track.</summary>
/// <param name="IsComplete">False: there are more; ask again with <c>from</c> = the last one's <c>to</c>.</param>
public sealed record RestoredSegmentsResponse(IReadOnlyList<RestoredSegmentResponse> Items, bool IsComplete);

/// <summary>A restored segment, <c>[From, To)</c>.</summary>
/// <param name="Sha256">Lower-case hex over its bytes.</param>
/// <param name="ContentType">As the recorder labels it; <c>application/vnd.failback.synthetic</c> is generated test material.</param>
/// <param name="IsPlayable">It is video or audio that a browser can be given.</param>
/// <param name="Url">Where its bytes are.</param>
public sealed record RestoredSegmentResponse(
    string Id, DateTimeOffset From, DateTimeOffset To, long Bytes, string? Sha256, DisputeState Disputed, string ContentType, bool IsPlayable, string Url)
{
    internal static RestoredSegmentResponse Of(string entryId, Segment segment) => new(
        segment.Id, segment.From, segment.To, segment.Bytes, segment.Sha256, segment.Disputed, segment.ContentType, MediaTypes.IsPlayable(segment.ContentType),
        RestoredMaterialEndpoints.UrlOf(entryId, segment));
}

/// <summary>Passes a segment's bytes on as they come; nothing of it is kept.</summary>
internal sealed class RestoredSegmentAnswer(OpenRestoredSegment open, ILogger logger) : IResult
{
    public async Task ExecuteAsync(HttpContext httpContext)
    {
        using var segment = open;
        var response = httpContext.Response;
        response.StatusCode = segment.Bytes.ContentRange is null ? StatusCodes.Status200OK : StatusCodes.Status206PartialContent;
        response.ContentLength = segment.Bytes.Length;
        response.Headers.AcceptRanges = "bytes";
        response.Headers.ContentRange = segment.Bytes.ContentRange;
        response.Headers.ETag = segment.Bytes.EntityTag;
        if (MediaTypes.IsPlayable(segment.Segment.ContentType))
        {
            response.ContentType = segment.Segment.ContentType;
        }
        else
        {
            // Whatever a recorder calls its bytes: nothing of it is to run as a page of ours.
            response.ContentType = segment.Segment.ContentType == MediaTypes.Synthetic ? MediaTypes.Synthetic : "application/octet-stream";
            response.Headers.ContentDisposition = "attachment";
        }

        try
        {
            await segment.Bytes.CopyToAsync(response.Body, httpContext.RequestAborted);
        }
        catch (IOException error)
        {
            // The head is sent, so that cutting the connection is the only way left to say that this is not all.
            if (!httpContext.RequestAborted.IsCancellationRequested)
            {
                logger.LogWarning("Segment {SegmentId} was not sent to its end: {Reason}", segment.Segment.Id, error.Message);
            }

            httpContext.Abort();
        }
        catch (OperationCanceledException) when (httpContext.RequestAborted.IsCancellationRequested)
        {
            // The viewer went on to something else.
            httpContext.Abort();
        }
    }
}
