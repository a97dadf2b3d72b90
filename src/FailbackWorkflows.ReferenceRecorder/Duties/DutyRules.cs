using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.ReferenceRecorder.Commands;
using FailbackWorkflows.ReferenceRecorder.Recording;
using FailbackWorkflows.ReferenceRecorder.Records;
using FailbackWorkflows.ReferenceRecorder.Retention;
using FailbackWorkflows.ReferenceRecorder.Settings;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Duties;

/// <summary>
/// Who may command a recorded identity here. Epoch and fence are compared each on its own; a lower one is refused and nothing about the
/// call is remembered.
/// </summary>
public static class DutyRules
{
    /// <exception cref="Refusal">Somebody newer is in charge.</exception>
    public static void RefuseStale(DutyRow known, long epoch, long fence)
    {
        if (epoch < known.Epoch || fence < known.Fence)
        {
            throw new Refusal(
                StatusCodes.Status412PreconditionFailed,
                RecorderProblems.StaleAuthority,
                $"The call acts for '{known.Identity}' under epoch {epoch}, fence {fence}, but this recorder knows epoch {known.Epoch}, fence {known.Fence}: somebody newer is in charge. Read the duty again before going on.");
        }
    }

    /// <summary>
    /// A call under a larger epoch says that the duty was given to somebody: this recorder stops it, then the call is judged.
    /// A freeze of its settings ends with the epoch under which it was made. A larger fence is remembered.
    /// </summary>
    public static DutyRow Accept(Sql sql, RecordingEngine engine, DutyRow known, DutyAuthority authority, DateTimeOffset now)
    {
        if (authority.Epoch > known.Epoch)
        {
            if (known.IsRecording)
            {
                engine.Stop(sql, known.Identity);
            }

            SettingsStore.EndFreeze(sql, known.Identity);
            RecorderJournal.Write(sql, now, known.Identity, "epochLearned", $"Learned epoch {authority.Epoch} over {known.Epoch}; role {known.AssignedRole} became standby.");
            return DutyStore.Save(sql, known with
            {
                AssignedRole = DutyRole.Standby,
                Epoch = authority.Epoch,
                AllocationId = null,
                Fence = authority.Fence,
                HoldEntryId = null,
                Recording = false,
                AwaitingSince = null,
                Provisional = false,
            });
        }

        return authority.Fence > known.Fence ? DutyStore.Save(sql, known with { Fence = authority.Fence }) : known;
    }

    /// <summary>Raises the fence and nothing else.</summary>
    public static DutyRow RaiseFence(Sql sql, string identity, long fence)
    {
        var known = DutyStore.Find(sql, identity) ?? DutyRow.Unknown(identity);
        RefuseStale(known, known.Epoch, fence);
        return DutyStore.Save(sql, known with { Fence = fence });
    }

    /// <summary>Gives or takes the duty, or confirms it after a restart. The caller has refused stale authority already.</summary>
    public static DutyRow Assign(Sql sql, RecordingEngine engine, DutyRow known, DutyAssignment assignment, DateTimeOffset now)
    {
        engine.TakeBack(known.Identity);
        var isRepeat = assignment.Epoch == known.Epoch && known.AllocationId is not null;
        return isRepeat ? Confirm(sql, engine, known, assignment, now) : Give(sql, engine, known, assignment, now);
    }

    private static DutyRow Confirm(Sql sql, RecordingEngine engine, DutyRow known, DutyAssignment assignment, DateTimeOffset now)
    {
        // A repeat need not state the hold again; another hold than the one that came with the epoch is other content.
        var isSame = assignment.AllocationId == known.AllocationId
            && assignment.Role == known.AssignedRole
            && (assignment.Hold is null || assignment.Hold.EntryId == known.HoldEntryId);
        if (!isSame)
        {
            throw new Refusal(
                StatusCodes.Status409Conflict,
                RecorderProblems.DutyConflict,
                $"Epoch {known.Epoch} of '{known.Identity}' is known here with role {known.AssignedRole}, allocation '{known.AllocationId}' and hold '{known.HoldEntryId ?? "none"}'. The same epoch cannot mean something else; find out who allocated it twice, then allocate a larger one.");
        }

        var confirmed = known with { Fence = Math.Max(known.Fence, assignment.Fence), AwaitingSince = null, Provisional = false };
        if (known.AwaitingSince is not null)
        {
            if (known.Provisional)
            {
                engine.ConfirmWritten(sql, known.Identity);
                var spans = sql.Run(
                    "UPDATE segments SET dispute = 'none', disputed_from = NULL WHERE identity = $identity AND epoch = $epoch AND task_id IS NULL AND dispute = 'provisional'",
                    ("$identity", known.Identity), ("$epoch", known.Epoch));
                var records = RecordStore.Settle(sql, known.Identity, known.Epoch);
                RecorderJournal.Write(sql, now, known.Identity, "disputeCleared", $"Epoch {known.Epoch} proved to have been current all along; {spans} provisionally disputed segments and {records} records are ordinary now.");
            }
            else if (known.Recording)
            {
                engine.ForgetFirstFrames(sql, known.Identity, known.Epoch);
            }

            RecorderJournal.Write(sql, now, known.Identity, "roleConfirmed", $"Role {known.AssignedRole} under epoch {known.Epoch} was confirmed after the restart.");
        }

        return DutyStore.Save(sql, confirmed);
    }

    private static DutyRow Give(Sql sql, RecordingEngine engine, DutyRow known, DutyAssignment assignment, DateTimeOffset now)
    {
        // The hold first: it may be refused, and a refusal must leave the recording as it is.
        if (assignment.Hold is { } hold)
        {
            HoldStore.Put(sql, new RetentionHoldState(hold.EntryId, known.Identity, hold.FromUtc, null, hold.Reason));
        }

        // Recording under the former epoch goes on under the new one; otherwise it begins by recording:start only.
        var goesOn = assignment.Role == DutyRole.Recorder && known.IsRecording;
        if (known.IsRecording && !goesOn)
        {
            engine.Stop(sql, known.Identity);
        }

        SettingsStore.EndFreeze(sql, known.Identity);
        RecorderJournal.Write(sql, now, known.Identity, "dutyAssigned", $"Role {assignment.Role} under epoch {assignment.Epoch}, allocation '{assignment.AllocationId}'.");
        return DutyStore.Save(sql, known with
        {
            AssignedRole = assignment.Role,
            Epoch = assignment.Epoch,
            AllocationId = assignment.AllocationId,
            Fence = assignment.Fence,
            HoldEntryId = assignment.Hold?.EntryId,
            Recording = goesOn,
            AwaitingSince = null,
            Provisional = false,
        });
    }
}
