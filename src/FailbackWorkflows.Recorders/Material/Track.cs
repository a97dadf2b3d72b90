using System.Text.Json.Serialization;

namespace FailbackWorkflows.Recorders.Material;

/// <summary>Whether what was recorded is ordinary material.</summary>
public enum DisputeState
{
    /// <summary>Recorded with authority, or as ordinary overlap before the authority end.</summary>
    None,

    /// <summary>Recorded by a restarted recorder whose role nobody has confirmed yet.</summary>
    Provisional,

    /// <summary>Recorded after the authority end: kept and shown apart, never merged or deleted silently.</summary>
    Disputed,
}

/// <summary>Where a piece of material was recorded. Stays when the piece is copied, so that a copy of a copy is known as such.</summary>
/// <param name="RecorderId">The machine's own id.</param>
/// <param name="Epoch">Duty epoch under which it was recorded.</param>
public sealed record MaterialOrigin(string RecorderId, long Epoch);

/// <summary>One timeline of one medium of a channel. Tracks of channels that are no longer configured are listed as long as they hold material.</summary>
/// <param name="Id"><c>identity~channelId</c>; of a track in a side archive <c>identity~channelId~entryId</c>.</param>
/// <param name="Kind"><c>video</c> or <c>audio</c>; text channels have records, not a track.</param>
/// <param name="IsConfigured">False: archived, the channel is no longer in the settings.</param>
/// <param name="DataFrom">Start of the oldest segment; null when there is none.</param>
/// <param name="DataTo">End of the newest segment.</param>
/// <param name="Archive">What this track of a side archive belongs to; null: it is the channel's own timeline.</param>
public sealed record Track(
    string Id,
    string Identity,
    string ChannelId,
    string Kind,
    bool IsConfigured,
    DateTimeOffset? DataFrom,
    DateTimeOffset? DataTo,
    long Segments,
    long Bytes,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] TrackArchive? Archive = null);

/// <summary>Answer of <c>GET /v1/tracks</c>.</summary>
public sealed record TrackList(IReadOnlyList<Track> Items);

/// <summary>Contiguous stretch of a track in one media type, codec and picture size. Segments less than the recorder's time resolution apart belong together.</summary>
/// <param name="Disputed">A span never mixes ordinary and disputed material.</param>
/// <param name="ContentType">Media type of its segments; null: not told.</param>
/// <param name="Init">What its segments begin with, each of them; null: not known, or the media type has none.</param>
public sealed record Span(
    DateTimeOffset From,
    DateTimeOffset To,
    long Bytes,
    long Segments,
    DisputeState Disputed,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? ContentType = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] SegmentInit? Init = null);

/// <summary>
/// The init segment (of MP4: <c>ftyp</c> and <c>moov</c>) that stands at the beginning of a segment's bytes and is stored with it. It tells codec and
/// size of the picture, so that another one means that one of these has changed.
/// </summary>
/// <param name="Bytes">Its length: bytes <c>0</c> to <c>Bytes - 1</c> of the segment.</param>
/// <param name="Sha256">Lower-case hex over these bytes.</param>
public sealed record SegmentInit(long Bytes, string Sha256);

/// <summary>Answer of <c>GET /v1/tracks/{id}/spans</c>; always complete.</summary>
public sealed record SpanList(IReadOnlyList<Span> Items, DateTimeOffset AsOf);

/// <summary>Immutable piece of a track, <c>[From, To)</c>.</summary>
/// <param name="To">End, exclusive; of a growing segment what is confirmed so far.</param>
/// <param name="Sha256">Lower-case hex over the stored bytes; null while it grows.</param>
/// <param name="Growing">Still being written: listed, but its bytes cannot be fetched.</param>
/// <param name="DisputedFrom">From when on it is disputed; within the segment when the authority ended there.</param>
/// <param name="Epoch">Duty epoch under which it was recorded; the same as in <paramref name="Origin"/>.</param>
/// <param name="ContentType">Media type of the bytes, e.g. <c>video/mp4</c>; <c>application/vnd.failback.synthetic</c> for generated test material.</param>
/// <param name="StoredAt">When it became whole on this recorder: a copy is younger than its times.</param>
/// <param name="Init">The init segment that its bytes begin with; null: not known, or the media type has none.</param>
/// <param name="Overlaps">Copied, and it shares time with what the recorder had already: both stay as they are, since neither clock is the right one.</param>
public sealed record Segment(
    string Id,
    string TrackId,
    DateTimeOffset From,
    DateTimeOffset To,
    long Bytes,
    string? Sha256,
    bool Growing,
    DisputeState Disputed,
    DateTimeOffset? DisputedFrom,
    long Epoch,
    MaterialOrigin Origin,
    string ContentType,
    DateTimeOffset StoredAt,
    bool Overlaps = false,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] SegmentInit? Init = null);

/// <summary>A segment that was there when the listing began and is not any more.</summary>
/// <param name="Reason"><c>retention</c>, <c>pressure</c> (dropped though it was owed, because the disk was full) or <c>lost</c> (file gone or damaged).</param>
public sealed record GoneSegment(string Id, DateTimeOffset From, DateTimeOffset To, long Bytes, string Reason, DateTimeOffset AtUtc);

/// <summary>
/// One page of <c>GET /v1/tracks/{id}/segments?from&amp;to&amp;limit&amp;pageToken</c>: segments that overlap the range, ordered by (from, id).
/// </summary>
/// <param name="NextPageToken">Opaque, survives restarts of the recorder; null on the last page.</param>
/// <param name="Complete">True exactly when <paramref name="NextPageToken"/> is null. An answer that breaks this rule was cut short.</param>
/// <param name="Gone">On every page: what was removed, ever as far as the recorder remembers, from the stretch that this page covers (after the page before, up to its own last position).</param>
public sealed record SegmentPage(IReadOnlyList<Segment> Items, string? NextPageToken, bool Complete, DateTimeOffset AsOf, IReadOnlyList<GoneSegment> Gone);

/// <summary>
/// What a track holds of a range, in one number. <paramref name="Sha256"/> is over the lines <c>id from to bytes sha256\n</c> (times as 7-digit
/// RFC 3339) of every whole ordinary segment that overlaps the range, ordered by (from, id).
/// </summary>
public sealed record TrackManifest(string TrackId, DateTimeOffset From, DateTimeOffset To, long Segments, long Bytes, string Sha256, DateTimeOffset AsOf);
