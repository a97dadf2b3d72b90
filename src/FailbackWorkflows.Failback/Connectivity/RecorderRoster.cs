using System.Collections.Concurrent;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;

namespace FailbackWorkflows.Failback.Connectivity;

/// <summary>
/// What polls need of the registry, in memory: it is read again soon after this process, or another node, has changed something, and now and then anyway, so
/// that a poll that finds nothing new costs no read. Whoever finds something new reads the row again before deciding.
/// </summary>
/// <param name="forget">Lets go of what was heard of the machine that was known under a server's id: another one is, or none.</param>
internal sealed class RecorderRoster(IVmsServers servers, IDuties duties, DutyCalls calls, Action<string> forget, TimeProvider time)
{
    /// <summary>At the soonest: while many servers change at once, each change would make all of them be looked at.</summary>
    private static readonly TimeSpan Soonest = TimeSpan.FromSeconds(1);

    /// <summary>At the latest: the news of a change may have been lost.</summary>
    private static readonly TimeSpan Latest = TimeSpan.FromSeconds(30);

    /// <summary>More that have changed are not asked for one by one.</summary>
    private const int MostById = 1_000;

    private readonly ConcurrentDictionary<string, PolledRecorder> _recorders = new(StringComparer.Ordinal);
    private IReadOnlyDictionary<string, Duty> _duties = new Dictionary<string, Duty>();
    private DateTimeOffset? _readAt;
    private (long Servers, long Duties) _version;

    /// <summary>Those there are at the moment, copied: who only counts asks <see cref="Count"/>.</summary>
    public ICollection<PolledRecorder> Recorders => _recorders.Values;

    public int Count => _recorders.Count;

    public PolledRecorder? Find(string serverId) => _recorders.GetValueOrDefault(serverId);

    /// <summary>Every duty, as read last.</summary>
    public IEnumerable<Duty> Duties => _duties.Values;

    public Duty? DutyOf(string identity) => _duties.GetValueOrDefault(identity);

    /// <summary>The recorded identities whose duty a server has.</summary>
    public IEnumerable<string> DutiesOf(string serverId) => _duties.Values.Where(duty => duty.HolderServerId == serverId).Select(duty => duty.Identity);

    /// <summary>Reads the registry if that is due; false: it was not.</summary>
    public async Task<bool> RefreshAsync(bool isAtOnce, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var version = (servers.Version, duties.Version);
        if (!isAtOnce && _readAt is { } readAt && now - readAt < (version == _version ? Latest : Soonest))
        {
            return false;
        }

        // Of ten thousand servers few have changed, and reading all of them again would keep the processors from the polls for the time of some hundred polls.
        var there = await servers.ListRevisionsAsync(cancellationToken);
        var changed = there.Where(one => Find(one.Id)?.Read != one).Select(one => one.Id).ToList();
        var read = changed.Count > MostById ? await servers.ListAsync(cancellationToken) : await servers.ListAsync(changed, cancellationToken);
        _duties = (await duties.ListAsync(cancellationToken)).ToDictionary(duty => duty.Identity, StringComparer.Ordinal);
        (_readAt, _version) = (now, version);
        foreach (var server in read)
        {
            if (Find(server.Id) is not { } polled || !polled.IsOf(server))
            {
                // Removed and added again within a look, it begins anew, also with its revision.
                forget(server.Id);
                _recorders[server.Id] = polled = new PolledRecorder(server);
            }

            if (polled.MachineId != server.MachineId)
            {
                if (polled.MachineId is not null)
                {
                    forget(server.Id);
                }

                polled.MachineId = server.MachineId;
            }

            polled.Read = new(server.Id, server.Revision, server.CreatedAt);

            // A poll may have written the row after the list was read.
            if (polled.Server.Revision <= server.Revision)
            {
                polled.Server = server;
            }

            if (polled.Credential != server.ProtectedCredential || polled.Endpoint.BaseUrl != server.BaseUrl)
            {
                Reach(polled, server);
            }
        }

        if (_recorders.Count > there.Count)
        {
            var known = there.Select(one => one.Id).ToHashSet(StringComparer.Ordinal);
            foreach (var gone in _recorders.Keys.Where(id => !known.Contains(id)))
            {
                _recorders.TryRemove(gone, out _);
                forget(gone);
            }
        }

        return true;
    }

