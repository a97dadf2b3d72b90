using System.Collections.Frozen;
using System.Reflection;
using System.Text.Json.Serialization;

namespace FailbackWorkflows.Engine.Journal;

/// <summary>
/// One event of a workflow instance's history. <i>Facts</i> come from outside (somebody started it, an activity ended, a timer was due);
/// <i>decisions</i> are what the interpreter made of them. Folding the facts through the interpreter yields the decisions again, which is
/// how a history is proven. Published histories are kept for ever: members are added, never renamed or removed.
/// </summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = Discriminator)]
[JsonDerivedType(typeof(InstanceStarted), "instanceStarted")]
[JsonDerivedType(typeof(ActivityStarted), "activityStarted")]
[JsonDerivedType(typeof(ActivityCompleted), "activityCompleted")]
[JsonDerivedType(typeof(ActivityFaulted), "activityFaulted")]
[JsonDerivedType(typeof(ActivitySuspended), "activitySuspended")]
[JsonDerivedType(typeof(ActivityBranched), "activityBranched")]
[JsonDerivedType(typeof(BookmarkDue), "bookmarkDue")]
[JsonDerivedType(typeof(StimulusReceived), "stimulusReceived")]
[JsonDerivedType(typeof(ActivityCancelled), "activityCancelled")]
[JsonDerivedType(typeof(CancelRequested), "cancelRequested")]
[JsonDerivedType(typeof(CancelRefused), "cancelRefused")]
[JsonDerivedType(typeof(RedriveRequested), "redriveRequested")]
[JsonDerivedType(typeof(InstanceFaulted), "instanceFaulted")]
[JsonDerivedType(typeof(InstanceFinished), "instanceFinished")]
public abstract record JournalEvent
{
    internal const string Discriminator = "event";

    private static readonly FrozenDictionary<Type, string> Names = typeof(JournalEvent).GetCustomAttributes<JsonDerivedTypeAttribute>(inherit: false)
        .ToFrozenDictionary(a => a.DerivedType, a => (string)a.TypeDiscriminator!);

    /// <summary>The name of a kind of event, e.g. <c>activityStarted</c>.</summary>
    internal static string NameOf(Type type) => Names[type];

    /// <summary>Position in the instance's history, from 1 without a hole.</summary>
    [JsonPropertyOrder(-3)]
    public long Sequence { get; set; }

    /// <summary>When it happened, by the management server's clock, UTC.</summary>
    [JsonPropertyOrder(-2)]
    public DateTimeOffset At { get; init; }

    /// <summary>True for what came from outside; false for what the interpreter decided.</summary>
    [JsonPropertyOrder(-1)]
    public bool IsFact { get; init; }

    /// <summary>Of a fact: the management server that wrote it down. Null in what was written before this was noted, and in decisions.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? WrittenBy { get; init; }
}

/// <summary>An event about one execution of one activity.</summary>
public abstract record ActivityEvent : JournalEvent
{
    /// <summary>Id of the execution within the instance, e.g. <c>7</c>. A redrive makes a new one, a retry does not.</summary>
    public required string ExecutionId { get; init; }

    /// <summary>Path of activity ids from the root, as in the definition.</summary>
    public required string NodeId { get; init; }

    /// <summary>Of a fact: the calls that the activity made outside of the engine; decides nothing. Null: none, or none were noted.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<OutsideCall>? Calls { get; init; }

    /// <summary>Of a fact: how the clocks of others stood when the activity asked them; decides nothing. Null: it asked nobody.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ClockReading>? Clocks { get; init; }
}

/// <summary>A call that an activity made outside of the engine.</summary>
/// <param name="Target">Id of whom it called.</param>
/// <param name="Operation">What it asked for, in words.</param>
/// <param name="Request">Method and path.</param>
/// <param name="RequestSha256">Of the body as it was sent, lower-case hex; null: there was none.</param>
/// <param name="Status">Status of the answer; null: there was none.</param>
/// <param name="ResponseSha256">Of the body as it came; null: there was none, or it is not kept to be looked at.</param>
/// <param name="Milliseconds">How long it took.</param>
public sealed record OutsideCall(string Target, string Operation, string? Request, string? RequestSha256, int? Status, string? ResponseSha256, double Milliseconds);

