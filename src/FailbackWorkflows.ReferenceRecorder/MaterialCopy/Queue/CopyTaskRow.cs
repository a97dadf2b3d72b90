using System.Text.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.Storage;
using Microsoft.Data.Sqlite;

namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy.Queue;

/// <summary>A task as it is stored.</summary>
/// <param name="RetryAt">Not taken up again before.</param>
/// <param name="SourceToken">Encrypted; see <see cref="TokenVault"/>.</param>
/// <param name="SourceRevision">Grows with every <c>UpdateClientInfo</c>.</param>
internal sealed record CopyTaskRow(
    string TaskId,
    long QueueOrder,
    StartDataCopy Definition,
    CopyTaskState State,
    CopyPauseReason? PauseReason,
    string? Phase,
    DateTimeOffset? RetryAt,
    string? SourceUrl,
    byte[]? SourceToken,
    long SourceRevision,
    CopyLimits Limits,
    string? LastError,
    int Attempts,
    TimeSpan? ClockOffsetBefore,
    TimeSpan? ClockOffsetAfter,
    CopyCounters Counters,
    bool LossesAccepted,
    DateTimeOffset CreatedAt,
    DateTimeOffset? StartedAt,
    DateTimeOffset? EndedAt,
    DateTimeOffset? HeartbeatAt,
    long Revision)
{
    public string Identity => Definition.Identity;

    public bool HasEnded => IsEnd(State);

    public static bool IsEnd(CopyTaskState state) =>
        state is CopyTaskState.Copied or CopyTaskState.CopiedWithLosses or CopyTaskState.NothingToCopy or CopyTaskState.Failed or CopyTaskState.Cancelled;

    /// <summary>The period of a channel; null is what belongs to no channel.</summary>
    public CopyPeriod PeriodOf(string? channelId) =>
        Definition.Channels.FirstOrDefault(c => c.ChannelId == channelId) ?? Definition.Period with { ChannelId = channelId };

    /// <summary>
    /// The period of records, the same for all of them: from the earliest start to the latest end of any channel. What is told of a channel
    /// does not end with its last frame; that the signal was lost is told after it.
    /// </summary>
    public CopyPeriod RecordPeriod
    {
        get
        {
            var all = Definition.Channels.Append(Definition.Period).ToList();
            return new CopyPeriod(null, all.Min(p => p.FromUtc), all.Max(p => p.ToUtc));
        }
    }
}

/// <summary>What a task has done, over all its runs.</summary>
internal sealed record CopyCounters(long Segments, long Records, long AlreadyThere, long Bytes, long? BytesTotal, long BytesVerified);

/// <summary>Where a pass over a channel stands.</summary>
/// <param name="Channel">Channel id; <c>-</c> for what belongs to no channel, <c>*</c> for all at once.</param>
/// <param name="Position">Everything up to here is received and stored.</param>
/// <param name="ChangeSequence">Of the source, when the pass began.</param>
internal sealed record CopyPosition(
    string Pass,
    string Kind,
    string Channel,
    DateTimeOffset? Position = null,
    long? ChangeSequence = null,
    bool IsDone = false,
    long Done = 0,
    long? Total = null,
    long BytesDone = 0,
    long? BytesTotal = null,
    int Attempts = 0,
    string? Error = null)
{
    public const string Evidence = "evidence";
    public const string Copying = "copying";
    public const string NoChannel = "-";
    public const string AllChannels = "*";

    public string? ChannelId => Channel is NoChannel or AllChannels ? null : Channel;
}

/// <summary>The tables of copy tasks.</summary>
internal static class CopyTaskStore
{
    private const string Columns =
        """
        task_id, queue_order, definition, state, pause_reason, phase, retry_at, source_url, source_token, source_revision,
        max_bytes_per_second, window_from, window_to, last_error, attempts, clock_offset_before, clock_offset_after,
        segments_done, records_done, already_there, bytes_done, bytes_total, bytes_verified, losses_accepted,
        created_at, started_at, ended_at, heartbeat_at, revision
        """;

