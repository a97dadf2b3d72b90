using System.Collections.Concurrent;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;

namespace FailbackWorkflows.Failback.Connectivity;

/// <summary>
/// What polls need of the registry, in memory: it is read again soon after this process has changed something, and now and then anyway, so
/// that a poll that finds nothing new costs no read. Whoever finds something new reads the row again before deciding.
/// </summary>
internal sealed class RecorderRoster(IVmsServers servers, IDuties duties, DutyCalls calls, TimeProvider time)
{
    /// <summary>At the soonest: while many servers change at once, each change would make all of them be read.</summary>
    private static readonly TimeSpan Soonest = TimeSpan.FromSeconds(1);

    /// <summary>At the latest: another process may have changed something.</summary>
    private static readonly TimeSpan Latest = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<string, PolledRecorder> _recorders = new(StringComparer.Ordinal);
    private IReadOnlyDictionary<string, Duty> _duties = new Dictionary<string, Duty>();
    private DateTimeOffset? _readAt;
    private (long Servers, long Duties) _version;

    public ICollection<PolledRecorder> Recorders => _recorders.Values;

    public PolledRecorder? Find(string serverId) => _recorders.GetValueOrDefault(serverId);

    public Duty? DutyOf(string identity) => _duties.GetValueOrDefault(identity);

    /// <summary>The recorded identities whose duty a server has.</summary>
    public IEnumerable<string> DutiesOf(string serverId) => _duties.Values.Where(duty => duty.HolderServerId == serverId).Select(duty => duty.Identity);

    /// <summary>Reads the registry if that is due.</summary>
    public async Task RefreshAsync(bool isAtOnce, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var version = (servers.Version, duties.Version);
        if (!isAtOnce && _readAt is { } readAt && now - readAt < (version == _version ? Latest : Soonest))
        {
            return;
        }

        var listed = await servers.ListAsync(cancellationToken);
        _duties = (await duties.ListAsync(cancellationToken)).ToDictionary(duty => duty.Identity, StringComparer.Ordinal);
        (_readAt, _version) = (now, version);
        foreach (var server in listed)
        {
            var polled = _recorders.GetOrAdd(server.Id, static (_, server) => new PolledRecorder(server), server);

            // A poll may have written the row after the list was read.
            if (polled.Server.Revision <= server.Revision)
            {
                polled.Server = server;
            }

            if (polled.Credential != server.ProtectedCredential || polled.Endpoint.BaseUrl != server.BaseUrl)
            {
                polled.Reach(server.ProtectedCredential, calls.EndpointOf(server));
            }
        }

        if (_recorders.Count > listed.Count)
        {
            var known = listed.Select(server => server.Id).ToHashSet(StringComparer.Ordinal);
            foreach (var gone in _recorders.Keys.Where(id => !known.Contains(id)))
            {
                _recorders.TryRemove(gone, out _);
            }
        }
    }
}

/// <summary>One recorder as the polls of this process know it.</summary>
internal sealed class PolledRecorder(VmsServer server)
{
    /// <summary>How often an unstable recorder is looked at anew, whether it has calmed down.</summary>
    private static readonly TimeSpan CalmLookEvery = TimeSpan.FromSeconds(30);

    private DateTimeOffset _calmLookAt;
    private int _isPolling;

    /// <summary>The row, not older than what the last read of the registry or the last poll has seen.</summary>
    public volatile VmsServer Server = server;

    public string? Credential { get; private set; }

    public RecorderEndpoint Endpoint { get; private set; } = new(server.Id, server.BaseUrl, "");

    /// <summary>When the next poll is due; null: not planned yet.</summary>
    public DateTimeOffset? DueAt { get; set; }

    /// <summary>The interval that <see cref="DueAt"/> was planned by.</summary>
    public TimeSpan Interval { get; set; }

    public DateTimeOffset? PolledAt { get; set; }

    public DateTimeOffset? SeenAt { get; private set; }

    /// <summary>Its clock minus ours.</summary>
    public TimeSpan ClockOffset { get; private set; }

    /// <summary>The offset lies within this much of what was measured.</summary>
    public TimeSpan ClockUncertainty { get; private set; }

    public bool TryBegin() => Interlocked.Exchange(ref _isPolling, 1) == 0;

    public void End() => Volatile.Write(ref _isPolling, 0);

    public void Reach(string credential, RecorderEndpoint endpoint) => (Credential, Endpoint) = (credential, endpoint);

    public void Seen(DateTimeOffset at, TimeSpan clockOffset, TimeSpan clockUncertainty) => (SeenAt, ClockOffset, ClockUncertainty) = (at, clockOffset, clockUncertainty);

    public bool IsCalmLookDue(DateTimeOffset now)
    {
        if (now < _calmLookAt)
        {
            return false;
        }

        _calmLookAt = now + CalmLookEvery;
        return true;
    }
}
