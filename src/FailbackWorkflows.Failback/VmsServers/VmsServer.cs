using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Failback.VmsServers;

/// <summary>What the registry holds of a recorder's fitness for its own duty.</summary>
public enum VmsServerState
{
    /// <summary>It fulfils its own duty.</summary>
    Ok,

    /// <summary>It failed and its duty was, or was to be, taken over. A failback marks it ok again; so does a poll that finds it recording its own duty under the current epoch, as after a failover that failed.</summary>
    Broken,
}

/// <summary>Connection to a recorder as the polls find it.</summary>
public enum ConnectionState
{
    /// <summary>It is in the registry and has not been asked yet.</summary>
    Connecting,

    /// <summary>It answered the last poll as the machine it should be.</summary>
    Connected,

    /// <summary>It did not answer the last poll, or another machine did.</summary>
    Disconnected,

    /// <summary>It answers, but was lost several times within the last hour (<see cref="Connectivity.PollRecorder.FlapsUntilUnstable"/>).</summary>
    Unstable,
}

/// <summary>A recorder in the registry. Its id is also the name of its own recorded identity.</summary>
public sealed record VmsServer
{
    /// <summary>1–64 characters of <c>a–z 0–9 - _ .</c>; never changes.</summary>
    public required string Id { get; init; }

    public required string Name { get; init; }

    public required Uri BaseUrl { get; init; }

    /// <summary>The recorder's bearer token, encrypted by <see cref="ISecretProtector"/>.</summary>
    public required string ProtectedCredential { get; init; }

    /// <summary>Machine id learned at the first contact; another id at the same address is another machine.</summary>
    public string? MachineId { get; init; }

    /// <summary>Highest software version seen.</summary>
    public string? SoftwareVersion { get; init; }

    public required VmsServerState State { get; init; }

    /// <summary>Servers of the same group stand in for each other; null: only by explicit choice.</summary>
    public string? FailoverGroup { get; init; }

    /// <summary>Its duty is taken over by itself when whoever fulfils it is lost; only while <see cref="IsFailoverEnabled"/>. Default: false.</summary>
    public bool IsAutomaticFailoverEnabled { get; init; }

    /// <summary>So many polls in a row must have failed before an automatic failover of its duty; 1 to 1,000. Default: 3.</summary>
    public int FailoverAfterPolls { get; init; } = FailoverSettings.DefaultAfterPolls;

    /// <summary>How many duties of others it has at most when it is chosen by itself; 0 (it is never chosen) to 1,000. Default: 1.</summary>
    public int MostDutiesOfOthers { get; init; } = FailoverSettings.DefaultMostDuties;

    /// <summary>Free bytes above its reserve that it needs for each duty it takes over or still owes material of. Default: 1 GB.</summary>
    public long RoomPerDutyBytes { get; init; } = FailoverSettings.DefaultRoomPerDutyBytes;

    public bool IsFailoverEnabled { get; init; }

    public bool IsAutomaticFailbackEnabled { get; init; }

    /// <summary>How often it is polled; null: as the site has it.</summary>
    public TimeSpan? PollInterval { get; init; }

    /// <summary>How long it must have answered every poll before an automatic failback; 0 s to 24 h. Default: 0 s, at the first answer.</summary>
    public TimeSpan StabilityDelay { get; init; }

    public ConnectionState Connection { get; init; }

    /// <summary>Since when it has answered every poll in the same boot; null: it does not answer, or it was so before this was kept.</summary>
    public DateTimeOffset? ConnectedSince { get; init; }

    /// <summary>Grows with every connection: each time it answers again, or answers in another boot.</summary>
    public long ConnectionEpisode { get; init; }

    /// <summary>When it was last seen, as of the last change of this row; while it is connected <see cref="Connectivity.PollRecorders.SeenAt"/> knows better.</summary>
    public DateTimeOffset? LastSeenAt { get; init; }

    /// <summary>Its clock minus ours, as of the last change that mattered (<see cref="Connectivity.PollRecorder.ClockTolerance"/>).</summary>
    public TimeSpan? ClockOffset { get; init; }

