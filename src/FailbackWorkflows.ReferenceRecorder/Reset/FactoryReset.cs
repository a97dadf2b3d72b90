using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.ReferenceRecorder.Commands;
using FailbackWorkflows.ReferenceRecorder.Duties;
using FailbackWorkflows.ReferenceRecorder.Segments;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Reset;

/// <summary>
/// Back to standby as from the factory: material, settings, holds and copy tasks are deleted. What must outlive it does: the machine's id, the epochs
/// and fences that say who is in charge, the keys of commands, and the journal. Refused while anything here is owed or protected.
/// </summary>
internal static class FactoryReset
{
    private const int MostNamed = 5;

    private static readonly string[] Emptied =
    [
        "segments", "gone_segments", "tracks", "records", "locked_ranges", "retention_holds", "read_tokens", "copy_losses", "copy_positions", "copy_tasks",
        "channel_times", "settings_staged", "settings_active", "settings_revisions",
    ];

    /// <summary>Deletes all rows; answers with their files, which are the caller's to delete after the commit.</summary>
    /// <exception cref="Refusal">Material is owed or protected, or the recorder has a duty.</exception>
    public static (ResetResult Result, IReadOnlyCollection<string> Files) Run(Sql sql, string reason, DateTimeOffset now)
    {
        RefuseWhileOnDuty(sql);
        RefuseWhileOwed(sql, now);
        var (segments, bytes) = sql.Single("SELECT count(*), coalesce(sum(bytes), 0) FROM segments", r => (r.GetInt64(0), r.GetInt64(1)));
        var files = SegmentStore.Files(sql);
        foreach (var table in Emptied)
        {
            sql.Run($"DELETE FROM {table}");
        }

        foreach (var duty in DutyStore.List(sql))
        {
            DutyStore.Save(sql, duty with { AssignedRole = DutyRole.Standby, AllocationId = null, HoldEntryId = null, Recording = false, AwaitingSince = null, Provisional = false });
        }

        RecorderJournal.Write(sql, now, "", "reset", $"Reset to standby as from the factory; {segments} segments, {bytes} bytes were deleted: {reason}");
        return (new ResetResult(segments, bytes), files);
    }

    /// <summary>The files that <see cref="Run"/> has named, and no others: somebody may have begun to record again. A crash before leaves files that the next start removes.</summary>
    public static void DeleteFiles(DataFolder folder, IEnumerable<string> files)
    {
        foreach (var file in files)
        {
            File.Delete(Path.Combine(folder.SegmentsPath, file));
        }
    }

    private static void RefuseWhileOnDuty(Sql sql)
    {
        if (DutyStore.List(sql).Find(d => d.AssignedRole == DutyRole.Recorder) is { } duty)
        {
            throw new Refusal(
                StatusCodes.Status409Conflict,
                RecorderProblems.DutyHeld,
                $"This recorder has the duty of '{duty.Identity}' under epoch {duty.Epoch}. Move the duty to another recorder first; then reset this one.");
        }
    }

    private static void RefuseWhileOwed(Sql sql, DateTimeOffset now)
    {
        var holds = sql.Query("SELECT entry_id FROM retention_holds WHERE release IS NULL ORDER BY from_ticks", r => r.GetString(0));
        if (holds.Count > 0)
        {
            throw Owed($"This recorder still owes the material of {Names(holds, "failover")}. Copy it home, or have an administrator accept its loss; that releases the hold.");
        }

        // Locks, copies that are not verified yet, and disputed material of holds that were released for all the rest.
        var others = sql.Query(
            """
            SELECT DISTINCT k.why FROM kept_ranges AS k
            WHERE k.expires_ticks > $now AND (k.disputed_only = 0
                OR EXISTS (SELECT 1 FROM segments AS s WHERE s.identity = k.identity AND s.dispute <> 'none' AND s.to_ticks > k.from_ticks AND s.from_ticks < k.to_ticks)
                OR EXISTS (SELECT 1 FROM records AS r WHERE r.identity = k.identity AND r.dispute <> 'none' AND r.time_ticks >= k.from_ticks AND r.time_ticks < k.to_ticks))
            ORDER BY k.why
            """,
            r => r.GetString(0),
            ("$now", now.UtcTicks));
        if (others.Count > 0)
        {
            throw Owed(others[0] switch
            {
                "copy" => "A copy of material to this recorder has not ended. Let it end, or cancel it.",
                "lock" => "Material here is locked as evidence. Export it, and have its lock removed or wait until it expires.",
                _ => "Disputed material is kept here. An administrator has to accept its loss first.",
            });
        }
    }

    private static Refusal Owed(string sentence) => new(StatusCodes.Status409Conflict, RecorderProblems.MaterialOwed, $"{sentence} Nothing was deleted.");

    private static string Names(List<string> entries, string what) => entries.Count switch
    {
        1 => $"{what} '{entries[0]}'",
        <= MostNamed => $"{entries.Count} {what}s: '{string.Join("', '", entries)}'",
        _ => $"{entries.Count} {what}s: '{string.Join("', '", entries.Take(MostNamed))}' and more",
    };
}

/// <summary>Answer of <c>POST /v1/recorder:reset</c>.</summary>
/// <param name="Segments">Segments that were deleted.</param>
public sealed record ResetResult(long Segments, long Bytes);
