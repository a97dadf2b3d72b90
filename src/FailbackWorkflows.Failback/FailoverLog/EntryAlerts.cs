using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.VmsServers;

namespace FailbackWorkflows.Failback.FailoverLog;

/// <summary>What somebody must do about an entry at once, as things stand now.</summary>
/// <param name="EntryId">The entry it is about.</param>
/// <param name="Kind">Stable word for programs: <c>nobodyRecords</c>.</param>
/// <param name="Identity">The recorded identity it is about.</param>
/// <param name="Title">The fact, in a line.</param>
/// <param name="Sentence">How it came about.</param>
/// <param name="Next">What to do.</param>
public sealed record EntryAlert(string EntryId, string Kind, string Identity, string Title, string Sentence, string Next);

/// <summary>
/// Finds the entries after which nobody records an identity: its newest entry says that nobody took the duty over (the failback is done, or
/// the failover failed), or whoever was given it back has not heard of it, and its own recorder is still broken. Derived from the log and the registry at each look, so an alert is gone when a newer
/// failover has begun or the recorder is back in service.
/// </summary>
public sealed class EntryAlerts(IFailoverLog log, IVmsServers servers, IObligations obligations)
{
    /// <summary>The only kind so far.</summary>
    public const string NobodyRecords = "nobodyRecords";

    /// <summary>The entry's alert, or null.</summary>
    public async Task<EntryAlert?> FindAsync(FailoverLogEntry entry, CancellationToken cancellationToken) =>
        IsWithoutSuccessor(entry) || entry.Failback == FailbackState.Failed ? (await ListAsync(cancellationToken)).FirstOrDefault(alert => alert.EntryId == entry.Id) : null;

    /// <summary>All alerts there are now. Reads the log once per broken server.</summary>
    public async Task<IReadOnlyList<EntryAlert>> ListAsync(CancellationToken cancellationToken)
    {
        var alerts = new List<EntryAlert>();
        var all = await servers.ListAsync(cancellationToken);
        var grants = (await obligations.ListOpenAsync(cancellationToken)).Where(o => o.Kind == ObligationKind.Grant).ToLookup(o => o.EntryId);
        foreach (var failed in all.Where(server => server.State == VmsServerState.Broken))
        {
            if (await log.ListAsync(new FailoverLogQuery(FailoverLogView.All, failed.Id, null, 1), cancellationToken) is not [var newest])
            {
                continue;
            }

            if (newest.Failback == FailbackState.Failed && grants[newest.Id].FirstOrDefault() is { } grant)
            {
                alerts.Add(DescribeUnheard(newest, failed.Name, all.FirstOrDefault(server => server.Id == grant.ServerId)?.Name ?? grant.ServerId));
            }
            else if (IsWithoutSuccessor(newest))
            {
                alerts.Add(Describe(newest, failed.Name, all.FirstOrDefault(server => server.Id == newest.FailoverServerId)?.Name ?? newest.FailoverServerId));
            }
        }

        return alerts;
    }

    private static bool IsWithoutSuccessor(FailoverLogEntry entry) => entry.Failover == FailoverState.Failed || entry.Failback == FailbackState.Done;

    private static EntryAlert DescribeUnheard(FailoverLogEntry entry, string failed, string holder) => new(
        entry.Id,
        NobodyRecords,
        entry.FailedServerId,
        $"Nobody may be recording {failed} now",
        $"{holder} has the duty of {failed} and has not heard of it: it did not answer when a failback failed.",
        $"Bring {holder} back on the network, or start a failover of {failed} to another server now.");

    private static EntryAlert Describe(FailoverLogEntry entry, string failed, string failover) => entry.Failover == FailoverState.Failed
        ? new(
            entry.Id,
            NobodyRecords,
            entry.FailedServerId,
            $"Nobody may be recording {failed} now",
            $"{failed} is marked broken, and its failover to {failover} failed. {entry.Message}",
            $"Start a failover of {failed} to another server now, or repair {failed}: as soon as it records its own duty again, it is marked OK by itself.")
        : new(
            entry.Id,
            NobodyRecords,
            entry.FailedServerId,
            $"Nobody records {failed} now",
            $"{failed} stopped answering or recording after {failover} had confirmed its stop in this failback.",
            $"Start a failover of {failed} now, or check {failed} (power, network, storage): as soon as it records again, it is marked OK by itself.");
}
