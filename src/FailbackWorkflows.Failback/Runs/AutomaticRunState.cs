namespace FailbackWorkflows.Failback.Runs;

/// <summary>Whether something may happen by itself.</summary>
public enum AutomaticVerdict
{
    /// <summary>Not now: it is not wanted, not needed, or somebody is at it.</summary>
    No,

    /// <summary>It will be tried when the time has come; nothing forbids it.</summary>
    Waits,

    /// <summary>Somebody or something forbids it. Logged once.</summary>
    Refused,

    /// <summary>Now.</summary>
    Yes,
}

/// <summary>How something stands that is tried by itself until it succeeds.</summary>
public abstract record AutomaticRunState
{
    private static readonly TimeSpan[] Delays = [TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(15), TimeSpan.FromHours(1)];

    /// <summary>Attempts that have ended. Grows in the commit that ends one.</summary>
    public int Attempts { get; init; }

    /// <summary>The episode in which the last attempt began: what has to change for the next one to be made at once.</summary>
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

    internal static TimeSpan DelayAfter(int failures) => Delays[Math.Min(failures, Delays.Length - 1)];
}

/// <summary>What becomes of it.</summary>
public static class AutomaticRunStateChanges
{
    /// <summary>A run has begun the next attempt.</summary>
    public static T Begun<T>(this T state, string runId, string episode)
        where T : AutomaticRunState => state with
        {
            RunId = runId,
            LastRunId = runId,
            Episode = episode,
            Failures = state.Episode == episode ? state.Failures : 0,
            NextAt = null,
            RefusalCode = null,
            Refusal = null,
            RefusedAt = null,
        };

    /// <summary>The attempt has ended well.</summary>
    public static T Succeeded<T>(this T state, DateTimeOffset at)
        where T : AutomaticRunState => state with { Attempts = state.Attempts + 1, RunId = null, LastEndedAt = at, LastMessage = null, NextAt = null };

    /// <summary>The attempt has ended otherwise: the next one after 1, 5, 15 min, then hourly.</summary>
    public static T Failed<T>(this T state, DateTimeOffset at, string message)
        where T : AutomaticRunState => state with
        {
            Attempts = state.Attempts + 1,
            Failures = state.Failures + 1,
            RunId = null,
            LastEndedAt = at,
            LastMessage = message,
            NextAt = at + AutomaticRunState.DelayAfter(state.Failures),
        };

    /// <summary>It is refused.</summary>
    /// <param name="code">Stays the same as long as the cause.</param>
    public static T Refused<T>(this T state, DateTimeOffset at, string code, string sentence)
        where T : AutomaticRunState => state with { RefusalCode = code, Refusal = sentence, RefusedAt = state.RefusalCode == code ? state.RefusedAt : at };
}
