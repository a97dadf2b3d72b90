using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Failback.Runs;

/// <inheritdoc cref="IRunReports"/>
public sealed class RunReports(IWorkflowStore store, IWorkflowRuntime runtime, WorkflowDefinitions definitions, Redrives redrives) : IRunReports
{
    private const int PageSize = 500;

    public async Task<RunReport?> FindAsync(string runId, CancellationToken cancellationToken)
    {
        if (await runtime.FindAsync(runId, cancellationToken) is not { } instance)
        {
            return null;
        }

        var definition = await definitions.GetVersionAsync(instance.DefinitionVersionId, cancellationToken);
        var journal = new List<JournalEvent>();
        while (true)
        {
            var page = await store.ReadJournalAsync(runId, journal.Count == 0 ? 0 : journal[^1].Sequence, PageSize, cancellationToken);
            // Events after the instance row that was read belong to the next look.
            journal.AddRange(page.Where(e => e.Sequence <= instance.LastSequence));
            if (page.Count < PageSize)
            {
                break;
            }
        }

        return Of(instance, definition, journal) with
        {
            CanRedrive = instance.SubStatus == WorkflowSubStatus.Faulted && await redrives.FindWhyNotAsync(definition, runId, cancellationToken) is null,
        };
    }

    /// <summary>A run read from its row and its journal, whoever kept them.</summary>
    internal static RunReport Of(WorkflowInstance instance, WorkflowDefinition definition, IReadOnlyList<JournalEvent> journal)
    {
        var started = journal.OfType<InstanceStarted>().First();
        var histories = Gather(journal);
        return new RunReport(
            instance.Id,
            instance.DefinitionId,
            instance.DefinitionVersion,
            instance.SubStatus,
            ResultOf(instance),
            journal.OfType<CancelRequested>().LastOrDefault(c => c.IsFinal)?.Reason ?? MessageOf(instance),
            instance.Output.GetValueOrDefault(RunOutputs.RefusedCheck) is long check ? (int)check : null,
            started.Actor,
            started.Reason,
            started.CorrelationId ?? (started.Input.GetValueOrDefault("EntryId") as string),
            instance.CreatedAt,
            instance.FinishedAt,
            [.. definition.Root.Children.Where(n => n.Step is not null || histories.ContainsKey(n.NodeId)).OrderBy(n => n.Step ?? int.MaxValue).Select(n => ToStep(n, histories))],
            instance.Incidents)
        {
            NobodyRecords = instance.Output.GetValueOrDefault(RunOutputs.NobodyRecords) as string,
            Offer = instance.Output.GetValueOrDefault(RunOutputs.Offer) as string,
            Alarms = [.. journal.OfType<ActivityEvent>().SelectMany(e => NotesOf(e).Select(note => new RunAlarm(e.At, e.NodeId, note)))],
        };
    }

    private static IReadOnlyList<string> NotesOf(ActivityEvent item) => item switch
    {
        ActivityCompleted completed => completed.Notes,
        ActivitySuspended suspended => suspended.Notes,
        ActivityBranched branched => branched.Notes,
        _ => null,
    } ?? [];

    /// <summary>An incident is what there is to say only while it stops the run; after a redrive it is history.</summary>
    private static string? MessageOf(WorkflowInstance instance) => instance.SubStatus == WorkflowSubStatus.Faulted
        ? instance.Incidents.LastOrDefault()?.Fault.Message
        : instance.Output.GetValueOrDefault(RunOutputs.Message) as string;

    /// <summary>How a run stands, from its row alone; as <see cref="RunReport.Result"/>.</summary>
    public static string ResultOf(WorkflowInstance instance) => instance.SubStatus switch
    {
        WorkflowSubStatus.Faulted => "faulted",
        WorkflowSubStatus.Cancelled => "cancelled",
        WorkflowSubStatus.Finished => instance.Output.GetValueOrDefault(RunOutputs.Result) as string ?? RunOutputs.Done,
        _ => "running",
    };

