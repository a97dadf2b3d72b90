using FailbackWorkflows.Engine;

namespace FailbackWorkflows.Failback.Runs;

/// <summary>Where a step of a run stands.</summary>
public enum RunStepState
{
    /// <summary>Not reached (yet).</summary>
    NotExecuted,

    Running,

    /// <summary>Waits for a time or an event, a retry included.</summary>
    Waiting,

    Done,

    /// <summary>It said no, and the run ended without touching anything.</summary>
    Refused,

    /// <summary>It failed and the run took the way its definition has for that (undo).</summary>
    Failed,

    /// <summary>It failed and stopped the run; whether that can go on from here says <see cref="RunReport.CanRedrive"/>.</summary>
    Faulted,

    Cancelled,
}

/// <summary>A step of a run, from its journal.</summary>
/// <param name="Number">Number of the step as operators count them (1–11 for a failback); null for parts and for steps of undo.</param>
/// <param name="Name">What the designer shows.</param>
/// <param name="Times">How often it was executed; more than once after going back or a redrive.</param>
/// <param name="Outcome">The port it left by.</param>
/// <param name="Message">Its sentence, when it had one: a refusal, a fault, what it waits for.</param>
/// <param name="Parts">Activities inside a composite.</param>
public sealed record RunStep(
    int? Number,
    string Name,
    string NodeId,
    string ActivityType,
    RunStepState State,
    int Times,
    DateTimeOffset? StartedAt,
    DateTimeOffset? EndedAt,
    string? Outcome,
    string? Message,
    IReadOnlyList<RunStep> Parts);

/// <summary>A run as a person reads it: who, why, every step executed or not, with times.</summary>
/// <param name="Result"><c>running</c>, or how it ended: <c>done</c>, <c>refused</c>, <c>undone</c>, <c>failed</c>, <c>cancelled</c>, <c>faulted</c>.</param>
/// <param name="Message">The sentence that goes with the result.</param>
/// <param name="RefusedCheck">Number of the check that said no.</param>
public sealed record RunReport(
    string RunId,
    string DefinitionId,
    int DefinitionVersion,
    WorkflowSubStatus SubStatus,
    string Result,
    string? Message,
    int? RefusedCheck,
    Actor StartedBy,
    string? Reason,
    string? EntryId,
    DateTimeOffset StartedAt,
    DateTimeOffset? FinishedAt,
    IReadOnlyList<RunStep> Steps,
    IReadOnlyList<Incident> Incidents)
{
    /// <summary>The recorded identity that nobody recorded any more when the run ended, although it ended <c>done</c>; null otherwise.</summary>
    public string? NobodyRecords { get; init; }

    /// <summary>An error stopped it, and it can go on from there; one that holds nothing any more is started again instead.</summary>
    public bool CanRedrive { get; init; }

    /// <summary>What may be done instead of what a check refused; one of <see cref="RunOffers"/>, or null.</summary>
    public string? Offer { get; init; }

    /// <summary>What the run raised alarms about, oldest first: dark channels, a server that is waited for, a server that failed again.</summary>
    public IReadOnlyList<RunAlarm> Alarms { get; init; } = [];
}

/// <summary>An alarm of a run: what is wrong and what to do about it.</summary>
public sealed record RunAlarm(DateTimeOffset At, string NodeId, string Text);

/// <summary>Reads runs. Derived from the journal each time; there is no second truth.</summary>
public interface IRunReports
{
    Task<RunReport?> FindAsync(string runId, CancellationToken cancellationToken);
}
