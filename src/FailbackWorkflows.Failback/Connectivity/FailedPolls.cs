using System.Collections.Concurrent;

namespace FailbackWorkflows.Failback.Connectivity;

/// <summary>
/// How many polls of a recorder in a row have failed. A poll fails when the recorder gives no answer, when another machine answers, or when it
/// answers, is marked broken, has its own duty, which no run is at work on, and does not record it: then nobody does. Counted in memory by whoever polls: after a restart of the
/// management server, or when another one has taken the <see cref="IWatch">watch</see>, a recorder has to fail as many polls again, so nothing is decided by what was seen before it.
/// </summary>
public sealed class FailedPolls
{
    private readonly ConcurrentDictionary<string, int> _counts = new(StringComparer.Ordinal);

    /// <summary>Recorders whose last poll failed.</summary>
    public ICollection<string> Servers => _counts.Keys;

    /// <summary>Polls in a row that failed, up to the last one.</summary>
    public int Of(string serverId) => _counts.GetValueOrDefault(serverId);

    internal void Count(string serverId) => _counts.AddOrUpdate(serverId, 1, static (_, count) => count + 1);

    internal void Forget(string serverId) => _counts.TryRemove(serverId, out _);

    /// <summary>Nobody is polled from here any more, or they are from now on.</summary>
    internal void ForgetAll() => _counts.Clear();
}
