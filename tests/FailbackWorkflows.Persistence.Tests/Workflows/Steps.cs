using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Persistence.Tests.Workflows;

/// <summary>Steps as the engine commits them, with nothing of the engine behind them.</summary>
internal static class Steps
{
    public static readonly DateTimeOffset Start = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    public static readonly TimeSpan LeaseTime = TimeSpan.FromSeconds(30);
    public static readonly Actor Operator = new(ActorKind.User, "user-7", "Olga Operator", "192.0.2.7");

    public static StepCommit Starting(
        string id,
        string node = "node-1",
        string? startKey = null,
        DateTimeOffset? at = null,
        string definitionId = "failback",
        string? correlationId = null,
        IReadOnlyList<StoredBookmark>? bookmarks = null,
        params IReadOnlyList<IDomainChange> changes)
    {
        var now = at ?? Start;
        return new()
        {
            Lease = new(id, node, Fence: 1, now + LeaseTime, Seen: 0),
            IsStart = true,
            Instance = new StoredInstance
            {
                Id = id,
                DefinitionId = definitionId,
                DefinitionVersionId = $"{definitionId}:1",
                DefinitionVersion = 1,
                Name = "Failback",
                CorrelationId = correlationId,
                StartKey = startKey,
                Status = WorkflowStatus.Running,
                SubStatus = WorkflowSubStatus.Executing,
                IncidentCount = 0,
                CreatedAt = now,
                UpdatedAt = now,
                LastSequence = 1,
                Snapshot = """{"sequence":1}""",
            },
            Events = [Event(1, now)],
            Bookmarks = bookmarks ?? [],
            Changes = changes,
            At = now,
            LeaseUntil = now + LeaseTime,
        };
    }

    /// <summary>One step on from <paramref name="before"/>, with <paramref name="events"/> new events.</summary>
    public static StepCommit Next(
        Lease lease,
        StoredInstance before,
        WorkflowSubStatus subStatus = WorkflowSubStatus.Executing,
        int events = 1,
        DateTimeOffset? at = null,
        DateTimeOffset? dueAt = null,
        IReadOnlyList<StoredBookmark>? bookmarks = null,
        IReadOnlyList<long>? consumed = null,
        params IReadOnlyList<IDomainChange> changes)
    {
        var now = at ?? Start;
        var ended = subStatus is WorkflowSubStatus.Finished or WorkflowSubStatus.Faulted or WorkflowSubStatus.Cancelled;
        var last = before.LastSequence + events;
        return new()
        {
            Lease = lease,
            Instance = before with
            {
                Status = ended ? WorkflowStatus.Finished : WorkflowStatus.Running,
                SubStatus = subStatus,
                UpdatedAt = now,
                FinishedAt = ended ? now : null,
                LastSequence = last,
                Snapshot = $$"""{"sequence":{{last}}}""",
            },
            Events = [.. Enumerable.Range(1, events).Select(i => Event(before.LastSequence + i, now))],
            Bookmarks = bookmarks,
            ConsumedInbox = consumed ?? [],
            Changes = changes,
            Releases = ended || subStatus == WorkflowSubStatus.Suspended,
            DueAt = dueAt,
            At = now,
            LeaseUntil = now + LeaseTime,
        };
    }

    public static StoredBookmark Bookmark(string instanceId, string id, string? key = null, DateTimeOffset? dueAt = null) =>
        new(id, instanceId, "root/wait", "Event", key, dueAt, Start);

    public static InboxMessage Message(InboxMessageKind kind = InboxMessageKind.Cancel, string? reason = null) => new(0, kind, null, null, Operator, reason);

    private static ActivityStarted Event(long sequence, DateTimeOffset at) =>
        new() { Sequence = sequence, At = at, ExecutionId = $"{sequence}", NodeId = "root/step", ActivityType = "Elsa.WriteLine" };
}
