using FailbackWorkflows.Failback.VmsServers;

namespace FailbackWorkflows.Failback.Obligations;

/// <summary>
/// What a server is owed about an identity is told before it gets anything new to do with it: a new period would make the times of the old one
/// unknown. One that is away cannot be told; neither does one hold things up at which it has failed a few times, or one that has only to
/// stop and stand by: what is started now makes that void or tells it.
/// </summary>
public sealed class ObligationsInTheWay(IObligations obligations, IVmsServers servers)
{
    /// <summary>Why a failover to this server must wait, as a sentence; null: nothing is in the way. Of a failover the failed server may be gone for good.</summary>
    public Task<string?> FindForFailoverAsync(string failedServerId, string failoverServerId, CancellationToken cancellationToken) =>
        FindAsync(failoverServerId, failedServerId, mayBeAway: false, cancellationToken);

    /// <summary>Why a failback must wait, as a sentence; null: nothing is in the way. Of a failback the failover server may be away, with consent.</summary>
    public async Task<string?> FindForFailbackAsync(string failedServerId, string failoverServerId, CancellationToken cancellationToken) =>
        await FindAsync(failedServerId, failedServerId, mayBeAway: false, cancellationToken)
        ?? await FindAsync(failoverServerId, failedServerId, mayBeAway: true, cancellationToken);

    private async Task<string?> FindAsync(string serverId, string identity, bool mayBeAway, CancellationToken cancellationToken)
    {
        var owed = (await obligations.ListOpenAsync(serverId, identity, cancellationToken)).FirstOrDefault(o =>
            o.Attempts < Obligation.AttemptsBeforeOthers && o.Kind is (ObligationKind.Grant or ObligationKind.LastTimes or ObligationKind.HoldEnd));
        return owed is not null
            && await servers.FindAsync(serverId, cancellationToken) is { } server
            && !(mayBeAway && server.Connection == ConnectionState.Disconnected)
            ? $"{server.Name} must first be told what it missed while it was away: {owed.Reason} That happens by itself as soon as it is connected."
            : null;
    }
}
