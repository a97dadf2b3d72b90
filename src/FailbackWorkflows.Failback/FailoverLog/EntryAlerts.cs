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

    /// <summary>All alerts there are now, by the name of the server. A handful of reads, however many servers are broken: that is when everybody looks.</summary>
    public async Task<IReadOnlyList<EntryAlert>> ListAsync(CancellationToken cancellationToken)
    {
        var read = log.ListNewestOfBrokenAsync(cancellationToken);
        var open = obligations.ListOpenAsync(cancellationToken);
        await Task.WhenAll(read, open);
        var newest = await read;
        if (newest.Count == 0)
        {
            return [];
        }

        var grants = (await open).Where(o => o.Kind == ObligationKind.Grant).ToLookup(o => o.EntryId);
        var meant = newest.SelectMany(entry => (string[])[entry.FailedServerId, entry.FailoverServerId, .. grants[entry.Id].Select(grant => grant.ServerId)]).ToHashSet(StringComparer.Ordinal);
        var names = await servers.ListNamesAsync(meant, cancellationToken);
        var alerts = new List<(string Name, EntryAlert Alert)>();
        foreach (var entry in newest)
        {
            var failed = NameOf(entry.FailedServerId);
            if (entry.Failback == FailbackState.Failed && grants[entry.Id].FirstOrDefault() is { } grant)
            {
                alerts.Add((failed, DescribeUnheard(entry, failed, NameOf(grant.ServerId))));
            }
            else if (IsWithoutSuccessor(entry))
            {
                alerts.Add((failed, Describe(entry, failed, NameOf(entry.FailoverServerId))));
            }
        }

        return [.. alerts.OrderBy(alert => alert.Name, StringComparer.Ordinal).ThenBy(alert => alert.Alert.Identity, StringComparer.Ordinal).Select(alert => alert.Alert)];

        string NameOf(string serverId) => names.GetValueOrDefault(serverId, serverId);
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
