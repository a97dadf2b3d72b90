using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Failback;

/// <summary>Applies changes in one transaction outside a workflow step, e.g. when an administrator edits a server.</summary>
public interface IDomainWriter
{
    /// <summary>All or nothing; durable when it returns.</summary>
    Task ApplyAsync(IReadOnlyList<IDomainChange> changes, CancellationToken cancellationToken);
}
