using System.Globalization;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.ReferenceRecorder.Access;
using FailbackWorkflows.ReferenceRecorder.Commands;
using FailbackWorkflows.ReferenceRecorder.Storage;
using Microsoft.Net.Http.Headers;

namespace FailbackWorkflows.ReferenceRecorder.Segments;

/// <summary>The bytes of a segment. Ranges and conditions are the framework's; what is not whole is never sent.</summary>
public static partial class SegmentBytesEndpoints
{
    public static void MapSegmentBytes(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/segments/{segmentId}", ServeAsync)
            .AllowReadToken()
            .Produces<byte[]>(StatusCodes.Status200OK, "application/octet-stream").Produces<byte[]>(StatusCodes.Status206PartialContent, "application/octet-stream")
            .WithName("getSegmentBytes").WithSummary("The stored bytes, whole or a range; maxRate in bytes/s.");
        routes.MapMethods("/v1/segments/{segmentId}", [HttpMethods.Head], ServeAsync)
            .AllowReadToken().WithName("headSegmentBytes").WithSummary("As the GET, without the bytes.");
    }

    private static async Task ServeAsync(HttpContext context, RecorderStore store, DataFolder folder, ILogger<RecorderStore> logger)
    {
        var row = Find(context, store);
        var maxRate = MaxRate(context);
        await using var file = Open(folder, row);
        if (file is null || file.Length != row.Bytes)
        {
            throw await LoseAsync(store, row, file is null ? "its file is gone" : $"its file has {file.Length} bytes", logger);
        }

        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers["Repr-Digest"] = $"sha-256=:{Convert.ToBase64String(Convert.FromHexString(row.Sha256!))}:";
        await using var bytes = maxRate is { } rate ? new PacedStream(file, rate, store.Time) : (Stream)file;
        await Results.Stream(bytes, row.ContentType, entityTag: new EntityTagHeaderValue($"\"{row.Sha256}\""), enableRangeProcessing: true).ExecuteAsync(context);
        if (context.Response is { StatusCode: StatusCodes.Status416RangeNotSatisfiable, HasStarted: false })
        {
            context.Response.ContentLength = null;
            await Answer.Problem(
                StatusCodes.Status416RangeNotSatisfiable,
                RecorderProblems.RangeNotSatisfiable,
                $"Segment '{row.SegmentId}' has {row.Bytes} bytes, and the range lies beyond them. Read its size again.").WriteAsync(context);
        }
    }

    private static SegmentRow Find(HttpContext context, RecorderStore store)
    {
        var segmentId = context.Request.RouteValues["segmentId"] as string;
        if (!Names.IsItem(segmentId))
        {
            throw Refusal.Malformed($"The segment id is not one. {Names.ItemRule}");
        }

        var row = store.Read(sql => SegmentStore.Find(sql, segmentId) ?? throw Missing(sql, context, segmentId));
        ReadGrant.Check(context, row.Identity);
        ReadGrant.CheckOverlap(context, row.From, row.To);
        return row.Sha256 is not null
            ? row
            : throw new Refusal(StatusCodes.Status409Conflict, RecorderProblems.SegmentGrowing, $"Segment '{segmentId}' is still being written. Ask again when it is closed.");
    }

    private static Refusal Missing(Sql sql, HttpContext context, string segmentId)
    {
        if (SegmentStore.FindGone(sql, segmentId) is not var (trackId, gone))
        {
            return Refusal.Unknown($"There is no segment '{segmentId}' on this recorder.");
        }

        ReadGrant.Check(context, trackId.Split('~')[0]);
        ReadGrant.CheckOverlap(context, gone.From, gone.To);
        return Gone(segmentId, gone.Reason);
    }

    private static Refusal Gone(string segmentId, string reason) => new(StatusCodes.Status410Gone, RecorderProblems.SegmentGone, $"Segment '{segmentId}' was here and is gone: {reason}. It will not come back from this recorder.") { Reason = reason };

    /// <summary>Null when the file is not there. Anything else that goes wrong (a disk that does not answer) says nothing about the segment.</summary>
    private static SegmentBytes? Open(DataFolder folder, SegmentRow row)
    {
        try
        {
            return new SegmentBytes(File.OpenHandle(Path.Combine(folder.SegmentsPath, row.File), FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, FileOptions.SequentialScan));
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }

    /// <summary>A piece that is not whole is not material any more: it is taken out of the index, and whoever lists the track is told.</summary>
    private static async Task<Refusal> LoseAsync(RecorderStore store, SegmentRow row, string what, ILogger logger)
    {
        var reason = await store.WriteAsync(
            sql =>
            {
                if (SegmentStore.Find(sql, row.SegmentId) is null)
                {
                    // Housekeeping was faster.
                    return SegmentStore.FindGone(sql, row.SegmentId)?.Gone.Reason;
                }

                SegmentStore.Remove(sql, row, "lost", store.Time.GetUtcNow());
                RecorderJournal.Write(sql, store.Time.GetUtcNow(), row.Identity, "segmentLost", $"Segment {row.SegmentId} of {row.Bytes} bytes is lost: {what}.");
                LogLost(logger, row.SegmentId, what);
                return "lost";
            },
            CancellationToken.None);
        return Gone(row.SegmentId, reason ?? "lost");
    }

    private static long? MaxRate(HttpContext context)
    {
        var text = context.Request.Query["maxRate"].ToString();
        if (text.Length == 0)
        {
            return null;
        }

        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var rate) && rate >= 1024
            ? rate
            : throw Refusal.Malformed("The query value 'maxRate' must be a whole number of bytes per second, 1024 or more.");
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Segment {SegmentId} is lost: {What}")]
    private static partial void LogLost(ILogger logger, string segmentId, string what);
}
