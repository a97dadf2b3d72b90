using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.ReferenceRecorder.Storage;
using Microsoft.Data.Sqlite;

namespace FailbackWorkflows.ReferenceRecorder.Records;

/// <summary>Which records are meant. Null leaves a condition out.</summary>
/// <param name="ChannelId">A channel; the empty text means: those that belong to no channel.</param>
/// <param name="From">Text, metadata, ANPR and alarms belong to a range by their time; locks and bookmarks, which last, by overlap.</param>
/// <param name="ChangedAfter">Only what was stored or changed after this change sequence.</param>
/// <param name="Archive">The failover log entry of a side archive; null: the recorder's own records; <see cref="Everywhere"/>: these and every archive.</param>
/// <param name="Plate">Exact plate without regard to case, or the start of one followed by <c>*</c>.</param>
public sealed record RecordQuery(
    RecordKind Kind,
    string Identity,
    string? ChannelId = null,
    DateTimeOffset? From = null,
    DateTimeOffset? To = null,
    long? ChangedAfter = null,
    string? Plate = null,
    string? State = null,
    string? AlarmId = null,
    string? Archive = null)
{
    /// <summary>No name of an entry.</summary>
    public const string Everywhere = "*";
}

/// <summary>
/// Records of every kind. Each transaction that changes records draws one change sequence, never given again: asking for what came after
/// a sequence finds whatever was stored or changed later, however old its time.
/// </summary>
public static class RecordStore
{
    internal const string Columns =
        "id, kind, identity, channel_id, time_ticks, to_ticks, revision, sha256, dispute, epoch, origin_recorder, body, task_id, change_sequence, archive_id";

    public static RecordRow? Find(Sql sql, string identity, RecordKind kind, string id) =>
        sql.Single(
            $"SELECT {Columns} FROM records WHERE identity = $identity AND kind = $kind AND id = $id",
            Map,
            ("$identity", identity), ("$kind", RecordDigest.Name(kind)), ("$id", id));

    /// <summary>At most <paramref name="limit"/> records after a position, ordered by (time, id). Reading on from the last one never misses or repeats any.</summary>
    public static List<RecordRow> Page(Sql sql, RecordQuery query, (DateTimeOffset Time, string Id)? after, int limit)
    {
        // Of two lower bounds the database seeks by one: the range's own would be read through again from its start for every page.
        var isTimed = query.Kind is not (RecordKind.Locks or RecordKind.Bookmarks);
        var (where, parameters) = Where(after is { } last && isTimed && !(query.From > last.Time) ? query with { From = last.Time } : query);
        if (after is { } position)
        {
            where.Append(" AND (time_ticks, id) > ($afterTime, $afterId)");
            parameters.Add(("$afterTime", position.Time.UtcTicks));
            parameters.Add(("$afterId", position.Id));
        }

        parameters.Add(("$limit", limit));
        return sql.Query($"SELECT {Columns} FROM records WHERE {where} ORDER BY time_ticks, id LIMIT $limit", Map, [.. parameters]);
    }

    /// <summary>Count and root of the ordinary records. Streams; the database sorts on disk.</summary>
    public static (long Count, string RootSha256) Root(Sql sql, RecordQuery query)
    {
        var (where, parameters) = Where(query);

        // Of a channel they are few of many: found by channel and sorted, not found by walking the whole kind in the order of ids.
        var order = query.ChannelId is null ? "id" : "+id";
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var count = 0L;
        var lines = sql.Stream(
            $"SELECT id, revision, sha256 FROM records WHERE {where} AND dispute = 'none' ORDER BY {order}",
            r => string.Create(CultureInfo.InvariantCulture, $"{r.GetString(0)} {r.GetInt64(1)} {r.GetString(2)}\n"),
            [.. parameters]);
        foreach (var line in lines)
        {
            hash.AppendData(Encoding.UTF8.GetBytes(line));
            count++;
        }

        return (count, Convert.ToHexStringLower(hash.GetHashAndReset()));
    }

    /// <summary>Time of the newest of the recorder's own records of a channel; null when it has none.</summary>
    public static DateTimeOffset? LastTime(Sql sql, string identity, RecordKind kind, string? channelId) =>
        sql.Single(
            "SELECT time_ticks FROM records WHERE identity = $identity AND kind = $kind AND channel_id IS $channel AND archive_id IS NULL ORDER BY time_ticks DESC LIMIT 1",
            r => r.InstantOrNull(0),
            ("$identity", identity), ("$kind", RecordDigest.Name(kind)), ("$channel", channelId));

