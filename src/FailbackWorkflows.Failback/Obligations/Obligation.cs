using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Recorders.Duties;

namespace FailbackWorkflows.Failback.Obligations;

/// <summary>What a recorder must still be told or asked about a duty. They are delivered in this order.</summary>
public enum ObligationKind
{
    /// <summary>It was given the duty and has not heard of it: it gets the duty and records.</summary>
    Grant,

    /// <summary>It lost the duty and has not heard of it: it stops recording.</summary>
    Stop,

    /// <summary>The last written time per channel at the end of the entry's period is not known yet.</summary>
    LastTimes,

    /// <summary>The entry's retention hold has to get its end.</summary>
    HoldEnd,

    /// <summary>It has to hear what it is for the duty now: standby or failover server.</summary>
    StandBy,

    /// <summary>The freeze of the duty's settings has to be lifted.</summary>
    Unfreeze,

    /// <summary>The duty's settings have to go back to a former revision.</summary>
    Rollback,
}

/// <summary>
/// Something owed to a recorder that did not answer when it should have been told: durable, delivered when the recorder is seen again, by
/// a run of its own, before anything else is told to it. Of each kind at most one is open per server, identity and entry.
/// </summary>
public sealed record Obligation
{
    /// <summary>Failed attempts up to which nothing else is started with the server: after that it stands in nobody's way.</summary>
    public const int AttemptsBeforeOthers = 3;

    /// <summary>Made of the run and the activity execution that owes it, so that a repeated step owes it once.</summary>
    public required string Id { get; init; }

    public required string ServerId { get; init; }

    /// <summary>The recorded identity it is about.</summary>
    public required string Identity { get; init; }

    /// <summary>The failover log entry whose period it belongs to; null when it belongs to none.</summary>
    public string? EntryId { get; init; }

    public required ObligationKind Kind { get; init; }

    /// <summary>Epoch of the duty when it was owed; a higher one overtakes it.</summary>
    public required long Epoch { get; init; }

    /// <summary>Role to be told; only of <see cref="ObligationKind.StandBy"/>.</summary>
    public DutyRole? Role { get; init; }

    /// <summary>Settings revision to go back to; only of <see cref="ObligationKind.Rollback"/>.</summary>
    public long? Revision { get; init; }

    /// <summary>Why it is owed, as a sentence.</summary>
    public required string Reason { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Attempts that failed although the server had been seen.</summary>
    public int Attempts { get; init; }

    /// <summary>Not tried again before.</summary>
    public required DateTimeOffset NextAttemptAt { get; init; }

    /// <summary>Why the newest attempt failed.</summary>
    public string? LastError { get; init; }

    /// <summary>When it was delivered, or had no meaning any more; null while it is open.</summary>
    public DateTimeOffset? SettledAt { get; init; }

    /// <summary>How it was settled, as a sentence.</summary>
    public string? Settlement { get; init; }

    /// <summary>Nothing new may be started with the server for this identity before it was told: a new period would make the times of the old one unknown.</summary>
    public bool HoldsUp => Attempts < AttemptsBeforeOthers && Kind is ObligationKind.Grant or ObligationKind.LastTimes or ObligationKind.HoldEnd;

    /// <summary>Wait after so many failed attempts: 10 s, 1 min, 5 min, then 15 min. A server that was away is asked at its next poll all the same.</summary>
    public static TimeSpan DelayAfter(int attempts) => attempts switch
    {
        <= 1 => TimeSpan.FromSeconds(10),
        2 => TimeSpan.FromMinutes(1),
        3 => TimeSpan.FromMinutes(5),
        _ => TimeSpan.FromMinutes(15),
    };
}

/// <summary>Reads obligations.</summary>
public interface IObligations
{
    /// <summary>Open obligations of one server for one identity, in the order in which they are delivered.</summary>
    Task<IReadOnlyList<Obligation>> ListOpenAsync(string serverId, string identity, CancellationToken cancellationToken);

    /// <summary>All open obligations, oldest first.</summary>
    Task<IReadOnlyList<Obligation>> ListOpenAsync(CancellationToken cancellationToken);

    /// <summary>All obligations of an entry, open and settled, oldest first.</summary>
    Task<IReadOnlyList<Obligation>> ListOfEntryAsync(string entryId, CancellationToken cancellationToken);
}

/// <summary>Adds obligations. What is owed already keeps its place and takes the newer epoch, role, revision and reason; its next attempt is due again.</summary>
public sealed record Owe(IReadOnlyList<Obligation> Obligations) : IDomainChange;

/// <summary>Closes an obligation. Harmless when it is closed.</summary>
public sealed record SettleObligation(string Id, DateTimeOffset At, string Settlement) : IDomainChange;

/// <summary>Notes a failed attempt at everything one server is owed for one identity.</summary>
public sealed record PostponeObligations(string ServerId, string Identity, DateTimeOffset NextAttemptAt, string Error) : IDomainChange;
