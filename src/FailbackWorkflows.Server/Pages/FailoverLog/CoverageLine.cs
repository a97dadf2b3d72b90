using FailbackWorkflows.Failback.Clocks;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Server.Resources;

namespace FailbackWorkflows.Server.Pages.FailoverLog;

/// <summary>What a coverage report comes to, in a line: was there a gap, is anything missing?</summary>
/// <param name="Tone">As of a note: <c>ok</c>, <c>warn</c>, or nothing.</param>
public sealed record CoverageLine(string Text, string Tone)
{
    /// <summary>Times closer than this are one: a report joins what follows on so closely.</summary>
    private static readonly TimeSpan Resolution = TimeSpan.FromMilliseconds(1);

    /// <summary>It says no more than the report and the entry prove.</summary>
    public static CoverageLine Of(FailoverLogEntry entry, CoverageReport report)
    {
        var totals = CoverageTotals.Of(report);
        var said = new List<string>();
        if (totals.Missing.Segments > 0 || totals.RecordsMissing > 0)
        {
            said.Add(Texts.Of("Missing: {0} ({1}, {2}).", Wording.Bytes(totals.Missing.Bytes), Wording.Segments(totals.Missing.Segments), Wording.Records(totals.RecordsMissing)));
        }
        else if (!IsVerified(report))
        {
            said.Add(Texts.Of("Not everything could be verified."));
        }

        var tooOld = report.Records.Sum(records => records.OutsideRetention);
        if (totals.OutsideRetention.Segments > 0 || tooOld > 0)
        {
            said.Add(Texts.Of("Older than is kept, so not copied: {0} ({1}, {2}).", Wording.Bytes(totals.OutsideRetention.Bytes), Wording.Segments(totals.OutsideRetention.Segments), Wording.Records(tooOld)));
        }

        var isLess = said.Count > 0;
        if (GapOf(report) is { } gap)
        {
            if (!isLess)
            {
                said.Add(Texts.Of("Nothing that was recorded is missing."));
            }

            said.Add(gap);
        }
        else if (!isLess)
        {
            said.Add(HadNoGap(entry, report)
                ? Texts.Of("Nothing is missing: the hand-over left no gap, and everything that was recorded in the failover period is home and verified.")
                : Texts.Of("Nothing is missing of what was recorded in the failover period: it is home and verified."));
        }

        return new(string.Join(' ', said), isLess ? "warn" : said.Count > 1 ? "" : "ok");
    }

    /// <summary>Disputed material of the report begins, channel by channel, when the failed server had recorded its first frame after the failback; and there is some.</summary>
    public static bool IsDisputedFromTheHandOverOn(FailoverLogEntry entry, CoverageReport report)
    {
        var ends = new FailoverServerTimes(entry).AuthorityEnds(entry.AuthorityEnds);
        var disputed = report.Tracks.SelectMany(track => track.Stretches.Where(s => s.State == CoverageState.Disputed).Select(s => (track.ChannelId, s.From))).ToList();
        return disputed.Count > 0 && ends is not null && disputed.TrueForAll(d => ends.TryGetValue(d.ChannelId, out var end) && d.From >= end - Resolution);
    }

    private static bool IsVerified(CoverageReport report) =>
        report is { IsVerified: true, Losses.Count: 0 } && report.Tracks.All(t => t.IsVerified) && report.Records.All(r => r.IsVerified);

    /// <summary>What nobody recorded although it should have been: not what has a reason, as a channel that was not configured.</summary>
    private static string? GapOf(CoverageReport report)
    {
        var gaps = report.Tracks
            .Select(track => (track.ChannelId, Length: TimeSpan.FromTicks(track.Stretches.Where(s => s is { State: CoverageState.NotRecorded, Reason: null }).Sum(s => (s.To - s.From).Ticks))))
            .Where(gap => gap.Length > TimeSpan.Zero)
            .ToList();
        return gaps.DistinctBy(gap => gap.ChannelId).Count() switch
        {
            0 => null,
            1 => Texts.Of("Nobody recorded {0} for {1}.", gaps[0].ChannelId, Wording.Duration(gaps.Max(gap => gap.Length))),
            var channels => Texts.Of("Nobody recorded {0} channels, the longest for {1}.", channels, Wording.Duration(gaps.Max(gap => gap.Length))),
        };
    }

    /// <summary>Of every channel the failover server wrote on until the failed server had its first frame. The report ends there and cannot tell.</summary>
    private static bool HadNoGap(FailoverLogEntry entry, CoverageReport report)
    {
        var ends = new FailoverServerTimes(entry).AuthorityEnds(entry.AuthorityEnds);
        return ends is not null && entry.LastTimes is { } last
            && report.Tracks.All(track => ends.TryGetValue(track.ChannelId, out var end) && last.TryGetValue(track.ChannelId, out var written) && written >= end)
            && (!report.Tracks.Any(track => track.Stretches.Any(s => s.State == CoverageState.Disputed)) || IsDisputedFromTheHandOverOn(entry, report));
    }
}
