namespace FailbackWorkflows.Recorders.Duties;

/// <summary>What a recorder is for one recorded identity.</summary>
public enum DutyRole
{
    /// <summary>It has never had anything to do with the identity.</summary>
    None,

    /// <summary>It records the identity with the authority of its epoch.</summary>
    Recorder,

    /// <summary>It is ready to take the identity over, and does not record it.</summary>
    FailoverServer,

    /// <summary>It had the duty and lost it, or is being prepared for it; it does not record.</summary>
    Standby,

    /// <summary>It came up with a duty and waits to be told whether it still has it. Unanswered after <c>bootConfirm</c> it records, provisionally disputed.</summary>
    AwaitingRole,
}

/// <summary>The caller's authority for a recorded identity; recorders remember the highest of each and refuse lower ones.</summary>
/// <param name="Epoch">Who has the duty; strictly growing per identity, 1 or more.</param>
/// <param name="Fence">Which management-server run may act for the identity; strictly growing, 0 or more.</param>
public sealed record DutyAuthority(long Epoch, long Fence);

/// <summary>A duty as a recorder keeps it, durably.</summary>
/// <param name="Role">Effective role; <see cref="DutyRole.AwaitingRole"/> after a restart until answered.</param>
/// <param name="AssignedRole">The role last assigned (what <see cref="DutyRole.AwaitingRole"/> waits to have confirmed).</param>
/// <param name="Epoch">Highest epoch this recorder has learned for the identity.</param>
/// <param name="AllocationId">Allocation of that epoch, null when only the number was learned.</param>
/// <param name="Fence">Highest fence seen.</param>
/// <param name="Recording">True while at least one channel of the identity is being recorded here.</param>
/// <param name="Disputed">True while what is recorded is provisionally disputed (recording without a confirmed role).</param>
public sealed record DutyState(
    string Identity,
    DutyRole Role,
    DutyRole AssignedRole,
    long Epoch,
    string? AllocationId,
    long Fence,
    bool Recording,
    bool Disputed);

/// <summary>Body of <c>PUT /v1/duties/{identity}</c>.</summary>
/// <param name="Role">One of recorder, failoverServer, standby.</param>
/// <param name="AllocationId">Who allocated the epoch; the same number with another allocation id is a conflict.</param>
/// <param name="Hold">Retention hold opened in the same transaction as the duty, when this assignment is a failover.</param>
public sealed record DutyAssignment(DutyRole Role, long Epoch, string AllocationId, long Fence, HoldRequest? Hold = null);

/// <summary>A hold opened together with a duty: open-ended from <paramref name="FromUtc"/>, keyed by the failover log entry, without expiry.</summary>
public sealed record HoldRequest(string EntryId, DateTimeOffset FromUtc, string Reason);

/// <summary>Opens or ends a hold: <c>PUT /v1/retention-holds/{entryId}</c>. A null end keeps it open.</summary>
public sealed record RetentionHoldCommand(string EntryId, string Identity, DutyAuthority Authority, DateTimeOffset FromUtc, DateTimeOffset? ToUtc, string Reason);

/// <summary>A hold as the recorder keeps it, also after its release.</summary>
/// <param name="Release">Why it was released; null while it holds.</param>
public sealed record RetentionHoldState(
    string EntryId,
    string Identity,
    DateTimeOffset FromUtc,
    DateTimeOffset? ToUtc,
    string Reason,
    MaterialCopy.HoldRelease? Release = null,
    DateTimeOffset? ReleasedAtUtc = null,
    string? ReleaseReason = null);