    /// <summary>How many records are not ordinary.</summary>
    public static long CountDisputed(Sql sql, RecordQuery query)
    {
        var (where, parameters) = Where(query);
        return sql.Single($"SELECT count(*) FROM records WHERE {where} AND dispute <> 'none'", r => r.GetInt64(0), [.. parameters]);
    }

    /// <summary>Everything stored or changed so far has a change sequence not larger than this.</summary>
    public static long ChangeSequence(Sql sql) => sql.Single("SELECT change_sequence FROM machine", r => r.GetInt64(0));

    /// <summary>Draws the change sequence of this transaction.</summary>
    public static long NextChange(Sql sql) => sql.Single("UPDATE machine SET change_sequence = change_sequence + 1 RETURNING change_sequence", r => r.GetInt64(0));

    /// <summary>
    /// True when another recorder's ordinary line of text is here with the same time and content: while two recorders listened to one till, each
    /// took the line down under an id of its own, and it is one line. Records of other kinds keep the ids of their source.
    /// </summary>
    internal static bool HasTwin(Statement find, RecordRow record) =>
        record is { Kind: RecordKind.Text, Dispute: DisputeState.None }
        && find.Single(
            r => r.GetInt64(0),
            ("$identity", record.Identity), ("$channel", record.ChannelId), ("$time", record.Time.UtcTicks), ("$body", record.Body), ("$origin", record.Origin.RecorderId)) > 0;

    /// <summary>The statement <see cref="HasTwin"/> needs.</summary>
    internal static Statement FindTwin(Sql sql) => sql.Reusable(
        """
        SELECT count(*) FROM records
        WHERE identity = $identity AND kind = 'text' AND channel_id = $channel AND time_ticks = $time AND dispute = 'none' AND origin_recorder <> $origin AND body = $body
        """);

    /// <summary>
    /// Stores records by the rules of <see cref="RecordMerge"/>, in the caller's transaction; one result per record, in order. For large
    /// amounts: some thousand records per transaction. The sequence is enumerated once and not kept.
    /// </summary>
    /// <param name="taskId">The copy task that brings them; null when they are made here.</param>
    /// <param name="archiveId">Failover log entry of the side archive that new ones of <see cref="RecordRules.IsStream"/> go into; null: none does.</param>
    public static List<RecordImportResult> Import(Sql sql, IEnumerable<MaterialRecord> records, string? taskId, string? archiveId = null)
    {
        using var import = new RecordImport(sql);
        using var twins = FindTwin(sql);
        return [.. records.Select(r => RecordRow.Of(r, taskId) with { ArchiveId = RecordRules.IsStream(r.Kind) ? archiveId : null }).Select(r => taskId is not null && HasTwin(twins, r) ? new RecordImportResult(r.Id, ImportOutcome.Identical, null) : import.Add(r))];
    }

    /// <summary>The successor's first frame settles what of a channel is ordinary and what is disputed; see <see cref="Segments.SegmentStore.EndAuthority"/>. Copies keep their mark.</summary>
    public static void EndAuthority(Sql sql, string identity, string channelId, DateTimeOffset end, long epoch)
    {
        var change = NextChange(sql);
        sql.Run(
            """
            UPDATE records SET dispute = CASE WHEN time_ticks < $end THEN 'none' ELSE 'disputed' END, change_sequence = $change
            WHERE identity = $identity AND channel_id = $channel AND task_id IS NULL AND epoch <= $epoch AND kind NOT IN ('locks', 'bookmarks')
                AND ((dispute = 'provisional' AND time_ticks < $end) OR (dispute <> 'disputed' AND time_ticks >= $end))
            """,
            ("$identity", identity), ("$channel", channelId), ("$epoch", epoch), ("$end", end.UtcTicks), ("$change", change));
    }

    /// <summary>What was recorded provisionally under an epoch that proved to have been current is ordinary; answers with the number of records.</summary>
    public static int Settle(Sql sql, string identity, long epoch) =>
        sql.Run(
            "UPDATE records SET dispute = 'none', change_sequence = $change WHERE identity = $identity AND epoch = $epoch AND task_id IS NULL AND dispute = 'provisional'",
            ("$identity", identity), ("$epoch", epoch), ("$change", NextChange(sql)));

