using FailbackWorkflows.Failback.Clocks;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.Failback.MaterialCopy;

/// <summary>What of the failover server's material an entry is about, by the failover server's clock (<see cref="FailoverServerTimes"/>).</summary>
/// <param name="Whole">From the failover's start to the last end of any channel.</param>
/// <param name="Channels">Per channel <c>[failover started, min(confirmed last time, authority end + margin))</c>.</param>
public sealed record MaterialCopyPeriods(CopyPeriod Whole, IReadOnlyList<CopyPeriod> Channels)
{
    /// <summary>Overlap taken beyond the authority end, so that differences of the clocks leave no hole at the seam.</summary>
    public static readonly TimeSpan Margin = TimeSpan.FromSeconds(2);

    /// <summary>A recorder that recorded nothing at all still has a period to be asked about.</summary>
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(1);

    /// <summary>
    /// The periods of an entry whose failback is done. An entry that a newer one closed has no times of a hand-over of its own: its period
    /// ends at its authority end where that is known, else where the failback ended it. A failover that failed ends with the last thing written in
    /// it. Throws when the failback is not done.
    /// </summary>
    public static MaterialCopyPeriods Of(FailoverLogEntry entry) => Of(entry, EndedOf(entry), entry.AuthorityEnds);

    /// <summary>As <see cref="Of(FailoverLogEntry)"/>, to the last thing the failover server wrote, with or without authority.</summary>
    public static MaterialCopyPeriods OfDisputed(FailoverLogEntry entry) => Of(entry, (entry.LastTimes?.Values ?? []).Append(EndedOf(entry)).Max(), null);

    private static MaterialCopyPeriods Of(FailoverLogEntry entry, DateTimeOffset ended, IReadOnlyDictionary<string, DateTimeOffset>? firstFrames)
    {
        var times = new FailoverServerTimes(entry);
        var start = times.Start;
        var authorityEnds = times.AuthorityEnds(firstFrames) ?? new Dictionary<string, DateTimeOffset>();
        var ids = (entry.LastTimes?.Keys ?? []).Union(authorityEnds.Keys).Order(StringComparer.Ordinal);
        var channels = ids.Select(id => new CopyPeriod(id, start, Later(start, EndOf(entry, authorityEnds, id, ended)))).ToList();
        if (channels.Exists(c => c.ToUtc > start))
        {
            // A channel that stayed dark all the time has a last time of long ago. It is asked about as long as the others were recorded, so that the
            // report tells of it; an empty period is none, and no recorder takes it. When nothing at all was recorded since the start, that is
            // no dark channel but a clock that is wrong, or a recorder that never recorded: the copy must not pass that over as done.
            channels = channels.ConvertAll(c => c.ToUtc > start ? c : c with { ToUtc = channels.Max(o => o.ToUtc) });
        }

        var end = channels.Count > 0 ? channels.Max(c => c.ToUtc) : ended;
        return new(new(null, start, Later(start + Shortest, end)), channels);
    }

    private static DateTimeOffset EndedOf(FailoverLogEntry entry) =>
        entry is { Failover: FailoverState.Failed, LastTimes: { Count: > 0 } last } ? last.Values.Max()
        : entry.FailbackEndedAt is { } ended ? new FailoverServerTimes(entry).Latest(ended)
        : throw new InvalidOperationException($"The period of failover log entry {entry.Id} has no end: its failback is not done.");

    private static DateTimeOffset EndOf(FailoverLogEntry entry, IReadOnlyDictionary<string, DateTimeOffset> authorityEnds, string channelId, DateTimeOffset ended)
    {
        var last = entry.LastTimes is { } lastTimes && lastTimes.TryGetValue(channelId, out var time) ? time : ended;
        var authority = authorityEnds.TryGetValue(channelId, out var end) ? end + Margin : ended;
        return last < authority ? last : authority;
    }

    private static DateTimeOffset Later(DateTimeOffset a, DateTimeOffset b) => a > b ? a : b;
}
