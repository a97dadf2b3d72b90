using System.Security.Cryptography;
using System.Text;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.ReferenceRecorder.Records;
using FailbackWorkflows.ReferenceRecorder.Storage;
using Microsoft.Data.Sqlite;

namespace FailbackWorkflows.ReferenceRecorder.Segments;

/// <summary>A segment as it is indexed.</summary>
/// <param name="Epoch">Of the duty under which it was recorded, wherever that was.</param>
/// <param name="Sha256">Null while it grows.</param>
/// <param name="File">Relative to the segment folder.</param>
/// <param name="OriginRecorder">Machine that recorded it.</param>
/// <param name="StoredAt">When it became whole here.</param>
/// <param name="TaskId">Copy task that brought it; null when it was recorded or fed here.</param>
/// <param name="Overlaps">Only of a copy: it shares time with what was here before it.</param>
/// <param name="Init">What its bytes begin with; null when that is not known.</param>
public sealed record SegmentRow(
    string SegmentId,
    string Identity,
    string ChannelId,
    string TrackId,
    long Epoch,
    DateTimeOffset From,
    DateTimeOffset To,
    long Bytes,
    string? Sha256,
    DisputeState Dispute,
    DateTimeOffset? DisputedFrom,
    string File,
    string OriginRecorder,
    string ContentType,
    DateTimeOffset StoredAt,
    string? TaskId,
    bool Overlaps = false,
    SegmentInit? Init = null)
{
    /// <summary>It stands in a side archive, beside the channel's own timeline.</summary>
    public bool IsArchived => TrackId != SegmentStore.TrackId(Identity, ChannelId);

    public Segment ToSegment() => new(
        SegmentId, TrackId, From, To, Bytes, Sha256, Sha256 is null, Dispute, DisputedFrom, Epoch, new MaterialOrigin(OriginRecorder, Epoch), ContentType, StoredAt, Overlaps, Init);
}

/// <summary>The index of what is stored. It is the truth: a file without a row does not exist.</summary>
public static class SegmentStore
{
    private const string Columns = "segment_id, identity, channel_id, track_id, epoch, from_ticks, to_ticks, bytes, sha256, dispute, disputed_from, file, origin_recorder, content_type, stored_at, task_id, overlaps, init_sha256, init_bytes";

    /// <summary>Longest time one segment may span. It bounds how far back a search for what overlaps a range has to look.</summary>
    public static readonly TimeSpan LongestSegment = TimeSpan.FromDays(1);

    private const string Overlaps = "track_id = $track AND from_ticks >= $far AND from_ticks < $to AND to_ticks > $from";

    private const string OverlapsOfChannel = "identity = $identity AND channel_id = $channel AND from_ticks >= $far AND from_ticks < $to AND to_ticks > $from";

    /// <summary>What keeps segment <c>s</c> at <c>$now</c>.</summary>
    internal const string Kept =
        """
        SELECT 1 FROM kept_ranges AS k
        WHERE k.identity = s.identity AND (k.channel_id IS NULL OR k.channel_id = s.channel_id) AND s.to_ticks > k.from_ticks AND s.from_ticks < k.to_ticks
            AND k.expires_ticks > $now AND (k.disputed_only = 0 OR s.dispute <> 'none')
        """;

    /// <summary>Tracks are named by identity and channel: two identities on one server may use the same channel ids.</summary>
    /// <param name="archiveId">Failover log entry of the side archive; null: the channel's own timeline.</param>
    public static string TrackId(string identity, string channelId, string? archiveId = null) => archiveId is null ? $"{identity}~{channelId}" : $"{identity}~{channelId}~{archiveId}";

    public static SegmentRow? Find(Sql sql, string segmentId) =>
        sql.Single($"SELECT {Columns} FROM segments WHERE segment_id = $id", Map, ("$id", segmentId));

    /// <summary>Where the bytes of a segment that was not recorded here lie, relative to the segment folder: its id may be longer than a file name, or no file name at all.</summary>
    public static string FileOf(string identity, string channelId, string segmentId) =>
        Path.Combine(identity, channelId, $"fed-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(segmentId)))}.seg");

