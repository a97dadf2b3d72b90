using System.Text.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.Commands;
using FailbackWorkflows.ReferenceRecorder.Storage;
using Microsoft.Data.Sqlite;

namespace FailbackWorkflows.ReferenceRecorder.Retention;

/// <summary>Retention holds. A hold has no expiry; it may be given an end, a later end, or be opened again, but never hold less than it did.</summary>
public static class HoldStore
{
    public const int LongestReason = 2000;

    private const string Columns = "entry_id, identity, from_ticks, to_ticks, reason, release, released_at, release_reason";

    public static RetentionHoldState? Find(Sql sql, string entryId) =>
        sql.Single($"SELECT {Columns} FROM retention_holds WHERE entry_id = $id", Map, ("$id", entryId));

    public static List<RetentionHoldState> List(Sql sql) =>
        sql.Query($"SELECT {Columns} FROM retention_holds ORDER BY entry_id", Map);

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

            if (known.Release is not null)
            {
                return hold.ToUtc == known.ToUtc && hold.FromUtc == known.FromUtc
                    ? known
                    : throw Conflict($"The hold of entry '{hold.EntryId}' was released and does not hold more again. Use an entry id of its own for every failover.");
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

    /// <summary>
    /// Ends a hold, in its place: it stays listed with the reason. After <see cref="HoldRelease.VerifiedCopy"/> disputed material stays held,
    /// until the loss is accepted. Repeating is harmless, and a weaker release does not undo a stronger one.
    /// </summary>
    /// <exception cref="Refusal">There is no such hold, or it is open.</exception>
    public static RetentionHoldState Release(Sql sql, string entryId, string identity, HoldRelease release, string reason, DateTimeOffset now)
    {
        var known = Find(sql, entryId) ?? throw Refusal.Unknown($"There is no retention hold for entry '{entryId}'.");
        if (known.Identity != identity)
        {
            throw Conflict($"Entry '{entryId}' holds for '{known.Identity}', not for '{identity}'.");
        }

        if (known.ToUtc is null && release == HoldRelease.VerifiedCopy)
        {
            throw Conflict($"The hold of entry '{entryId}' is open: more may still be recorded under it, so no copy can be complete. Give it its end first.");
        }

        if (known.Release == release || known.Release is HoldRelease.AcceptedLoss or HoldRelease.NothingRecorded)
        {
            return known;
        }

        sql.Run(
            "UPDATE retention_holds SET release = $release, released_at = $at, release_reason = $reason WHERE entry_id = $id",
            ("$release", JsonNamingPolicy.CamelCase.ConvertName(release.ToString())), ("$at", now.UtcTicks), ("$reason", reason), ("$id", entryId));
        RecorderJournal.Write(sql, now, identity, "holdReleased", $"The hold of entry '{entryId}' was released ({release}): {reason}");
        return known with { Release = release, ReleasedAtUtc = now, ReleaseReason = reason };
    }

    private static Refusal Conflict(string sentence) => new(StatusCodes.Status409Conflict, RecorderProblems.HoldConflict, sentence);

    private static RetentionHoldState Map(SqliteDataReader r) => new(r.GetString(0), r.GetString(1), r.Instant(2), r.InstantOrNull(3), r.GetString(4), Enum.TryParse<HoldRelease>(r.TextOrNull(5), ignoreCase: true, out var release) ? release : null, r.InstantOrNull(6), r.TextOrNull(7));
}
