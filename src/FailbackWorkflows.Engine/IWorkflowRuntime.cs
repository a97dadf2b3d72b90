namespace FailbackWorkflows.Engine;

using FailbackWorkflows.Engine.Storage;

/// <summary>The one door to the engine. Everything it accepts is durable when it answers.</summary>
public interface IWorkflowRuntime
{
    /// <summary>
    /// Starts the published version of a definition. Repeating a start with the same <see cref="StartWorkflow.StartKey"/> starts nothing and
    /// answers with the instance there is. Throws <see cref="WorkflowRefusedException"/> when there is no such published definition, and what
    /// the host's start hook throws when the domain refuses.
    /// </summary>
    Task<StartedWorkflow> StartAsync(StartWorkflow request, CancellationToken cancellationToken);

    /// <summary>
    /// Resumes every bookmark with the stimulus' key and, when it names an <see cref="Stimulus.Occurrence"/>, starts every published definition
    /// with a trigger for it, each once however often the occurrence is sent. A definition that refuses to start does not keep the others from
    /// it. Answers with the instances reached, those included that an earlier sending had started.
    /// </summary>
    Task<IReadOnlyList<string>> ResumeAsync(Stimulus stimulus, CancellationToken cancellationToken);

    /// <summary>Asks an instance to cancel. Throws <see cref="WorkflowRefusedException"/> when it has ended or has only a way forward.</summary>
    Task CancelAsync(string instanceId, Actor actor, string? reason, CancellationToken cancellationToken);

    /// <summary>Retries a faulted instance from the activities that failed. Throws <see cref="WorkflowRefusedException"/> when it is not faulted, or when the host refuses.</summary>
    Task RedriveAsync(string instanceId, Actor actor, string? reason, CancellationToken cancellationToken);

    /// <summary>The instance as last committed, or null.</summary>
    Task<WorkflowInstance?> FindAsync(string instanceId, CancellationToken cancellationToken);

    /// <summary>Tasks that RunTask activities wait for, oldest first. Complete one by <see cref="ResumeAsync"/> with <see cref="Stimulus.TaskCompleted"/>.</summary>
    /// <param name="take">1 to 1,000.</param>
    Task<IReadOnlyList<OpenTask>> ListTasksAsync(int take, CancellationToken cancellationToken);
}

/// <summary>A task that a RunTask activity waits for.</summary>
/// <param name="TaskId">Completes it; the same as long as the activity waits.</param>
public sealed record OpenTask(string TaskId, string Name, object? Payload, string InstanceId, string WorkflowName, string? CorrelationId, DateTimeOffset CreatedAt);

/// <summary>A start.</summary>
public sealed record StartWorkflow(string DefinitionId, Actor Actor)
{
    public IReadOnlyDictionary<string, object?> Input { get; init; } = new Dictionary<string, object?>();

    public string? Reason { get; init; }

    /// <summary>This version instead of the published one; it must be one of the definition's. Null: the published one.</summary>
    public string? DefinitionVersionId { get; init; }

    /// <summary>Makes the start happen once, however often it is asked for.</summary>
    public string? StartKey { get; init; }

    public string? CorrelationId { get; init; }

    /// <summary>The trigger it begins at, which gets the input as what came with it. Null: it begins where the definition does.</summary>
    public StoredTrigger? Trigger { get; init; }

    /// <summary>The run whose activity starts it; null: none does.</summary>
    public Journal.ParentRun? Parent { get; init; }

    /// <summary>Changes of the host's data made in the transaction of the start.</summary>
    public IReadOnlyList<IDomainChange> Changes { get; init; } = [];
}

/// <summary>The instance that runs.</summary>
/// <param name="AlreadyStarted">True when an earlier request with the same start key had started it.</param>
public sealed record StartedWorkflow(string InstanceId, bool AlreadyStarted);

