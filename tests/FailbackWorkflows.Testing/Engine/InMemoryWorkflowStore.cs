using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Testing.Engine;

/// <summary>
/// An <see cref="IWorkflowStore"/> in memory that keeps every promise of the interface but durability. It is strict where a database would
/// be lenient: a hole in the numbers of the journal is an error here.
/// </summary>
public sealed class InMemoryWorkflowStore : IWorkflowStore
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Row> _rows = new(StringComparer.Ordinal);
    private readonly Dictionary<string, List<JournalEvent>> _journals = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _startKeys = new(StringComparer.Ordinal);
    private readonly List<StoredDefinition> _definitions = [];
    private readonly List<StepCommit> _commits = [];
    private readonly List<Waiter> _waiters = [];
    private long _lastMessage;

    /// <summary>Keep the events of instances. Default: true.</summary>
    public bool KeepsJournal { get; init; } = true;

    /// <summary>Read and keep the snapshot of each commit. Default: true. Without it an instance cannot be taken up again.</summary>
    public bool KeepsSnapshots { get; init; } = true;

    /// <summary>Keep every commit for <see cref="Commits"/>. Default: true.</summary>
    public bool KeepsCommits { get; init; } = true;

    /// <summary>Drop the row of an instance that finished or was cancelled; its journal stays if journals are kept. Default: false.</summary>
    public bool ForgetsEnded { get; init; }

    /// <summary>
    /// Makes the host's changes of a commit, all or none; throws to refuse them, and then nothing of the commit is written. Without it a commit
    /// with changes is an error.
    /// </summary>
    public Action<StepCommit>? ApplyChanges { get; init; }

    /// <summary>Told the id of each instance that finished, was cancelled or faulted.</summary>
    public Action<string>? Ended { get; set; }

    /// <summary>Step transactions so far.</summary>
    public long CommitCount { get; private set; }

    /// <summary>All other transactions that wrote something: posts, claims, renewals, releases.</summary>
    public long OtherTransactionCount { get; private set; }

    /// <summary>What was committed, in order.</summary>
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

    /// <summary>The whole journal of an instance.</summary>
    public IReadOnlyList<JournalEvent> Journal(string instanceId)
    {
        lock (_lock)
        {
            return [.. _journals[instanceId]];
        }
    }

    /// <summary>Bookmarks of an instance.</summary>
    public IReadOnlyList<StoredBookmark> Bookmarks(string instanceId)
    {
        lock (_lock)
        {
            return [.. _rows[instanceId].Bookmarks];
        }
    }

    /// <summary>Who holds an instance, or null.</summary>
    public string? OwnerOf(string instanceId)
    {
        lock (_lock)
        {
            return _rows[instanceId].Owner;
        }
    }

    /// <summary>Completes once the instance is as asked and, unless <paramref name="held"/>, no node holds it. Fails after 30 seconds of real time.</summary>
    public Task<StoredInstance> WaitForAsync(string instanceId, Func<StoredInstance, bool> condition, bool held = false)
    {
        lock (_lock)
        {
            var waiter = new Waiter(instanceId, condition, held);
            if (!waiter.TryComplete(_rows.GetValueOrDefault(instanceId)))
            {
                _waiters.Add(waiter);
            }

            return waiter.Task.WaitAsync(TimeSpan.FromSeconds(30));
        }
    }

    public Task CommitAsync(StepCommit commit, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            var row = commit.IsStart ? NewRow(commit) : HeldRow(commit.Lease);
            var expected = row.Instance?.LastSequence ?? 0;
            if (KeepsJournal)
            {
                foreach (var item in commit.Events)
                {
                    if (item.Sequence != ++expected)
                    {
                        throw new InvalidOperationException($"Event {item.Sequence} of instance {commit.Instance.Id} is written where {expected} was due.");
                    }
                }

                if (commit.Instance.LastSequence != expected)
                {
                    throw new InvalidOperationException($"Instance {commit.Instance.Id} says its last event is {commit.Instance.LastSequence}, but it is {expected}.");
                }
            }

            if (commit.Activation is { } activation && FindRunning(activation, row.Id) is { } running)
            {
                throw new AlreadyRunningException(running);
            }

            if (commit.Changes.Count > 0)
            {
                (ApplyChanges ?? throw new InvalidOperationException("The store has nobody who understands domain changes."))(commit);
            }

            Write(row, commit);
            CommitCount++;
            Tell(row);
            return Task.CompletedTask;
        }
    }

    public Task<StoredInstance?> FindInstanceAsync(string instanceId, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult(_rows.GetValueOrDefault(instanceId)?.Instance);
        }
    }

    public Task<string?> FindInstanceByStartKeyAsync(string startKey, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult(_startKeys.GetValueOrDefault(startKey));
        }
    }

    public Task<IReadOnlyList<JournalEvent>> ReadJournalAsync(string instanceId, long afterSequence, int take, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            IReadOnlyList<JournalEvent> events = _journals.TryGetValue(instanceId, out var journal)
                ? [.. journal.Where(e => e.Sequence > afterSequence).Take(take)]
                : [];
            return Task.FromResult(events);
        }
    }

    public Task<IReadOnlyList<string>> PostStimulusAsync(Stimulus stimulus, DateTimeOffset at, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            var reached = PostToWaiting(stimulus);
            OtherTransactionCount += reached.Count > 0 ? 1 : 0;
            return Task.FromResult(reached);
        }
    }

    public Task<bool> PostAsync(string instanceId, InboxMessage message, DateTimeOffset at, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (!_rows.TryGetValue(instanceId, out var row))
            {
                return Task.FromResult(false);
            }

            Post(row, message);
            OtherTransactionCount++;
            return Task.FromResult(true);
        }
    }

    public Task<IReadOnlyList<Lease>> ClaimRunnableAsync(string node, DateTimeOffset now, TimeSpan leaseDuration, int max, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            var leases = new List<Lease>();
            foreach (var row in _rows.Values.Where(r => r.Owner is null ? r.IsRunnable || r.DueAt <= now : r.Until <= now).Take(max))
            {
                row.Owner = node;
                row.Fence++;
                row.Until = now + leaseDuration;
                row.IsRunnable = false;
                leases.Add(new(row.Id, node, row.Fence, row.Until, row.WakeUps));
            }

            OtherTransactionCount += leases.Count > 0 ? 1 : 0;
            return Task.FromResult<IReadOnlyList<Lease>>(leases);
        }
    }

    public Task<IReadOnlyList<InboxMessage>> ReadInboxAsync(string instanceId, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult<IReadOnlyList<InboxMessage>>(_rows.TryGetValue(instanceId, out var row) && row.Inbox.Count > 0 ? [.. row.Inbox] : []);
        }
    }

    public Task<bool> RenewLeaseAsync(Lease lease, DateTimeOffset until, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (!_rows.TryGetValue(lease.InstanceId, out var row) || !row.IsHeldBy(lease))
            {
                return Task.FromResult(false);
            }

            row.Until = until;
            OtherTransactionCount++;
            return Task.FromResult(true);
        }
    }

    public Task ReleaseLeaseAsync(Lease lease, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_rows.TryGetValue(lease.InstanceId, out var row) && row.IsHeldBy(lease))
            {
                GiveBack(row);
                OtherTransactionCount++;
            }

            return Task.CompletedTask;
        }
    }

    public Task ReleaseLeasesOfAsync(string node, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            foreach (var row in _rows.Values.Where(r => r.Owner == node))
            {
                GiveBack(row);
            }

            OtherTransactionCount++;
            return Task.CompletedTask;
        }
    }

    public Task<StoredDefinition> PublishDefinitionAsync(StoredDefinition definition, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            var current = Published(definition.DefinitionId);
            if (current?.Sha256 == definition.Sha256)
            {
                return Task.FromResult(current);
            }

            var version = Math.Max(definition.Version, (current?.Version ?? 0) + 1);
            var numbered = definition with { Id = $"{definition.DefinitionId}:{version}", Version = version };
            if (definition.IsKeptBack)
            {
                // The last one of a definition is the published one.
                _definitions.Insert(0, numbered);
            }
            else
            {
                _definitions.Add(numbered);
            }

            OtherTransactionCount++;
            return Task.FromResult(numbered);
        }
    }

    public Task<StoredDefinition?> FindPublishedDefinitionAsync(string definitionId, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult(Published(definitionId));
        }
    }

    public Task<IReadOnlyDictionary<string, string>> FindPublishedVersionsAsync(IReadOnlyCollection<string> definitionIds, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult<IReadOnlyDictionary<string, string>>(definitionIds.Distinct().Select(Published).OfType<StoredDefinition>().ToDictionary(d => d.DefinitionId, d => d.Id));
        }
    }

    public Task<IReadOnlyList<StoredTrigger>> FindTriggersAsync(IReadOnlyCollection<string> keys, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult<IReadOnlyList<StoredTrigger>>(
            [
                .. from id in _definitions.Select(d => d.DefinitionId).Distinct().Order(StringComparer.Ordinal)
                   from trigger in Published(id)!.Triggers
                   where keys.Contains(trigger.Key)
                   orderby id, trigger.NodeId
                   select new StoredTrigger(id, trigger.NodeId, trigger.Key),
            ]);
        }
    }

    public Task<StoredDefinition?> FindDefinitionByContentAsync(string definitionId, string sha256, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult(_definitions.Find(d => d.DefinitionId == definitionId && d.Sha256 == sha256));
        }
    }

    public Task<IReadOnlyList<ScheduledTrigger>> ListTriggersAsync(IReadOnlyCollection<string> prefixes, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult<IReadOnlyList<ScheduledTrigger>>(
            [
                .. from id in _definitions.Select(d => d.DefinitionId).Distinct().Order(StringComparer.Ordinal)
                   let published = Published(id)!
                   from trigger in published.Triggers
                   where prefixes.Any(p => trigger.Key.StartsWith(p, StringComparison.Ordinal))
                   orderby id, trigger.NodeId
                   select new ScheduledTrigger(id, trigger.NodeId, trigger.Key, published.PublishedAt),
            ]);
        }
    }

    public Task<IReadOnlyList<StoredDefinition>> ListPublishedDefinitionsAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult<IReadOnlyList<StoredDefinition>>(
                [.. _definitions.Select(d => d.DefinitionId).Distinct().Order(StringComparer.Ordinal).Select(id => Published(id)!)]);
        }
    }

    public Task<string?> FindRunningAsync(Activation activation, string exceptInstanceId, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult(FindRunning(activation, exceptInstanceId));
        }
    }

    public Task<IReadOnlyList<StoredBookmark>> ListBookmarksAsync(string name, int take, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult<IReadOnlyList<StoredBookmark>>(
                [.. _rows.Values.SelectMany(r => r.Bookmarks).Where(b => b.Name == name).OrderBy(b => b.CreatedAt).ThenBy(b => b.InstanceId, StringComparer.Ordinal).Take(take)]);
        }
    }

    public Task<StoredDefinition?> FindDefinitionVersionAsync(string definitionVersionId, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult(_definitions.Find(d => d.Id == definitionVersionId));
        }
    }

    private StoredDefinition? Published(string definitionId)
    {
        for (var i = _definitions.Count - 1; i >= 0; i--)
        {
            if (_definitions[i].DefinitionId == definitionId)
            {
                return _definitions[i];
            }
        }

        return null;
    }

    private string? FindRunning(Activation activation, string exceptInstanceId) => _rows.Values
        .FirstOrDefault(r => r.Id != exceptInstanceId
            && r.Instance is { Status: WorkflowStatus.Running } instance
            && (activation.Strategy == ActivationStrategy.Correlation || instance.DefinitionId == activation.DefinitionId)
            && (activation.Strategy == ActivationStrategy.Singleton || instance.CorrelationId == activation.CorrelationId))
        ?.Id;

    private Row NewRow(StepCommit commit)
    {
        var instance = commit.Instance;
        if (instance.StartKey is { } startKey && _startKeys.TryGetValue(startKey, out var known))
        {
            throw new StartKeyTakenException(startKey, known);
        }

        return _rows.ContainsKey(instance.Id)
            ? throw new InvalidOperationException($"There is an instance {instance.Id} already.")
            : new Row(instance.Id) { Owner = commit.Lease.Node, Fence = commit.Lease.Fence };
    }

    private Row HeldRow(Lease lease) => _rows.TryGetValue(lease.InstanceId, out var row) && row.IsHeldBy(lease) ? row : throw new LeaseLostException(lease.InstanceId);

    private void Write(Row row, StepCommit commit)
    {
        if (KeepsSnapshots)
        {
            // Reading it makes the text now, while the state is what this commit says it is.
            _ = commit.Instance.Snapshot;
        }

        // Whoever keeps no journal keeps no chain of it.
        row.Instance = KeepsJournal ? commit.Instance with { ChainHead = commit.ChainHead } : commit.Instance;
        row.Bookmarks = commit.Bookmarks is null ? row.Bookmarks : [.. commit.Bookmarks];
        row.Until = commit.LeaseUntil;
        if (KeepsJournal)
        {
            if (commit.IsStart)
            {
                _journals.Add(row.Id, []);
            }

            _journals[row.Id].AddRange(commit.Events);
        }

        if (commit.ConsumedInbox.Count > 0)
        {
            row.Inbox.RemoveAll(m => commit.ConsumedInbox.Contains(m.Id));
        }

        if (commit.IsStart)
        {
            _rows.Add(row.Id, row);
            if (commit.Instance.StartKey is { } startKey)
            {
                _startKeys.Add(startKey, row.Id);
            }
        }

        if (commit.Releases)
        {
            row.Owner = null;
            row.DueAt = commit.DueAt;
            row.IsRunnable = row.WakeUps > commit.Lease.Seen;
        }

        foreach (var stimulus in commit.Stimuli)
        {
            PostToWaiting(stimulus);
        }

        foreach (var child in commit.Cancels)
        {
            if (_rows.TryGetValue(child, out var other))
            {
                Post(other, new InboxMessage(0, InboxMessageKind.Cancel, null, null, Actor.System, "What had started it was cancelled."));
            }
        }

        foreach (var bookmark in commit.Bookmarks ?? [])
        {
            if (WorkflowEnded.InstanceOf(bookmark.Key) is { } awaited && _rows.GetValueOrDefault(awaited)?.Instance?.Status == WorkflowStatus.Finished)
            {
                Post(row, new InboxMessage(0, InboxMessageKind.Stimulus, bookmark.Key, null, Actor.System, null));
            }
        }

        if (KeepsCommits)
        {
            _commits.Add(commit);
        }
    }

    private IReadOnlyList<string> PostToWaiting(Stimulus stimulus)
    {
        var reached = _rows.Values
            .Where(r => (stimulus.InstanceId is null || r.Id == stimulus.InstanceId)
                && (stimulus.CorrelationId is null || r.Instance?.CorrelationId == stimulus.CorrelationId)
                && r.Bookmarks.Exists(b => b.Key == stimulus.Key))
            .ToList();
        foreach (var row in reached)
        {
            Post(row, new InboxMessage(0, InboxMessageKind.Stimulus, stimulus.Key, stimulus.Payload, stimulus.Actor, null));
        }

        return [.. reached.Select(r => r.Id)];
    }

    private void Post(Row row, InboxMessage message)
    {
        row.Inbox.Add(message with { Id = ++_lastMessage });
        row.WakeUps++;
        row.IsRunnable = row.Owner is null;
    }

    private void GiveBack(Row row)
    {
        row.Owner = null;
        row.IsRunnable = true;
        Tell(row);
    }

    private void Tell(Row row)
    {
        _waiters.RemoveAll(w => w.TryComplete(row));
        if (row.Owner is null && row.Instance!.Status == WorkflowStatus.Finished)
        {
            if (ForgetsEnded && row.Instance.SubStatus != WorkflowSubStatus.Faulted)
            {
                _rows.Remove(row.Id);
            }

            Ended?.Invoke(row.Id);
        }
    }

    private sealed class Row(string id)
    {
        public string Id => id;

        public StoredInstance? Instance { get; set; }

        public List<StoredBookmark> Bookmarks { get; set; } = [];

        public List<InboxMessage> Inbox { get; } = [];

        public string? Owner { get; set; }

        public long Fence { get; set; }

        public DateTimeOffset Until { get; set; }

        public DateTimeOffset? DueAt { get; set; }

        public bool IsRunnable { get; set; }

        public long WakeUps { get; set; }

        public bool IsHeldBy(Lease lease) => Owner == lease.Node && Fence == lease.Fence;
    }

    private sealed class Waiter(string instanceId, Func<StoredInstance, bool> condition, bool held)
    {
        private readonly TaskCompletionSource<StoredInstance> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<StoredInstance> Task => _done.Task;

        public bool TryComplete(Row? row) =>
            row?.Instance is { } instance && row.Id == instanceId && (held || (row.Owner is null && !row.IsRunnable)) && condition(instance) && _done.TrySetResult(instance);
    }
}
