using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.Failback.MaterialCopy;

/// <summary>What became of the wish to see restored material.</summary>
public enum RestoredOutcome
{
    Found,

    UnknownEntry,

    /// <summary>No material copy of the entry has ended yet.</summary>
    NoCoverage,

    /// <summary>The coverage report has no such track.</summary>
    UnknownTrack,

    /// <summary>The track has no such segment in the period.</summary>
    UnknownSegment,

    /// <summary>It was there and is not any more.</summary>
    Gone,

    /// <summary>The range begins beyond the end of the segment.</summary>
    OutOfRange,

    /// <summary>The failed server does not answer now; it may later.</summary>
    Unavailable,

    /// <summary>The failed server refuses, and will until somebody changes something.</summary>
    Refused,
}

/// <summary>Answer to the wish to see restored material.</summary>
/// <param name="Value">There exactly when it was found.</param>
/// <param name="Message">A sentence for the operator; null when it was found.</param>
public sealed record RestoredResult<T>(RestoredOutcome Outcome, T? Value, string? Message)
    where T : class;

/// <summary>Segments of a restored track, oldest first.</summary>
/// <param name="IsComplete">False: there are more; ask again from the end of the last one.</param>
public sealed record RestoredSegments(IReadOnlyList<Segment> Items, bool IsComplete);

/// <summary>A restored segment and its open bytes. Dispose it.</summary>
public sealed record OpenRestoredSegment(Segment Segment, SegmentBytes Bytes) : IDisposable
{
    public void Dispose() => Bytes.Dispose();
}

/// <summary>
/// Reads what a material copy has brought home, from the failed server itself. Only tracks and times of the entry's coverage report can be
/// reached through it, although the credential it uses opens everything on that server.
/// </summary>
public sealed class RestoredMaterial(IFailoverLog log, IMaterialCopies copies, IVmsServers servers, DutyCalls calls, IMaterialReader recorders)
{
    /// <summary>Most segments listed at once.</summary>
    public const int MostSegments = 500;

    /// <summary>Whole segments of a track that overlap <c>[from, to)</c> and the report's period.</summary>
    /// <param name="trackId">A track of the report, or one of its tracks in side archives: what each has is listed apart.</param>
    /// <param name="limit">1 to <see cref="MostSegments"/>.</param>
    public async Task<RestoredResult<RestoredSegments>> ListAsync(
        string entryId, string trackId, DateTimeOffset? from, DateTimeOffset? to, int limit, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(limit, MostSegments);
        return await ReadAsync<RestoredSegments>(
            entryId,
            trackId,
            async (endpoint, track) =>
            {
                var (first, end) = (Later(from, track.From), Earlier(to, track.To));
                if (first >= end)
                {
                    return new(RestoredOutcome.Found, new([], true), null);
                }

                var page = await recorders.ListSegmentsAsync(endpoint, trackId, first, end, limit, cancellationToken);
                return new(RestoredOutcome.Found, new([.. page.Items.Where(s => !s.Growing)], page.Complete), null);
            },
            cancellationToken);
    }

    /// <summary>Opens a segment, whole or a range.</summary>
    /// <param name="from">Its start, as listed; it is looked up by it, so that no other segment of the server can be reached.</param>
    /// <param name="range">As in the HTTP header; null: whole.</param>
    /// <param name="ifRange">Entity tag under which the range holds; null: no condition.</param>
    public Task<RestoredResult<OpenRestoredSegment>> OpenAsync(
        string entryId, string trackId, string segmentId, DateTimeOffset from, string? range, string? ifRange, CancellationToken cancellationToken) =>
        ReadAsync<OpenRestoredSegment>(
            entryId,
            trackId,
            async (endpoint, track) =>
            {
                var page = await recorders.ListSegmentsAsync(endpoint, trackId, from, from.AddTicks(1), MostSegments, cancellationToken);
                if (page.Items.FirstOrDefault(s => s.Id == segmentId && !s.Growing) is { } segment)
                {
                    return segment.From < track.To && segment.To > track.From
                        ? new(RestoredOutcome.Found, new(segment, await recorders.OpenSegmentAsync(endpoint, segmentId, range, ifRange, cancellationToken)), null)
                        : new(RestoredOutcome.UnknownSegment, null, "The segment lies outside the period of this copy.");
                }

                return page.Gone.FirstOrDefault(s => s.Id == segmentId) is { } gone
                    ? new(RestoredOutcome.Gone, null, $"The segment was restored and is gone since {gone.AtUtc.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC: {gone.Reason}.")
                    : new(RestoredOutcome.UnknownSegment, null, "The failed server has no such segment at that time. List the segments of the track again.");
            },
            cancellationToken);

    private async Task<RestoredResult<T>> ReadAsync<T>(
        string entryId, string trackId, Func<RecorderEndpoint, TrackCoverage, Task<RestoredResult<T>>> read, CancellationToken cancellationToken)
        where T : class
    {
        if (await log.FindAsync(entryId, cancellationToken) is not { } entry)
        {
            return new(RestoredOutcome.UnknownEntry, null, $"There is no failover log entry '{entryId}'.");
        }

        if (await copies.FindCoverageAsync(entryId, cancellationToken) is not { } coverage)
        {
            return new(RestoredOutcome.NoCoverage, null, "No material copy of this entry has ended yet, so nothing is known to be restored.");
        }

        if (coverage.Report.Tracks.FirstOrDefault(t => t.TrackId == trackId || t.ArchiveTrackIds?.Contains(trackId) == true) is not { } track)
        {
            return new(RestoredOutcome.UnknownTrack, null, "The coverage report has no such track; it lists those there are.");
        }

        if (await servers.FindAsync(entry.FailedServerId, cancellationToken) is not { } server)
        {
            return new(RestoredOutcome.Refused, null, $"The VMS server '{entry.FailedServerId}' is not in the registry any more. Add it again to see its material.");
        }

        try
        {
            return await read(calls.EndpointOf(server), track);
        }
        catch (RecorderException error)
        {
            return Explain<T>(server, error);
        }
    }

    private static RestoredResult<T> Explain<T>(VmsServer server, RecorderException error)
        where T : class => error switch
        {
            { ProblemType: RecorderProblems.SegmentGone } => new(RestoredOutcome.Gone, null, $"{server.Name} had the segment and has it no more. It cannot be played from there."),
            { ProblemType: RecorderProblems.RangeNotSatisfiable } => new(RestoredOutcome.OutOfRange, null, "The range begins beyond the end of the segment."),
            { Kind: RecorderErrorKind.NotFound } => new(RestoredOutcome.UnknownSegment, null, $"{server.Name} does not know the track or the segment any more."),
            { Kind: RecorderErrorKind.Unreachable } => new(RestoredOutcome.Unavailable, null, $"{server.Name} does not answer. Try again when VMS servers shows it as connected."),
            { IsTransient: true } => new(RestoredOutcome.Unavailable, null, $"{server.Name} cannot give its material now. Try again in a moment."),
            _ => new(RestoredOutcome.Refused, null, $"{server.Name} refuses to give its material. Check its address and credential under VMS servers."),
        };

    private static DateTimeOffset Later(DateTimeOffset? wished, DateTimeOffset bound) => wished > bound ? wished.Value : bound;

    private static DateTimeOffset Earlier(DateTimeOffset? wished, DateTimeOffset bound) => wished < bound ? wished.Value : bound;
}
