using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Failback.Readiness;

/// <summary>What a server was looked at for.</summary>
public enum ReadinessKind
{
    /// <summary>Its duty can come home: it has an open failover log entry.</summary>
    Failback,

    /// <summary>Its duty can be taken over if it fails.</summary>
    Failover,
}

/// <summary>What a check of readiness came to.</summary>
public enum ReadinessOutcome
{
    /// <summary>Every check said yes.</summary>
    Ready,

    /// <summary>Every check said yes, and somebody should read what one of them had to say.</summary>
    ReadyWithWarnings,

    /// <summary>The run would not be started, would be refused, or would be undone; the sentence says why.</summary>
    NotReady,

    /// <summary>Nobody wants to know: failover is turned off for the server.</summary>
    NotEnabled,
}

/// <summary>What one check came to.</summary>
public enum ReadinessCheckOutcome
{
    Passed,

    /// <summary>It said yes with a sentence.</summary>
    Warning,

    /// <summary>It said no.</summary>
    Refused,

    /// <summary>It was not looked at, because of what was refused before it.</summary>
    NotChecked,
}

/// <summary>One check of a dry run.</summary>
/// <param name="Number">Its number as the run counts its steps; null for what comes before the first step.</param>
/// <param name="Name">What the designer shows.</param>
/// <param name="Sentence">Why, and what to do; null when there is nothing to say.</param>
public sealed record ReadinessCheck(int? Number, string Name, ReadinessCheckOutcome Outcome, string? Sentence);

/// <summary>
/// Whether the run would be possible: the result of a dry run, the newest of its server and kind. What it was based on is in its stamp; when
/// that has changed since, the result has expired (<see cref="ReadinessStamp.ListChanges"/>).
/// </summary>
public sealed record ReadinessResult
{
    public required string ServerId { get; init; }

    public required ReadinessKind Kind { get; init; }

    public required ReadinessOutcome Outcome { get; init; }

    /// <summary>Number of the check that decided against it, as the run would state it; null: none, or one before the first step.</summary>
    public int? Number { get; init; }

    /// <summary>The sentence with which the run would be refused or undone; null unless <see cref="ReadinessOutcome.NotReady"/>.</summary>
    public string? Sentence { get; init; }

    /// <summary>What may be done instead; one of <see cref="RunOffers"/>, or null.</summary>
    public string? Offer { get; init; }

    /// <summary>Of a failback: the entry it would be of.</summary>
    public string? EntryId { get; init; }

    /// <summary>Who has the duty, or would take it; null: nobody could.</summary>
    public string? FailoverServerId { get; init; }

    public required IReadOnlyList<ReadinessCheck> Checks { get; init; }

    public required DateTimeOffset CheckedAt { get; init; }

    /// <summary>Name of the person, or of the schedule.</summary>
    public required string CheckedBy { get; init; }

    /// <summary>When the schedule looks again; null: no schedule was set.</summary>
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>Of a server that is not ready and was before, for the same failover: when that was found. Null otherwise.</summary>
    public DateTimeOffset? TurnedNotReadyAt { get; init; }

    /// <summary>It says no only because a run is at work on one of the servers: what is true without that is not known. Not kept.</summary>
    public bool IsOnlyBusy { get; init; }

    public required ReadinessStamp Stamp { get; init; }
}

/// <summary>One page of the newest results, by server.</summary>
/// <param name="Kind">Null: both.</param>
/// <param name="Outcome">Null: all.</param>
/// <param name="After">Continue after this server; null: from the first.</param>
/// <param name="Take">1–200.</param>
public sealed record ReadinessQuery(ReadinessKind? Kind = null, ReadinessOutcome? Outcome = null, string? After = null, int Take = 50);

/// <summary>
/// Reads results of dry runs. Of a server, the kind that counts is <see cref="ReadinessKind.Failback"/> while it has an open failover log
/// entry, else <see cref="ReadinessKind.Failover"/>; what is stored of the other kind is left out of lists.
/// </summary>
public interface IReadinessResults
{
    /// <summary>The newest result, or null.</summary>
    Task<ReadinessResult?> FindAsync(string serverId, ReadinessKind kind, CancellationToken cancellationToken);

    /// <summary>One page of the results that count of registered servers, ordered by server.</summary>
    Task<IReadOnlyList<ReadinessResult>> ListAsync(ReadinessQuery query, CancellationToken cancellationToken);

    /// <summary>All results that count, without their checks.</summary>
    Task<IReadOnlyList<ReadinessResult>> ListSummariesAsync(CancellationToken cancellationToken);

    /// <summary>The results that count of these servers, without their checks.</summary>
    Task<IReadOnlyList<ReadinessResult>> ListSummariesAsync(IReadOnlyCollection<string> serverIds, CancellationToken cancellationToken);

    /// <summary>The results that count of registered servers that are not ready any more, the latest first, without their checks; and how many there are in all.</summary>
    Task<(IReadOnlyList<ReadinessResult> Latest, int Count)> ListTurnedNotReadyAsync(int take, CancellationToken cancellationToken);

    /// <summary>
    /// Servers that have to be looked at, ordered by id: those without a result that counts, with one from before <paramref name="requestedAt"/>,
    /// or, when <paramref name="scheduledAt"/> is given, with one that was due by then.
    /// </summary>
    /// <param name="scheduledAt">Now; null: nothing is looked at by schedule.</param>
    /// <param name="requestedAt">When somebody asked for all last; null: nobody did.</param>
    /// <param name="after">Continue after this server; null: from the first.</param>
    /// <param name="take">1–1000.</param>
    Task<IReadOnlyList<string>> ListDueAsync(DateTimeOffset? scheduledAt, DateTimeOffset? requestedAt, string? after, int take, CancellationToken cancellationToken);
}

/// <summary>Keeps a result in place of the one of the same server and kind. An older one than what is stored changes nothing.</summary>
public sealed record SaveReadiness(ReadinessResult Result) : IDomainChange;