    public static CopyTaskRow? Find(Sql sql, string taskId) =>
        sql.Single($"SELECT {Columns} FROM copy_tasks WHERE task_id = $id", Map, ("$id", taskId));

    /// <summary>Tasks in the order of the queue, ended ones included.</summary>
    /// <param name="after">Only those behind this place in the queue.</param>
    /// <param name="most">So many at most.</param>
    public static List<CopyTaskRow> List(Sql sql, long after = 0, int most = int.MaxValue) =>
        sql.Query($"SELECT {Columns} FROM copy_tasks WHERE queue_order > $after ORDER BY queue_order LIMIT $most", Map, ("$after", after), ("$most", most));

    /// <summary>Tasks that are not at their end, in the order of the queue.</summary>
    public static List<CopyTaskRow> Open(Sql sql) => sql.Query($"SELECT {Columns} FROM copy_tasks WHERE ended_at IS NULL ORDER BY queue_order", Map);

    public static long NextOrder(Sql sql) => sql.Single("SELECT coalesce(max(queue_order), 0) + 1 FROM copy_tasks", r => r.GetInt64(0));

    public static void Insert(Sql sql, CopyTaskRow row)
    {
        var period = row.Definition.Period;
        var channels = row.Definition.Channels;
        sql.Run(
            """
            INSERT INTO copy_tasks (task_id, queue_order, entry_id, identity, source_recorder_id, definition, from_ticks, to_ticks, state,
                max_bytes_per_second, window_from, window_to, created_at)
            VALUES ($id, $order, $entry, $identity, $source, $definition, $from, $to, $state, $rate, $windowFrom, $windowTo, $created)
            """,
            ("$id", row.TaskId), ("$order", row.QueueOrder), ("$entry", row.Definition.EntryId), ("$identity", row.Identity), ("$source", row.Definition.SourceRecorderId),
            ("$definition", JsonSerializer.Serialize(row.Definition, RecorderJson.Options)),
            ("$from", channels.Select(c => c.FromUtc).Append(period.FromUtc).Min().UtcTicks), ("$to", channels.Select(c => c.ToUtc).Append(period.ToUtc).Max().UtcTicks),
            ("$state", Name(row.State)), ("$rate", row.Limits.MaxBytesPerSecond),
            ("$windowFrom", row.Limits.WindowFrom?.Ticks), ("$windowTo", row.Limits.WindowTo?.Ticks), ("$created", row.CreatedAt.UtcTicks));
    }

    /// <summary>Writes all that may change; the revision grows.</summary>
    public static CopyTaskRow Save(Sql sql, CopyTaskRow row)
    {
        sql.Run(
            """
            UPDATE copy_tasks SET queue_order = $order, state = $state, pause_reason = $pause, phase = $phase, retry_at = $retry, source_url = $url,
                source_token = $token, source_revision = $sourceRevision, max_bytes_per_second = $rate, window_from = $windowFrom, window_to = $windowTo,
                last_error = $error, attempts = $attempts, clock_offset_before = $before, clock_offset_after = $after, losses_accepted = $accepted,
                started_at = $started, ended_at = $ended, heartbeat_at = $heartbeat, revision = revision + 1
            WHERE task_id = $id
            """,
            ("$id", row.TaskId), ("$order", row.QueueOrder), ("$state", Name(row.State)), ("$pause", row.PauseReason is { } reason ? Name(reason) : null),
            ("$phase", row.Phase), ("$retry", row.RetryAt?.UtcTicks), ("$url", row.SourceUrl), ("$token", row.SourceToken), ("$sourceRevision", row.SourceRevision),
            ("$rate", row.Limits.MaxBytesPerSecond), ("$windowFrom", row.Limits.WindowFrom?.Ticks), ("$windowTo", row.Limits.WindowTo?.Ticks),
            ("$error", row.LastError), ("$attempts", row.Attempts), ("$before", row.ClockOffsetBefore?.Ticks), ("$after", row.ClockOffsetAfter?.Ticks),
            ("$accepted", row.LossesAccepted ? 1 : 0), ("$started", row.StartedAt?.UtcTicks), ("$ended", row.EndedAt?.UtcTicks), ("$heartbeat", row.HeartbeatAt?.UtcTicks));
        return row with { Revision = row.Revision + 1 };
    }