/// <summary>How a clock stood against the server's.</summary>
/// <param name="Of">Id of whose clock it is.</param>
/// <param name="OffsetMilliseconds">That clock minus the server's.</param>
/// <param name="UncertaintyMilliseconds">By how much that may be wrong either way.</param>
public sealed record ClockReading(string Of, double OffsetMilliseconds, double UncertaintyMilliseconds);

/// <summary>Fact: somebody started the instance.</summary>
public sealed record InstanceStarted : JournalEvent
{
    public required string DefinitionId { get; init; }

    /// <summary>The version the instance stays pinned to.</summary>
    public required string DefinitionVersionId { get; init; }

    /// <summary>SHA-256 of the definition, lower-case hex.</summary>
    public required string DefinitionSha256 { get; init; }

    public required IReadOnlyDictionary<string, object?> Input { get; init; }

    public required Actor Actor { get; init; }

    public string? Reason { get; init; }

    public string? CorrelationId { get; init; }

    /// <summary>The trigger activity that started it; null: it was started by name.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? TriggerNodeId { get; init; }

    /// <summary>What came with the stimulus that started it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public object? TriggerPayload { get; init; }

    /// <summary>The run and the activity that started it; null: none did.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ParentRun? Parent { get; init; }
}

/// <summary>Decision: an activity starts; committed before it runs.</summary>
public sealed record ActivityStarted : ActivityEvent
{
    public required string ActivityType { get; init; }

    /// <summary>Execution id of the container, null for the root.</summary>
    public string? ParentExecutionId { get; init; }

    /// <summary>Inputs as evaluated.</summary>
    public IReadOnlyDictionary<string, object?>? Inputs { get; init; }
}

/// <summary>Fact for an activity that ran, decision for a container.</summary>
public sealed record ActivityCompleted : ActivityEvent
{
    public required IReadOnlyList<string> Outcomes { get; init; }

    public IReadOnlyDictionary<string, object?>? Outputs { get; init; }

    /// <summary>Variables set by the activity, by name.</summary>
    public IReadOnlyDictionary<string, object?>? Variables { get; init; }

    /// <summary>Workflow outputs set by the activity, by name.</summary>
    public IReadOnlyDictionary<string, object?>? WorkflowOutputs { get; init; }

    /// <summary>When set, what a request to cancel does from now on.</summary>
    public CancellationMode? Cancellation { get; init; }

    /// <summary>What the activity ends besides itself.</summary>
    public Ending Ends { get; init; }

    /// <summary>What the activity had to say to whoever reads the run; decides nothing.</summary>
    public IReadOnlyList<string>? Notes { get; init; }

    /// <summary>The instance has this name from now on.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? InstanceName { get; init; }

    /// <summary>The instance has this correlation id from now on.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? CorrelationId { get; init; }

    /// <summary>Given up after its attempts and turned into the outcome <c>Failed</c>: the fault behind it.</summary>
    public ActivityFault? Fault { get; init; }
}

/// <summary>What an activity ends besides itself.</summary>
public enum Ending
{
    Nothing,

    /// <summary>The nearest enclosing flowchart; without one, the outermost container of the composite or workflow.</summary>
    Container,

    /// <summary>The whole workflow instance.</summary>
    Workflow,

    /// <summary>The nearest enclosing loop.</summary>
    Loop,
}

/// <summary>What a request to cancel the instance does.</summary>
public enum CancellationMode
{
    /// <summary>Everything running is cancelled and the instance ends.</summary>
    End,

    /// <summary>Everything running is cancelled and the definition's cancel handler runs (undo); the instance ends cancelled after it.</summary>
    Undo,

    /// <summary>The request is refused: there is only a way forward.</summary>
    Refuse,
}

/// <summary>Why an activity failed.</summary>
/// <param name="Kind">Stable word for a rule to act on, e.g. <c>recorder.unreachable</c>.</param>
/// <param name="Message">A sentence for the operator.</param>
/// <param name="IsTransient">Trying again may help.</param>
public sealed record ActivityFault(string Kind, string Message, bool IsTransient);

/// <summary>Fact: an attempt failed. Decision when an input could not be evaluated.</summary>
public sealed record ActivityFaulted : ActivityEvent
{
    public required ActivityFault Fault { get; init; }

