using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Benchmarks.Evidence;

/// <summary>Runs as the engine would have written them, written as fast as a database takes them.</summary>
internal static class LongHistory
{
    private static readonly Actor Operator = new(ActorKind.User, "user-7", "Olga Operator", "192.0.2.7");

    /// <summary>A run that has ended, in one commit.</summary>
    public static StepCommit EndedRun(string id, StoredDefinition definition, DateTimeOffset startedAt, int events, string? correlationId = null)
    {
        var journal = new List<JournalEvent>(events)
        {
            new InstanceStarted
            {
                At = startedAt, IsFact = true, WrittenBy = "node-1", DefinitionId = definition.DefinitionId, DefinitionVersionId = definition.Id, DefinitionSha256 = definition.Sha256,
                Input = new Dictionary<string, object?> { ["EntryId"] = "entry-1", ["RequestId"] = "request-1" }, Actor = Operator, Reason = "The disk was replaced.", CorrelationId = correlationId,
            },
        };
        for (var i = 1; journal.Count < events - 1; i++)
        {
            var at = startedAt.AddMilliseconds(i * 40);
            journal.Add(new ActivityStarted
            {
                At = at, ExecutionId = $"{i}", NodeId = "root/RestoreRoles/ConfirmFrames", ActivityType = "Failback.ConfirmFrames", ParentExecutionId = "1",
                Inputs = new Dictionary<string, object?> { ["server"] = "rec-1", ["channels"] = new List<object?> { "video-1", "video-2", "audio-1" }, ["epoch"] = 7L },
            });
            if (journal.Count < events - 1)
            {
                journal.Add(new ActivityCompleted
                {
                    At = at.AddMilliseconds(20), IsFact = true, WrittenBy = "node-1", ExecutionId = $"{i}", NodeId = "root/RestoreRoles/ConfirmFrames", Outcomes = ["Done"],
                    Outputs = new Dictionary<string, object?> { ["firstFrames"] = new Dictionary<string, object?> { ["video-1"] = "2026-03-01T12:00:03.123Z", ["video-2"] = "2026-03-01T12:00:03.456Z" } },
                });
            }
        }

        var endedAt = journal[^1].At;
        journal.Add(new InstanceFinished { At = endedAt, SubStatus = WorkflowSubStatus.Finished, Output = new Dictionary<string, object?> { ["Result"] = "done" } });
        for (var i = 0; i < journal.Count; i++)
        {
            journal[i].Sequence = i + 1;
        }

        return new()
        {
            Lease = new(id, "node-1", 1, endedAt.AddSeconds(30), 0),
            IsStart = true,
            Instance = new()
            {
                Id = id, DefinitionId = definition.DefinitionId, DefinitionVersionId = definition.Id, DefinitionVersion = definition.Version, Name = definition.Name, CorrelationId = correlationId,
                Status = WorkflowStatus.Finished, SubStatus = WorkflowSubStatus.Finished, IncidentCount = 0, CreatedAt = startedAt, UpdatedAt = endedAt, LastSequence = journal.Count, Snapshot = "{}",
            },
            Events = journal,
            Bookmarks = [],
            At = startedAt,
            LeaseUntil = endedAt.AddSeconds(30),
        };
    }
}
