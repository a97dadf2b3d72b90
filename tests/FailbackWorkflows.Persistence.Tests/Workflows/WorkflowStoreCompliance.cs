using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Testing.Persistence;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Workflows;

/// <summary>What every <see cref="IWorkflowStore"/> must do, whatever the database. A product derives once and says how to build a clean one.</summary>
public abstract partial class WorkflowStoreCompliance : IAsyncLifetime
{
    private protected static readonly CancellationToken None = CancellationToken.None;
    private protected static readonly DateTimeOffset T0 = Steps.Start;

    private protected TestDatabase Database { get; private set; } = null!;

    private protected IWorkflowStore Store => Database.Get<IWorkflowStore>();

    /// <summary>A migrated database with nothing in it.</summary>
    protected abstract Task<TestDatabase> BuildCleanDatabaseAsync();

    public async Task InitializeAsync() => Database = await BuildCleanDatabaseAsync();

    public async Task DisposeAsync() => await Database.DisposeAsync();

    private Task<Duty?> FindDutyAsync(string identity) => Database.Get<IDuties>().FindAsync(identity, None);

    private async Task<StoredInstance> InstanceAsync(string id) => (await Store.FindInstanceAsync(id, None)).ShouldNotBeNull();

    /// <summary>Starts an instance and answers with the lease its starter has.</summary>
    private protected async Task<Lease> StartAsync(string id, string node = "node-1", IReadOnlyList<StoredBookmark>? bookmarks = null)
    {
        var start = Steps.Starting(id, node, bookmarks: bookmarks);
        await Store.CommitAsync(start, None);
        return start.Lease;
    }

    /// <summary>Starts an instance that waits from then on; nobody has a lease on it.</summary>
    private async Task WaitingAsync(string id, string? key = null, DateTimeOffset? dueAt = null)
    {
        var lease = await StartAsync(id);
        await StepAsync(lease, WorkflowSubStatus.Suspended, dueAt: dueAt, bookmarks: [Steps.Bookmark(id, "b1", key, dueAt)]);
    }

    private async Task FinishedAsync(string id, WorkflowSubStatus subStatus = WorkflowSubStatus.Finished) => await StepAsync(await StartAsync(id), subStatus, bookmarks: []);

    private async Task StepAsync(
        Lease lease,
        WorkflowSubStatus subStatus = WorkflowSubStatus.Executing,
        DateTimeOffset? at = null,
        DateTimeOffset? dueAt = null,
        IReadOnlyList<StoredBookmark>? bookmarks = null,
        IReadOnlyList<long>? consumed = null,
        params IReadOnlyList<IDomainChange> changes) =>
        await Store.CommitAsync(
            Steps.Next(lease, await InstanceAsync(lease.InstanceId), subStatus, at: at, dueAt: dueAt, bookmarks: bookmarks, consumed: consumed, changes: changes), None);

    private protected Task<IReadOnlyList<Lease>> ClaimAsync(string node = "node-1", DateTimeOffset? now = null, int max = 100) =>
        Store.ClaimRunnableAsync(node, now ?? T0, Steps.LeaseTime, max, None);

    private protected async Task<Lease> ClaimOneAsync(string node = "node-1", DateTimeOffset? now = null) => (await ClaimAsync(node, now)).ShouldHaveSingleItem();
}
