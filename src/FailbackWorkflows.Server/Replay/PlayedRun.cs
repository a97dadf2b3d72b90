using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Interpretation;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Persistence.Workflows;

namespace FailbackWorkflows.Server.Replay;

/// <summary>A run that somebody plays: its index, which grows with it, and its states.</summary>
internal sealed class PlayedRun
{
    private readonly string _runId;
    private readonly SemaphoreSlim _turn = new(1, 1);

    public PlayedRun(string runId, WorkflowDefinition definition, string json, IWorkflowStore store)
    {
        (_runId, Definition) = (runId, definition);
        Indexes = definition.Nodes.Keys.Order(StringComparer.Ordinal).Select((id, index) => (id, index)).ToDictionary(n => n.id, n => n.index, StringComparer.Ordinal);
        Index = new(Indexes);
        Diagrams = ReplayDiagrams.Of(definition, json, Indexes);
        States = new(definition, runId, store);
    }

    public WorkflowDefinition Definition { get; }

    public IReadOnlyDictionary<string, int> Indexes { get; }

    public ReplayIndex Index { get; }

    public IReadOnlyList<ReplayDiagram> Diagrams { get; }

    public PlayedStates States { get; }

    public async Task<IDisposable> EnterAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        return new Turn(_turn);
    }

    /// <summary>Takes in what the run has written since.</summary>
    public async Task ReadOnAsync(IJournalOutline outline, long upTo, CancellationToken cancellationToken)
    {
        if (upTo > Index.Count)
        {
            await outline.ReadAsync(_runId, Index.Count, Index.Add, cancellationToken);
        }

        States.Begin(Index.Count);
    }

    public void Forget() => States.Stop();

    private sealed class Turn(SemaphoreSlim turn) : IDisposable
    {
        public void Dispose() => turn.Release();
    }
}

/// <summary>
/// The whole state of a run at any event. One pass over the journal keeps a snapshot every so many events, in the background for a long run; from the one before an event
/// it is not far.
/// </summary>
internal sealed class PlayedStates(WorkflowDefinition definition, string runId, IWorkflowStore store)
{
    private const int Every = 500;
    private const int PageSize = 1_000;

    private readonly Lock _lock = new();
    private readonly List<(long Sequence, string Snapshot)> _snapshots = [];
    private readonly CancellationTokenSource _stop = new();
    private long _played;
    private Task? _playing;

    /// <summary>Plays on up to an event, in the background.</summary>
    public void Begin(long upTo)
    {
        lock (_lock)
        {
            if (upTo > _played && _playing is null or { IsCompleted: true })
            {
                _playing = Task.Run(() => PlayAsync(_stop.Token));
            }
        }
    }

    public void Stop() => _stop.Cancel();

    /// <summary>The state after the step of each of these events, which follow each other; null for those that the pass has not come to.</summary>
    public async Task<IReadOnlyList<ReplayedState?>> AtAsync(IReadOnlyList<JournalEvent> events, CancellationToken cancellationToken)
    {
        var states = new ReplayedState?[events.Count];
        long played;
        (long Sequence, string Snapshot) from;
        lock (_lock)
        {
            played = _played;
            from = events.Count == 0 ? default : _snapshots.FindLast(s => s.Sequence <= events[0].Sequence);
        }

        if (events.Count == 0 || events[0].Sequence > played)
        {
            return states;
        }

        var replay = new RunReplay(definition, runId);
        if (from.Snapshot is { } snapshot)
        {
            replay.Restore(snapshot);
        }

        var missing = (int)(events[0].Sequence - 1 - replay.Sequence);
        foreach (var item in missing <= 0 ? [] : await store.ReadJournalAsync(runId, replay.Sequence, missing, cancellationToken))
        {
            replay.Take(item);
        }

        for (var i = 0; i < states.Length && events[i].Sequence <= played; i++)
        {
            if (events[i].Sequence > replay.Sequence)
            {
                replay.Take(events[i]);
            }

            states[i] = replay.Describe();
        }

        return states;
    }

    private async Task PlayAsync(CancellationToken cancellationToken)
    {
        var replay = new RunReplay(definition, runId);
        lock (_lock)
        {
            if (_snapshots.Count > 0)
            {
                replay.Restore(_snapshots[^1].Snapshot);
            }
        }

        var (read, kept) = (replay.Sequence, replay.Sequence);
        while (!cancellationToken.IsCancellationRequested && await store.ReadJournalAsync(runId, read, PageSize, cancellationToken) is { Count: > 0 } page)
        {
            foreach (var item in page)
            {
                // Before a fact the state is whole: all decisions of the step before are in it.
                if (item.IsFact && replay.Sequence - kept >= Every)
                {
                    kept = replay.Sequence;
                    lock (_lock)
                    {
                        _snapshots.Add((kept, replay.ToSnapshot()));
                    }
                }

                replay.Take(item);
            }

            read = page[^1].Sequence;
            lock (_lock)
            {
                _played = read;
            }
        }
    }
}
