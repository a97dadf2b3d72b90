using System.Data;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Persistence.Workflows;

/// <summary>What a step writes about its own instance, as statements that need no answer in between. The same on every database.</summary>
internal static class StepStatements
{
    private const DbType Text = DbType.String;
    private const DbType Number = DbType.Int64;
    private const DbType Small = DbType.Int32;

    /// <summary>Events that one statement writes at most; most steps have two.</summary>
    private const int MostEvents = 4;

    private const int ColumnsOfEvent = 7;

    private static readonly Statement TakeLease = new(
        "INSERT INTO wake_ups (instance_id, due_at, seq, ran, owner, lease_until, fence) VALUES (@id, NULL, @seen, @seen, @owner, @until, @fence)",
        ("id", Text), ("seen", Number), ("owner", Text), ("until", Number), ("fence", Number));

    private static readonly Statement KeepLease = new(
        "UPDATE wake_ups SET lease_until = @until WHERE instance_id = @id AND owner = @owner AND fence = @fence",
        ("until", Number), ("id", Text), ("owner", Text), ("fence", Number));

    private static readonly Statement ReleaseLease = new(
        "UPDATE wake_ups SET owner = NULL, lease_until = NULL, ran = @seen, due_at = @due WHERE instance_id = @id AND owner = @owner AND fence = @fence",
        ("seen", Number), ("due", Number), ("id", Text), ("owner", Text), ("fence", Number));

    private static readonly Statement ForgetWakeUp = new("DELETE FROM wake_ups WHERE instance_id = @id AND seq = ran AND owner IS NULL", ("id", Text));

    private static readonly Statement InsertInstance = new(
        """
        INSERT INTO workflow_instances (id, definition_id, definition_version_id, definition_version, name, correlation_id, start_key, status, sub_status,
            incident_count, created_at, updated_at, finished_at, last_sequence, last_fence, chain_head, snapshot)
        VALUES (@id, @definition, @versionId, @version, @name, @correlation, @startKey, @status, @sub, @incidents, @created, @updated, NULL, @sequence, @fence, @head, @snapshot)
        """,
        ("id", Text), ("definition", Text), ("versionId", Text), ("version", Small), ("name", Text), ("correlation", Text), ("startKey", Text), ("status", Text), ("sub", Text),
        ("incidents", Small), ("created", Number), ("updated", Number), ("sequence", Number), ("fence", Number), ("head", Text), ("snapshot", Text));

    private static readonly Statement UpdateInstance = new(
        "UPDATE workflow_instances SET status = @status, sub_status = @sub, incident_count = @incidents, updated_at = @updated, finished_at = @finished, last_sequence = @sequence, chain_head = @head, snapshot = @snapshot WHERE id = @id",
        ("status", Text), ("sub", Text), ("incidents", Small), ("updated", Number), ("finished", Number), ("sequence", Number), ("head", Text), ("snapshot", Text), ("id", Text));

    private static readonly Statement LabelInstance = new(
        "UPDATE workflow_instances SET name = @name, correlation_id = @correlation WHERE id = @id", ("name", Text), ("correlation", Text), ("id", Text));

    /// <summary>By the number of events, from one on.</summary>
    private static readonly Statement[] InsertEvents = [.. Enumerable.Range(1, MostEvents).Select(InsertJournal)];

    private static readonly Statement DeleteBookmarks = new("DELETE FROM bookmarks WHERE instance_id = @id", ("id", Text));

    private static readonly Statement InsertBookmark = new(
        "INSERT INTO bookmarks (instance_id, id, node_id, name, key, due_at, created_at) VALUES (@instance, @id, @node, @name, @key, @due, @created)",
        ("instance", Text), ("id", Text), ("node", Text), ("name", Text), ("key", Text), ("due", Number), ("created", Number));

    private static readonly Statement DeleteMessage = new("DELETE FROM inbox WHERE id = @id AND instance_id = @instance", ("id", Number), ("instance", Text));

    /// <summary>The lease check comes first: a node that lost its lease writes nothing.</summary>
    public static List<StatementCall> Of(StepCommit commit, IDatabase database)
    {
        var calls = new List<StatementCall>(4);
        AddLease(calls, commit, database);
        AddInstance(calls, commit, database);
        AddEvents(calls, commit, database);
        AddBookmarks(calls, commit, database);
        foreach (var id in commit.ConsumedInbox)
        {
            calls.Add(DeleteMessage.With(id, commit.Instance.Id));
        }

        return calls;
    }

