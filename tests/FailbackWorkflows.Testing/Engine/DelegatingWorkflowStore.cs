using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Testing.Engine;

/// <summary>Passes everything on; derive to watch or disturb what one node does to its store.</summary>
public abstract class DelegatingWorkflowStore(IWorkflowStore inner) : IWorkflowStore
{
    protected virtual IWorkflowStore Inner => inner;

    public virtual Task CommitAsync(StepCommit step, CancellationToken cancellationToken) => Inner.CommitAsync(step, cancellationToken);

    public virtual Task<StoredInstance?> FindInstanceAsync(string instanceId, CancellationToken cancellationToken) => Inner.FindInstanceAsync(instanceId, cancellationToken);

    public virtual Task<string?> FindInstanceByStartKeyAsync(string startKey, CancellationToken cancellationToken) => Inner.FindInstanceByStartKeyAsync(startKey, cancellationToken);

    public virtual Task<IReadOnlyList<JournalEvent>> ReadJournalAsync(string instanceId, long afterSequence, int take, CancellationToken cancellationToken) =>
        Inner.ReadJournalAsync(instanceId, afterSequence, take, cancellationToken);

    public virtual Task<IReadOnlyList<string>> PostStimulusAsync(Stimulus stimulus, DateTimeOffset at, CancellationToken cancellationToken) =>
        Inner.PostStimulusAsync(stimulus, at, cancellationToken);

    public virtual Task<bool> PostAsync(string instanceId, InboxMessage message, DateTimeOffset at, CancellationToken cancellationToken) =>
        Inner.PostAsync(instanceId, message, at, cancellationToken);

    public virtual Task<IReadOnlyList<Lease>> ClaimRunnableAsync(string node, DateTimeOffset now, TimeSpan leaseDuration, int max, CancellationToken cancellationToken) =>
        Inner.ClaimRunnableAsync(node, now, leaseDuration, max, cancellationToken);

    public virtual Task<IReadOnlyList<InboxMessage>> ReadInboxAsync(string instanceId, CancellationToken cancellationToken) => Inner.ReadInboxAsync(instanceId, cancellationToken);

    public virtual Task<bool> RenewLeaseAsync(Lease lease, DateTimeOffset until, CancellationToken cancellationToken) => Inner.RenewLeaseAsync(lease, until, cancellationToken);

    public virtual Task ReleaseLeaseAsync(Lease lease, CancellationToken cancellationToken) => Inner.ReleaseLeaseAsync(lease, cancellationToken);

    public virtual Task ReleaseLeasesOfAsync(string node, CancellationToken cancellationToken) => Inner.ReleaseLeasesOfAsync(node, cancellationToken);

    public virtual Task<StoredDefinition> PublishDefinitionAsync(StoredDefinition definition, CancellationToken cancellationToken) => Inner.PublishDefinitionAsync(definition, cancellationToken);

    public virtual Task<StoredDefinition?> FindPublishedDefinitionAsync(string definitionId, CancellationToken cancellationToken) =>
        Inner.FindPublishedDefinitionAsync(definitionId, cancellationToken);

    public virtual Task<IReadOnlyDictionary<string, string>> FindPublishedVersionsAsync(IReadOnlyCollection<string> definitionIds, CancellationToken cancellationToken) =>
        Inner.FindPublishedVersionsAsync(definitionIds, cancellationToken);

    public virtual Task<IReadOnlyList<StoredTrigger>> FindTriggersAsync(IReadOnlyCollection<string> keys, CancellationToken cancellationToken) => Inner.FindTriggersAsync(keys, cancellationToken);

    public virtual Task<StoredDefinition?> FindDefinitionByContentAsync(string definitionId, string sha256, CancellationToken cancellationToken) =>
        Inner.FindDefinitionByContentAsync(definitionId, sha256, cancellationToken);

    public virtual Task<StoredDefinition?> FindDefinitionVersionAsync(string definitionVersionId, CancellationToken cancellationToken) =>
        Inner.FindDefinitionVersionAsync(definitionVersionId, cancellationToken);

    public virtual Task<IReadOnlyList<ScheduledTrigger>> ListTriggersAsync(IReadOnlyCollection<string> prefixes, CancellationToken cancellationToken) => Inner.ListTriggersAsync(prefixes, cancellationToken);

    public virtual Task<IReadOnlyList<StoredDefinition>> ListPublishedDefinitionsAsync(CancellationToken cancellationToken) => Inner.ListPublishedDefinitionsAsync(cancellationToken);

    public virtual Task<string?> FindRunningAsync(Activation activation, string exceptInstanceId, CancellationToken cancellationToken) =>
        Inner.FindRunningAsync(activation, exceptInstanceId, cancellationToken);

    public virtual Task<IReadOnlyList<StoredBookmark>> ListBookmarksAsync(string name, int take, CancellationToken cancellationToken) => Inner.ListBookmarksAsync(name, take, cancellationToken);
}
