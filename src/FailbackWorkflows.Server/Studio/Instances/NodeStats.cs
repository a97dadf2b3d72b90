using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Persistence.Workflows;

namespace FailbackWorkflows.Server.Studio.Instances;

/// <summary>How far an activity has come in a run, for its badges in the diagram.</summary>
internal sealed record NodeStats(
    string ActivityId,
    string ActivityNodeId,
    int StartedCount,
    int CompletedCount,
    int UncompletedCount,
    bool IsBlocked,
    bool IsFaulted,
    IReadOnlyDictionary<string, object> Metadata);

/// <summary>Counts what a journal says of activities.</summary>
internal static class NodeStatistics
{
    private static readonly Dictionary<string, object> Nothing = [];

    /// <summary>Per activity that has run, by path. A composite is faulted when something in it is.</summary>
    public static async Task<IReadOnlyList<NodeStats>> CountAsync(IRunBrowser runs, string instanceId, IReadOnlyList<JournalMark> marks, CancellationToken cancellationToken)
    {
        var executions = new Dictionary<(string Node, string Execution), Ending>();
        foreach (var mark in marks)
        {
            if (mark is { NodeId: { } node, ExecutionId: { } execution } && mark.Kind != EventKinds.InstanceFaulted)
            {
                executions[(node, execution)] = new(mark.Kind, mark.Sequence);
            }
        }

        var faulted = await FindFaultedAsync(runs, instanceId, executions, cancellationToken);
        var stats = new List<NodeStats>();
        foreach (var node in executions.GroupBy(e => e.Key.Node))
        {
            var all = node.Select(e => e.Value).ToList();
            var latest = all.MaxBy(e => e.Sequence)!;
            var completed = all.Count(e => e.Kind == EventKinds.ActivityCompleted);
            var isFaulted = faulted.Any(f => f == node.Key || f.StartsWith(node.Key + ":", StringComparison.Ordinal));
            stats.Add(new(
                node.Key[(node.Key.LastIndexOf(':') + 1)..],
                RunViews.ToWire(node.Key),
                all.Count,
                completed,
                all.Count(e => e.Kind is not (EventKinds.ActivityCompleted or EventKinds.ActivityCancelled or EventKinds.ActivityFaulted)) + (isFaulted && latest.Kind == EventKinds.ActivityFaulted ? 1 : 0),
                latest.Kind == EventKinds.ActivitySuspended || (latest.Kind == EventKinds.ActivityFaulted && !isFaulted),
                isFaulted,
                Nothing));
        }

        return stats;
    }

    /// <summary>The activities whose newest execution gave up. Whether an attempt was the last one only the event itself says; there are few of them.</summary>
    private static async Task<IReadOnlyList<string>> FindFaultedAsync(
        IRunBrowser runs, string instanceId, Dictionary<(string Node, string Execution), Ending> executions, CancellationToken cancellationToken)
    {
        var newest = executions.GroupBy(e => e.Key.Node).Select(g => g.MaxBy(e => e.Value.Sequence)).Where(e => e.Value.Kind == EventKinds.ActivityFaulted).ToList();
        var events = await runs.ReadEventsAsync(instanceId, [.. newest.Select(e => e.Value.Sequence)], cancellationToken);
        return [.. events.OfType<ActivityFaulted>().Where(e => e.RetryAt is null).Select(e => e.NodeId)];
    }

    private sealed record Ending(string Kind, long Sequence);
}
