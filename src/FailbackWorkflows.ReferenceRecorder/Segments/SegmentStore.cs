using FailbackWorkflows.ReferenceRecorder.Storage;
using Microsoft.Data.Sqlite;

namespace FailbackWorkflows.ReferenceRecorder.Segments;

/// <summary>A segment as it is indexed. <paramref name="Sha256"/> is null while it grows.</summary>
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
    string Dispute,
    DateTimeOffset? DisputedFrom,
    string File)
{
    public SegmentView ToView() => new(SegmentId, TrackId, From, To, Bytes, Sha256, Sha256 is null, Dispute, DisputedFrom, Epoch);
}

/// <summary>A segment on the wire.</summary>
/// <param name="From">First instant, inclusive.</param>
/// <param name="To">End, exclusive; of a growing segment what is confirmed so far.</param>
/// <param name="Disputed"><c>none</c>, <c>provisional</c> (recorded without a confirmed role) or <c>disputed</c> (after the authority end).</param>
/// <param name="DisputedFrom">From when on it is disputed; within the segment when the authority ended there.</param>
public sealed record SegmentView(
    string Id,
    string TrackId,
    DateTimeOffset From,
    DateTimeOffset To,
    long Bytes,
    string? Sha256,
    bool Growing,
    string Disputed,
    DateTimeOffset? DisputedFrom,
    long Epoch);

/// <summary>The index of what is stored. It is the truth: a file without a row does not exist.</summary>
public static class SegmentStore
{
    private const string Columns = "segment_id, identity, channel_id, track_id, epoch, from_ticks, to_ticks, bytes, sha256, dispute, disputed_from, file";

    /// <summary>Tracks are named by identity and channel: two identities on one server may use the same channel ids.</summary>
    public static string TrackId(string identity, string channelId) => $"{identity}~{channelId}";

    public static SegmentRow? Find(Sql sql, string segmentId) =>
        sql.Single($"SELECT {Columns} FROM segments WHERE segment_id = $id", Map, ("$id", segmentId));

    /// <summary>Segments that overlap <c>[from, to)</c>, oldest first.</summary>
    public static List<SegmentRow> Overlapping(Sql sql, string trackId, DateTimeOffset? from, DateTimeOffset? to, int limit) =>
        sql.Query(
            $"SELECT {Columns} FROM segments WHERE track_id = $track AND to_ticks > $from AND from_ticks < $to ORDER BY from_ticks LIMIT $limit",
            Map,
            ("$track", trackId), ("$from", from?.UtcTicks ?? 0), ("$to", to?.UtcTicks ?? long.MaxValue), ("$limit", limit));

    public static List<SegmentRow> Growing(Sql sql) => sql.Query($"SELECT {Columns} FROM segments WHERE sha256 IS NULL", Map);

    public static HashSet<string> Files(Sql sql) => sql.Query("SELECT file FROM segments", r => r.GetString(0)).ToHashSet(StringComparer.Ordinal);

    public static DateTimeOffset? LastEnd(Sql sql, string identity, string channelId) =>
        sql.Single(
            "SELECT max(to_ticks) FROM segments WHERE identity = $identity AND channel_id = $channel",
            r => r.InstantOrNull(0),
            ("$identity", identity), ("$channel", channelId));

    public static void Save(Sql sql, SegmentRow row) =>
        sql.Run(
            $"""
            INSERT INTO segments ({Columns}) VALUES ($id, $identity, $channel, $track, $epoch, $from, $to, $bytes, $sha256, $dispute, $disputedFrom, $file)
            ON CONFLICT (segment_id) DO UPDATE SET to_ticks = $to, bytes = $bytes, sha256 = $sha256
            """,
            ("$id", row.SegmentId), ("$identity", row.Identity), ("$channel", row.ChannelId), ("$track", row.TrackId), ("$epoch", row.Epoch),
            ("$from", row.From.UtcTicks), ("$to", row.To.UtcTicks), ("$bytes", row.Bytes), ("$sha256", row.Sha256),
            ("$dispute", row.Dispute), ("$disputedFrom", row.DisputedFrom?.UtcTicks), ("$file", row.File));

    public static void Delete(Sql sql, string segmentId) => sql.Run("DELETE FROM segments WHERE segment_id = $id", ("$id", segmentId));

    /// <summary>
    /// The successor's first frame settles what of a channel is ordinary and what is disputed. Only material of epochs up to
    /// <paramref name="epoch"/> is judged: a late order must not touch what was recorded under a newer authority.
    /// </summary>
    public static void EndAuthority(Sql sql, string identity, string channelId, DateTimeOffset end, long epoch)
    {
        sql.Run(
            """
            UPDATE segments SET dispute = 'none', disputed_from = NULL
            WHERE identity = $identity AND channel_id = $channel AND epoch <= $epoch AND dispute = 'provisional' AND to_ticks <= $end
            """,
            ("$identity", identity), ("$channel", channelId), ("$epoch", epoch), ("$end", end.UtcTicks));
        sql.Run(
            """
            UPDATE segments SET dispute = 'disputed', disputed_from = max(from_ticks, $end)
            WHERE identity = $identity AND channel_id = $channel AND epoch <= $epoch AND to_ticks > $end
            """,
            ("$identity", identity), ("$channel", channelId), ("$epoch", epoch), ("$end", end.UtcTicks));
    }

    /// <summary>Removes closed segments that ended before <paramref name="before"/> and that no hold of the identity touches; answers with their files.</summary>
    public static List<string> DeleteExpired(Sql sql, string identity, DateTimeOffset before, int limit)
    {
        var expired = sql.Query(
            """
            SELECT segment_id, file FROM segments AS s
            WHERE s.identity = $identity AND s.sha256 IS NOT NULL AND s.to_ticks <= $before AND NOT EXISTS (
                SELECT 1 FROM retention_holds AS h
                WHERE h.identity = s.identity AND s.to_ticks > h.from_ticks AND (h.to_ticks IS NULL OR s.from_ticks < h.to_ticks))
            ORDER BY s.from_ticks LIMIT $limit
            """,
            r => (Id: r.GetString(0), File: r.GetString(1)),
            ("$identity", identity), ("$before", before.UtcTicks), ("$limit", limit));
        foreach (var (id, _) in expired)
        {
            Delete(sql, id);
        }

        return expired.ConvertAll(e => e.File);
    }

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
        r.GetString(9),
        r.InstantOrNull(10),
        r.GetString(11));
}
