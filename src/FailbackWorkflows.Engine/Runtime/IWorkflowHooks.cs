using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Engine.Runtime;

/// <summary>Where the host takes part in every instance, whatever started it. Changes returned are written in the transaction of the start or of the end.</summary>
public interface IWorkflowHooks
{
    /// <summary>Before an instance is created. Throw <see cref="WorkflowRefusedException"/> to refuse.</summary>
    ValueTask<IReadOnlyList<IDomainChange>> StartingAsync(StartingWorkflow starting, CancellationToken cancellationToken);

    /// <summary>
    /// Each time a node takes an instance up (after the start, after a restart, after another node died), before its first activity runs; not
    /// when none does. What is returned is handed to the activities as <see cref="Activities.ActivityExecutionContext.HostFacts"/>.
    /// Throw <see cref="WorkflowNotNowException"/> to leave the instance where it is for a while. What it writes, it writes together with a
    /// <see cref="RequireLease"/>: until then another node may have taken the instance up, and what that one wrote is newer.
    /// </summary>
    ValueTask<object?> AcquiredAsync(AcquiredWorkflow acquired, CancellationToken cancellationToken);

    /// <summary>When an instance finishes, is cancelled or faults; called before the commit that makes it so.</summary>
    ValueTask<IReadOnlyList<IDomainChange>> EndingAsync(EndingWorkflow ending, CancellationToken cancellationToken);

    /// <summary>Before a redrive of a faulted instance is accepted. Throw <see cref="WorkflowRefusedException"/> to refuse. Whatever held when it was asked may have changed when the instance goes on.</summary>
    ValueTask RedrivingAsync(RedrivingWorkflow redriving, CancellationToken cancellationToken) => ValueTask.CompletedTask;
}

/// <summary>
/// The host lets no activity of the instance run before a time, or before something is put into its inbox. It stays as it is, and its hooks are asked again then.
/// </summary>
public sealed class WorkflowNotNowException(string reason, DateTimeOffset until) : Exception(reason)
{
    /// <summary>When it is taken up again.</summary>
    public DateTimeOffset Until { get; } = until;
}

/// <summary>An instance about to be created.</summary>
public sealed record StartingWorkflow(WorkflowDefinition Definition, string InstanceId, IReadOnlyDictionary<string, object?> Input, Actor Actor, DateTimeOffset At);

/// <summary>An instance taken up by this node.</summary>
/// <param name="Lease">By which it has it. It may be lost meanwhile.</param>
public sealed record AcquiredWorkflow(WorkflowDefinition Definition, Lease Lease, IReadOnlyDictionary<string, object?> Input)
{
    public string InstanceId => Lease.InstanceId;
}

/// <summary>An instance about to end.</summary>
/// <param name="Cancellation">What a request to cancel would have done at the end: how far the run had come.</param>
public sealed record EndingWorkflow(
    WorkflowDefinition Definition,
    string InstanceId,
    WorkflowSubStatus SubStatus,
    CancellationMode Cancellation,
    IReadOnlyDictionary<string, object?> Output,
    DateTimeOffset At);

/// <summary>A faulted instance that somebody wants to go on.</summary>
public sealed record RedrivingWorkflow(WorkflowDefinition Definition, string InstanceId);

/// <summary>A host without a part in its instances.</summary>
public sealed class NoWorkflowHooks : IWorkflowHooks
{
    public ValueTask<IReadOnlyList<IDomainChange>> StartingAsync(StartingWorkflow starting, CancellationToken cancellationToken) => ValueTask.FromResult<IReadOnlyList<IDomainChange>>([]);

    public ValueTask<object?> AcquiredAsync(AcquiredWorkflow acquired, CancellationToken cancellationToken) => ValueTask.FromResult<object?>(null);

    public ValueTask<IReadOnlyList<IDomainChange>> EndingAsync(EndingWorkflow ending, CancellationToken cancellationToken) => ValueTask.FromResult<IReadOnlyList<IDomainChange>>([]);
}