    private static Dictionary<string, NodeHistory> Gather(IReadOnlyList<JournalEvent> journal)
    {
        var histories = new Dictionary<string, NodeHistory>(StringComparer.Ordinal);
        foreach (var item in journal.OfType<ActivityEvent>())
        {
            if (!histories.TryGetValue(item.NodeId, out var history))
            {
                histories[item.NodeId] = history = new NodeHistory();
            }

            history.Add(item);
        }

        foreach (var fault in journal.OfType<InstanceFaulted>())
        {
            if (histories.TryGetValue(fault.NodeId, out var history) && history.EndedAt is null)
            {
                history.Fail(fault);
            }
        }

        return histories;
    }

    private static RunStep ToStep(ActivityNode node, Dictionary<string, NodeHistory> histories)
    {
        var history = histories.GetValueOrDefault(node.NodeId);
        var parts = node.Descriptor.Shape == ActivityShape.Composite && node.Children.Count == 1
            ? node.Children[0].Children.Where(c => !c.Descriptor.Type.StartsWith("Elsa.", StringComparison.Ordinal)).Select(c => ToStep(c, histories)).ToList()
            : [];
        return new RunStep(
            node.Step,
            node.DisplayText,
            node.NodeId,
            node.Descriptor.Type,
            history?.State ?? RunStepState.NotExecuted,
            history?.Times ?? 0,
            history?.StartedAt,
            history?.EndedAt,
            history?.Outcome,
            history?.Message,
            parts);
    }

    /// <summary>The newest execution of one activity.</summary>
    private sealed class NodeHistory
    {
        public RunStepState State { get; private set; }

        public int Times { get; private set; }

        public DateTimeOffset? StartedAt { get; private set; }

        public DateTimeOffset? EndedAt { get; private set; }

        public string? Outcome { get; private set; }

        public string? Message { get; private set; }

        public void Add(ActivityEvent item)
        {
            switch (item)
            {
                case ActivityStarted started:
                    Times++;
                    (State, StartedAt, EndedAt, Outcome, Message) = (RunStepState.Running, started.At, null, null, null);
                    break;
                case ActivityCompleted completed:
                    Outcome = string.Join(", ", completed.Outcomes);
                    EndedAt = completed.At;
                    Message = completed.Fault?.Message
                        ?? completed.Outputs?.GetValueOrDefault("failure") as string
                        ?? completed.WorkflowOutputs?.GetValueOrDefault(RunOutputs.Message) as string
                        ?? completed.Notes?[^1];
                    State = completed.WorkflowOutputs?.GetValueOrDefault(RunOutputs.Result) as string == RunOutputs.Refused ? RunStepState.Refused
                        : completed.Fault is not null || completed.Outcomes.Contains(FlowNodeAttribute.Failed) ? RunStepState.Failed
                        : RunStepState.Done;
                    break;
                case ActivityFaulted faulted:
                    (State, Message) = (RunStepState.Waiting, faulted.RetryAt is { } retryAt ? $"Attempt {faulted.Attempt} failed: {faulted.Fault.Message} Next attempt at {retryAt.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC." : faulted.Fault.Message);
                    break;
                case ActivitySuspended suspended:
                    State = RunStepState.Waiting;
                    Message = suspended.Notes?[^1] ?? StatusOf(suspended.Progress) ?? Message;
                    break;
                case BookmarkDue or StimulusReceived:
                    State = RunStepState.Running;
                    break;
                case ActivityCancelled cancelled:
                    (State, EndedAt) = (RunStepState.Cancelled, cancelled.At);
                    break;
                default:
                    break;
            }
        }

        /// <summary>What an activity that waits says of it, if it does.</summary>
        private static string? StatusOf(object? progress) => (progress as IReadOnlyDictionary<string, object?>)?.GetValueOrDefault("status") as string;

        public void Fail(InstanceFaulted fault) => (State, EndedAt, Message) = (RunStepState.Faulted, fault.At, fault.Fault.Message);
    }
}
