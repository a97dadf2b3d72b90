using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.AutomaticFailback;
using FailbackWorkflows.Failback.MaterialCopy;

namespace FailbackWorkflows.Failback;

/// <summary>The product's part in every run: what acts on duties claims those, what copies material takes its task, what fails back by itself its attempt.</summary>
public sealed class RunHooks(DutyHooks duties, MaterialCopyHooks copies, AutomaticFailbackHooks automatic) : IWorkflowHooks
{
    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<IDomainChange>> StartingAsync(StartingWorkflow starting, CancellationToken cancellationToken) =>
        [.. await duties.StartingAsync(starting, cancellationToken), .. await copies.StartingAsync(starting, cancellationToken), .. await automatic.StartingAsync(starting, cancellationToken)];

    /// <inheritdoc/>
    public async ValueTask<object?> AcquiredAsync(AcquiredWorkflow acquired, CancellationToken cancellationToken) =>
        await duties.AcquiredAsync(acquired, cancellationToken) ?? await copies.AcquiredAsync(acquired, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<IDomainChange>> EndingAsync(EndingWorkflow ending, CancellationToken cancellationToken) =>
        [.. await duties.EndingAsync(ending, cancellationToken), .. await copies.EndingAsync(ending, cancellationToken), .. await automatic.EndingAsync(ending, cancellationToken)];
}
