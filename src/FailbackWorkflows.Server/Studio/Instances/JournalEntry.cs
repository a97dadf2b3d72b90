using System.Globalization;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Persistence.Workflows;
using FailbackWorkflows.Server.Studio.Descriptors;

namespace FailbackWorkflows.Server.Studio.Instances;

/// <summary>What of a journal the viewer wants to see; null and empty: everything.</summary>
internal sealed record JournalFilter(
    IReadOnlyList<string>? ActivityIds, IReadOnlyList<string>? ActivityNodeIds, IReadOnlyList<string>? ExcludedActivityTypes, IReadOnlyList<string>? EventNames);

/// <summary>Decides by its mark whether an event is shown.</summary>
internal sealed class JournalChoice
{
    private readonly HashSet<string>? _nodes;
    private readonly HashSet<string>? _activities;
    private readonly HashSet<string>? _names;
    private readonly HashSet<string> _excludedTypes;
    private readonly WorkflowDefinition? _definition;

    public JournalChoice(JournalFilter? filter, WorkflowDefinition? definition, IReadOnlyList<JournalMark> marks)
    {
        _nodes = filter?.ActivityNodeIds is { Count: > 0 } nodes ? [.. nodes.Select(RunViews.FromWire)] : null;
        _activities = filter?.ActivityIds is { Count: > 0 } activities ? [.. activities] : null;
        _names = filter?.EventNames is { Count: > 0 } names ? [.. names] : null;
        _excludedTypes = [.. filter?.ExcludedActivityTypes ?? []];
        _definition = definition;
        Places = JournalEntry.PlacesOf(marks);
    }

    /// <summary>See <see cref="JournalEntry.PlacesOf"/>.</summary>
    public IReadOnlyDictionary<long, string?> Places { get; }

    public bool Includes(JournalMark mark)
    {
        // The fault of the activity itself says the same.
        if (mark.Kind == EventKinds.InstanceFaulted)
        {
            return false;
        }

        var node = mark.NodeId ?? Places.GetValueOrDefault(mark.Sequence);
        var type = node is null ? RunViews.WorkflowType : _definition?.Nodes.GetValueOrDefault(node)?.Descriptor.Type;
        return (type is null || !_excludedTypes.Contains(type))
            && (_nodes is null || (node is not null && _nodes.Contains(node)))
            && (_activities is null || (node is not null && _activities.Contains(node[(node.LastIndexOf(':') + 1)..])))
            && (_names is null || _names.Contains(EventKinds.NameOf(mark.Kind)));
    }
}

/// <summary>An event of a journal as the viewer lists it.</summary>
internal static class JournalEntry
{
    /// <summary>Where events without an activity of their own are shown: a retry by hand at the activity that had failed.</summary>
    public static Dictionary<long, string?> PlacesOf(IReadOnlyList<JournalMark> marks)
    {
        var places = new Dictionary<long, string?>();
        string? faulted = null;
        foreach (var mark in marks)
        {
            if (mark.Kind == EventKinds.InstanceFaulted)
            {
                faulted = mark.NodeId;
            }
            else if (mark.Kind == EventKinds.RedriveRequested)
            {
                places[mark.Sequence] = faulted;
            }
        }

        return places;
    }

    public static object Of(string instanceId, JournalEvent item, WorkflowDefinition? definition, IReadOnlyDictionary<long, string?> places)
    {
        var activity = item as ActivityEvent;
        var nodeId = activity?.NodeId ?? places.GetValueOrDefault(item.Sequence);
        var node = nodeId is null ? null : definition?.Nodes.GetValueOrDefault(nodeId);
        return new
        {
            Id = string.Create(CultureInfo.InvariantCulture, $"{instanceId}.e{item.Sequence}"),
            ActivityInstanceId = activity is null ? instanceId : ActivityRun.IdOf(instanceId, activity.ExecutionId),
            ParentActivityInstanceId = item is ActivityStarted { ParentExecutionId: { } parent } ? ActivityRun.IdOf(instanceId, parent) : null,
            ActivityId = nodeId is null ? "Workflow1" : nodeId[(nodeId.LastIndexOf(':') + 1)..],
            ActivityType = node?.Descriptor.Type ?? (item as ActivityStarted)?.ActivityType ?? (nodeId is null ? RunViews.WorkflowType : ""),
            ActivityTypeVersion = node?.Descriptor.Version ?? 1,
            ActivityName = node is null ? (nodeId is null ? definition?.Name : null) : node.DisplayText,
            NodeId = nodeId is null ? "Workflow1" : RunViews.ToWire(nodeId),
            Timestamp = item.At,
            item.Sequence,
            EventName = NameOf(item),
            Message = MessageOf(item),
            Source = (string?)null,
            ActivityState = item is ActivityStarted { Inputs: { } inputs } ? ActivityRun.Named(inputs) : [],
            Payload = PayloadOf(item),
        };
    }

    private static string NameOf(JournalEvent item) => item switch
    {
        ActivityFaulted { RetryAt: not null } => "Attempt failed",
        ActivityCompleted { Fault: not null } => "Failed, gone on",
        InstanceFinished ended => $"Ended: {ended.SubStatus}",
        _ => EventKinds.NameOf(char.ToLowerInvariant(item.GetType().Name[0]) + item.GetType().Name[1..]),
    };

    private static string? MessageOf(JournalEvent item) => item switch
    {
        ActivityFaulted { RetryAt: { } again } faulted => string.Create(CultureInfo.InvariantCulture, $"{faulted.Fault.Message} Attempt {faulted.Attempt}; the next one is due at {again.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC."),
        ActivityFaulted faulted => faulted.Fault.Message,
        ActivityCompleted { Fault: { } fault } => fault.Message,
        ActivityCompleted { Notes: { Count: > 0 } notes } => string.Join(" ", notes),
        ActivityCompleted completed when completed.Outcomes is not ["Done"] => string.Join(", ", completed.Outcomes),
        ActivitySuspended suspended => WaitsFor(suspended),
        StimulusReceived stimulus => $"By {stimulus.Actor.Name}",
        CancelRequested cancel => Said(cancel.Actor.Name, cancel.Reason),
        RedriveRequested redrive => Said(redrive.Actor.Name, redrive.Reason),
        InstanceStarted started => Said(started.Actor.Name, started.Reason),
        _ => null,
    };

    private static string WaitsFor(ActivitySuspended suspended)
    {
        var waits = suspended.Bookmarks.Select(b => b.DueAt is { } due ? string.Create(CultureInfo.InvariantCulture, $"{b.Name} at {due.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC") : b.Name);
        return string.Join(" ", [.. suspended.Notes ?? [], "Waits for " + string.Join(" or ", waits) + "."]);
    }

    private static string Said(string who, string? reason) => reason is null ? $"By {who}" : $"By {who}: {reason}";

    private static Dictionary<string, object?>? PayloadOf(JournalEvent item) => item switch
    {
        ActivityCompleted completed => new() { ["Outcomes"] = completed.Outcomes, ["Outputs"] = completed.Outputs is null ? null : ActivityRun.Named(completed.Outputs), ["Variables"] = completed.Variables },
        ActivitySuspended suspended => new() { ["Bookmarks"] = suspended.Bookmarks },
        StimulusReceived stimulus => new() { ["Payload"] = stimulus.Payload },
        InstanceStarted started => new() { ["Input"] = started.Input },
        InstanceFinished ended => new() { ["Output"] = ended.Output },
        _ => null,
    };
}
