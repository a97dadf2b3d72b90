namespace FailbackWorkflows.Recorders.Material;

/// <summary>
/// Material of one failover that its target keeps beside its timelines, because they grow at their end only. The segments are whole, verified and
/// read like any others, by tracks of their own; each tells by its origin who recorded it. Answered by <c>GET /v1/archives</c>.
/// </summary>
/// <param name="EntryId">The failover log entry whose copy brought it; names the archive.</param>
/// <param name="FromUtc">Start of the copied period.</param>
/// <param name="ToUtc">End of the copied period, exclusive.</param>
/// <param name="SourceRecorderIds">Machines it was copied from.</param>
/// <param name="Tracks">Its tracks that hold material.</param>
/// <param name="Records">How many records it holds, by kind; kinds it has none of are left out. Read them with <c>archive=</c>.</param>
public sealed record SideArchive(
    string EntryId,
    string Identity,
    DateTimeOffset FromUtc,
    DateTimeOffset ToUtc,
    IReadOnlyList<string> SourceRecorderIds,
    IReadOnlyList<Track> Tracks,
    IReadOnlyList<SideArchiveRecords> Records);

/// <summary>Records of one kind in a side archive.</summary>
public sealed record SideArchiveRecords(RecordKind Kind, long Count);

/// <summary>Answer of <c>GET /v1/archives</c>, ordered by identity and start.</summary>
public sealed record SideArchiveList(IReadOnlyList<SideArchive> Items);

/// <summary>What a track of a side archive belongs to.</summary>
/// <param name="EntryId">The failover log entry whose copy brought it.</param>
/// <param name="TrackId">The channel's own timeline, beside which it stands.</param>
/// <param name="FromUtc">Start of the copied period.</param>
/// <param name="ToUtc">End of the copied period, exclusive.</param>
/// <param name="SourceRecorderIds">Machines it was copied from.</param>
public sealed record TrackArchive(string EntryId, string TrackId, DateTimeOffset FromUtc, DateTimeOffset ToUtc, IReadOnlyList<string> SourceRecorderIds);
