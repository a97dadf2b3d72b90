using System.Globalization;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.Testing.Material;

/// <summary>
/// I3 and I4 of the failure scenarios, over what two recorders list of a track: from their lists alone and by other code than the copier's,
/// so that both cannot be wrong in the same way. Each answers with what breaks it; nothing: it holds.
/// </summary>
public static class MaterialInvariants
{
    /// <summary>
    /// I3: whatever the source has, and whatever the target had before, the target has after the copy, but for what the report lists (lost,
    /// outside retention, disputed).
    /// </summary>
    /// <param name="source">What the source lists of the track now.</param>
    /// <param name="before">What the target listed before the copy.</param>
    /// <param name="after">What it lists now.</param>
    /// <param name="report">The copy's coverage report. Only its period is judged against the source.</param>
    public static IReadOnlyList<string> Uncovered(
        string channelId, IEnumerable<Segment> source, IEnumerable<Segment> before, IEnumerable<Segment> after, CoverageReport report, TimeSpan tolerance)
    {
        var track = report.Tracks.FirstOrDefault(t => t.ChannelId == channelId);
        var (from, to) = track is null ? (report.Period.FromUtc, report.Period.ToUtc) : (track.From, track.To);
        var listed = (track?.Stretches ?? [])
            .Where(s => s.State is CoverageState.Missing or CoverageState.OutsideRetention or CoverageState.Disputed)
            .Select(s => new Range(s.From, s.To))
            .Concat(report.Losses.Where(l => l.ChannelId == channelId && l.Kind is "video" or "audio").Select(l => new Range(l.From, l.To)));
        var there = Union(after.Select(s => new Range(s.From, s.To)).Concat(listed), tolerance);
        var owed = source.Select(Ordinary).Where(r => r.To > r.From).Select(r => new Range(r.From > from ? r.From : from, r.To < to ? r.To : to))
            .Concat(before.Select(s => new Range(s.From, s.To)));
        return
        [
            .. Union(owed, tolerance)
                .SelectMany(o => Minus(o, there))
                .Where(r => r.To - r.From > tolerance)
                .Select(r => string.Create(CultureInfo.InvariantCulture, $"{channelId}: [{r.From:HH:mm:ss.fff}, {r.To:HH:mm:ss.fff}) is at neither the target nor in the list of losses")),
        ];
    }

    /// <summary>I4: no two segments of the track share more than the tolerance, unless one of them says so (it is marked, or disputed).</summary>
    public static IReadOnlyList<string> UnmarkedOverlaps(IEnumerable<Segment> track, Func<Segment, bool> isMarked, TimeSpan tolerance)
    {
        var overlaps = new List<string>();
        Segment? last = null;
        foreach (var segment in track.Where(s => s.Disputed == DisputeState.None && !isMarked(s)).OrderBy(s => s.From).ThenBy(s => s.Id, StringComparer.Ordinal))
        {
            if (last is not null && last.To - segment.From > tolerance)
            {
                overlaps.Add($"{segment.Id} overlaps {last.Id} by {last.To - segment.From}, and neither says so");
            }

            last = last is null || segment.To > last.To ? segment : last;
        }

        return overlaps;
    }

    private static Range Ordinary(Segment segment) =>
        new(segment.From, segment.Disputed == DisputeState.None ? segment.To : segment.DisputedFrom is { } from && from > segment.From ? from : segment.From);

    /// <summary>In order, without overlap; ranges no more than the tolerance apart are one.</summary>
    private static List<Range> Union(IEnumerable<Range> ranges, TimeSpan tolerance)
    {
        var union = new List<Range>();
        foreach (var range in ranges.Where(r => r.To > r.From).OrderBy(r => r.From))
        {
            if (union.Count > 0 && range.From - union[^1].To <= tolerance)
            {
                union[^1] = union[^1] with { To = range.To > union[^1].To ? range.To : union[^1].To };
            }
            else
            {
                union.Add(range);
            }
        }

        return union;
    }

    private static IEnumerable<Range> Minus(Range whole, List<Range> parts)
    {
        var at = whole.From;
        foreach (var part in parts.Where(p => p.To > whole.From && p.From < whole.To))
        {
            if (part.From > at)
            {
                yield return new Range(at, part.From);
            }

            at = part.To > at ? part.To : at;
        }

        if (at < whole.To)
        {
            yield return new Range(at, whole.To);
        }
    }

    private readonly record struct Range(DateTimeOffset From, DateTimeOffset To);
}
