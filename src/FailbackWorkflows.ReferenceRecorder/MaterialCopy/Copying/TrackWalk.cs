using System.Runtime.CompilerServices;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Source;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy.Copying;

/// <summary>
/// Walks a stretch of a source's track in order, page by page, each segment compared with what is here. A page cut short is asked for
/// again; an expired one is listed again from the last time. Memory is that of one page.
/// </summary>
internal sealed class TrackWalk(SourceConnection source, RecorderStore store, SegmentJudge judge, TimeSpan clockOffset)
{
    private const int MostTroublesPerPage = 3;

    private DateTimeOffset _reached = DateTimeOffset.MinValue;

    /// <summary>What the source says it removed, by segment id.</summary>
    public Dictionary<string, GoneSegment> Gone { get; } = new(StringComparer.Ordinal);

    public async IAsyncEnumerable<IReadOnlyList<JudgedSegment>> PagesAsync(DateTimeOffset from, DateTimeOffset to, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? pageToken = null;
        var troubles = 0;
        (DateTimeOffset From, string Id) last = (DateTimeOffset.MinValue, "");
        while (true)
        {
            SegmentPage page;
            try
            {
                page = await source.GetSegmentsAsync(judge.Track.Id, from, to, pageToken, cancellationToken).ConfigureAwait(false);
            }
            catch (SourceException error) when (error.Fault is SourceFault.PageExpired or SourceFault.Broken && ++troubles < MostTroublesPerPage)
            {
                if (error.Fault == SourceFault.PageExpired)
                {
                    pageToken = null;
                    from = Later(from, last.From);
                }

                continue;
            }

            troubles = 0;
            foreach (var gone in page.Gone.Where(g => g.To > judge.Period.FromUtc && g.From < judge.Period.ToUtc))
            {
                Gone[gone.Id] = gone;
            }

            // After a new start the page begins with what was given before.
            var items = page.Items.Where(s => s.From > last.From || (s.From == last.From && string.CompareOrdinal(s.Id, last.Id) > 0)).ToList();
            if (items.Count > 0)
            {
                var here = LocalTimeline.Load(store, judge.Track, items[0].From, items.Max(s => s.To), judge.Tolerance, clockOffset);
                last = (items[^1].From, items[^1].Id);
                yield return items.ConvertAll(s => Mark(judge.Judge(s, here)));
            }

            if (page.NextPageToken is null)
            {
                yield break;
            }

            pageToken = page.NextPageToken;
        }
    }

    /// <summary>What overlaps its own neighbours in the list is marked as what overlaps something here: those are not here yet, but will be.</summary>
    private JudgedSegment Mark(JudgedSegment judged)
    {
        var isOrdinary = judged.Verdict is Verdict.Missing or Verdict.Present && judged.OrdinaryTo > judged.Segment.From;
        var marked = judged.Verdict == Verdict.Missing && isOrdinary && _reached - judged.Segment.From > judge.Tolerance ? judged with { Overlaps = true } : judged;
        _reached = isOrdinary ? Later(_reached, judged.OrdinaryTo) : _reached;
        return marked;
    }

    private static DateTimeOffset Later(DateTimeOffset one, DateTimeOffset other) => one > other ? one : other;
}
