using System.Text.Json;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Interpretation;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Values;
using Shouldly;
using Xunit;
using Xunit.Abstractions;

namespace FailbackWorkflows.Tests.Engine;

public sealed class JournalFoldTests(ITestOutputHelper output)
{
    [Fact]
    public void Fold_RandomWorkflows_EqualsTheSnapshotAfterEveryFact()
    {
        // FAILBACK_SEED repeats a run that failed.
        var seed = int.TryParse(Environment.GetEnvironmentVariable("FAILBACK_SEED"), out var given) ? given : Random.Shared.Next();
        output.WriteLine($"FAILBACK_SEED={seed}");
        var reader = Reader();
        var kinds = new Dictionary<string, int>();
        var ends = new Dictionary<WorkflowSubStatus, int>();
        for (var i = 0; i < 1000; i++)
        {
            var workflow = new RandomWorkflow(unchecked(seed + i), reader);
            workflow.Live();
            var stored = workflow.Journal.Select(e => JsonSerializer.Serialize(e, PlainValue.Json)).ToList();
            var journal = stored.Select(e => JsonSerializer.Deserialize<JournalEvent>(e, PlainValue.Json)!).ToList();

            // Not ShouldBe: it is too slow for this many texts.
            journal.Select(e => JsonSerializer.Serialize(e, PlainValue.Json)).SequenceEqual(stored).ShouldBeTrue($"round trip, seed {seed} + {i}");
            var facts = 0;
            var result = JournalFold.Fold(workflow.Definition, "random", journal, state =>
            {
                facts++;
                HasNoZombie(state).ShouldBeTrue($"something can go on, or it has ended, at {state.Sequence}, seed {seed} + {i}");
                (state.ToJson() == workflow.Snapshots[state.Sequence]).ShouldBeTrue($"snapshot {state.Sequence}, seed {seed} + {i}");
            });

            result.Difference.ShouldBeNull($"seed {seed} + {i}");
            facts.ShouldBe(workflow.Snapshots.Count);
            foreach (var item in journal)
            {
                kinds[item.GetType().Name] = kinds.GetValueOrDefault(item.GetType().Name) + 1;
            }

            var end = InstanceState.FromJson(result.StateJson).SubStatus;
            ends[end] = ends.GetValueOrDefault(end) + 1;
        }

        output.WriteLine(string.Join(", ", kinds.Select(k => $"{k.Key} {k.Value}")));
        output.WriteLine(string.Join(", ", ends.Select(k => $"{k.Key} {k.Value}")));
        kinds.Count.ShouldBe(14, "every kind of event occurs");
    }

    [Fact]
    public void Fold_ChangedDecision_NamesTheFirstDifference()
    {
        var (workflow, journal) = Lived();
        var index = journal.FindIndex(e => e is ActivityStarted);
        journal[index] = (ActivityStarted)journal[index] with { ActivityType = "Elsa.Other" };

        var difference = JournalFold.Fold(workflow.Definition, "random", journal).Difference.ShouldNotBeNull();

        difference.Sequence.ShouldBe(journal[index].Sequence);
        difference.Recorded.ShouldNotBeNull().ShouldContain("Elsa.Other");
        difference.Derived.ShouldNotBeNull().ShouldNotContain("Elsa.Other");
    }

    [Fact]
    public void Fold_DecisionWithoutFact_IsADifference()
    {
        var (workflow, journal) = Lived();
        journal.Add(new CancelRefused { Sequence = journal[^1].Sequence + 1 });

        JournalFold.Fold(workflow.Definition, "random", journal).Difference.ShouldNotBeNull().Sequence.ShouldBe(journal[^1].Sequence);
    }

    [Fact]
    public void Fold_DecisionsCutOff_IsADifference()
    {
        var (workflow, journal) = Lived();
        journal.RemoveRange(1, journal.Count - 1);

        var difference = JournalFold.Fold(workflow.Definition, "random", journal).Difference.ShouldNotBeNull();

        difference.Sequence.ShouldBe(2);
        difference.Recorded.ShouldBeNull();
    }

    [Fact]
    public void Fold_FactAboutAnExecutionThatIsNotThere_IsADifference()
    {
        var (workflow, journal) = Lived();
        journal.Add(new ActivityCompleted { Sequence = journal[^1].Sequence + 1, IsFact = true, ExecutionId = "999", NodeId = "x", Outcomes = [] });

        JournalFold.Fold(workflow.Definition, "random", journal).Difference.ShouldNotBeNull().Message.ShouldContain("999");
    }

    /// <summary>A run that has not ended runs, or waits for something that can come; nothing in it belongs to what is not there; nothing is left of one that has ended well.</summary>
    private static bool HasNoZombie(InstanceState state) =>
        (state.HasEnded || state.Current is not null || state.Executions.Exists(e => e.Bookmarks.Count > 0))
        && state.Executions.TrueForAll(e => e.ParentId is null || state.Find(e.ParentId) is not null)
        && (state.Executions.Count == 0 || state.SubStatus is not (WorkflowSubStatus.Finished or WorkflowSubStatus.Cancelled))
        && state.Executions.TrueForAll(e => e.Phase != ExecutionPhase.Suspended || e.Bookmarks.Count > 0);

    private static (RandomWorkflow Workflow, List<JournalEvent> Journal) Lived()
    {
        var workflow = new RandomWorkflow(7, Reader());
        workflow.Live();
        JournalFold.Fold(workflow.Definition, "random", workflow.Journal).Difference.ShouldBeNull();
        return (workflow, workflow.Journal);
    }

    private static DefinitionReader Reader()
    {
        var catalog = new ActivityCatalog();
        TestHosts.AddTestActivities(catalog);
        return new DefinitionReader(catalog);
    }
}
