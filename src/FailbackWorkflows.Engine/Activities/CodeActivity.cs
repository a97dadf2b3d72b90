using FailbackWorkflows.Engine.Values;

namespace FailbackWorkflows.Engine.Activities;

/// <summary>
/// An activity written in C#. One instance serves every execution in the process, so it keeps nothing in fields. It is executed at least
/// once: after a crash it runs again with the same inputs and the same idempotency keys.
/// </summary>
public abstract class CodeActivity
{
    /// <summary>Does the work. Throw <see cref="ActivityFaultException"/> for a foreseen failure; any other exception is a fault of kind <c>unexpected</c>.</summary>
    protected internal abstract ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken);

    /// <summary>Turns an exception into a fault; override to name the failures of a domain.</summary>
    protected internal virtual Journal.ActivityFault DescribeFault(Exception exception) => exception is ActivityFaultException fault
        ? new(fault.Kind, fault.Message, fault.IsTransient)
        : new("unexpected", $"{exception.GetType().Name}: {exception.Message}", false);
}

/// <summary>
/// An activity made of other activities, with its own variables. Its inside is a container in Elsa's JSON; inside it, Input expressions
/// mean the composite's inputs, a Complete activity ends it with outcomes, and its outputs are its variables of the same names.
/// </summary>
public abstract class Composite
{
    /// <summary>The inside: an activity object (a flowchart or sequence) in Elsa's JSON format.</summary>
    public abstract string DefinitionJson { get; }
}

/// <summary>What an activity sees of the run.</summary>
public sealed class ActivityExecutionContext
{
    private readonly IReadOnlyDictionary<string, object?> _inputs;

    internal ActivityExecutionContext(
        string instanceId,
        string executionId,
        string nodeId,
        int attempt,
        IReadOnlyDictionary<string, object?> inputs,
        object? progress,
        Stimulation? resumedBy,
        TimeProvider time,
        object? hostFacts,
        RunInfo run,
        TriggerInfo? trigger)
    {
        InstanceId = instanceId;
        ExecutionId = executionId;
        NodeId = nodeId;
        Attempt = attempt;
        _inputs = inputs;
        Progress = progress;
        ResumedBy = resumedBy;
        Time = time;
        HostFacts = hostFacts;
        Run = run;
        Trigger = trigger;
    }

    public string InstanceId { get; }

    public string ExecutionId { get; }

    public string NodeId { get; }

    /// <summary>From 1.</summary>
    public int Attempt { get; }

    /// <summary>What the activity left for itself when it suspended, or null.</summary>
    public object? Progress { get; }

    /// <summary>What woke it, when it was suspended.</summary>
    public Stimulation? ResumedBy { get; }

    public TimeProvider Time { get; }

    /// <summary>What the host's <see cref="Runtime.IWorkflowHooks.AcquiredAsync"/> returned when this node took the instance.</summary>
    public object? HostFacts { get; }

    /// <summary>Who started the instance, when and why.</summary>
    public RunInfo Run { get; }

    /// <summary>When this very execution is the trigger that started the instance: what came with the stimulus. Null otherwise, also when the run comes to the activity again.</summary>
    public TriggerInfo? Trigger { get; }

    /// <summary>The input as evaluated before the activity started. Throws when it is not set.</summary>
    public T Get<T>(Input<T> input) => GetOrDefault(input) ?? throw new ActivityFaultException("input.missing", $"The input '{input.Name}' has no value.", false);

    /// <summary>The input, or null when it is not set.</summary>
    public T? GetOrDefault<T>(Input<T>? input)
    {
        if (input is null || !_inputs.TryGetValue(input.Name, out var value))
        {
            return default;
        }

        try
        {
            return PlainValue.To<T>(value);
        }
        catch (FormatException exception)
        {
            throw new ActivityFaultException("input.invalid", $"The input '{input.Name}': {exception.Message}", false, exception);
        }
    }

    /// <summary>Whether the definition has something at a port: an activity in it, or a connection that leaves by it.</summary>
    public bool IsConnected(string port) => Node is { } node && (node.Ports.ContainsKey(port) || node.Outbound.Any(c => c.Port == port));

    /// <summary>The activity in its definition; null in a rehearsal.</summary>
    internal Definitions.ActivityNode? Node { get; init; }

    /// <summary>
    /// Idempotency key of a call of this execution: the same after a crash and in every attempt, another one after a redrive.
    /// </summary>
    public string CallKey(string callName) => $"{InstanceId}/{ExecutionId}/{callName}";
}

/// <summary>What woke an activity: a time (no key) or a stimulus.</summary>
public sealed record Stimulation(string? Key, object? Payload, Actor? Actor);

/// <summary>The stimulus that started an instance by a trigger.</summary>
public sealed record TriggerInfo(object? Payload);

/// <summary>Who started an instance, when and why, and of which version it is.</summary>
public sealed record RunInfo(string DefinitionId, string DefinitionVersionId, int DefinitionVersion, Actor StartedBy, string? Reason, DateTimeOffset StartedAt, string? CorrelationId)
{
    /// <summary>How many runs started one another before this one; 0 for a run that no activity started.</summary>
    public int Depth { get; init; }
}
