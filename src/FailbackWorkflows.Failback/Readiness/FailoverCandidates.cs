using FailbackWorkflows.Failback.VmsServers;

namespace FailbackWorkflows.Failback.Readiness;

/// <summary>Who would take the duty of a server over if it failed now.</summary>
/// <param name="ServerId">Null: nobody.</param>
/// <param name="Sentence">Why nobody, and what to do.</param>
public sealed record FailoverCandidate(string? ServerId, string? Sentence);

/// <summary>
/// The one place where a dry run asks who would take over. By the registry alone: another server of the same failover group that is enabled,
/// in order itself and answers; the first by id.
/// </summary>
public sealed class FailoverCandidates(IVmsServers servers)
{
    public async Task<FailoverCandidate> FindAsync(VmsServer failed, CancellationToken cancellationToken)
    {
        if (failed.FailoverGroup is not { } group)
        {
            return new(null, $"{failed.Name} is in no failover group, so no server stands by for it. Put it into the group of a failover server, or be ready to choose one by hand.");
        }

        var candidate = (await servers.ListGroupAsync(group, cancellationToken))
            .Where(server => server.Id != failed.Id && server is { IsFailoverEnabled: true, State: VmsServerState.Ok, Answers: true })
            .MinBy(server => server.Id, StringComparer.Ordinal);
        return candidate is null
            ? new(null, $"No server of the failover group {group} could take {failed.Name} over: none is enabled, marked OK and connected. Bring one back, or add one to the group.")
            : new(candidate.Id, null);
    }
}
