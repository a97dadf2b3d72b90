using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.ReferenceRecorder.Commands;
using FailbackWorkflows.ReferenceRecorder.Storage;
using Microsoft.Data.Sqlite;

namespace FailbackWorkflows.ReferenceRecorder.Retention;

/// <summary>Retention holds. A hold has no expiry; it may be given an end, a later end, or be opened again, but never hold less than it did.</summary>
public static class HoldStore
{
    public const int LongestReason = 2000;

    public static RetentionHoldState? Find(Sql sql, string entryId) =>
        sql.Single("SELECT entry_id, identity, from_ticks, to_ticks, reason FROM retention_holds WHERE entry_id = $id", Map, ("$id", entryId));

    public static List<RetentionHoldState> List(Sql sql) =>
        sql.Query("SELECT entry_id, identity, from_ticks, to_ticks, reason FROM retention_holds ORDER BY entry_id", Map);

    /// <exception cref="Refusal">The entry holds for another identity, or would hold less than before.</exception>
    public static RetentionHoldState Put(Sql sql, RetentionHoldState hold)
    {
        if (hold.ToUtc < hold.FromUtc)
        {
            throw Refusal.Malformed("The end of the hold lies before its start.");
        }

        if (Find(sql, hold.EntryId) is { } known)
        {
            if (known.Identity != hold.Identity)
            {
                throw Conflict($"Entry '{hold.EntryId}' already holds for '{known.Identity}'. Use an entry id of its own for every failover.");
            }

            if (hold.FromUtc > known.FromUtc || (known.ToUtc is { } end && hold.ToUtc < end))
            {
                throw Conflict($"Entry '{hold.EntryId}' already holds [{RecorderJson.FormatInstant(known.FromUtc)}, {(known.ToUtc is { } to ? RecorderJson.FormatInstant(to) : "open")}). A hold may not shrink; give it the same or an earlier start, and the same or a later end.");
            }
        }

        sql.Run(
            """
            INSERT INTO retention_holds (entry_id, identity, from_ticks, to_ticks, reason) VALUES ($id, $identity, $from, $to, $reason)
            ON CONFLICT (entry_id) DO UPDATE SET from_ticks = $from, to_ticks = $to, reason = $reason
            """,
            ("$id", hold.EntryId), ("$identity", hold.Identity), ("$from", hold.FromUtc.UtcTicks), ("$to", hold.ToUtc?.UtcTicks), ("$reason", hold.Reason));
        return hold;
    }

    private static Refusal Conflict(string sentence) => new(StatusCodes.Status409Conflict, RecorderProblems.HoldConflict, sentence);

    private static RetentionHoldState Map(SqliteDataReader r) => new(r.GetString(0), r.GetString(1), r.Instant(2), r.InstantOrNull(3), r.GetString(4));
}