    /// <summary>Adds to what the task has done; in the transaction of what it tells of.</summary>
    public static void Count(Sql sql, string taskId, long segments, long records, long bytes, DateTimeOffset now) =>
        sql.Run(
            """
            UPDATE copy_tasks SET segments_done = segments_done + $segments, records_done = records_done + $records, bytes_done = bytes_done + $bytes,
                heartbeat_at = $now, revision = revision + 1
            WHERE task_id = $id
            """,
            ("$id", taskId), ("$segments", segments), ("$records", records), ("$bytes", bytes), ("$now", now.UtcTicks));

    /// <summary>What this run found out and what it proved; the rest of the counters only grow.</summary>
    public static void SetTotals(Sql sql, string taskId, long alreadyThere, long? bytesTotal, long bytesVerified) =>
        sql.Run(
            "UPDATE copy_tasks SET already_there = $there, bytes_total = $total, bytes_verified = $verified, revision = revision + 1 WHERE task_id = $id",
            ("$id", taskId), ("$there", alreadyThere), ("$total", bytesTotal), ("$verified", bytesVerified));

    public static List<CopyPosition> Positions(Sql sql, string taskId) =>
        sql.Query(
            """
            SELECT pass, kind, channel_id, position, change_sequence, is_done, done, total, bytes_done, bytes_total, attempts, error
            FROM copy_positions WHERE task_id = $id ORDER BY pass, kind, channel_id
            """,
            r => new CopyPosition(
                r.GetString(0), r.GetString(1), r.GetString(2), r.InstantOrNull(3), r.LongOrNull(4), r.GetInt64(5) != 0,
                r.GetInt64(6), r.LongOrNull(7), r.GetInt64(8), r.LongOrNull(9), r.GetInt32(10), r.TextOrNull(11)),
            ("$id", taskId));

    public static void SavePosition(Sql sql, string taskId, CopyPosition position) =>
        sql.Run(
            """
            INSERT INTO copy_positions (task_id, pass, kind, channel_id, position, change_sequence, is_done, done, total, bytes_done, bytes_total, attempts, error)
            VALUES ($id, $pass, $kind, $channel, $position, $sequence, $isDone, $done, $total, $bytesDone, $bytesTotal, $attempts, $error)
            ON CONFLICT (task_id, pass, kind, channel_id) DO UPDATE SET position = $position, change_sequence = $sequence, is_done = $isDone, done = $done,
                total = $total, bytes_done = $bytesDone, bytes_total = $bytesTotal, attempts = $attempts, error = $error
            """,
            ("$id", taskId), ("$pass", position.Pass), ("$kind", position.Kind), ("$channel", position.Channel), ("$position", position.Position?.UtcTicks),
            ("$sequence", position.ChangeSequence), ("$isDone", position.IsDone ? 1 : 0), ("$done", position.Done), ("$total", position.Total),
            ("$bytesDone", position.BytesDone), ("$bytesTotal", position.BytesTotal), ("$attempts", position.Attempts), ("$error", position.Error));

    /// <summary>Everything is compared again; what is stored stays and is found.</summary>
    public static void ForgetPositions(Sql sql, string taskId)
    {
        sql.Run("DELETE FROM copy_positions WHERE task_id = $id", ("$id", taskId));
        sql.Run("DELETE FROM copy_losses WHERE task_id = $id", ("$id", taskId));
    }

    /// <summary>Every channel has all its attempts again.</summary>
    public static void ForgetAttempts(Sql sql, string taskId) => sql.Run("UPDATE copy_positions SET attempts = 0 WHERE task_id = $id", ("$id", taskId));

    public static List<CopyLoss> Losses(Sql sql, string taskId) =>
        sql.Query(
            "SELECT kind, channel_id, item_id, from_ticks, to_ticks, bytes, reason FROM copy_losses WHERE task_id = $id ORDER BY kind, channel_id, from_ticks, item_id",
            r => new CopyLoss(r.GetString(0), r.GetString(1) is var c && c == CopyPosition.NoChannel ? null : c, r.GetString(2), r.Instant(3), r.Instant(4), r.GetInt64(5), r.GetString(6)),
            ("$id", taskId));