    private static void AddLease(List<StatementCall> calls, StepCommit commit, IDatabase database)
    {
        var lease = commit.Lease;
        if (commit.IsStart)
        {
            calls.Add(TakeLease.With(lease.InstanceId, lease.Seen, lease.Node, database.ToParameter(commit.LeaseUntil), lease.Fence));
            return;
        }

        calls.Add(commit.Releases
            ? ReleaseLease.Demanding(lease.Seen, Instant(database, commit.DueAt), lease.InstanceId, lease.Node, lease.Fence)
            : KeepLease.Demanding(database.ToParameter(commit.LeaseUntil), lease.InstanceId, lease.Node, lease.Fence));
        if (commit.Releases && commit.Instance.Status == WorkflowStatus.Finished)
        {
            // Released first, deleted second: a post that lands in between keeps the row.
            calls.Add(ForgetWakeUp.With(lease.InstanceId));
        }
    }

    private static void AddInstance(List<StatementCall> calls, StepCommit commit, IDatabase database)
    {
        var instance = commit.Instance;
        calls.Add(commit.IsStart
            ? InsertInstance.With(
                instance.Id,
                instance.DefinitionId,
                instance.DefinitionVersionId,
                instance.DefinitionVersion,
                instance.Name,
                instance.CorrelationId,
                instance.StartKey,
                instance.Status.ToString(),
                instance.SubStatus.ToString(),
                instance.IncidentCount,
                database.ToParameter(instance.CreatedAt),
                database.ToParameter(instance.UpdatedAt),
                instance.LastSequence,
                commit.Lease.Fence,
                commit.ChainHead,
                instance.Snapshot)
            : UpdateInstance.With(
                instance.Status.ToString(),
                instance.SubStatus.ToString(),
                instance.IncidentCount,
                database.ToParameter(instance.UpdatedAt),
                Instant(database, instance.FinishedAt),
                instance.LastSequence,
                commit.ChainHead,
                instance.Snapshot,
                instance.Id));
        if (commit.IsRelabelled && !commit.IsStart)
        {
            calls.Add(LabelInstance.With(instance.Name, instance.CorrelationId, instance.Id));
        }
    }

    private static void AddEvents(List<StatementCall> calls, StepCommit commit, IDatabase database)
    {
        var events = commit.Chained;
        for (var done = 0; done < events.Count;)
        {
            var count = Math.Min(MostEvents, events.Count - done);
            var values = new object?[1 + (ColumnsOfEvent * count)];
            values[0] = commit.Instance.Id;
            for (var i = 0; i < count; i++)
            {
                var item = events[done + i];
                object?[] row = [item.Event.Sequence, database.ToParameter(item.Event.At), item.Kind, item.NodeId, item.ExecutionId, item.Payload, item.Hash];
                row.CopyTo(values, 1 + (ColumnsOfEvent * i));
            }

            calls.Add(InsertEvents[count - 1].With(values));
            done += count;
        }
    }

    private static void AddBookmarks(List<StatementCall> calls, StepCommit commit, IDatabase database)
    {
        if (commit.Bookmarks is not { } bookmarks || (commit.IsStart && bookmarks.Count == 0))
        {
            return;
        }

        calls.Add(DeleteBookmarks.With(commit.Instance.Id));
        foreach (var bookmark in bookmarks)
        {
            calls.Add(InsertBookmark.With(
                commit.Instance.Id,
                bookmark.Id,
                bookmark.NodeId,
                bookmark.Name,
                bookmark.Key,
                Instant(database, bookmark.DueAt),
                database.ToParameter(bookmark.CreatedAt)));
        }
    }

    private static Statement InsertJournal(int events)
    {
        var rows = Enumerable.Range(1, events).Select(i => $"(@instance, @sequence{i}, @at{i}, @kind{i}, @node{i}, @execution{i}, @payload{i}, @hash{i})");
        return new(
            $"INSERT INTO journal (instance_id, sequence, at, kind, node_id, execution_id, payload, hash) VALUES {string.Join(", ", rows)}",
            [
                ("instance", Text),
                .. Enumerable.Range(1, events).SelectMany(i => new[]
                {
                    ($"sequence{i}", Number), ($"at{i}", Number), ($"kind{i}", Text), ($"node{i}", Text), ($"execution{i}", Text), ($"payload{i}", Text), ($"hash{i}", Text),
                }),
            ]);
    }

    private static object? Instant(IDatabase database, DateTimeOffset? instant) => instant is { } at ? database.ToParameter(at) : null;
}
