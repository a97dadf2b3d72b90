using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.VmsServers;

namespace FailbackWorkflows.Failback.Connectivity;

/// <summary>What a change of a recorder's connection was.</summary>
public enum TransitionKind
{
    /// <summary>It answers, after it did not.</summary>
    Connected,

    /// <summary>It answers in another boot, without having been missed in between.</summary>
    Restarted,

    /// <summary>It does not answer, or another machine does.</summary>
    Disconnected,

    /// <summary>It answers as before and has been lost seldom enough lately to be called connected again.</summary>
    Calmed,
}

/// <summary>
/// One change of a recorder's connection: who noticed it, when, and why. Written in the transaction that changes the server's row, and at
/// the same time the order to publish it (<see cref="PublishTransitions"/>).
/// </summary>
/// <param name="Sequence">Grows; 0 until it is stored.</param>
/// <param name="Reason">A sentence.</param>
/// <param name="By">Who noticed it: <c>poll</c>, <c>registration</c> or <c>machineReplacement</c>.</param>
/// <param name="Episode"><see cref="VmsServer.ConnectionEpisode"/> after the change.</param>
public sealed record ConnectivityTransition(
    long Sequence, string ServerId, DateTimeOffset At, TransitionKind Kind, ConnectionState From, ConnectionState To, string Reason, string By, string? BootId, long Episode);

/// <summary>Reads the history of connections.</summary>
public interface IConnectivityHistory
{
    /// <summary>One page of a server's history, newest first.</summary>
    /// <param name="before">Continue before this sequence number; null: from the newest.</param>
    /// <param name="take">1–200.</param>
    Task<IReadOnlyList<ConnectivityTransition>> ListAsync(string serverId, long? before, int take, CancellationToken cancellationToken);

    /// <summary>Transitions of all servers after a sequence number, oldest first.</summary>
    Task<IReadOnlyList<ConnectivityTransition>> ReadAfterAsync(long sequence, int take, CancellationToken cancellationToken);

    /// <summary>How often a server was lost (disconnected or restarted) since then.</summary>
    Task<int> CountLossesAsync(string serverId, DateTimeOffset since, CancellationToken cancellationToken);

    /// <summary>The same for all servers that were lost at all.</summary>
    Task<IReadOnlyDictionary<string, int>> CountLossesAsync(DateTimeOffset since, CancellationToken cancellationToken);

    /// <summary>The same for those of these servers that were lost at all.</summary>
    Task<IReadOnlyDictionary<string, int>> CountLossesAsync(IReadOnlyCollection<string> serverIds, DateTimeOffset since, CancellationToken cancellationToken);

    /// <summary>
    /// Removes transitions from before an instant, oldest first and in a transaction of its own: never a server's newest one, which says how it
    /// stands, and none after <paramref name="published"/>, which workflows have not been told of. Doing it again changes nothing.
    /// </summary>
    /// <param name="published">Sequence number of the last transition that was told of.</param>
    /// <param name="take">1 to 10,000.</param>
    /// <returns>How many were removed; fewer than <paramref name="take"/>: there are no more.</returns>
    Task<int> RemoveBeforeAsync(DateTimeOffset before, long published, int take, CancellationToken cancellationToken);
}

/// <summary>Adds a transition to the history.</summary>
public sealed record AddTransition(ConnectivityTransition Transition) : IDomainChange;
