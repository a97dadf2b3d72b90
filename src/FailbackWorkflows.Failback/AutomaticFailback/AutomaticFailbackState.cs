using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Runs;

namespace FailbackWorkflows.Failback.AutomaticFailback;

/// <summary>How the automatic failback of an entry stands. There is none until the first attempt or the first refusal. An episode is one boot and connection of the failed server.</summary>
public sealed record AutomaticFailbackState : AutomaticRunState
{
    public required string EntryId { get; init; }
}

/// <summary>Reads how automatic failbacks stand.</summary>
public interface IAutomaticFailbacks
{
    Task<AutomaticFailbackState?> FindAsync(string entryId, CancellationToken cancellationToken);

    /// <summary>The one whose attempt a run is at; null: none.</summary>
    Task<AutomaticFailbackState?> FindByRunAsync(string runId, CancellationToken cancellationToken);
}

/// <summary>Adds (revision 0) or changes a state. Throws <see cref="ConcurrentChangeException"/> when somebody else changed it since it was read.</summary>
public sealed record SaveAutomaticFailback(AutomaticFailbackState State) : IDomainChange;