/// <summary>Something has happened that instances may wait for.</summary>
/// <param name="Key">What bookmarks are found by, e.g. <c>Event:disk-replaced</c>.</param>
/// <param name="InstanceId">Only this instance, when given.</param>
public sealed record Stimulus(string Key, Actor Actor, object? Payload = null, string? InstanceId = null)
{
    /// <summary>What triggers are started by; null: only bookmarks are resumed.</summary>
    public Occurrence? Occurrence { get; init; }

    /// <summary>Only instances with this correlation id, when given.</summary>
    public string? CorrelationId { get; init; }

    /// <summary>The stimulus of the built-in Event activity: resumes who waits for the event.</summary>
    public static Stimulus Event(string name, Actor actor, object? payload = null, string? instanceId = null) => new($"Event:{name}", actor, payload, instanceId);

    /// <summary>As <see cref="Event"/>, and starts the published definitions that begin with this event.</summary>
    /// <param name="id">The same for the same event, however often it is sent; see <see cref="Occurrence.Id"/>.</param>
    public static Stimulus Published(string id, string name, Actor actor, object? payload = null, string? correlationId = null) => Event(name, actor, payload) with
    {
        CorrelationId = correlationId,
        Occurrence = EventOccurrence(id, name, payload, correlationId),
    };

    /// <summary>A task of a RunTask activity is done.</summary>
    public static Stimulus TaskCompleted(string taskId, Actor actor, object? result) => new($"Task:{taskId}", actor, result);

    internal static Occurrence EventOccurrence(string id, string name, object? payload, string? correlationId)
    {
        var input = Values.PlainValue.From(payload) is IReadOnlyDictionary<string, object?> map ? new Dictionary<string, object?>(map, StringComparer.Ordinal) : [];
        input["payload"] = Values.PlainValue.From(payload);
        return new(id, [$"Event;eventName={name}"], input) { CorrelationId = correlationId, Reason = $"Event '{name}'" };
    }
}

/// <summary>One thing that happened once, for the triggers of published definitions.</summary>
/// <param name="Id">The same for the same thing, however often it is told of: with it a definition is started once. 1–300 characters.</param>
/// <param name="TriggerKeys">The keys of the triggers it is for; see <see cref="Activities.TriggerAttribute"/>.</param>
/// <param name="Input">Handed to each definition, as far as it declares inputs of these names, and to the trigger activity.</param>
public sealed record Occurrence(string Id, IReadOnlyCollection<string> TriggerKeys, IReadOnlyDictionary<string, object?> Input)
{
    public string? Reason { get; init; }

    public string? CorrelationId { get; init; }
}

/// <summary>What wakes whoever waits for the end of an instance. It is sent in the commit of the end; a bookmark that comes later is woken at once.</summary>
public static class WorkflowEnded
{
    private const string Prefix = "WorkflowEnded:";

    public static string KeyOf(string instanceId) => Prefix + instanceId;

    /// <summary>The instance whose end the key stands for, or null.</summary>
    public static string? InstanceOf(string? key) => key?.StartsWith(Prefix, StringComparison.Ordinal) == true ? key[Prefix.Length..] : null;
}

/// <summary>The request makes no sense for the thing as it is. <see cref="Code"/> is stable, the message is a sentence for an operator.</summary>
public class WorkflowRefusedException(string code, string message) : Exception(message)
{
    public string Code { get; } = code;
}

/// <summary>An instance as its owner sees it.</summary>
public sealed record WorkflowInstance(
    string Id,
    string DefinitionId,
    string DefinitionVersionId,
    int DefinitionVersion,
    WorkflowStatus Status,
    WorkflowSubStatus SubStatus,
    DateTimeOffset CreatedAt,
    DateTimeOffset UpdatedAt,
    DateTimeOffset? FinishedAt,
    long LastSequence,
    IReadOnlyDictionary<string, object?> Output,
    IReadOnlyList<Incident> Incidents);

/// <summary>Something that stopped an activity for good.</summary>
public sealed record Incident(string ExecutionId, string NodeId, Journal.ActivityFault Fault, DateTimeOffset At);