    /// <summary>The attempt that failed, from 1.</summary>
    public required int Attempt { get; init; }

    /// <summary>When the next attempt is due; null when the activity gave up.</summary>
    public DateTimeOffset? RetryAt { get; init; }
}

/// <summary>Fact: the activity waits for something.</summary>
public sealed record ActivitySuspended : ActivityEvent
{
    public required IReadOnlyList<BookmarkRequest> Bookmarks { get; init; }

    /// <summary>What the activity wants to find again when it runs on.</summary>
    public object? Progress { get; init; }

    /// <summary>What the activity had to say to whoever reads the run; decides nothing.</summary>
    public IReadOnlyList<string>? Notes { get; init; }
}

/// <summary>
/// Fact: the activity's code has run, and activities it holds run now. It is completed once they have ended and it no longer waits itself;
/// that is a decision.
/// </summary>
public sealed record ActivityBranched : ActivityEvent
{
    public required IReadOnlyList<PortEntered> Ports { get; init; }

    /// <summary>What the activity itself still waits for; null: nothing.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<BookmarkRequest>? Bookmarks { get; init; }

    /// <summary>What the activity wants to find again when it runs on.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public object? Progress { get; init; }

    /// <summary>What it will be left by; null while it waits.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Outcomes { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyDictionary<string, object?>? Outputs { get; init; }

    /// <summary>What the activity had to say to whoever reads the run; decides nothing.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Notes { get; init; }
}

/// <summary>A port whose activity runs, with variables of its own.</summary>
public sealed record PortEntered(string Port, IReadOnlyDictionary<string, object?>? Variables);

/// <summary>Who started a run from inside another run.</summary>
/// <param name="Depth">1 for a child of a run that nobody's activity started.</param>
public sealed record ParentRun(string InstanceId, string ExecutionId, int Depth);

/// <summary>Fact: the time of a bookmark has come.</summary>
public sealed record BookmarkDue : ActivityEvent
{
    public required string BookmarkId { get; init; }
}

/// <summary>Fact: something an activity waited for has happened.</summary>
public sealed record StimulusReceived : ActivityEvent
{
    public required string BookmarkId { get; init; }

    public object? Payload { get; init; }

    public required Actor Actor { get; init; }
}

/// <summary>Decision: an execution was ended from outside it.</summary>
public sealed record ActivityCancelled : ActivityEvent
{
    /// <summary>Runs it had started and waited for; each is asked to cancel in the same commit.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Children { get; init; }
}

/// <summary>Fact: somebody asked to cancel the instance.</summary>
public sealed record CancelRequested : JournalEvent
{
    public required Actor Actor { get; init; }

    public string? Reason { get; init; }

    /// <summary>It ends as it stands, whatever it is at: nothing is undone, and it cannot be refused (<see cref="Storage.InboxMessageKind.End"/>).</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool IsFinal { get; init; }
}

/// <summary>Decision: the request to cancel came too late.</summary>
public sealed record CancelRefused : JournalEvent;

/// <summary>Fact: somebody retries a faulted instance from the activities that failed.</summary>
public sealed record RedriveRequested : JournalEvent
{
    public required Actor Actor { get; init; }

    public string? Reason { get; init; }
}

/// <summary>Decision: an incident stopped the instance; it can be redriven.</summary>
public sealed record InstanceFaulted : JournalEvent
{
    public required string ExecutionId { get; init; }

    public required string NodeId { get; init; }

    public required ActivityFault Fault { get; init; }
}

/// <summary>Decision: the instance has ended.</summary>
public sealed record InstanceFinished : JournalEvent
{
    public required WorkflowSubStatus SubStatus { get; init; }

    public IReadOnlyDictionary<string, object?>? Output { get; init; }
}

/// <summary>What an activity waits for.</summary>
/// <param name="Name">What it is, e.g. <c>Delay</c>, <c>Event</c>, <c>Retry</c>.</param>
/// <param name="Key">A stimulus with this key resumes it; null when only time does.</param>
/// <param name="DueAt">Time resumes it then; null when only a stimulus does.</param>
/// <param name="RunsAgain">True: the activity is executed again when resumed. False: it completes with the payload as its result.</param>
public sealed record BookmarkRequest(string Name, string? Key, DateTimeOffset? DueAt, bool RunsAgain);