    /// <summary>Removes records that ended before <paramref name="before"/> and that nothing keeps; answers with their number. A lock stays as long as it protects.</summary>
    public static int DeleteExpired(Sql sql, string identity, DateTimeOffset before, DateTimeOffset now, int limit)
    {
        sql.Run(
            "DELETE FROM locked_ranges WHERE identity = $identity AND expires_ticks <= $now AND to_ticks <= $before",
            ("$identity", identity), ("$now", now.UtcTicks), ("$before", before.UtcTicks));
        return Enum.GetValues<RecordKind>().Sum(kind => sql.Run(
            """
            DELETE FROM records WHERE rowid IN (
                SELECT r.rowid FROM records AS r
                WHERE r.identity = $identity AND r.kind = $kind AND r.time_ticks < $before AND coalesce(r.to_ticks, 0) <= $before
                    AND NOT EXISTS (
                        SELECT 1 FROM kept_ranges AS k
                        WHERE k.identity = r.identity AND (k.channel_id IS NULL OR k.channel_id = r.channel_id)
                            AND max(coalesce(r.to_ticks, 0), r.time_ticks + 1) > k.from_ticks AND r.time_ticks < k.to_ticks
                            AND k.expires_ticks > $now AND (k.disputed_only = 0 OR r.dispute <> 'none'))
                    AND NOT (r.kind = 'locks' AND EXISTS (SELECT 1 FROM locked_ranges AS l WHERE l.identity = r.identity AND l.lock_id = r.id))
                ORDER BY r.time_ticks LIMIT $limit)
            """,
            ("$identity", identity), ("$kind", RecordDigest.Name(kind)), ("$before", before.UtcTicks), ("$now", now.UtcTicks), ("$limit", limit)));
    }

    internal static RecordRow Map(SqliteDataReader r) => new(
        r.GetString(0),
        Enum.Parse<RecordKind>(r.GetString(1), ignoreCase: true),
        r.GetString(2),
        r.TextOrNull(3),
        r.Instant(4),
        r.InstantOrNull(5),
        r.GetInt64(6),
        r.GetString(7),
        DisputeNames.Parse(r.GetString(8)),
        new MaterialOrigin(r.GetString(10), r.GetInt64(9)),
        r.GetString(11),
        r.TextOrNull(12),
        r.GetInt64(13),
        r.TextOrNull(14));

    private static (StringBuilder Where, List<(string Name, object? Value)> Parameters) Where(RecordQuery query)
    {
        var where = new StringBuilder("identity = $identity AND kind = $kind");
        var parameters = new List<(string Name, object? Value)> { ("$identity", query.Identity), ("$kind", RecordDigest.Name(query.Kind)) };
        void Add(string condition, string name, object value)
        {
            where.Append(" AND ").Append(condition);
            parameters.Add((name, value));
        }

        if (query.ChannelId is { } channel)
        {
            // IS, also for no channel: after IS NULL the database takes another index and reads the whole kind.
            where.Append(" AND channel_id IS $channel");
            parameters.Add(("$channel", channel.Length == 0 ? null : channel));
        }

        if (query.Archive is null)
        {
            where.Append(" AND archive_id IS NULL");
        }
        else if (query.Archive != RecordQuery.Everywhere)
        {
            Add("archive_id = $archive", "$archive", query.Archive);
        }

        var lasts = query.Kind is RecordKind.Locks or RecordKind.Bookmarks;
        if (query.From is { } from)
        {
            Add(lasts ? "max(coalesce(to_ticks, 0), time_ticks + 1) > $from" : "time_ticks >= $from", "$from", from.UtcTicks);
        }

        if (query.To is { } to)
        {
            Add("time_ticks < $to", "$to", to.UtcTicks);
        }

        if (query.ChangedAfter is { } sequence)
        {
            Add("change_sequence > $changed", "$changed", sequence);
        }

        if (query.Plate is { } plate)
        {
            var isStart = plate.EndsWith('*');
            Add(
                isStart ? "substr(json_extract(body, '$.plate'), 1, length($plate)) = $plate COLLATE NOCASE" : "json_extract(body, '$.plate') = $plate COLLATE NOCASE",
                "$plate",
                isStart ? plate[..^1] : plate);
        }

        if (query.State is { } state)
        {
            Add("json_extract(body, '$.state') = $state", "$state", state);
        }

        if (query.AlarmId is { } alarm)
        {
            Add("json_extract(body, '$.alarmId') = $alarm", "$alarm", alarm);
        }

        return (where, parameters);
    }
}
