using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Testing.Failback;

/// <summary>
/// A real store that remembers its commits and tells when an instance has ended. When an instance waits for a time, the fake clock is moved
/// there at once: nobody sleeps, and what a run waits for in all is seen on the clock.
/// </summary>
public sealed class ObservedWorkflowStore(IWorkflowStore store, FakeTimeProvider? time) : IWorkflowStore
{
    private readonly Lock _lock = new();
    private readonly List<StepCommit> _commits = [];
    private readonly Dictionary<string, long> _ended = new(StringComparer.Ordinal);
    private readonly List<(string InstanceId, long After, TaskCompletionSource Done)> _waiting = [];

    /// <summary>Moves the clock to when a suspended instance is due. Default: true.</summary>
    public bool MovesClock { get; set; } = true;

    /// <summary>Called when an instance waits for a time, with that time, after the clock was moved.</summary>
    public Func<DateTimeOffset, Task>? Waiting { get; set; }

    /// <summary>Called after each commit is durable and before the node learns of it.</summary>
    public Func<StepCommit, Task>? Committed { get; set; }

    /// <summary>All commits so far.</summary>
    public IReadOnlyList<StepCommit> Commits
    {
        get
        {
            lock (_lock)
            {
                return [.. _commits];
            }
        }
    }

    /// <summary>Completes when the instance has ended by an event later than <paramref name="afterSequence"/>.</summary>
    public Task EndedAsync(string instanceId, long afterSequence = 0)
    {
        lock (_lock)
        {
            if (_ended.GetValueOrDefault(instanceId) > afterSequence)
            {
                return Task.CompletedTask;
            }

            var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Add((instanceId, afterSequence, done));
            return done.Task;
        }
    }

    public async Task CommitAsync(StepCommit commit, CancellationToken cancellationToken)
    {
        await store.CommitAsync(commit, cancellationToken);
        lock (_lock)
        {
            _commits.Add(commit);
        }

        if (Committed is { } committed)
        {
            await committed(commit);
        }

        if (commit.Releases && commit.Instance.Status == WorkflowStatus.Running && commit.DueAt is { } due)
        {
            if (time is not null && MovesClock && due > time.GetUtcNow())
            {
                time.Advance(due - time.GetUtcNow());
            }

            if (Waiting is { } waiting)
            {
                await waiting(due);
            }
        }

        if (commit.Releases && commit.Instance.Status == WorkflowStatus.Finished)
        {
            End(commit.Instance);
        }
    }

    public Task<StoredInstance?> FindInstanceAsync(string instanceId, CancellationToken cancellationToken) => store.FindInstanceAsync(instanceId, cancellationToken);

    public Task<string?> FindInstanceByStartKeyAsync(string startKey, CancellationToken cancellationToken) => store.FindInstanceByStartKeyAsync(startKey, cancellationToken);

    public Task<IReadOnlyList<JournalEvent>> ReadJournalAsync(string instanceId, long afterSequence, int take, CancellationToken cancellationToken) =>
        store.ReadJournalAsync(instanceId, afterSequence, take, cancellationToken);

    public Task<IReadOnlyList<string>> PostStimulusAsync(string key, string? instanceId, object? payload, Actor actor, DateTimeOffset at, CancellationToken cancellationToken) =>
        store.PostStimulusAsync(key, instanceId, payload, actor, at, cancellationToken);

    public Task<bool> PostAsync(string instanceId, InboxMessage message, DateTimeOffset at, CancellationToken cancellationToken) => store.PostAsync(instanceId, message, at, cancellationToken);

    public Task<IReadOnlyList<Lease>> ClaimRunnableAsync(string node, DateTimeOffset now, TimeSpan leaseDuration, int max, CancellationToken cancellationToken) =>
        store.ClaimRunnableAsync(node, now, leaseDuration, max, cancellationToken);

    public Task<IReadOnlyList<InboxMessage>> ReadInboxAsync(string instanceId, CancellationToken cancellationToken) => store.ReadInboxAsync(instanceId, cancellationToken);

    public Task<bool> RenewLeaseAsync(Lease lease, DateTimeOffset until, CancellationToken cancellationToken) => store.RenewLeaseAsync(lease, until, cancellationToken);

    public Task ReleaseLeaseAsync(Lease lease, CancellationToken cancellationToken) => store.ReleaseLeaseAsync(lease, cancellationToken);

    public Task ReleaseLeasesOfAsync(string node, CancellationToken cancellationToken) => store.ReleaseLeasesOfAsync(node, cancellationToken);

    public Task<StoredDefinition> PublishDefinitionAsync(StoredDefinition definition, CancellationToken cancellationToken) => store.PublishDefinitionAsync(definition, cancellationToken);

    public Task<StoredDefinition?> FindPublishedDefinitionAsync(string definitionId, CancellationToken cancellationToken) => store.FindPublishedDefinitionAsync(definitionId, cancellationToken);

    public Task<StoredDefinition?> FindDefinitionVersionAsync(string definitionVersionId, CancellationToken cancellationToken) => store.FindDefinitionVersionAsync(definitionVersionId, cancellationToken);

    private void End(StoredInstance instance)
    {
        lock (_lock)
        {
            _ended[instance.Id] = instance.LastSequence;
            foreach (var waiting in _waiting.Where(w => w.InstanceId == instance.Id && w.After < instance.LastSequence).ToList())
            {
                _waiting.Remove(waiting);
                waiting.Done.SetResult();
            }
        }
    }
}