    /// <summary>Segments that overlap <c>[from, to)</c>, ordered by (from, id), after a position; growing ones included.</summary>
    public static List<SegmentRow> Overlapping(Sql sql, string trackId, DateTimeOffset? from, DateTimeOffset? to, int limit, (DateTimeOffset From, string Id)? after = null) =>
        sql.Query(
            $"SELECT {Columns} FROM segments WHERE {Overlaps} AND (from_ticks, segment_id) > ($afterFrom, $afterId) ORDER BY from_ticks, segment_id LIMIT $limit",
            Map,
            [.. Range(trackId, from, to, after?.From), ("$afterFrom", after?.From.UtcTicks ?? -1), ("$afterId", after?.Id ?? ""), ("$limit", limit)]);

    /// <summary>As <see cref="Overlapping"/>, one by one, for results of any size.</summary>
    public static IEnumerable<SegmentRow> StreamOverlapping(Sql sql, string trackId, DateTimeOffset? from, DateTimeOffset? to) =>
        sql.Stream($"SELECT {Columns} FROM segments WHERE {Overlaps} ORDER BY from_ticks, segment_id", Map, Range(trackId, from, to));

    /// <summary>Segments of a channel that overlap <c>[from, to)</c>, on its own timeline and in side archives, ordered by (from, id), after a position.</summary>
    public static List<SegmentRow> OverlappingOfChannel(
        Sql sql, string identity, string channelId, DateTimeOffset? from, DateTimeOffset? to, int limit, (DateTimeOffset From, string Id)? after = null) =>
        sql.Query(
            $"SELECT {Columns} FROM segments WHERE {OverlapsOfChannel} AND (from_ticks, segment_id) > ($afterFrom, $afterId) ORDER BY from_ticks, segment_id LIMIT $limit",
            Map,
            [.. RangeOfChannel(identity, channelId, from, to, after?.From), ("$afterFrom", after?.From.UtcTicks ?? -1), ("$afterId", after?.Id ?? ""), ("$limit", limit)]);

    /// <summary>As <see cref="OverlappingOfChannel"/>, one by one, for results of any size.</summary>
    public static IEnumerable<SegmentRow> StreamOverlappingOfChannel(Sql sql, string identity, string channelId, DateTimeOffset? from, DateTimeOffset? to) =>
        sql.Stream($"SELECT {Columns} FROM segments WHERE {OverlapsOfChannel} ORDER BY from_ticks, segment_id", Map, RangeOfChannel(identity, channelId, from, to));

    /// <summary>What was removed from the range, as far as it is remembered, ordered by (from, id), after a position.</summary>
    public static List<GoneSegment> Gone(Sql sql, string trackId, DateTimeOffset? from, DateTimeOffset? to, int limit, (DateTimeOffset From, string Id)? after = null) =>
        sql.Query(
            $"SELECT segment_id, from_ticks, to_ticks, bytes, reason, at FROM gone_segments WHERE {Overlaps} AND (from_ticks, segment_id) > ($afterFrom, $afterId) ORDER BY from_ticks, segment_id LIMIT $limit",
            r => new GoneSegment(r.GetString(0), r.Instant(1), r.Instant(2), r.GetInt64(3), r.GetString(4), r.Instant(5)),
            [.. Range(trackId, from, to, after?.From), ("$afterFrom", after?.From.UtcTicks ?? -1), ("$afterId", after?.Id ?? ""), ("$limit", limit)]);

    public static (string TrackId, GoneSegment Gone)? FindGone(Sql sql, string segmentId) =>
        sql.Single<(string, GoneSegment)?>(
            "SELECT track_id, segment_id, from_ticks, to_ticks, bytes, reason, at FROM gone_segments WHERE segment_id = $id",
            r => (r.GetString(0), new GoneSegment(r.GetString(1), r.Instant(2), r.Instant(3), r.GetInt64(4), r.GetString(5), r.Instant(6))),
            ("$id", segmentId));

    public static List<SegmentRow> Growing(Sql sql) => sql.Query($"SELECT {Columns} FROM segments WHERE sha256 IS NULL", Map);

    public static HashSet<string> Files(Sql sql) => sql.Query("SELECT file FROM segments", r => r.GetString(0)).ToHashSet(StringComparer.Ordinal);

    /// <summary>Where the channel's own timeline ends; null when it holds nothing.</summary>
    public static DateTimeOffset? LastEnd(Sql sql, string identity, string channelId) =>
        sql.Single("SELECT max(to_ticks) FROM segments WHERE track_id = $track", r => r.InstantOrNull(0), ("$track", TrackId(identity, channelId)));

