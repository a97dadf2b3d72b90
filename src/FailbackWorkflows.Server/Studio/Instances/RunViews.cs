using System.Text.Json;
using System.Text.Json.Nodes;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Persistence.Workflows;
using FailbackWorkflows.Server.Studio.Descriptors;

namespace FailbackWorkflows.Server.Studio.Instances;

/// <summary>Instances as the designer's viewer reads them.</summary>
internal sealed class RunViews(IRunBrowser runs, IWorkflowRuntime runtime, IWorkflowStore store, WorkflowDefinitions definitions, JournalIndexes indexes)
{
    public const string WorkflowType = "Elsa.Workflow";

    /// <summary>A path of activities as the designer writes it.</summary>
    public static string ToWire(string nodeId) => DefinitionText.NodeIdPrefix + nodeId;

    /// <summary>A path of activities as the engine writes it.</summary>
    public static string FromWire(string nodeId) =>
        nodeId.StartsWith(DefinitionText.NodeIdPrefix, StringComparison.Ordinal) ? nodeId[DefinitionText.NodeIdPrefix.Length..] : nodeId;

    public static object Row(RunHead run) => new
    {
        run.Id,
        run.DefinitionId,
        run.DefinitionVersionId,
        Version = run.DefinitionVersion,
        ParentWorkflowInstanceId = (string?)null,
        Status = run.Status.ToString(),
        SubStatus = run.SubStatus.ToString(),
        run.CorrelationId,
        run.Name,
        run.IncidentCount,
        IsSystem = false,
        run.CreatedAt,
        run.UpdatedAt,
        run.FinishedAt,
    };

    /// <summary>One instance with what came in, what came out and what went wrong; null: there is none.</summary>
    public async Task<object?> FindAsync(string instanceId, CancellationToken cancellationToken)
    {
        if (await runtime.FindAsync(instanceId, cancellationToken) is not { } instance || await runs.FindAsync(instanceId, cancellationToken) is not { } run)
        {
            return null;
        }

        var started = (await store.ReadJournalAsync(instanceId, 0, 1, cancellationToken)).OfType<InstanceStarted>().FirstOrDefault();
        var definition = await FindDefinitionAsync(run.DefinitionVersionId, cancellationToken);
        return new
        {
            run.Id,
            run.DefinitionId,
            run.DefinitionVersionId,
            Version = run.DefinitionVersion,
            ParentWorkflowInstanceId = (string?)null,
            WorkflowState = new
            {
                run.Id,
                run.DefinitionId,
                run.DefinitionVersionId,
                run.DefinitionVersion,
                run.CorrelationId,
                Status = run.Status.ToString(),
                SubStatus = run.SubStatus.ToString(),
                Bookmarks = Array.Empty<object>(),
                Incidents = instance.Incidents.Select(i => IncidentOf(i, definition)).ToList(),
                CompletionCallbacks = Array.Empty<object>(),
                ActivityExecutionContexts = Array.Empty<object>(),
                Input = started?.Input ?? new Dictionary<string, object?>(),
                instance.Output,
                Properties = new Dictionary<string, object?>
                {
                    ["StartedBy"] = started?.Actor.Name,
                    ["Reason"] = started?.Reason,
                },
                run.CreatedAt,
                run.UpdatedAt,
                run.FinishedAt,
            },
            Status = run.Status.ToString(),
            SubStatus = run.SubStatus.ToString(),
            run.CorrelationId,
            run.Name,
            run.IncidentCount,
            IsSystem = false,
            run.CreatedAt,
            run.UpdatedAt,
            run.FinishedAt,
        };
    }

