using System.Text.Json;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;

namespace FailbackWorkflows.Server.Replay;

/// <summary>What events are called, what they are about and who is behind them.</summary>
internal static class JournalNames
{
    public static string Of(JournalEvent item) => JsonNamingPolicy.CamelCase.ConvertName(item.GetType().Name);

    public static string? NodeOf(JournalEvent item) => item switch
    {
        ActivityEvent activity => activity.NodeId,
        InstanceFaulted faulted => faulted.NodeId,
        _ => null,
    };

    /// <summary>Whoever an event names; of what a node of ours wrote down by itself, that node; of a decision nobody: it follows from the fact before it.</summary>
    public static Actor? ActorOf(JournalEvent item) => item switch
    {
        InstanceStarted started => started.Actor,
        StimulusReceived stimulus => stimulus.Actor,
        CancelRequested cancel => cancel.Actor,
        RedriveRequested redrive => redrive.Actor,
        BookmarkDue => new Actor(ActorKind.Schedule, "timer", item.WrittenBy is null ? "Timer" : $"Timer of {item.WrittenBy}"),
        { IsFact: true, WrittenBy: { } node } => new Actor(ActorKind.System, node, $"Management server {node}"),
        _ => null,
    };
}