    /// <summary>Stores a segment, or what changed of a growing one. What is stored is no longer gone.</summary>
    public static void Save(Sql sql, SegmentRow row)
    {
        sql.Run(
            $"""
            INSERT INTO segments ({Columns})
            VALUES ($id, $identity, $channel, $track, $epoch, $from, $to, $bytes, $sha256, $dispute, $disputedFrom, $file, $origin, $type, $stored, $task, $overlaps, $init, $initBytes)
            ON CONFLICT (segment_id) DO UPDATE SET to_ticks = $to, bytes = $bytes, sha256 = $sha256, stored_at = $stored
            """,
            ("$id", row.SegmentId), ("$identity", row.Identity), ("$channel", row.ChannelId), ("$track", row.TrackId), ("$epoch", row.Epoch),
            ("$from", row.From.UtcTicks), ("$to", row.To.UtcTicks), ("$bytes", row.Bytes), ("$sha256", row.Sha256),
            ("$dispute", DisputeNames.Of(row.Dispute)), ("$disputedFrom", row.DisputedFrom?.UtcTicks), ("$file", row.File),
            ("$origin", row.OriginRecorder), ("$type", row.ContentType), ("$stored", row.StoredAt.UtcTicks), ("$task", row.TaskId), ("$overlaps", row.Overlaps),
            ("$init", row.Init?.Sha256), ("$initBytes", row.Init?.Bytes));
        sql.Run("DELETE FROM gone_segments WHERE segment_id = $id", ("$id", row.SegmentId));
    }

    /// <summary>Makes the track known with its kind (<c>video</c> or <c>audio</c>); call before its first segment is saved. Harmless to repeat.</summary>
    /// <param name="archiveId">Failover log entry of the side archive; null: the channel's own timeline.</param>
    public static void EnsureTrack(Sql sql, string identity, string channelId, string kind, string? archiveId = null) =>
        sql.Run(
            "INSERT INTO tracks (track_id, identity, channel_id, kind, archive_id) VALUES ($track, $identity, $channel, $kind, $archive) ON CONFLICT (track_id) DO NOTHING",
            ("$track", TrackId(identity, channelId, archiveId)), ("$identity", identity), ("$channel", channelId), ("$kind", kind), ("$archive", archiveId));

    /// <summary>Takes a segment out of the index without leaving a tombstone: it never was whole.</summary>
    public static void Delete(Sql sql, string segmentId) => sql.Run("DELETE FROM segments WHERE segment_id = $id", ("$id", segmentId));

    /// <summary>Takes a segment out of the index and remembers that it was there. The file is the caller's to delete, after the commit.</summary>
    /// <param name="reason"><c>retention</c>, <c>pressure</c> or <c>lost</c>.</param>
    public static void Remove(Sql sql, SegmentRow row, string reason, DateTimeOffset now)
    {
        Delete(sql, row.SegmentId);
        sql.Run(
            """
            INSERT INTO gone_segments (segment_id, track_id, from_ticks, to_ticks, bytes, reason, at) VALUES ($id, $track, $from, $to, $bytes, $reason, $at)
            ON CONFLICT (segment_id) DO UPDATE SET reason = $reason, at = $at
            """,
            ("$id", row.SegmentId), ("$track", row.TrackId), ("$from", row.From.UtcTicks), ("$to", row.To.UtcTicks), ("$bytes", row.Bytes), ("$reason", reason), ("$at", now.UtcTicks));
    }

    /// <summary>
    /// The successor's first frame settles what of a channel is ordinary and what is disputed. Only material of epochs up to
    /// <paramref name="epoch"/> is judged: a late order must not touch what was recorded under a newer authority. Copies keep their source's mark.
    /// </summary>
    public static void EndAuthority(Sql sql, string identity, string channelId, DateTimeOffset end, long epoch)
    {
        sql.Run(
            """
            UPDATE segments SET dispute = 'none', disputed_from = NULL
            WHERE identity = $identity AND channel_id = $channel AND task_id IS NULL AND epoch <= $epoch AND dispute = 'provisional' AND to_ticks <= $end
            """,
            ("$identity", identity), ("$channel", channelId), ("$epoch", epoch), ("$end", end.UtcTicks));
        sql.Run(
            """
            UPDATE segments SET dispute = 'disputed', disputed_from = max(from_ticks, $end)
            WHERE identity = $identity AND channel_id = $channel AND task_id IS NULL AND epoch <= $epoch AND to_ticks > $end
            """,
            ("$identity", identity), ("$channel", channelId), ("$epoch", epoch), ("$end", end.UtcTicks));
    }

