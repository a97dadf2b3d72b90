using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Testing.Engine;

/// <summary>When a <see cref="CrashingWorkflowStore"/> dies.</summary>
public enum CrashMoment
{
    /// <summary>Nothing of the commit is written.</summary>
    BeforeCommit,

    /// <summary>The commit is written, but the node never learns of it.</summary>
    AfterCommit,
}

/// <summary>
/// One node's way to a store, cut off for good at a chosen commit as if the process had been killed there. Other nodes use the store behind it.
/// </summary>
/// <param name="commit">Which commit of this node, from 1.</param>
public sealed class CrashingWorkflowStore(IWorkflowStore store, CrashMoment moment, int commit) : IWorkflowStore
{
    private readonly TaskCompletionSource _died = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _commits;
    private volatile bool _isDead;

    /// <summary>Completes when the node is dead.</summary>
    public Task Died => _died.Task;

    public async Task CommitAsync(StepCommit step, CancellationToken cancellationToken)
    {
        ThrowIfDead();
        var isLast = Interlocked.Increment(ref _commits) == commit;
        if (isLast && moment == CrashMoment.BeforeCommit)
        {
            Die();
        }

        await store.CommitAsync(step, cancellationToken);
        if (isLast)
        {
            Die();
        }
    }

    public Task<StoredInstance?> FindInstanceAsync(string instanceId, CancellationToken cancellationToken) => Alive().FindInstanceAsync(instanceId, cancellationToken);

    public Task<string?> FindInstanceByStartKeyAsync(string startKey, CancellationToken cancellationToken) => Alive().FindInstanceByStartKeyAsync(startKey, cancellationToken);

    public Task<IReadOnlyList<JournalEvent>> ReadJournalAsync(string instanceId, long afterSequence, int take, CancellationToken cancellationToken) =>
        Alive().ReadJournalAsync(instanceId, afterSequence, take, cancellationToken);

    public Task<IReadOnlyList<string>> PostStimulusAsync(string key, string? instanceId, object? payload, Actor actor, DateTimeOffset at, CancellationToken cancellationToken) =>
        Alive().PostStimulusAsync(key, instanceId, payload, actor, at, cancellationToken);

    public Task<bool> PostAsync(string instanceId, InboxMessage message, DateTimeOffset at, CancellationToken cancellationToken) =>
        Alive().PostAsync(instanceId, message, at, cancellationToken);

    public Task<IReadOnlyList<Lease>> ClaimRunnableAsync(string node, DateTimeOffset now, TimeSpan leaseDuration, int max, CancellationToken cancellationToken) =>
        Alive().ClaimRunnableAsync(node, now, leaseDuration, max, cancellationToken);

    public Task<IReadOnlyList<InboxMessage>> ReadInboxAsync(string instanceId, CancellationToken cancellationToken) => Alive().ReadInboxAsync(instanceId, cancellationToken);

    public Task<bool> RenewLeaseAsync(Lease lease, DateTimeOffset until, CancellationToken cancellationToken) => Alive().RenewLeaseAsync(lease, until, cancellationToken);

    public Task ReleaseLeaseAsync(Lease lease, CancellationToken cancellationToken) => Alive().ReleaseLeaseAsync(lease, cancellationToken);

    public Task ReleaseLeasesOfAsync(string node, CancellationToken cancellationToken) => Alive().ReleaseLeasesOfAsync(node, cancellationToken);

    public Task<StoredDefinition> PublishDefinitionAsync(StoredDefinition definition, CancellationToken cancellationToken) => Alive().PublishDefinitionAsync(definition, cancellationToken);

    public Task<StoredDefinition?> FindPublishedDefinitionAsync(string definitionId, CancellationToken cancellationToken) =>
        Alive().FindPublishedDefinitionAsync(definitionId, cancellationToken);

    public Task<StoredDefinition?> FindDefinitionVersionAsync(string definitionVersionId, CancellationToken cancellationToken) =>
        Alive().FindDefinitionVersionAsync(definitionVersionId, cancellationToken);

    private IWorkflowStore Alive()
    {
        ThrowIfDead();
        return store;
    }

    private void ThrowIfDead()
    {
        if (_isDead)
        {
            throw new NodeDiedException();
        }
    }

    private void Die()
    {
        _isDead = true;
        _died.TrySetResult();
        throw new NodeDiedException();
    }
}

/// <summary>The process would not have lived to see this.</summary>
public sealed class NodeDiedException() : Exception("The node died.");