    private void Reach(PolledRecorder polled, VmsServer server)
    {
        try
        {
            polled.Reach(server.ProtectedCredential, calls.EndpointOf(server));
        }
        catch (RecorderException exception)
        {
            // It is a matter of this server alone; the others are polled.
            polled.CannotReach(server, exception.Message);
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

    /// <summary>Its machine as the last read of the registry had it.</summary>
    public string? MachineId { get; set; } = server.MachineId;

    /// <summary>Its row as of the last read of the registry; null: not read yet. A poll may have read a newer one, and leaves address and credential to the registry.</summary>
    public VmsServerRevision? Read { get; set; }

    public string? Credential { get; private set; }

    public RecorderEndpoint Endpoint { get; private set; } = new(server.Id, server.BaseUrl, "");

    /// <summary>Why it cannot be asked at all: its stored credential cannot be read; null: it can.</summary>
    public string? CredentialProblem { get; private set; }

    /// <summary>When the next poll is due; null: not planned yet.</summary>
    public DateTimeOffset? DueAt { get; set; }

    /// <summary>The interval that <see cref="DueAt"/> was planned by.</summary>
    public TimeSpan Interval { get; set; }

    public DateTimeOffset? PolledAt { get; set; }

    /// <summary>The last term of the watch in which it had its turn; also when it could not be asked.</summary>
    public long TurnIn { get; set; }

    /// <summary>The last term of the watch in which a poll of it failed for another reason than its answer.</summary>
    public long BrokenIn { get; set; }

    /// <summary>The last term of the watch in which it was asked, whether it answered or not.</summary>
    public long AskedIn { get; set; }

    public DateTimeOffset? SeenAt { get; private set; }

    /// <summary>Its clock minus ours.</summary>
    public TimeSpan ClockOffset { get; private set; }

    /// <summary>The offset lies within this much of what was measured.</summary>
    public TimeSpan ClockUncertainty { get; private set; }

    /// <summary>It is being asked at this moment.</summary>
    public bool IsPolling => Volatile.Read(ref _isPolling) != 0;

    /// <summary>False: the server was removed meanwhile, and another one was added under its id.</summary>
    public bool IsOf(VmsServer server) => Server.CreatedAt == server.CreatedAt;

    public bool TryBegin() => Interlocked.Exchange(ref _isPolling, 1) == 0;

    public void End() => Volatile.Write(ref _isPolling, 0);

    public void Reach(string credential, RecorderEndpoint endpoint) => (Credential, Endpoint, CredentialProblem) = (credential, endpoint, null);

    public void CannotReach(VmsServer server, string problem) =>
        (Credential, Endpoint, CredentialProblem) = (server.ProtectedCredential, new(server.Id, server.BaseUrl, ""), problem);

    public void Seen(DateTimeOffset at, TimeSpan clockOffset, TimeSpan clockUncertainty) => (SeenAt, ClockOffset, ClockUncertainty) = (at, clockOffset, clockUncertainty);

    /// <summary>When it was last seen: by a poll of this process, as its row says, or as whoever is or was on watch last told.</summary>
    /// <param name="server">Its row as the caller read it.</param>
    /// <param name="siteInterval">Of servers without an interval of their own.</param>
    public DateTimeOffset? LastSeenAt(VmsServer server, WatchReport? report, TimeSpan siteInterval)
    {
        var last = server.LastSeenAt;
        foreach (var seen in (ReadOnlySpan<DateTimeOffset?>)[SeenAt, report?.SurelySeenAt(server, siteInterval)])
        {
            last = seen > last || last is null ? seen ?? last : last;
        }

        return last;
    }

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