    /// <summary>The variables of the workflow as they stand.</summary>
    public async Task<IReadOnlyList<object>?> FindVariablesAsync(string instanceId, CancellationToken cancellationToken)
    {
        if (await store.FindInstanceAsync(instanceId, cancellationToken) is not { } stored)
        {
            return null;
        }

        var state = JsonNode.Parse(stored.Snapshot) as JsonObject ?? [];
        var definition = await FindDefinitionAsync(stored.DefinitionVersionId, cancellationToken);
        var values = new List<object>();
        foreach (var (name, value) in state["variables"] as JsonObject ?? [])
        {
            values.Add(new { Id = definition?.Variables.FirstOrDefault(v => v.Name == name)?.Id ?? name, Name = name, Value = value?.DeepClone() });
        }

        return values;
    }

    /// <summary>One page of the journal and how many events there are that the filter lets through.</summary>
    public async Task<(IReadOnlyList<object> Items, int TotalCount)> ReadJournalAsync(string instanceId, JournalFilter? filter, int skip, int take, CancellationToken cancellationToken)
    {
        var index = await indexes.GetAsync(instanceId, cancellationToken);
        var run = await runs.FindAsync(instanceId, cancellationToken);
        var definition = run is null ? null : await FindDefinitionAsync(run.DefinitionVersionId, cancellationToken);
        var chosen = index.Choose(JsonSerializer.Serialize(filter), marks =>
        {
            var choice = new JournalChoice(filter, definition, marks);
            return new(marks, [.. marks.Where(choice.Includes).Select(m => m.Sequence)], choice.Places);
        });
        var page = chosen.Wanted.Skip(skip).Take(take).ToList();
        var events = await runs.ReadEventsAsync(instanceId, page, cancellationToken);
        return ([.. events.Select(e => JournalEntry.Of(instanceId, e, definition, chosen.Places))], chosen.Wanted.Count);
    }

    public async Task<IReadOnlyList<NodeStats>> CountAsync(string instanceId, IReadOnlyCollection<string>? wireNodeIds, CancellationToken cancellationToken)
    {
        var index = await indexes.GetAsync(instanceId, cancellationToken);
        var all = await index.CountAsync(marks => NodeStatistics.CountAsync(runs, instanceId, marks, cancellationToken));
        return wireNodeIds is { Count: > 0 } ? [.. all.Where(s => wireNodeIds.Contains(s.ActivityNodeId))] : all;
    }

    /// <summary>The executions of one activity, oldest first.</summary>
    public async Task<IReadOnlyList<ActivityRun>> ListExecutionsAsync(string instanceId, string wireNodeId, CancellationToken cancellationToken)
    {
        var nodeId = FromWire(wireNodeId);
        var index = await indexes.GetAsync(instanceId, cancellationToken);
        return await ReadExecutionsAsync(instanceId, [.. index.Marks.Where(m => m.NodeId == nodeId && m.Kind != EventKinds.InstanceFaulted)], cancellationToken);
    }

    /// <summary>One execution by the id that the designer knows it by; null: there is none.</summary>
    public async Task<ActivityRun?> FindExecutionAsync(string id, CancellationToken cancellationToken)
    {
        if (!ActivityRun.TryReadId(id, out var instanceId, out var executionId))
        {
            return null;
        }

        var index = await indexes.GetAsync(instanceId, cancellationToken);
        var marks = index.Marks.Where(m => m.ExecutionId == executionId && m.Kind != EventKinds.InstanceFaulted).ToList();
        return (await ReadExecutionsAsync(instanceId, marks, cancellationToken)).FirstOrDefault();
    }

    /// <summary>How the run came to an execution: what was completed before it in its flowchart, back to the first; outermost first.</summary>
    public async Task<IReadOnlyList<ActivityRun>> FindWayAsync(string id, CancellationToken cancellationToken)
    {
        const int Longest = 200;
        var way = new List<ActivityRun>();
        if (await FindExecutionAsync(id, cancellationToken) is not { } last || await runs.FindAsync(last.WorkflowInstanceId, cancellationToken) is not { } run)
        {
            return way;
        }

        var definition = await FindDefinitionAsync(run.DefinitionVersionId, cancellationToken);
        var index = await indexes.GetAsync(last.WorkflowInstanceId, cancellationToken);
        for (var at = last; at is not null && way.Count < Longest; at = await FindPredecessorAsync(at, definition, index, cancellationToken))
        {
            way.Insert(0, at);
        }

        return [.. way.Select((execution, depth) => execution with
        {
            CallStackDepth = depth,
            SchedulingActivityExecutionId = depth == 0 ? null : way[depth - 1].Id,
            SchedulingActivityId = depth == 0 ? null : way[depth - 1].ActivityId,
        })];
    }