    public string? BootId { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Optimistic concurrency: grows by one with every change; 0 = not stored yet.</summary>
    public long Revision { get; init; }

    /// <summary>It answers.</summary>
    public bool Answers => Connection is ConnectionState.Connected or ConnectionState.Unstable;
}

/// <summary>What says whether a server is still as it was read.</summary>
/// <param name="CreatedAt">Another one: it was removed meanwhile, and another one was added under its id.</param>
public sealed record VmsServerRevision(string Id, long Revision, DateTimeOffset CreatedAt);

/// <summary>Reads the registry.</summary>
public interface IVmsServers
{
    /// <summary>Grows with every change of a server that this process commits: whoever keeps servers in memory knows when to read again.</summary>
    long Version { get; }

    Task<VmsServer?> FindAsync(string id, CancellationToken cancellationToken);

    /// <summary>All servers by name. For whoever works on all of them; who shows some asks for those.</summary>
    Task<IReadOnlyList<VmsServer>> ListAsync(CancellationToken cancellationToken);

    /// <summary>Which servers there are and as of which revision. For whoever has read them before and reads again what has changed.</summary>
    Task<IReadOnlyList<VmsServerRevision>> ListRevisionsAsync(CancellationToken cancellationToken);

    /// <summary>One page of the registry, by name.</summary>
    Task<IReadOnlyList<VmsServer>> ListAsync(VmsServerQuery query, CancellationToken cancellationToken);

    /// <summary>One page of a search, by name, and how many servers it finds in all.</summary>
    Task<(IReadOnlyList<VmsServer> Page, int Found)> SearchAsync(VmsServerQuery query, CancellationToken cancellationToken);

    /// <summary>The servers of these ids that are registered, by name.</summary>
    Task<IReadOnlyList<VmsServer>> ListAsync(IReadOnlyCollection<string> ids, CancellationToken cancellationToken);

    /// <summary>The names of those of these servers that are registered, by id.</summary>
    Task<IReadOnlyDictionary<string, string>> ListNamesAsync(IReadOnlyCollection<string> ids, CancellationToken cancellationToken);

    /// <summary>Ids of servers with this in their name or id, in any case; those whose name begins with it first.</summary>
    Task<IReadOnlyList<string>> FindIdsAsync(string text, int take, CancellationToken cancellationToken);

    /// <summary>The server that this machine is registered as.</summary>
    Task<VmsServer?> FindByMachineAsync(string machineId, CancellationToken cancellationToken);

    /// <summary>The failover groups there are, in order.</summary>
    Task<IReadOnlyList<string>> ListGroupsAsync(CancellationToken cancellationToken);

    /// <summary>The servers of a failover group, by name.</summary>
    Task<IReadOnlyList<VmsServer>> ListGroupAsync(string failoverGroup, CancellationToken cancellationToken);

    /// <summary>
    /// What the members of these failover groups add up to, by group (<see cref="VmsServerTraits.DigestOf"/>); it is another when a member comes, goes or changes. A group without members is
    /// missing. Nothing of the members themselves is read: a page of servers may be of as many groups, each of hundreds.
    /// </summary>
    Task<IReadOnlyDictionary<string, (int Members, long Digests)>> DigestGroupsAsync(IReadOnlyCollection<string> failoverGroups, CancellationToken cancellationToken);

    /// <summary>How many there are.</summary>
    Task<int> CountAsync(CancellationToken cancellationToken);
}

/// <summary>Adds (revision 0) or changes a server. Throws <see cref="ConcurrentChangeException"/> when somebody else changed it since it was read.</summary>
public sealed record SaveVmsServer(VmsServer Server) : IDomainChange;

/// <summary>Encrypts secrets at rest.</summary>
public interface ISecretProtector
{
    string Protect(string secret);

    /// <summary>Throws <see cref="System.Security.Cryptography.CryptographicException"/> for what this installation cannot decrypt.</summary>
    string Unprotect(string protectedSecret);
}
