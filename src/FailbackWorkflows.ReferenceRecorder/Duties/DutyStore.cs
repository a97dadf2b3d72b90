using System.Text.Json;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.ReferenceRecorder.Storage;
using Microsoft.Data.Sqlite;

namespace FailbackWorkflows.ReferenceRecorder.Duties;

/// <summary>A duty as it is stored.</summary>
/// <param name="Recording">Recording is intended; it survives restarts.</param>
/// <param name="AwaitingSince">Not null after a restart with the duty, until its role is confirmed.</param>
/// <param name="Provisional">The role was not confirmed in time: it records, disputed for now.</param>
public sealed record DutyRow(
    string Identity,
    DutyRole AssignedRole,
    long Epoch,
    string? AllocationId,
    long Fence,
    string? HoldEntryId,
    bool Recording,
    DateTimeOffset? AwaitingSince,
    bool Provisional)
{
    public DutyRole EffectiveRole => AwaitingSince is null ? AssignedRole : DutyRole.AwaitingRole;

    /// <summary>Recording really runs now.</summary>
    public bool IsRecording => Recording && (AwaitingSince is null || Provisional);

    public static DutyRow Unknown(string identity) => new(identity, DutyRole.None, 0, null, 0, null, false, null, false);

    public DutyState ToState() => new(Identity, EffectiveRole, AssignedRole, Epoch, AllocationId, Fence, IsRecording, IsRecording && Provisional);
}

/// <summary>The table of duties.</summary>
public static class DutyStore
{
    private const string Columns = "identity, assigned_role, epoch, allocation_id, fence, hold_entry_id, recording, awaiting_since, provisional";

    public static DutyRow? Find(Sql sql, string identity) =>
        sql.Single($"SELECT {Columns} FROM duties WHERE identity = $identity", Map, ("$identity", identity));

    public static List<DutyRow> List(Sql sql) => sql.Query($"SELECT {Columns} FROM duties ORDER BY identity", Map);

    public static DutyRow Save(Sql sql, DutyRow duty)
    {
        sql.Run(
            $"""
            INSERT INTO duties ({Columns}) VALUES ($identity, $role, $epoch, $allocation, $fence, $hold, $recording, $awaiting, $provisional)
            ON CONFLICT (identity) DO UPDATE SET assigned_role = $role, epoch = $epoch, allocation_id = $allocation, fence = $fence,
                hold_entry_id = $hold, recording = $recording, awaiting_since = $awaiting, provisional = $provisional
            """,
            ("$identity", duty.Identity), ("$role", JsonNamingPolicy.CamelCase.ConvertName(duty.AssignedRole.ToString())),
            ("$epoch", duty.Epoch), ("$allocation", duty.AllocationId), ("$fence", duty.Fence), ("$hold", duty.HoldEntryId),
            ("$recording", duty.Recording ? 1 : 0), ("$awaiting", duty.AwaitingSince?.UtcTicks), ("$provisional", duty.Provisional ? 1 : 0));
        return duty;
    }

    private static DutyRow Map(SqliteDataReader r) => new(
        r.GetString(0),
        Enum.Parse<DutyRole>(r.GetString(1), ignoreCase: true),
        r.GetInt64(2),
        r.TextOrNull(3),
        r.GetInt64(4),
        r.TextOrNull(5),
        r.GetInt64(6) != 0,
        r.InstantOrNull(7),
        r.GetInt64(8) != 0);
}
