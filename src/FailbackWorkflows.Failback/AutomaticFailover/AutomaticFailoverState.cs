using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Runs;

namespace FailbackWorkflows.Failback.AutomaticFailover;

/// <summary>
/// How the automatic failover of a duty stands. There is none until the first attempt or the first refusal. An episode is one loss of one
/// server that has the duty: another holder, or another connection of it, is another episode.
/// </summary>
public sealed record AutomaticFailoverState : AutomaticRunState
{
    /// <summary>The recorded identity.</summary>
    public required string Identity { get; init; }
}

/// <summary>Reads how automatic failovers stand.</summary>
public interface IAutomaticFailovers
{
    Task<AutomaticFailoverState?> FindAsync(string identity, CancellationToken cancellationToken);

    /// <summary>The one whose attempt a run is at; null: none.</summary>
    Task<AutomaticFailoverState?> FindByRunAsync(string runId, CancellationToken cancellationToken);

    /// <summary>Those that were refused or whose last attempt failed, whether or not that still matters.</summary>
    Task<IReadOnlyList<AutomaticFailoverState>> ListUnsuccessfulAsync(CancellationToken cancellationToken);
}

/// <summary>Adds (revision 0) or changes a state. Throws <see cref="ConcurrentChangeException"/> when somebody else changed it since it was read.</summary>
public sealed record SaveAutomaticFailover(AutomaticFailoverState State) : IDomainChange;