    /// <summary>Removes closed segments that ended before <paramref name="before"/> and that nothing keeps; answers with their files.</summary>
    public static List<string> DeleteExpired(Sql sql, string identity, DateTimeOffset before, DateTimeOffset now, int limit)
    {
        var expired = sql.Query(
            $"""
            SELECT {Columns} FROM segments AS s
            WHERE s.identity = $identity AND s.sha256 IS NOT NULL AND s.to_ticks <= $before AND NOT EXISTS ({Kept})
            ORDER BY s.from_ticks LIMIT $limit
            """,
            Map,
            ("$identity", identity), ("$before", before.UtcTicks), ("$now", now.UtcTicks), ("$limit", limit));
        foreach (var row in expired)
        {
            Remove(sql, row, "retention", now);
        }

        return expired.ConvertAll(e => e.File);
    }

    /// <summary>The oldest whole segments of any identity that may give way, as many as have <paramref name="bytes"/> together.</summary>
    /// <param name="owed">False: only what nothing keeps. True: what is kept for a copy; never what is locked as evidence.</param>
    public static List<SegmentRow> Oldest(Sql sql, bool owed, long bytes, DateTimeOffset now, int limit)
    {
        var rows = new List<SegmentRow>();
        var oldest = sql.Stream(
            $"SELECT {Columns} FROM segments AS s WHERE s.sha256 IS NOT NULL AND NOT EXISTS ({Kept}{(owed ? " AND k.why = 'lock'" : "")}) ORDER BY s.from_ticks LIMIT $limit",
            Map,
            ("$now", now.UtcTicks),
            ("$limit", limit));
        foreach (var row in oldest)
        {
            rows.Add(row);
            bytes -= row.Bytes;
            if (bytes <= 0)
            {
                break;
            }
        }

        return rows;
    }

    /// <summary>Bytes of whole segments that something keeps, and of those that may give way.</summary>
    public static (long Held, long Clearable) Weigh(Sql sql, DateTimeOffset now) => sql.Single(
        $"SELECT coalesce(sum(CASE WHEN kept THEN bytes END), 0), coalesce(sum(CASE WHEN kept THEN 0 ELSE bytes END), 0) FROM (SELECT s.bytes, EXISTS ({Kept}) AS kept FROM segments AS s WHERE s.sha256 IS NOT NULL)",
        r => (r.GetInt64(0), r.GetInt64(1)),
        ("$now", now.UtcTicks));

    /// <summary>Forgets what was removed long ago.</summary>
    public static int ForgetGone(Sql sql, DateTimeOffset before) => sql.Run("DELETE FROM gone_segments WHERE at < $before", ("$before", before.UtcTicks));

    /// <param name="after">Start of the last item of the page before. The search begins there: of two lower bounds the database seeks by one, and <c>$far</c> it would be read from again for every page.</param>
    private static (string Name, object? Value)[] Range(string trackId, DateTimeOffset? from, DateTimeOffset? to, DateTimeOffset? after = null)
    {
        var first = from?.UtcTicks ?? 0;
        return [("$track", trackId), ("$from", first), ("$far", Math.Max(after?.UtcTicks ?? 0, first - LongestSegment.Ticks)), ("$to", to?.UtcTicks ?? long.MaxValue)];
    }

    private static (string Name, object? Value)[] RangeOfChannel(string identity, string channelId, DateTimeOffset? from, DateTimeOffset? to, DateTimeOffset? after = null) =>
        [("$identity", identity), ("$channel", channelId), .. Range("", from, to, after).AsSpan(1)];

    private static SegmentRow Map(SqliteDataReader r) => new(
        r.GetString(0),
        r.GetString(1),
        r.GetString(2),
        r.GetString(3),
        r.GetInt64(4),
        r.Instant(5),
        r.Instant(6),
        r.GetInt64(7),
        r.TextOrNull(8),
        DisputeNames.Parse(r.GetString(9)),
        r.InstantOrNull(10),
        r.GetString(11),
        r.GetString(12),
        r.GetString(13),
        r.Instant(14),
        r.TextOrNull(15),
        r.GetBoolean(16),
        r.TextOrNull(17) is { } init ? new SegmentInit(r.GetInt64(18), init) : null);
}