    public static void SaveLoss(Sql sql, string taskId, CopyLoss loss) =>
        sql.Run(
            """
            INSERT INTO copy_losses (task_id, kind, channel_id, item_id, from_ticks, to_ticks, bytes, reason)
            VALUES ($id, $kind, $channel, $item, $from, $to, $bytes, $reason)
            ON CONFLICT (task_id, kind, channel_id, item_id) DO UPDATE SET reason = $reason
            """,
            ("$id", taskId), ("$kind", loss.Kind), ("$channel", loss.ChannelId ?? CopyPosition.NoChannel), ("$item", loss.ItemId ?? ""),
            ("$from", loss.From.UtcTicks), ("$to", loss.To.UtcTicks), ("$bytes", loss.Bytes), ("$reason", loss.Reason));

    /// <summary>Before these kinds are judged anew.</summary>
    public static void ForgetLosses(Sql sql, string taskId, IEnumerable<string> kinds)
    {
        foreach (var kind in kinds)
        {
            sql.Run("DELETE FROM copy_losses WHERE task_id = $id AND kind = $kind", ("$id", taskId), ("$kind", kind));
        }
    }

    public static bool IsLost(Sql sql, string taskId, string kind, string itemId) =>
        sql.Single("SELECT 1 FROM copy_losses WHERE task_id = $id AND kind = $kind AND item_id = $item", r => r.GetInt64(0), ("$id", taskId), ("$kind", kind), ("$item", itemId)) == 1;

    public static void SaveCoverage(Sql sql, string taskId, string report) =>
        sql.Run("UPDATE copy_tasks SET coverage = $report WHERE task_id = $id", ("$id", taskId), ("$report", report));

    public static string? Coverage(Sql sql, string taskId) =>
        sql.Single("SELECT coverage FROM copy_tasks WHERE task_id = $id", r => r.TextOrNull(0), ("$id", taskId));

    public static long? LongOrNull(this SqliteDataReader reader, int ordinal) => reader.IsDBNull(ordinal) ? null : reader.GetInt64(ordinal);

    private static string Name<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.CamelCase.ConvertName(value.ToString());

    private static TimeSpan? Length(SqliteDataReader r, int ordinal) => r.LongOrNull(ordinal) is { } ticks ? TimeSpan.FromTicks(ticks) : null;

    private static TimeOnly? TimeOfDay(SqliteDataReader r, int ordinal) => r.LongOrNull(ordinal) is { } ticks ? new TimeOnly(ticks) : null;

    private static CopyTaskRow Map(SqliteDataReader r) => new(
        r.GetString(0),
        r.GetInt64(1),
        JsonSerializer.Deserialize<StartDataCopy>(r.GetString(2), RecorderJson.Options) ?? throw new InvalidOperationException("A stored copy task is empty."),
        Enum.Parse<CopyTaskState>(r.GetString(3), ignoreCase: true),
        r.TextOrNull(4) is { } reason ? Enum.Parse<CopyPauseReason>(reason, ignoreCase: true) : null,
        r.TextOrNull(5),
        r.InstantOrNull(6),
        r.TextOrNull(7),
        r.IsDBNull(8) ? null : r.GetFieldValue<byte[]>(8),
        r.GetInt64(9),
        new CopyLimits(r.LongOrNull(10), TimeOfDay(r, 11), TimeOfDay(r, 12)),
        r.TextOrNull(13),
        r.GetInt32(14),
        Length(r, 15),
        Length(r, 16),
        new CopyCounters(r.GetInt64(17), r.GetInt64(18), r.GetInt64(19), r.GetInt64(20), r.LongOrNull(21), r.GetInt64(22)),
        r.GetInt64(23) != 0,
        r.Instant(24),
        r.InstantOrNull(25),
        r.InstantOrNull(26),
        r.InstantOrNull(27),
        r.GetInt64(28));
}
