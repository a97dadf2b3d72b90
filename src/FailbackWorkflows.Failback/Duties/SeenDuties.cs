using System.Collections.Concurrent;
using FailbackWorkflows.Recorders.Duties;

namespace FailbackWorkflows.Failback.Duties;

/// <summary>
/// What the polls of this process have seen of duties, in memory: which servers know an identity, and the largest epoch that any of them told.
/// Empty after a start until the recorders were asked; owns no truth.
/// </summary>
public sealed class SeenDuties
{
    private readonly ConcurrentDictionary<string, ConcurrentDictionary<string, long>> _epochs = new(StringComparer.Ordinal);

    /// <summary>Takes notice of what a server said about its duties.</summary>
    public void Notice(string serverId, IReadOnlyList<DutyState> duties)
    {
        foreach (var duty in duties.Where(d => d.Epoch > 0))
        {
            _epochs.GetOrAdd(duty.Identity, static _ => new(StringComparer.Ordinal))
                .AddOrUpdate(serverId, static (_, epoch) => epoch, static (_, known, epoch) => Math.Max(known, epoch), duty.Epoch);
        }
    }

    /// <summary>The servers that were seen to know an epoch of the identity.</summary>
    public IReadOnlyCollection<string> ServersOf(string identity) => _epochs.TryGetValue(identity, out var servers) ? [.. servers.Keys] : [];

    /// <summary>The largest epoch of the identity that was seen anywhere; 0 when there is none.</summary>
    public long LargestEpoch(string identity) => _epochs.TryGetValue(identity, out var servers) ? servers.Values.DefaultIfEmpty().Max() : 0;
}
