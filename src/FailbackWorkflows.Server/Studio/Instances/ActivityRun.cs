using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Server.Studio.Descriptors;

namespace FailbackWorkflows.Server.Studio.Instances;

/// <summary>One execution of an activity as the viewer shows it. A retry belongs to the execution, a retry by hand makes a new one.</summary>
internal sealed record ActivityRun(
    string Id,
    string WorkflowInstanceId,
    string ActivityId,
    string ActivityNodeId,
    string ActivityType,
    int ActivityTypeVersion,
    string? ActivityName,
    DateTimeOffset StartedAt,
    DateTimeOffset? CompletedAt,
    bool HasBookmarks,
    string Status,
    IReadOnlyDictionary<string, object?> ActivityState,
    IReadOnlyDictionary<string, object?> Payload,
    IReadOnlyDictionary<string, object?> Outputs,
    IReadOnlyDictionary<string, object?> Properties,
    IReadOnlyDictionary<string, object?> Metadata,
    object? Exception,
    int AggregateFaultCount,
    string? SchedulingActivityExecutionId,
    string? SchedulingActivityId,
    string? SchedulingWorkflowInstanceId,
    int? CallStackDepth)
{
    private static readonly Dictionary<string, object?> Nothing = [];

    [System.Text.Json.Serialization.JsonIgnore]
    public long FirstSequence { get; init; }

    /// <summary>The id that the designer knows an execution by.</summary>
    public static string IdOf(string instanceId, string executionId) => $"{instanceId}.{executionId}";

    public static bool TryReadId(string id, out string instanceId, out string executionId)
    {
        var dot = id.LastIndexOf('.');
        (instanceId, executionId) = dot > 0 ? (id[..dot], id[(dot + 1)..]) : ("", "");
        return dot > 0;
    }

    /// <summary>Values by the names that descriptors have.</summary>
    public static Dictionary<string, object?> Named(IReadOnlyDictionary<string, object?> values) => values.ToDictionary(v => ActivityWire.Pascal(v.Key), v => v.Value);

    public static object ExceptionOf(ActivityFault fault) => new { Type = fault.Kind, fault.Message, StackTrace = (string?)null, InnerException = (object?)null };

    /// <param name="events">All events of the execution, in order; the first one is its start.</param>
    public static ActivityRun Of(string instanceId, IReadOnlyList<ActivityEvent> events, ActivityNode? node)
    {
        var started = events.OfType<ActivityStarted>().First();
        var completed = events.OfType<ActivityCompleted>().LastOrDefault();
        var faults = events.OfType<ActivityFaulted>().ToList();
        var last = events[^1];
        var hasFailed = last is ActivityFaulted { RetryAt: null };
        var fault = hasFailed ? ((ActivityFaulted)last).Fault : completed?.Fault;
        return new ActivityRun(
            IdOf(instanceId, started.ExecutionId),
            instanceId,
            started.NodeId[(started.NodeId.LastIndexOf(':') + 1)..],
            RunViews.ToWire(started.NodeId),
            started.ActivityType,
            node?.Descriptor.Version ?? 1,
            node?.DisplayText,
            started.At,
            completed?.At ?? (last as ActivityCancelled)?.At,
            last is ActivitySuspended or ActivityFaulted { RetryAt: not null },
            completed is not null ? "Completed" : hasFailed ? "Faulted" : last is ActivityCancelled ? "Canceled" : "Running",
            started.Inputs is null ? Nothing : Named(started.Inputs),
            PayloadOf(completed, faults, events),
            completed?.Outputs is null ? Nothing : Named(completed.Outputs),
            Nothing,
            Nothing,
            fault is null ? null : ExceptionOf(fault),
            hasFailed ? 1 : 0,
            null,
            null,
            null,
            null)
        {
            FirstSequence = started.Sequence,
        };
    }

    private static Dictionary<string, object?> PayloadOf(ActivityCompleted? completed, List<ActivityFaulted> faults, IReadOnlyList<ActivityEvent> events)
    {
        var payload = new Dictionary<string, object?>();
        if (completed is not null)
        {
            payload["Outcomes"] = completed.Outcomes;
            if (completed.Variables is { Count: > 0 } variables)
            {
                payload["Variables set"] = variables;
            }
        }

        if (faults.Count > 0)
        {
            payload["Failed attempts"] = faults.Select(f => new { f.Attempt, At = f.At.ToString("O"), f.Fault.Kind, f.Fault.Message, NextAttemptAt = f.RetryAt?.ToString("O") }).ToList();
        }

        var notes = events.SelectMany(e => (e as ActivityCompleted)?.Notes ?? (e as ActivitySuspended)?.Notes ?? []).ToList();
        if (notes.Count > 0)
        {
            payload["Notes"] = notes;
        }

        return payload;
    }
}
