using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Failback.Reconciliation;

/// <summary>One time that the database took the recorders' word about a duty: what it said before, what it says since, and what came of it.</summary>
public sealed record DutyReconciliation
{
    /// <summary>Grows and is never used again; 0 before it is stored.</summary>
    public long Id { get; init; }

    public required string Identity { get; init; }

    public required DateTimeOffset At { get; init; }

    /// <summary>Who pressed the button; the management server when it was clear by itself.</summary>
    public required string By { get; init; }

    /// <summary>Why the database was not believed, or the administrator's reason.</summary>
    public required string Reason { get; init; }

    /// <summary>Null when the database did not know the duty.</summary>
    public long? EpochBefore { get; init; }

    public string? HolderBefore { get; init; }

    /// <summary>Null while nobody that answered has the duty under the largest epoch; then the duty was left as it was.</summary>
    public string? HolderServerId { get; init; }

    public required long Epoch { get; init; }

    /// <summary>The largest epoch that was ever drawn, as noted outside of the database. A larger one than <see cref="Epoch"/> has been looked for and is with nobody that answered.</summary>
    public required long Checkpoint { get; init; }

    /// <summary>What was changed, a sentence each.</summary>
    public required IReadOnlyList<string> Changes { get; init; }
}

/// <summary>Reads what was reconciled.</summary>
public interface IReconciliations
{
    /// <summary>The largest checkpoint that was reconciled for an identity; 0 when there is none.</summary>
    Task<long> FindCheckpointAsync(string identity, CancellationToken cancellationToken);

    /// <summary>Newest first; of one identity, or of all.</summary>
    /// <param name="take">1 to 200.</param>
    Task<IReadOnlyList<DutyReconciliation>> ListAsync(string? identity, int take, CancellationToken cancellationToken);
}

/// <summary>Keeps a reconciliation.</summary>
public sealed record AddReconciliation(DutyReconciliation Reconciliation) : IDomainChange;

/// <summary>
/// Sets a duty to what the recorders say, without drawing or telling anything. Throws <see cref="ConcurrentChangeException"/> unless the duty
/// still has the epoch and fence it was read with, or for an epoch or fence that is lower than those.
/// </summary>
/// <param name="Known">The duty as it was read; null: there was none.</param>
public sealed record AcceptDuty(Duties.Duty Accepted, Duties.Duty? Known) : IDomainChange;

/// <summary>Ends a run as it stands, in the transaction of the change: nothing is undone and no activity of it runs any more. Harmless when it has ended.</summary>
public sealed record EndRun(string InstanceId, Actor Actor, string Reason, DateTimeOffset At) : IDomainChange;
