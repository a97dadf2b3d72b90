using System.Text.Json;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Values;

namespace FailbackWorkflows.Engine.Interpretation;

/// <summary>
/// Proves a history: the facts of a journal, folded through the interpreter, must lead to the decisions that were recorded and to the state
/// that was stored.
/// </summary>
public static class JournalFold
{
    /// <summary>
    /// Folds a journal from its start. Only facts are applied; the decisions are derived again and compared. Stops at the first difference.
    /// </summary>
    public static FoldResult Fold(WorkflowDefinition definition, string instanceId, IReadOnlyList<JournalEvent> journal) => Fold(definition, instanceId, journal, null);

    /// <param name="afterFact">Sees the state after each fact whose decisions were as recorded.</param>
    internal static FoldResult Fold(WorkflowDefinition definition, string instanceId, IReadOnlyList<JournalEvent> journal, Action<InstanceState>? afterFact)
    {
        var interpreter = new Interpreter(definition, instanceId);
        var state = new InstanceState();
        var derived = new List<JournalEvent>();
        var position = 0;
        while (position < journal.Count)
        {
            var fact = journal[position];
            if (!fact.IsFact)
            {
                return new(state.ToJson(), new(fact.Sequence, ToJson(fact), null, "Nothing led to this decision."));
            }

            derived.Clear();
            try
            {
                // A copy: the interpreter numbers what it is given.
                interpreter.Apply(state, fact with { }, derived);
            }
            catch (InvalidOperationException exception)
            {
                return new(state.ToJson(), new(fact.Sequence, ToJson(fact), null, exception.Message));
            }

            foreach (var item in derived)
            {
                var recorded = position < journal.Count ? ToJson(journal[position]) : null;
                var again = ToJson(item);
                if (recorded is null || !AreEqual(recorded, again))
                {
                    return new(state.ToJson(), new(item.Sequence, recorded, again, recorded is null ? "This decision was not recorded." : "What was recorded is not what follows."));
                }

                position++;
            }

            afterFact?.Invoke(state);
        }

        return new(state.ToJson(), null);
    }

    private static string ToJson(JournalEvent item) => JsonSerializer.Serialize(item, PlainValue.Json);

    /// <summary>Equal apart from the order of members, which a database may change.</summary>
    private static bool AreEqual(string left, string right) => left == right || PlainValue.AreEqual(PlainValue.Parse(left), PlainValue.Parse(right));
}

/// <summary>What a journal folds to.</summary>
/// <param name="StateJson">The state after the last fact that was applied; equal to the stored snapshot when nothing differs.</param>
/// <param name="Difference">The first place where the history does not follow from itself, or null.</param>
public sealed record FoldResult(string StateJson, FoldDifference? Difference);

/// <summary>Where a history does not follow from itself.</summary>
/// <param name="Sequence">Number of the event.</param>
/// <param name="Recorded">The event as recorded, as JSON; null when there is none.</param>
/// <param name="Derived">The event as derived again, as JSON; null when there is none.</param>
public sealed record FoldDifference(long Sequence, string? Recorded, string? Derived, string Message);
