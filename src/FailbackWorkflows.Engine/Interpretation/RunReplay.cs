using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Journal;

namespace FailbackWorkflows.Engine.Interpretation;

/// <summary>
/// Plays the facts of a journal through the interpreter, to show what an instance was at any of its events. For one thread at a time. What does not follow from the facts
/// is not shown but named (<see cref="Failure"/>); <see cref="JournalFold"/> proves a history.
/// </summary>
public sealed class RunReplay(WorkflowDefinition definition, string instanceId)
{
    private readonly Interpreter _interpreter = new(definition, instanceId);
    private readonly List<JournalEvent> _decisions = [];
    private InstanceState _state = new();

    /// <summary>Number of the last event that the state takes in.</summary>
    public long Sequence => _state.Sequence;

    /// <summary>Why the facts could not be played on; null: they could.</summary>
    public string? Failure { get; private set; }

    /// <summary>Takes the next event in. Decisions are derived again with the fact before them, so they change nothing.</summary>
    public void Take(JournalEvent item)
    {
        if (!item.IsFact || Failure is not null)
        {
            return;
        }

        _decisions.Clear();
        try
        {
            // A copy: the interpreter numbers what it is given.
            _interpreter.Apply(_state, item with { }, _decisions);
        }
        catch (InvalidOperationException exception)
        {
            Failure = $"Event {item.Sequence} does not follow from those before it: {exception.Message}";
        }
    }

    /// <summary>The state as text, to go on from with <see cref="Restore"/>.</summary>
    public string ToSnapshot() => _state.ToJson();

    /// <summary>Goes to a state that <see cref="ToSnapshot"/> has given.</summary>
    public void Restore(string snapshot)
    {
        _state = InstanceState.FromJson(snapshot);
        Failure = null;
    }

    /// <summary>What the instance is now.</summary>
    public ReplayedState Describe() => new(
        _state.Sequence,
        _state.SubStatus,
        new Dictionary<string, object?>(_state.Variables, StringComparer.Ordinal),
        new Dictionary<string, object?>(_state.Output, StringComparer.Ordinal),
        [.. _state.Executions.Select(e => new ReplayedExecution(e.Id, e.NodeId, e.Phase.ToString(), e.Attempt, new Dictionary<string, object?>(_interpreter.Shown(e), StringComparer.Ordinal), [.. e.Bookmarks.Select(b => b.Key ?? b.Name)]))]);
}

/// <summary>What an instance was after one of its events.</summary>
/// <param name="Sequence">The last event it takes in: the fact it shows, with what was decided by it.</param>
/// <param name="Executions">Activities that have begun and not ended.</param>
public sealed record ReplayedState(
    long Sequence,
    WorkflowSubStatus SubStatus,
    IReadOnlyDictionary<string, object?> Variables,
    IReadOnlyDictionary<string, object?> Output,
    IReadOnlyList<ReplayedExecution> Executions);

/// <summary>An activity that has begun and not ended.</summary>
/// <param name="Inputs">As the journal shows them: what is hidden there is hidden here.</param>
/// <param name="WaitsFor">Keys or names of its bookmarks.</param>
public sealed record ReplayedExecution(
    string ExecutionId, string NodeId, string Phase, int Attempt, IReadOnlyDictionary<string, object?> Inputs, IReadOnlyList<string> WaitsFor);
