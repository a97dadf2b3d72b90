using System.Text.Json.Serialization;
using FailbackWorkflows.Recorders.Material;

namespace FailbackWorkflows.Recorders.MaterialCopy;

/// <summary>What became of a stretch of a channel's period.</summary>
public enum CoverageState
{
    /// <summary>Fetched by this task.</summary>
    Copied,

    /// <summary>The target had it before.</summary>
    AlreadyThere,

    /// <summary>At the target, but in a side archive beside the timeline: the timeline takes material at its end only.</summary>
    Archived,

    /// <summary>The channel was configured and enabled, and nothing was recorded: 100 % never hides a dead channel.</summary>
    NotRecorded,

    /// <summary>Expected, and could not be had; <see cref="CoverageStretch.Reason"/> says why.</summary>
    Missing,

    /// <summary>Older than the target keeps; not copied.</summary>
    OutsideRetention,

    /// <summary>Recorded without authority; copied only on request.</summary>
    Disputed,

    /// <summary>Expected and not dealt with yet; only while the task is not at its end.</summary>
    Open,
}

/// <summary>A stretch of a timeline. Stretches of a track do not overlap and cover its period.</summary>
/// <param name="Reason">For what is missing: <c>corruptAtSource</c>, <c>retention</c>, <c>pressure</c>, <c>lost</c>, <c>gone</c>, <c>refused</c>, <c>tooLarge</c>, <c>growing</c>, <c>unreadable</c>, <c>conflict</c> (other content is here under the id and stays), <c>corruptHere</c>. For what is not recorded: <c>notConfigured</c>. Null otherwise.</param>
public sealed record CoverageStretch(DateTimeOffset From, DateTimeOffset To, CoverageState State, string? Reason);

/// <summary>Segments and their bytes.</summary>
public sealed record Amount(long Segments, long Bytes);

/// <summary>Coverage of one track.</summary>
/// <param name="Disputed">Recorded without authority at the source; not part of what is expected.</param>
/// <param name="Verified">Read again from the target's disk, digest right.</param>
/// <param name="IsVerified">Everything expected is there, read again and right; when disputed material was asked for, that too.</param>
/// <param name="DisputedHere">What of <paramref name="Disputed"/> was asked for and is at the target, marked, read again and right; null when it was not asked for.</param>
/// <param name="DigestBy"><c>copier</c>: the source states no digests; what is here was read twice and has the digest that the target made. Null: the source's digests were compared.</param>
/// <param name="Archived">
/// Expected and in a side archive of the target, not in its timeline; no part of <paramref name="Copied"/> and <paramref name="AlreadyThere"/>, whoever brought it. Null: nothing is.
/// </param>
/// <param name="ArchiveTrackIds">The tracks of side archives that hold material of the period; null: none does.</param>
public sealed record TrackCoverage(
    string TrackId,
    string ChannelId,
    string Kind,
    DateTimeOffset From,
    DateTimeOffset To,
    Amount Expected,
    Amount Copied,
    Amount AlreadyThere,
    Amount Missing,
    Amount OutsideRetention,
    Amount Disputed,
    Amount Verified,
    bool IsVerified,
    IReadOnlyList<CoverageStretch> Stretches,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] Amount? DisputedHere = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? DigestBy = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] Amount? Archived = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? ArchiveTrackIds = null)
{
    /// <summary>Value of <see cref="DigestBy"/>.</summary>
    public const string Copier = "copier";
}

/// <summary>Coverage of one kind of records of one channel.</summary>
/// <param name="Superseded">The target has a later revision: nothing is lost, nothing was overwritten.</param>
/// <param name="SourceRootSha256">Root over what the source has; null when the source could not be asked at the end.</param>
/// <param name="IsVerified">Counts and roots agree, or differ only by what is superseded at the target; when disputed records were asked for, they are there.</param>
/// <param name="Disputed">Recorded without authority at the source; not part of what is expected.</param>
/// <param name="DisputedHere">What of <paramref name="Disputed"/> was asked for and is at the target, marked.</param>
/// <param name="Archived">Expected and in a side archive of the target; no part of <paramref name="Copied"/> and <paramref name="AlreadyThere"/>.</param>
public sealed record RecordCoverage(
    RecordKind Kind,
    string? ChannelId,
    DateTimeOffset From,
    DateTimeOffset To,
    long Expected,
    long Copied,
    long AlreadyThere,
    long Superseded,
    long Missing,
    long OutsideRetention,
    string? SourceRootSha256,
    string? TargetRootSha256,
    bool IsVerified,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] long Disputed = 0,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] long DisputedHere = 0,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] long Archived = 0);

/// <summary>Something that could not be brought home.</summary>
/// <param name="Kind"><c>video</c>, <c>audio</c> or a record kind.</param>
/// <param name="ItemId">Segment or record id; null for a whole stretch.</param>
public sealed record CopyLoss(string Kind, string? ChannelId, string? ItemId, DateTimeOffset From, DateTimeOffset To, long Bytes, string Reason);

/// <summary>Answer of <c>GET /v1/copy-tasks/{id}/coverage</c>.</summary>
/// <param name="IsComplete">False while the task has not reached its end.</param>
/// <param name="IsVerified">Every track and kind is verified and there is no loss.</param>
/// <param name="ClockOffsetBefore">Source's clock minus target's when the copy began.</param>
/// <param name="Sha256">Over the canonical JSON of the report without this member; null while it is not complete.</param>
public sealed record CoverageReport(
    string TaskId,
    string EntryId,
    string Identity,
    string SourceRecorderId,
    string TargetRecorderId,
    CopyPeriod Period,
    bool IsComplete,
    bool IsVerified,
    TimeSpan? ClockOffsetBefore,
    TimeSpan? ClockOffsetAfter,
    DateTimeOffset AsOf,
    IReadOnlyList<TrackCoverage> Tracks,
    IReadOnlyList<RecordCoverage> Records,
    IReadOnlyList<CopyLoss> Losses,
    string? Sha256)
{
    /// <summary>Something expected is in a side archive of the target and not in its timelines.</summary>
    [JsonIgnore]
    public bool UsesSideArchive => Tracks.Any(t => t.Archived is { Segments: > 0 }) || Records.Any(r => r.Archived > 0);
}
