using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Tests.Server.Fakes;

/// <summary>A workflow store with nothing in it; what tests of pages and routes do not reach fails loudly.</summary>
internal sealed class NoWorkflows : IWorkflowStore
{
    public Task CommitAsync(StepCommit commit, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<StoredInstance?> FindInstanceAsync(string instanceId, CancellationToken cancellationToken) => Task.FromResult<StoredInstance?>(null);

    public Task<string?> FindInstanceByStartKeyAsync(string startKey, CancellationToken cancellationToken) => Task.FromResult<string?>(null);

    public Task<IReadOnlyList<JournalEvent>> ReadJournalAsync(string instanceId, long afterSequence, int take, CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<JournalEvent>>([]);

    public Task<IReadOnlyList<string>> PostStimulusAsync(string key, string? instanceId, object? payload, Actor actor, DateTimeOffset at, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<bool> PostAsync(string instanceId, InboxMessage message, DateTimeOffset at, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<IReadOnlyList<Lease>> ClaimRunnableAsync(string node, DateTimeOffset now, TimeSpan leaseDuration, int max, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<IReadOnlyList<InboxMessage>> ReadInboxAsync(string instanceId, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<bool> RenewLeaseAsync(Lease lease, DateTimeOffset until, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task ReleaseLeaseAsync(Lease lease, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task ReleaseLeasesOfAsync(string node, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<StoredDefinition> PublishDefinitionAsync(StoredDefinition definition, CancellationToken cancellationToken) => Task.FromResult(definition);

    public Task<StoredDefinition?> FindPublishedDefinitionAsync(string definitionId, CancellationToken cancellationToken) => Task.FromResult<StoredDefinition?>(null);

    public Task<StoredDefinition?> FindDefinitionVersionAsync(string definitionVersionId, CancellationToken cancellationToken) => Task.FromResult<StoredDefinition?>(null);
}
