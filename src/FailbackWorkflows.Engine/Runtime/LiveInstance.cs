using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Interpretation;
using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Engine.Runtime;

/// <summary>An instance in the hands of this node.</summary>
internal sealed class LiveInstance(WorkflowDefinition definition, InstanceState state, StoredInstance stored)
{
    private int _isSignalled = 1;
    private IReadOnlyList<StoredBookmark> _storedBookmarks = BookmarksOf(stored.Id, state);

    public WorkflowDefinition Definition { get; } = definition;

    public InstanceState State { get; private set; } = state;

    public StoredInstance Stored { get; private set; } = stored;

    public Interpreter Interpreter { get; } = new(definition, stored.Id);

    /// <summary>Says that the inbox may have something.</summary>
    public void Signal() => Volatile.Write(ref _isSignalled, 1);

    /// <summary>Goes back to the instance as stored. The object stays the same, because whoever posts a message signals it.</summary>
    public void Reset(StoredInstance stored)
    {
        Stored = stored;
        State = InstanceState.FromJson(stored.Snapshot);
        _storedBookmarks = Bookmarks();
        Signal();
    }

    public bool TakeSignal() => Interlocked.Exchange(ref _isSignalled, 0) == 1;

    /// <summary>The row as it is after the state changed.</summary>
    public StoredInstance Row(DateTimeOffset at) => Stored with
    {
        Name = State.Name ?? Stored.Name,
        CorrelationId = State.CorrelationId ?? Stored.CorrelationId,
        Status = State.HasEnded ? WorkflowStatus.Finished : WorkflowStatus.Running,
        SubStatus = State.SubStatus,
        IncidentCount = State.Incidents.Count,
        UpdatedAt = at,
        FinishedAt = State.HasEnded ? at : null,
        LastSequence = State.Sequence,
        SnapshotSource = State.ToJson,
    };

    public IReadOnlyList<StoredBookmark> Bookmarks() => BookmarksOf(Stored.Id, State);

    /// <summary>What a commit says of the bookmarks: all there are, or null when they are those of the commit before, as in most steps.</summary>
    public IReadOnlyList<StoredBookmark>? Changed(IReadOnlyList<StoredBookmark> bookmarks) => bookmarks.SequenceEqual(_storedBookmarks) ? null : bookmarks;

    /// <summary>This step was written. The head of the chain stays in memory with the instance: who has the lease is the only one who writes to it.</summary>
    public void Committed(StepCommit commit, StoredInstance row)
    {
        Stored = row with { ChainHead = commit.StoredChainHead, SnapshotSource = row.SnapshotSource };
        _storedBookmarks = commit.Bookmarks ?? _storedBookmarks;
    }

    public DateTimeOffset? NextDueAt()
    {
        DateTimeOffset? next = null;
        if (!State.HasEnded)
        {
            foreach (var execution in State.Executions)
            {
                foreach (var bookmark in execution.Bookmarks)
                {
                    next = bookmark.DueAt is { } dueAt && !(dueAt >= next) ? dueAt : next;
                }
            }
        }

        return next;
    }

    private static IReadOnlyList<StoredBookmark> BookmarksOf(string instanceId, InstanceState state)
    {
        List<StoredBookmark>? stored = null;
        foreach (var execution in state.Executions)
        {
            foreach (var bookmark in execution.Bookmarks)
            {
                (stored ??= []).Add(new(bookmark.Id, instanceId, execution.NodeId, bookmark.Name, bookmark.Key, bookmark.DueAt, bookmark.CreatedAt));
            }
        }

        return stored is null ? [] : stored;
    }
}
