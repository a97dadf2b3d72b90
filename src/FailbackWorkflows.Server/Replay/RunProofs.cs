using FailbackWorkflows.Engine.Interpretation;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Engine.Values;

namespace FailbackWorkflows.Server.Replay;

/// <summary>Whether a run follows from itself: today's engine, given its facts and the definition it is pinned to, makes the decisions that were recorded and comes to the state that is stored.</summary>
/// <param name="Events">Events that were derived again.</param>
/// <param name="Difference">The first decision that is another one, or null.</param>
/// <param name="IsStateAsStored">The state after the last event is the stored one; false, too, when there is a difference.</param>
public sealed record RunProof(string RunId, string DefinitionVersionId, long Events, FoldDifference? Difference, bool IsStateAsStored)
{
    /// <summary>Nothing differs.</summary>
    public bool IsProven => Difference is null && IsStateAsStored;
}

/// <summary>Derives runs again.</summary>
public sealed class RunProofs(IWorkflowStore store, WorkflowDefinitions definitions)
{
    private const int PageSize = 1_000;

    /// <summary>Null: there is no such run. A run that goes on is proven up to where it was when it was asked for.</summary>
    public async Task<RunProof?> ProveAsync(string runId, CancellationToken cancellationToken)
    {
        if (await store.FindInstanceAsync(runId, cancellationToken) is not { } instance)
        {
            return null;
        }

        var journal = new List<JournalEvent>();
        while (await store.ReadJournalAsync(runId, journal.Count == 0 ? 0 : journal[^1].Sequence, PageSize, cancellationToken) is { Count: > 0 } page)
        {
            journal.AddRange(page.Where(e => e.Sequence <= instance.LastSequence));
            if (page[^1].Sequence >= instance.LastSequence)
            {
                break;
            }
        }

        var definition = await definitions.GetVersionAsync(instance.DefinitionVersionId, cancellationToken);
        var fold = JournalFold.Fold(definition, runId, journal);
        return new(
            runId,
            instance.DefinitionVersionId,
            journal.Count,
            fold.Difference,
            fold.Difference is null && PlainValue.AreEqual(PlainValue.Parse(fold.StateJson), PlainValue.Parse(instance.Snapshot)));
    }
}
