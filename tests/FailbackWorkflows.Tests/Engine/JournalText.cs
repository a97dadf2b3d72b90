using FailbackWorkflows.Engine.Journal;

namespace FailbackWorkflows.Tests.Engine;

/// <summary>A journal in few words, for assertions a person can read.</summary>
internal static class JournalText
{
    /// <summary>Ids of activities that started, containers included, in order.</summary>
    public static IReadOnlyList<string> Started(this IReadOnlyList<JournalEvent> journal) => [.. journal.OfType<ActivityStarted>().Select(e => IdOf(e.NodeId))];

    public static IReadOnlyList<string> Cancelled(this IReadOnlyList<JournalEvent> journal) => [.. journal.OfType<ActivityCancelled>().Select(e => IdOf(e.NodeId))];

    public static ActivityCompleted Completed(this IReadOnlyList<JournalEvent> journal, string id) => journal.OfType<ActivityCompleted>().Last(e => IdOf(e.NodeId) == id);

    public static string IdOf(string nodeId) => nodeId[(nodeId.LastIndexOf(':') + 1)..];
}
