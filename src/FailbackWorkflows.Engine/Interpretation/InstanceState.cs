using System.Text.Json;
using System.Text.Json.Serialization;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Values;

namespace FailbackWorkflows.Engine.Interpretation;

/// <summary>
/// Everything an instance is between two events. Only the interpreter changes it, and only as the events say, so the stored snapshot is
/// never more than a shortcut for folding the journal.
/// </summary>
internal sealed class InstanceState
{
    public long Sequence { get; set; }

    public WorkflowSubStatus SubStatus { get; set; } = WorkflowSubStatus.Pending;

    public InstanceStarted? Started { get; set; }

    public int LastExecution { get; set; }

    public int LastBookmark { get; set; }

    public Dictionary<string, object?> Variables { get; set; } = new(StringComparer.Ordinal);

    public Dictionary<string, object?> Output { get; set; } = new(StringComparer.Ordinal);

    /// <summary>Executions that have not ended, in the order they were made.</summary>
    public List<Execution> Executions { get; set; } = [];

    /// <summary>Ids of executions that may run, first come first served.</summary>
    public List<string> Ready { get; set; } = [];

    /// <summary>The execution whose start is committed and whose result is awaited.</summary>
    public string? Current { get; set; }

    /// <summary>Outputs of completed activities by node id, the latest each.</summary>
    public Dictionary<string, Dictionary<string, object?>> Results { get; set; } = new(StringComparer.Ordinal);

    public object? LastResult { get; set; }

    public List<Incident> Incidents { get; set; } = [];

    public CancellationMode Cancellation { get; set; }

    /// <summary>True once a request to cancel was taken: when the root ends, the instance ends cancelled.</summary>
    public bool IsCancelling { get; set; }

    /// <summary>Name given on the way; null: that of its start.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Name { get; set; }

    /// <summary>Correlation id given on the way; null: that of its start.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? GivenCorrelationId { get; set; }

    [JsonIgnore]
    public string? CorrelationId => GivenCorrelationId ?? Started?.CorrelationId;

    [JsonIgnore]
    public bool HasEnded => SubStatus is WorkflowSubStatus.Finished or WorkflowSubStatus.Cancelled or WorkflowSubStatus.Faulted;

    public Execution? Find(string? id)
    {
        if (id is null)
        {
            return null;
        }

        for (var i = Executions.Count - 1; i >= 0; i--)
        {
            if (Executions[i].Id == id)
            {
                return Executions[i];
            }
        }

        return null;
    }

    /// <summary>Something runs or waits inside an execution.</summary>
    public bool HasChildren(string executionId)
    {
        foreach (var execution in Executions)
        {
            if (execution.ParentId == executionId)
            {
                return true;
            }
        }

        return false;
    }

    public string ToJson() => JsonSerializer.Serialize(this, PlainValue.Json);

    public static InstanceState FromJson(string json) => JsonSerializer.Deserialize<InstanceState>(json, PlainValue.Json)
        ?? throw new InvalidOperationException("The snapshot of a workflow instance is empty.");
}

/// <summary>Where an execution stands.</summary>
internal enum ExecutionPhase
{
    /// <summary>In the queue, not started.</summary>
    Scheduled,

    /// <summary>Started; a container with children, or the activity whose result is awaited.</summary>
    Running,

    /// <summary>Waits for one of its bookmarks.</summary>
    Suspended,

    /// <summary>In the queue again after something woke it.</summary>
    Resumed,

    /// <summary>Gave up; a redrive replaces it.</summary>
    Faulted,
}

/// <summary>One execution of one activity.</summary>
internal sealed class Execution
{
    public required string Id { get; init; }

    public required string NodeId { get; init; }

    public string? ParentId { get; init; }

    public ExecutionPhase Phase { get; set; }

    public int Attempt { get; set; } = 1;

    public Dictionary<string, object?> Inputs { get; set; } = new(StringComparer.Ordinal);

    public object? Progress { get; set; }

    public List<Bookmark> Bookmarks { get; set; } = [];

    public ResumedBy? Resumed { get; set; }

    /// <summary>Variables of a container.</summary>
    public Dictionary<string, object?>? Variables { get; set; }

    /// <summary>Tokens of a flowchart.</summary>
    public List<Token>? Tokens { get; set; }

    /// <summary>Next child of a sequence, next round of a loop.</summary>
    public int Next { get; set; }

    /// <summary>Workflow outputs that were set inside a workflow used as an activity.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public Dictionary<string, object?>? Outputs { get; set; }

    /// <summary>What the activity is left by once the activities in its ports have ended.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Outcomes { get; set; }

    /// <summary>A branch was stopped by an incident, so what waits for all branches cannot complete.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool HasStopped { get; set; }
}

/// <summary>A token of a flowchart: it waits on a connection until its target has run.</summary>
internal sealed class Token
{
    public required string From { get; init; }

    public required string To { get; init; }

    public bool IsBackward { get; init; }

    /// <summary>The target was scheduled for it.</summary>
    public bool IsTaken { get; set; }
}

internal sealed record Bookmark(string Id, string Name, string? Key, DateTimeOffset? DueAt, bool RunsAgain, DateTimeOffset CreatedAt);

internal sealed record ResumedBy(string? Key, object? Payload, Actor? Actor);
