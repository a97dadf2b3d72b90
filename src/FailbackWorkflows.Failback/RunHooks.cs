using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.AutomaticFailback;
using FailbackWorkflows.Failback.AutomaticFailover;
using FailbackWorkflows.Failback.MaterialCopy;

namespace FailbackWorkflows.Failback;

/// <summary>The product's part in every run: what acts on duties claims those, what copies material takes its task, what happens by itself its attempt.</summary>
public sealed class RunHooks(DutyHooks duties, MaterialCopyHooks copies, AutomaticFailbackHooks failbacks, AutomaticFailoverHooks failovers) : IWorkflowHooks
{
    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<IDomainChange>> StartingAsync(StartingWorkflow starting, CancellationToken cancellationToken) =>
        [
            .. await duties.StartingAsync(starting, cancellationToken),
            .. await copies.StartingAsync(starting, cancellationToken),
            .. await failbacks.StartingAsync(starting, cancellationToken),
            .. await failovers.StartingAsync(starting, cancellationToken),
        ];

    /// <inheritdoc/>
    public async ValueTask<object?> AcquiredAsync(AcquiredWorkflow acquired, CancellationToken cancellationToken) =>
        await duties.AcquiredAsync(acquired, cancellationToken) ?? await copies.AcquiredAsync(acquired, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<IDomainChange>> EndingAsync(EndingWorkflow ending, CancellationToken cancellationToken) =>
        [
            .. await duties.EndingAsync(ending, cancellationToken),
            .. await copies.EndingAsync(ending, cancellationToken),
            .. await failbacks.EndingAsync(ending, cancellationToken),
            .. await failovers.EndingAsync(ending, cancellationToken),
        ];

    /// <inheritdoc/>
    public ValueTask RedrivingAsync(RedrivingWorkflow redriving, CancellationToken cancellationToken) => duties.RedrivingAsync(redriving, cancellationToken);
}
