using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.Maintenance;

namespace FailbackWorkflows.Failback;

/// <summary>What became of a request to start a run.</summary>
public enum StartRunOutcome
{
    /// <summary>It runs.</summary>
    Started,

    /// <summary>The same request (same request id) had started it before.</summary>
    AlreadyStarted,

    /// <summary>The thing named does not exist.</summary>
    Unknown,

    /// <summary>Another run has the duty or one of its recorders; <see cref="StartRunResult.RunId"/> is that run.</summary>
    Busy,

    /// <summary>Maintenance mode is on and was not overridden.</summary>
    MaintenanceMode,

    /// <summary>No server can take the duty over; the message and <see cref="StartRunResult.Candidates"/> say of each why not.</summary>
    NobodyFit,

    /// <summary>It cannot be done as things are; the message says why and what to do.</summary>
    Refused,
}

/// <summary>Answer to a request to start a run.</summary>
/// <param name="RunId">The workflow instance that runs: this request's, or the one in the way.</param>
/// <param name="EntryId">The failover log entry it belongs to, when known.</param>
/// <param name="Message">A sentence for the operator when nothing was started.</param>
public sealed record StartRunResult(StartRunOutcome Outcome, string? RunId, string? EntryId, string? Message)
{
    /// <summary>Of a failover that was not started because nobody was fit or free: who was looked at.</summary>
    public IReadOnlyList<FailoverCandidate> Candidates { get; init; } = [];

    /// <summary>The answer when the start was refused.</summary>
    public static StartRunResult From(WorkflowRefusedException refusal, string? entryId) => refusal switch
    {
        ClaimConflictException conflict => Busy(conflict.HolderInstanceId, conflict.HolderKind, entryId),
        MaintenanceModeOnException maintenance => new(StartRunOutcome.MaintenanceMode, null, entryId, maintenance.Message),
        _ => new(StartRunOutcome.Refused, null, entryId, refusal.Message),
    };

    /// <summary>The answer when another run has the duty or one of its recorders.</summary>
    public static StartRunResult Busy(string runId, string kind, string? entryId) =>
        new(StartRunOutcome.Busy, runId, entryId, $"Another run ({kind}) is at work for one of these servers. Wait for it to end, or open it to see where it stands.");
}