    private async Task<ActivityRun?> FindPredecessorAsync(ActivityRun execution, WorkflowDefinition? definition, JournalIndex index, CancellationToken cancellationToken)
    {
        if (definition?.Nodes.GetValueOrDefault(FromWire(execution.ActivityNodeId)) is not { } node)
        {
            return null;
        }

        var sources = node.Inbound.Select(c => c.Source.NodeId).ToHashSet(StringComparer.Ordinal);
        JournalMark? found = null;
        foreach (var mark in index.Marks)
        {
            if (mark.Sequence >= execution.FirstSequence)
            {
                break;
            }

            if (mark.NodeId is { } nodeId && (mark.Kind == EventKinds.ActivityCompleted ? sources.Contains(nodeId) : mark.Kind == EventKinds.ActivityStarted && sources.Count == 0 && nodeId == node.Parent?.NodeId))
            {
                found = mark;
            }
        }

        return found is { ExecutionId: { } executionId } ? await FindExecutionAsync(ActivityRun.IdOf(index.InstanceId, executionId), cancellationToken) : null;
    }

    private async Task<IReadOnlyList<ActivityRun>> ReadExecutionsAsync(string instanceId, IReadOnlyList<JournalMark> marks, CancellationToken cancellationToken)
    {
        const int Most = 500;
        // Of an activity in a long loop the newest executions.
        var shown = marks.Count <= Most ? marks : [.. marks.Skip(marks.Count - Most)];
        var events = (await runs.ReadEventsAsync(instanceId, [.. shown.Select(m => m.Sequence)], cancellationToken)).OfType<ActivityEvent>().ToList();
        var run = await runs.FindAsync(instanceId, cancellationToken);
        var definition = run is null ? null : await FindDefinitionAsync(run.DefinitionVersionId, cancellationToken);
        return
        [
            .. events
                .GroupBy(e => e.ExecutionId)
                .Where(g => g.Any(e => e is ActivityStarted))
                .Select(g => ActivityRun.Of(instanceId, [.. g], definition?.Nodes.GetValueOrDefault(g.First().NodeId)))
                // What a fault or a cancellation has left open, a container above all, does not go on.
                .Select(r => r.Status == "Running" && run?.Status == WorkflowStatus.Finished ? r with { Status = run.SubStatus == WorkflowSubStatus.Faulted ? "Faulted" : "Canceled" } : r),
        ];
    }

    /// <summary>Null when it names an activity that the server does not know any more; the run is shown all the same.</summary>
    private async Task<WorkflowDefinition?> FindDefinitionAsync(string versionId, CancellationToken cancellationToken)
    {
        try
        {
            return await definitions.GetVersionAsync(versionId, cancellationToken);
        }
        catch (DefinitionInvalidException)
        {
            return null;
        }
    }

    private static object IncidentOf(Incident incident, WorkflowDefinition? definition)
    {
        var node = definition?.Nodes.GetValueOrDefault(incident.NodeId);
        return new
        {
            ActivityId = incident.NodeId[(incident.NodeId.LastIndexOf(':') + 1)..],
            ActivityNodeId = ToWire(incident.NodeId),
            ActivityType = node?.Descriptor.Type ?? "",
            incident.Fault.Message,
            Exception = ActivityRun.ExceptionOf(incident.Fault),
            Timestamp = incident.At,
        };
    }
}
