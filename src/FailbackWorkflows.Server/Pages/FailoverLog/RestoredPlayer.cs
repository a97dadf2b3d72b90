using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Server.Api.MaterialCopy;
using FailbackWorkflows.Server.Resources;

namespace FailbackWorkflows.Server.Pages.FailoverLog;

/// <summary>A segment in the player's list.</summary>
/// <param name="Url">Its bytes.</param>
/// <param name="Link">The page that plays it.</param>
/// <param name="Media"><c>video</c> or <c>audio</c>; null: no browser plays it.</param>
public sealed record PlayerItem(Segment Segment, string Url, string Link, string? Media)
{
    public bool IsSynthetic => Segment.ContentType == MediaTypes.Synthetic;
}

/// <summary>What the coverage page plays: a stretch of a track from a moment on, the first of its segments at once.</summary>
/// <param name="Items">Empty when there is nothing to play; <paramref name="Message"/> says why.</param>
/// <param name="Later">The page that goes on behind the last one; null at the end.</param>
public sealed record RestoredPlayer(TrackCoverage Track, IReadOnlyList<PlayerItem> Items, string? Later, string? Message)
{
    private const int MostItems = 60;

    /// <summary>States of stretches whose material is on the failed server.</summary>
    public static bool IsHome(CoverageState state) => state is CoverageState.Copied or CoverageState.AlreadyThere or CoverageState.Archived;

    /// <summary>The page that plays a track from a moment on.</summary>
    public static string LinkOf(string entryId, string trackId, DateTimeOffset at) =>
        $"/failover-log/{Uri.EscapeDataString(entryId)}/coverage?track={Uri.EscapeDataString(trackId)}&at={Uri.EscapeDataString(RecorderJson.FormatInstant(at))}#player";

    /// <summary>Null when nothing is asked for, or no such thing.</summary>
    public static async Task<RestoredPlayer?> LoadAsync(
        string entryId, CoverageReport report, string? trackId, string? at, RestoredMaterial material, CancellationToken cancellationToken)
    {
        if (report.Tracks.FirstOrDefault(t => t.TrackId == trackId) is not { } track || !RecorderJson.TryParseInstant(at, out var from))
        {
            return null;
        }

        // A gap is stepped over: play what comes next.
        if (track.Stretches.FirstOrDefault(s => IsHome(s.State) && s.To > from) is not { } stretch)
        {
            return new(track, [], null, Texts.Of("Nothing of this channel is restored from then on."));
        }

        var first = from > stretch.From ? from : stretch.From;
        var found = await ListAsync(entryId, track, stretch, first, material, cancellationToken);
        if (found.Value is not { Items: { Count: > 0 } segments } value)
        {
            return new(track, [], null, found.Message ?? Texts.Of("The failed server has nothing of this stretch any more."));
        }

        var next = value.IsComplete ? track.Stretches.FirstOrDefault(s => IsHome(s.State) && s.From >= stretch.To)?.From : segments[^1].To;
        return new(
            track,
            [.. segments.Select(s => new PlayerItem(s, RestoredMaterialEndpoints.UrlOf(entryId, s), LinkOf(entryId, track.TrackId, s.From), MediaOf(s)))],
            next is { } later ? LinkOf(entryId, track.TrackId, later) : null,
            null);
    }

    /// <summary>From the timeline, or from the side archive that has the stretch.</summary>
    private static async Task<RestoredResult<RestoredSegments>> ListAsync(
        string entryId, TrackCoverage track, CoverageStretch stretch, DateTimeOffset from, RestoredMaterial material, CancellationToken cancellationToken)
    {
        RestoredResult<RestoredSegments>? found = null;
        foreach (var trackId in stretch.State == CoverageState.Archived ? track.ArchiveTrackIds ?? [] : [track.TrackId])
        {
            found = await material.ListAsync(entryId, trackId, from, stretch.To, MostItems, cancellationToken);
            if (found.Value is { Items.Count: > 0 })
            {
                break;
            }
        }

        return found ?? new(RestoredOutcome.UnknownTrack, null, Texts.Of("The coverage report names no side archive of this channel."));
    }

    private static string? MediaOf(Segment segment) =>
        !MediaTypes.IsPlayable(segment.ContentType) ? null : segment.ContentType.StartsWith("audio/", StringComparison.OrdinalIgnoreCase) ? "audio" : "video";
}
