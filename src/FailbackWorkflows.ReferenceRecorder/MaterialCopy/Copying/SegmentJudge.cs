using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.Segments;

namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy.Copying;

/// <summary>What is to be done about a segment of the source.</summary>
internal enum Verdict
{
    /// <summary>Its bytes, or material of its times, are here.</summary>
    Present,

    /// <summary>Expected and not here.</summary>
    Missing,

    /// <summary>Expected, and given up earlier with a reason.</summary>
    Lost,

    /// <summary>Older than is kept here.</summary>
    OutsideRetention,

    /// <summary>Disputed, and not asked for.</summary>
    Disputed,

    /// <summary>Not whole yet at the source.</summary>
    Growing,

    /// <summary>Not a segment the contract allows; never fetched.</summary>
    Refused,

    /// <summary>Does not belong to the period.</summary>
    Outside,
}

/// <param name="OrdinaryTo">End of what is not disputed of it.</param>
/// <param name="Overlaps">Stored, it would share time with what is here; both stay, marked.</param>
/// <param name="Reason">For what is lost or refused.</param>
/// <param name="IsArchived">Present, and in a side archive: the timeline alone does not have it.</param>
internal readonly record struct JudgedSegment(Segment Segment, Verdict Verdict, DateTimeOffset OrdinaryTo, LocalSegment? Local, bool Overlaps, string? Reason, bool IsArchived = false);

/// <summary>Compares what the source lists with what is here. The same rule surveys, copies and verifies.</summary>
/// <param name="ArchiveId">Side archive that what is missing goes into; null: the timeline.</param>
/// <param name="KeptFrom">What ended before is deleted here by age; null: nothing is.</param>
/// <param name="MakesDigests">The source states no digests; what is missing is given its own here.</param>
/// <param name="Losses">Reasons of segments given up, by id.</param>
internal sealed record SegmentJudge(
    Track Track,
    string? ArchiveId,
    CopyPeriod Period,
    TimeSpan Tolerance,
    DateTimeOffset? KeptFrom,
    bool WithDisputed,
    bool MakesDigests,
    IReadOnlyDictionary<string, string> Losses)
{
    private readonly string _goesInto = SegmentStore.TrackId(Track.Identity, Track.ChannelId, ArchiveId);

    public JudgedSegment Judge(Segment segment, LocalTimeline here)
    {
        if (Mistake(segment) is { } mistake)
        {
            return new JudgedSegment(segment, Verdict.Refused, segment.From < segment.To ? segment.To : segment.From, null, false, mistake);
        }

        var ordinaryTo = segment.Disputed == DisputeState.None ? segment.To : Clamp(segment.DisputedFrom ?? segment.From, segment.From, segment.To);
        var isOrdinary = ordinaryTo - segment.From > Tolerance && ordinaryTo > Period.FromUtc;
        var local = here.Find(segment.Id);
        Verdict verdict;
        string? reason = null;
        if (segment.From >= Period.ToUtc || segment.To <= Period.FromUtc)
        {
            verdict = Verdict.Outside;
        }
        else if (!isOrdinary && !WithDisputed)
        {
            verdict = Verdict.Disputed;
        }
        else if (segment.Growing || (segment.Sha256 is null && !MakesDigests))
        {
            verdict = Verdict.Growing;
        }
        else if (local is { } row)
        {
            verdict = (segment.Sha256 is null ? row.Sha256 is not null && row.Bytes == segment.Bytes : row.Sha256 == segment.Sha256) ? Verdict.Present : Verdict.Lost;
            reason = verdict == Verdict.Lost ? "conflict" : null;
        }
        else if (isOrdinary && here.Covers(segment.From.UtcTicks, ordinaryTo.UtcTicks, segment.Origin.RecorderId))
        {
            verdict = Verdict.Present;
        }
        else if (segment.Sha256 is null && here.FindSame(segment) is { } same)
        {
            (verdict, local) = (Verdict.Present, same);
        }
        else if (segment.To <= KeptFrom)
        {
            verdict = Verdict.OutsideRetention;
        }
        else
        {
            verdict = Losses.TryGetValue(segment.Id, out reason) ? Verdict.Lost : Verdict.Missing;
        }

        var overlaps = verdict == Verdict.Missing && isOrdinary && here.Overlaps(segment.From.UtcTicks, ordinaryTo.UtcTicks, _goesInto);
        var isArchived = verdict == Verdict.Present
            && (local?.IsArchived ?? (here.HasArchived && !here.Covers(segment.From.UtcTicks, ordinaryTo.UtcTicks, segment.Origin.RecorderId, withArchives: false)));
        return new JudgedSegment(segment, verdict, isOrdinary ? ordinaryTo : segment.From, local, overlaps, reason, isArchived);
    }

    /// <summary>Why the segment cannot be what the contract says, or null. Ids get into addresses and hashed into file names; times into the index.</summary>
    private string? Mistake(Segment segment) =>
        segment.Id is { Length: >= 1 and <= 200 } id && id[0] != '.' && id.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or '~' or ':')
        && segment.TrackId == Track.Id
        && segment.From < segment.To
        && segment.To - segment.From <= SegmentStore.LongestSegment
        && segment.Bytes >= 0
        && segment.ContentType is { Length: >= 1 and <= 100 } type && type.All(c => c is > ' ' and <= '~')
        && Names.IsValid(segment.Origin.RecorderId)
        && segment.Origin.Epoch >= 0
        && (segment.Sha256 is null || (segment.Sha256.Length == 64 && segment.Sha256.All(char.IsAsciiHexDigitLower)))
            ? null
            : "refused";

    private static DateTimeOffset Clamp(DateTimeOffset value, DateTimeOffset least, DateTimeOffset most) => value < least ? least : value > most ? most : value;
}
