using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.ReferenceRecorder.Commands;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Segments;

/// <summary>
/// Pages of a track's segments. Every page covers the positions after the page before it up to its own last one, and names both what is
/// there and what was there once: all pages together tell of everything, whatever is removed between them.
/// </summary>
public static class SegmentPages
{
    public static SegmentPage Read(Sql sql, string trackId, DateTimeOffset? from, DateTimeOffset? to, PageToken? token, int limit, DateTimeOffset now)
    {
        (DateTimeOffset From, string Id)? after = token is null ? null : (token.LastTime, token.LastId);
        var items = SegmentStore.Overlapping(sql, trackId, from, to, limit + 1, after).ConvertAll(r => r.ToSegment());
        var gone = SegmentStore.Gone(sql, trackId, from, to, limit + 1, after);

        // Where the page ends: at the earlier of the two places where one of the lists would grow too long.
        (DateTimeOffset From, string Id)? end = items.Count > limit ? (items[limit - 1].From, items[limit - 1].Id) : null;
        if (gone.Count > limit && (end is null || Compare((gone[limit - 1].From, gone[limit - 1].Id), end.Value) < 0))
        {
            end = (gone[limit - 1].From, gone[limit - 1].Id);
        }

        var asOf = token?.AsOf ?? now;
        if (end is not { } last)
        {
            return new SegmentPage(items, null, Complete: true, asOf, gone);
        }

        return new SegmentPage(
            items.FindAll(s => Compare((s.From, s.Id), last) <= 0),
            new PageToken(trackId, asOf, from, to, 0, last.From, last.Id).ToString(),
            Complete: false,
            asOf,
            gone.FindAll(s => Compare((s.From, s.Id), last) <= 0));
    }

    private static int Compare((DateTimeOffset From, string Id) one, (DateTimeOffset From, string Id) other) =>
        one.From != other.From ? one.From.CompareTo(other.From) : string.CompareOrdinal(one.Id, other.Id);
}
