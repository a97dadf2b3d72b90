using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.VmsServers;

namespace FailbackWorkflows.Failback.Connectivity;

/// <summary>
/// Which of several management servers on one database is on watch. It alone polls the recorders, writes down who came and went and what they know, answers recorders
/// that wait to hear about their duty, and has done what happens by itself. So each recorder is asked once per interval, however many servers there are, and two
/// that see different things (one of them is cut off from the recorders, say) never contradict each other in the tables.
/// </summary>
public interface IWatch
{
    /// <summary>True while this server is on watch. Turns false before another one can have the watch, also when this process was stopped for a while.</summary>
    bool IsOurs { get; }

    /// <summary>Grows each time anybody takes the watch; what was seen under one term is not carried into the next. 0 while the watch is not ours.</summary>
    long Term { get; }

    /// <summary>
    /// True while this server is on watch and has asked every recorder since it took the watch. Before that it knows only what the tables say, so nothing is
    /// done by itself.
    /// </summary>
    bool MayDecide { get; }

    /// <summary>
    /// What another server that is or was on watch told last, as it was read here; null: none was seen alive since this process began. While the watch is ours,
    /// that of whoever had it before.
    /// </summary>
    WatchReport? Report { get; }

    /// <summary>What this server has to tell all others; it goes out with the next beat. One of a term that is over is not told.</summary>
    void Tell(WatchReport report);

    /// <summary>
    /// What is put first among changes that only who is on watch may make: the transaction is refused when the watch has another term than this by now. Empty where nobody
    /// else can take it.
    /// </summary>
    IReadOnlyList<IDomainChange> Require(long term);

    /// <summary>Takes the watch when it is free and keeps it when it is ours. Call it often; it asks the database only when that is due.</summary>
    Task KeepAsync(CancellationToken cancellationToken);
}

/// <summary>
/// Holds the watch until the commit. Throws <see cref="ConcurrentChangeException"/> when it has another term than this by now: whoever has it has asked the recorders
/// since, and writes down what it finds.
/// </summary>
public sealed record RequireWatchTerm(long Term) : IDomainChange;

/// <summary>What whoever is on watch tells the others with its beat.</summary>
/// <param name="Node">Its name.</param>
/// <param name="Term">The term it is of.</param>
/// <param name="IsRoundDone">Every recorder has had its turn since the watch was taken.</param>
/// <param name="HasAskedEverybody">Besides, of each it is known whether it answered; one that cannot be asked (its credential cannot be read) is silent. It stays so while the watch is kept.</param>
/// <param name="Polls">How punctual the polls are.</param>
/// <param name="IsOver">The watch has been taken by another one since, which has told nothing yet.</param>
public sealed record WatchReport(string Node, long Term, bool IsRoundDone, bool HasAskedEverybody, PollPunctuality Polls, bool IsOver = false)
{
    /// <summary>
    /// Since when at the latest a server that was connected at the time of this report has been seen: its last answer is no older than an interval, what polls were late by, and
    /// the time an answer is waited for. The exact instant is known to whoever polls it: a poll that finds nothing new writes nothing.
    /// </summary>
    internal DateTimeOffset? SurelySeenAt(VmsServer server, TimeSpan siteInterval) =>
        server.Answers && IsRoundDone && Polls.SweptAt is { } sweptAt ? sweptAt - (server.PollInterval ?? siteInterval) - Polls.LongestGap - PollRecorders.MostPatience : null;
}

/// <summary>For a database that lets one process in: it is always on watch, and as after any start of it counts and doubts begin anew.</summary>
public sealed class SoleWatch : IWatch
{
    /// <inheritdoc/>
    public bool IsOurs => true;

    /// <inheritdoc/>
    public long Term => 1;

    /// <inheritdoc/>
    public bool MayDecide => true;

    /// <inheritdoc/>
    public WatchReport? Report => null;

    /// <inheritdoc/>
    public void Tell(WatchReport report)
    {
    }

    /// <inheritdoc/>
    public IReadOnlyList<IDomainChange> Require(long term) => [];

    /// <inheritdoc/>
    public Task KeepAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
