using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Failback.AutomaticFailback;

/// <summary>How the automatic failback of an entry stands. There is none until the first attempt or the first refusal.</summary>
public sealed record AutomaticFailbackState
{
    private static readonly TimeSpan[] Delays = [TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(15), TimeSpan.FromHours(1)];

    public required string EntryId { get; init; }

    /// <summary>Attempts that have ended. Grows in the commit that ends one.</summary>
    public int Attempts { get; init; }

    /// <summary>Boot and connection of the failed server in which the last attempt began.</summary>
    public string? Episode { get; init; }

    /// <summary>Failed attempts within <see cref="Episode"/>.</summary>
    public int Failures { get; init; }

    /// <summary>When the next attempt may begin within the same episode.</summary>
    public DateTimeOffset? NextAt { get; init; }

    /// <summary>The run that is at it; null: none.</summary>
    public string? RunId { get; init; }

    /// <summary>The last run that was at it.</summary>
    public string? LastRunId { get; init; }

    public DateTimeOffset? LastEndedAt { get; init; }

    /// <summary>How the last attempt ended, if it failed; a sentence.</summary>
    public string? LastMessage { get; init; }

    /// <summary>What it is refused for now, so that a refusal is logged once: stays the same while its cause does. Null: it is not refused.</summary>
    public string? RefusalCode { get; init; }

    /// <summary>The refusal as a sentence.</summary>
    public string? Refusal { get; init; }

    public DateTimeOffset? RefusedAt { get; init; }

    /// <summary>Optimistic concurrency: grows by one with every change; 0 = not stored yet.</summary>
    public long Revision { get; init; }

    /// <summary>A run has begun the next attempt.</summary>
    public AutomaticFailbackState Begun(string runId, string episode) => this with
    {
        RunId = runId,
        LastRunId = runId,
        Episode = episode,
        Failures = Episode == episode ? Failures : 0,
        NextAt = null,
        RefusalCode = null,
        Refusal = null,
        RefusedAt = null,
    };

    /// <summary>The attempt has ended well.</summary>
    public AutomaticFailbackState Succeeded(DateTimeOffset at) => this with { Attempts = Attempts + 1, RunId = null, LastEndedAt = at, LastMessage = null, NextAt = null };

    /// <summary>The attempt has ended otherwise: the next one after 1, 5, 15 min, then hourly.</summary>
    public AutomaticFailbackState Failed(DateTimeOffset at, string message) => this with
    {
        Attempts = Attempts + 1,
        Failures = Failures + 1,
        RunId = null,
        LastEndedAt = at,
        LastMessage = message,
        NextAt = at + Delays[Math.Min(Failures, Delays.Length - 1)],
    };
}

/// <summary>Reads how automatic failbacks stand.</summary>
public interface IAutomaticFailbacks
{
    Task<AutomaticFailbackState?> FindAsync(string entryId, CancellationToken cancellationToken);

    /// <summary>The one whose attempt a run is at; null: none.</summary>
    Task<AutomaticFailbackState?> FindByRunAsync(string runId, CancellationToken cancellationToken);
}

/// <summary>Adds (revision 0) or changes a state. Throws <see cref="ConcurrentChangeException"/> when somebody else changed it since it was read.</summary>
public sealed record SaveAutomaticFailback(AutomaticFailbackState State) : IDomainChange;
