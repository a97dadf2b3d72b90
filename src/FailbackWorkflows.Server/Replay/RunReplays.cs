using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Interpretation;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Persistence.Workflows;

namespace FailbackWorkflows.Server.Replay;

/// <summary>A run to be played.</summary>
/// <param name="Events">How many there are by now.</param>
/// <param name="Failures">Numbers of the events at which something failed, in order; at most 10,000.</param>
/// <param name="IsLive">More may come.</param>
public sealed record ReplayHead(
    string RunId, string Name, int Version, WorkflowSubStatus SubStatus, DateTimeOffset StartedAt, DateTimeOffset? FinishedAt, long Events, IReadOnlyList<long> Failures, bool IsLive,
    IReadOnlyList<ReplayDiagram> Diagrams);

/// <summary>One event of a run, and what the run was then.</summary>
/// <param name="Actor">Who caused it: of a decision and of an activity's end whoever caused the fact before, as far as it names one.</param>
/// <param name="NodeIndex">The activity it is about; null: the run as a whole.</param>
/// <param name="States">What each activity was after it, by index.</param>
/// <param name="Event">The event as it was written.</param>
/// <param name="State">Variables, outputs and open executions after the step it belongs to; null while they are being worked out: ask again.</param>
public sealed record ReplayFrame(long Sequence, DateTimeOffset At, string Kind, Actor? Actor, int? NodeIndex, IReadOnlyList<ReplayedActivity> States, JournalEvent Event, ReplayedState? State);

/// <summary>Some events of a run.</summary>
/// <param name="Events">How many events the run has by now.</param>
public sealed record ReplayRead(IReadOnlyList<ReplayFrame> Frames, long Events, bool IsLive);

/// <summary>
/// Plays runs, also while they run. The few that were asked for last are kept with their keyframes: of what every activity was, which are there at once, and of the whole state, which are
/// worked out beside, because the expressions of the definition are evaluated again for them.
/// </summary>
public sealed class RunReplays(IWorkflowStore store, IJournalOutline outline, WorkflowDefinitions definitions, IWorkflowRuntime runtime) : IDisposable
{
    /// <summary>Most events in one answer.</summary>
    public const int MostFrames = 100;

    private const int KeptRuns = 8;
    private const int MostFailures = 10_000;

    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly LinkedList<(string RunId, PlayedRun Run)> _kept = new();

    /// <summary>The run with its diagrams, or null when there is no such run.</summary>
    public async Task<ReplayHead?> OpenAsync(string runId, CancellationToken cancellationToken)
    {
        if (await runtime.FindAsync(runId, cancellationToken) is not { } instance || await FindAsync(instance, cancellationToken) is not { } run)
        {
            return null;
        }

        using var turn = await run.EnterAsync(cancellationToken);
        await run.ReadOnAsync(outline, instance.LastSequence, cancellationToken);
        return new(
            runId, run.Definition.Name, run.Definition.Version, instance.SubStatus, instance.CreatedAt, instance.FinishedAt, run.Index.Count, [.. run.Index.Failures.Take(MostFailures)],
            IsLive(instance), run.Diagrams);
    }

    /// <summary>Events from a number on; empty after the last one, null when there is no such run.</summary>
    /// <param name="take">1–100.</param>
    public async Task<ReplayRead?> ReadAsync(string runId, long from, int take, CancellationToken cancellationToken)
    {
        if (await runtime.FindAsync(runId, cancellationToken) is not { } instance || await FindAsync(instance, cancellationToken) is not { } run)
        {
            return null;
        }

        var events = await store.ReadJournalAsync(runId, from - 1, Math.Clamp(take, 1, MostFrames), cancellationToken);
        using var turn = await run.EnterAsync(cancellationToken);
        await run.ReadOnAsync(outline, instance.LastSequence, cancellationToken);
        var shown = events.Where(e => e.Sequence <= run.Index.Count).ToList();
        var states = await run.States.AtAsync(shown, cancellationToken);
        var frames = new List<ReplayFrame>(shown.Count);
        foreach (var item in shown)
        {
            frames.Add(new(
                item.Sequence,
                item.At,
                JournalNames.Of(item),
                JournalNames.ActorOf(item),
                JournalNames.NodeOf(item) is { } node && run.Indexes.TryGetValue(node, out var index) ? index : null,
                run.Index.StatesAt(item.Sequence),
                item,
                states[frames.Count]));
        }

        return new(frames, run.Index.Count, IsLive(instance));
    }

    /// <inheritdoc/>
    public void Dispose() => _turn.Dispose();

    private static bool IsLive(WorkflowInstance instance) => instance.Status == WorkflowStatus.Running || instance.SubStatus == WorkflowSubStatus.Faulted;

    private async Task<PlayedRun?> FindAsync(WorkflowInstance instance, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            for (var kept = _kept.First; kept is not null; kept = kept.Next)
            {
                if (kept.Value.RunId == instance.Id)
                {
                    _kept.Remove(kept);
                    _kept.AddFirst(kept);
                    return kept.Value.Run;
                }
            }

            if (await store.FindDefinitionVersionAsync(instance.DefinitionVersionId, cancellationToken) is not { } stored)
            {
                return null;
            }

            var run = new PlayedRun(instance.Id, await definitions.GetVersionAsync(instance.DefinitionVersionId, cancellationToken), stored.Json, store);
            _kept.AddFirst((instance.Id, run));
            if (_kept.Count > KeptRuns)
            {
                _kept.Last!.Value.Run.Forget();
                _kept.RemoveLast();
            }

            return run;
        }
        finally
        {
            _turn.Release();
        }
    }
}
