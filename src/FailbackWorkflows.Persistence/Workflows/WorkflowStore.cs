using System.Data.Common;
using System.Text.Json;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Engine.Values;
using FailbackWorkflows.Persistence.Changes;
using Microsoft.EntityFrameworkCore;

namespace FailbackWorkflows.Persistence.Workflows;

/// <summary>
/// The engine's store. A step is one transaction of hand-written, portable commands; only changes of the product's own data go through the
/// model, on the same transaction.
/// </summary>
internal sealed class WorkflowStore(IDatabase database, DomainChanges changes, ChangeFeed feed) : IWorkflowStore
{
    private const string InsertJournal =
        "INSERT INTO journal (instance_id, sequence, at, kind, node_id, execution_id, payload) VALUES (@instance, @sequence, @at, @kind, @node, @execution, @payload)";

    private static readonly CompiledRead<string, WorkflowInstanceRow?> ById = new((db, id, _) => db.WorkflowInstances.FirstOrDefault(r => r.Id == id));
    private static readonly CompiledRead<string, string?> IdByStartKey = new((db, key, _) => db.WorkflowInstances.Where(r => r.StartKey == key).Select(r => r.Id).FirstOrDefault());
    private static readonly CompiledRead<string, WorkflowDefinitionRow?> PublishedDefinition =
        new((db, id, _) => db.WorkflowDefinitions.FirstOrDefault(r => r.DefinitionId == id && r.IsPublished));

    private static readonly CompiledRead<string, bool> HasBookmark = new((db, key, _) => db.Bookmarks.Any(r => r.Key == key));

    private static readonly CompiledList<string, InboxRow> InboxOf = new((db, id) => db.Inbox.Where(r => r.InstanceId == id).OrderBy(r => r.Id));

    private static readonly CompiledRead<DateTimeOffset, bool> IsAnyRunnable =
        new((db, now, _) => db.WakeUps.Any(w => (w.Owner == null && (w.Seq > w.Ran || w.DueAt <= now)) || (w.Owner != null && w.LeaseUntil < now)));

    public async Task CommitAsync(StepCommit commit, CancellationToken cancellationToken)
    {
        await using (var session = await database.BeginWriteAsync(cancellationToken))
        {
            await WriteLeaseAsync(session, commit, cancellationToken);
            await WriteInstanceAsync(session, commit, cancellationToken);
            foreach (var item in commit.Events)
            {
                await WriteEventAsync(session, commit.Instance.Id, item, cancellationToken);
            }

            await WriteBookmarksAsync(session, commit, cancellationToken);
            foreach (var id in commit.ConsumedInbox)
            {
                await session.ExecuteAsync("DELETE FROM inbox WHERE id = @id AND instance_id = @instance", cancellationToken, ("id", id), ("instance", commit.Instance.Id));
            }

            foreach (var stimulus in commit.Stimuli)
            {
                await WriteStimulusAsync(session, stimulus.Key, stimulus.InstanceId, stimulus.Payload, stimulus.Actor, commit.At, cancellationToken);
            }

            if (commit.Changes.Count > 0)
            {
                await changes.ApplyAsync(session, commit.Changes, cancellationToken);
            }

            await session.CommitAsync(cancellationToken);
        }

        feed.Committed(commit.Changes);
    }

    public async Task<StoredInstance?> FindInstanceAsync(string instanceId, CancellationToken cancellationToken) =>
        await ById.ExecuteAsync(database, instanceId, cancellationToken) is { } row ? ToInstance(row) : null;

    public Task<string?> FindInstanceByStartKeyAsync(string startKey, CancellationToken cancellationToken) => IdByStartKey.ExecuteAsync(database, startKey, cancellationToken);

    public async Task<IReadOnlyList<JournalEvent>> ReadJournalAsync(string instanceId, long afterSequence, int take, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        var rows = await db.Journal
            .Where(r => r.InstanceId == instanceId && r.Sequence > afterSequence)
            .OrderBy(r => r.Sequence)
            .Take(take)
            .Select(r => r.Payload)
            .ToListAsync(cancellationToken);
        return [.. rows.Select(payload => JsonSerializer.Deserialize<JournalEvent>(payload, PlainValue.Json)!)];
    }

    public async Task<IReadOnlyList<string>> PostStimulusAsync(string key, string? instanceId, object? payload, Actor actor, DateTimeOffset at, CancellationToken cancellationToken)
    {
        // A look first: most stimuli reach nobody, and then writers need not queue for them. A bookmark made after it came after the stimulus.
        if (!await HasBookmark.ExecuteAsync(database, key, cancellationToken))
        {
            return [];
        }

        await using var session = await database.BeginWriteAsync(cancellationToken);
        var reached = await WriteStimulusAsync(session, key, instanceId, payload, actor, at, cancellationToken);
        await session.CommitAsync(cancellationToken);
        return reached;
    }

    private async Task<IReadOnlyList<string>> WriteStimulusAsync(
        WriteSession session, string key, string? instanceId, object? payload, Actor actor, DateTimeOffset at, CancellationToken cancellationToken)
    {
        var reached = new List<string>();
        await using (var find = session.Command(
            instanceId is null ? "SELECT DISTINCT instance_id FROM bookmarks WHERE key = @key" : "SELECT DISTINCT instance_id FROM bookmarks WHERE key = @key AND instance_id = @instance",
            ("key", key),
            ("instance", instanceId)))
        await using (var reader = await find.ExecuteReaderAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken))
            {
                reached.Add(reader.GetString(0));
            }
        }

        foreach (var id in reached)
        {
            await WriteMessageAsync(session, id, new InboxMessage(0, InboxMessageKind.Stimulus, key, payload, actor, null), at, cancellationToken);
        }

        return reached;
    }

    public async Task<bool> PostAsync(string instanceId, InboxMessage message, DateTimeOffset at, CancellationToken cancellationToken)
    {
        await using var session = await database.BeginWriteAsync(cancellationToken);
        await using (var exists = session.Command("SELECT 1 FROM workflow_instances WHERE id = @id", ("id", instanceId)))
        {
            if (await exists.ExecuteScalarAsync(cancellationToken) is null)
            {
                return false;
            }
        }

        await WriteMessageAsync(session, instanceId, message, at, cancellationToken);
        await session.CommitAsync(cancellationToken);
        return true;
    }

    public async Task<IReadOnlyList<Lease>> ClaimRunnableAsync(string node, DateTimeOffset now, TimeSpan leaseDuration, int max, CancellationToken cancellationToken)
    {
        if (!await HasRunnableAsync(now, cancellationToken))
        {
            return [];
        }

        var at = database.ToParameter(now);
        var until = now + leaseDuration;
        await using var session = await database.BeginWriteAsync(cancellationToken);
        var found = new List<(string Id, long Seq, long Fence)>();
        await using (var find = session.Command(
            """
            SELECT w.instance_id, w.seq, CASE WHEN w.fence > i.last_fence THEN w.fence ELSE i.last_fence END
            FROM wake_ups w JOIN workflow_instances i ON i.id = w.instance_id
            WHERE (w.owner IS NULL AND (w.seq > w.ran OR w.due_at <= @now)) OR (w.owner IS NOT NULL AND w.lease_until < @now)
            ORDER BY w.due_at, w.instance_id LIMIT @max
            """,
            ("now", at),
            ("max", max)))
        await using (var reader = await find.ExecuteReaderAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken))
            {
                found.Add((reader.GetString(0), reader.GetInt64(1), reader.GetInt64(2)));
            }
        }

        var leases = new List<Lease>(found.Count);
        foreach (var (id, seq, fence) in found)
        {
            var lease = new Lease(id, node, fence + 1, until, seq);
            await session.ExecuteAsync(
                "UPDATE wake_ups SET owner = @owner, lease_until = @until, fence = @fence WHERE instance_id = @id",
                cancellationToken,
                ("owner", node),
                ("until", database.ToParameter(until)),
                ("fence", lease.Fence),
                ("id", id));
            await session.ExecuteAsync("UPDATE workflow_instances SET last_fence = @fence WHERE id = @id", cancellationToken, ("fence", lease.Fence), ("id", id));
            leases.Add(lease);
        }

        await session.CommitAsync(cancellationToken);
        return leases;
    }

    public Task<IReadOnlyList<InboxMessage>> ReadInboxAsync(string instanceId, CancellationToken cancellationToken) => InboxOf.ExecuteAsync(
        database,
        instanceId,
        r => new InboxMessage(
            r.Id,
            Enum.Parse<InboxMessageKind>(r.Kind),
            r.BookmarkKey,
            r.Payload is null ? null : PlainValue.Parse(r.Payload),
            JsonSerializer.Deserialize<Actor>(r.Actor, PlainValue.Json)!,
            r.Reason),
        cancellationToken);

    public async Task<bool> RenewLeaseAsync(Lease lease, DateTimeOffset until, CancellationToken cancellationToken)
    {
        await using var session = await database.BeginWriteAsync(cancellationToken);
        var renewed = await session.ExecuteAsync(
            "UPDATE wake_ups SET lease_until = @until WHERE instance_id = @id AND owner = @owner AND fence = @fence",
            cancellationToken,
            ("until", database.ToParameter(until)),
            ("id", lease.InstanceId),
            ("owner", lease.Node),
            ("fence", lease.Fence));
        await session.CommitAsync(cancellationToken);
        return renewed == 1;
    }

    public async Task ReleaseLeaseAsync(Lease lease, CancellationToken cancellationToken)
    {
        await using var session = await database.BeginWriteAsync(cancellationToken);
        await session.ExecuteAsync(
            "UPDATE wake_ups SET owner = NULL, lease_until = NULL, seq = seq + 1 WHERE instance_id = @id AND owner = @owner AND fence = @fence",
            cancellationToken,
            ("id", lease.InstanceId),
            ("owner", lease.Node),
            ("fence", lease.Fence));
        await session.CommitAsync(cancellationToken);
    }

    public async Task ReleaseLeasesOfAsync(string node, CancellationToken cancellationToken)
    {
        await using var session = await database.BeginWriteAsync(cancellationToken);
        await session.ExecuteAsync("UPDATE wake_ups SET owner = NULL, lease_until = NULL, seq = seq + 1 WHERE owner = @owner", cancellationToken, ("owner", node));
        await session.CommitAsync(cancellationToken);
    }

    public async Task<StoredDefinition> PublishDefinitionAsync(StoredDefinition definition, CancellationToken cancellationToken)
    {
        await using var session = await database.BeginWriteAsync(cancellationToken);
        var db = session.Context;
        var versions = await db.WorkflowDefinitions.Where(r => r.DefinitionId == definition.DefinitionId).ToListAsync(cancellationToken);
        var row = versions.Find(r => r.Sha256 == definition.Sha256);
        if (row is null)
        {
            // Numbered here, in the transaction: two publishers at the same moment get two versions.
            var version = Math.Max(definition.Version, versions.Select(r => r.Version).DefaultIfEmpty(0).Max() + 1);
            row = new WorkflowDefinitionRow
            {
                Id = $"{definition.DefinitionId}:{version}",
                DefinitionId = definition.DefinitionId,
                Version = version,
                Name = definition.Name,
                Json = definition.Json,
                Sha256 = definition.Sha256,
                PublishedAt = definition.PublishedAt,
                PublishedBy = definition.PublishedBy,
            };
            db.Add(row);
        }

        foreach (var other in versions)
        {
            other.IsPublished = false;
        }

        row.IsPublished = true;
        db.RemoveRange(await db.WorkflowTriggers.Where(r => r.DefinitionId == definition.DefinitionId).ToListAsync(cancellationToken));
        db.AddRange(definition.Triggers.Select(trigger => new WorkflowTriggerRow { DefinitionId = definition.DefinitionId, NodeId = trigger.NodeId, Key = trigger.Key }));
        await db.SaveChangesAsync(cancellationToken);
        await session.CommitAsync(cancellationToken);
        return row.ToDefinition();
    }

    public async Task<StoredDefinition?> FindPublishedDefinitionAsync(string definitionId, CancellationToken cancellationToken) =>
        (await PublishedDefinition.ExecuteAsync(database, definitionId, cancellationToken))?.ToDefinition();

    public async Task<IReadOnlyList<StoredTrigger>> FindTriggersAsync(IReadOnlyCollection<string> keys, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return await db.WorkflowTriggers
            .Where(r => keys.Contains(r.Key))
            .OrderBy(r => r.DefinitionId)
            .ThenBy(r => r.NodeId)
            .Select(r => new StoredTrigger(r.DefinitionId, r.NodeId, r.Key))
            .ToListAsync(cancellationToken);
    }

    public async Task<StoredDefinition?> FindDefinitionVersionAsync(string definitionVersionId, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return (await db.WorkflowDefinitions.FirstOrDefaultAsync(r => r.Id == definitionVersionId, cancellationToken))?.ToDefinition();
    }

    /// <summary>The lease check of the step; the first write of the transaction, so a node that lost its lease writes nothing.</summary>
    private async Task WriteLeaseAsync(WriteSession session, StepCommit commit, CancellationToken cancellationToken)
    {
        var lease = commit.Lease;
        if (commit.IsStart)
        {
            await session.ExecuteAsync(
                "INSERT INTO wake_ups (instance_id, due_at, seq, ran, owner, lease_until, fence) VALUES (@id, NULL, @seen, @seen, @owner, @until, @fence)",
                cancellationToken,
                ("id", lease.InstanceId),
                ("seen", lease.Seen),
                ("owner", lease.Node),
                ("until", database.ToParameter(commit.LeaseUntil)),
                ("fence", lease.Fence));
            return;
        }

        var held = commit.Releases
            ? await session.ExecuteAsync(
                "UPDATE wake_ups SET owner = NULL, lease_until = NULL, ran = @seen, due_at = @due WHERE instance_id = @id AND owner = @owner AND fence = @fence",
                cancellationToken,
                ("seen", lease.Seen),
                ("due", commit.DueAt is { } due ? database.ToParameter(due) : null),
                ("id", lease.InstanceId),
                ("owner", lease.Node),
                ("fence", lease.Fence))
            : await session.ExecuteAsync(
                "UPDATE wake_ups SET lease_until = @until WHERE instance_id = @id AND owner = @owner AND fence = @fence",
                cancellationToken,
                ("until", database.ToParameter(commit.LeaseUntil)),
                ("id", lease.InstanceId),
                ("owner", lease.Node),
                ("fence", lease.Fence));
        if (held != 1)
        {
            throw new LeaseLostException(lease.InstanceId);
        }

        if (commit.Releases && commit.Instance.Status == WorkflowStatus.Finished)
        {
            // Released first, deleted second: a post that lands in between keeps the row.
            await session.ExecuteAsync("DELETE FROM wake_ups WHERE instance_id = @id AND seq = ran AND owner IS NULL", cancellationToken, ("id", lease.InstanceId));
        }
    }

    private async Task WriteInstanceAsync(WriteSession session, StepCommit commit, CancellationToken cancellationToken)
    {
        var instance = commit.Instance;
        if (!commit.IsStart)
        {
            await session.ExecuteAsync(
                "UPDATE workflow_instances SET status = @status, sub_status = @sub, incident_count = @incidents, updated_at = @updated, finished_at = @finished, last_sequence = @sequence, snapshot = @snapshot WHERE id = @id",
                cancellationToken,
                ("status", instance.Status.ToString()),
                ("sub", instance.SubStatus.ToString()),
                ("incidents", instance.IncidentCount),
                ("updated", database.ToParameter(instance.UpdatedAt)),
                ("finished", instance.FinishedAt is { } finished ? database.ToParameter(finished) : null),
                ("sequence", instance.LastSequence),
                ("snapshot", instance.Snapshot),
                ("id", instance.Id));
            return;
        }

        try
        {
            await session.ExecuteAsync(
                """
                INSERT INTO workflow_instances (id, definition_id, definition_version_id, definition_version, name, correlation_id, start_key, status, sub_status,
                    incident_count, created_at, updated_at, finished_at, last_sequence, last_fence, snapshot)
                VALUES (@id, @definition, @versionId, @version, @name, @correlation, @startKey, @status, @sub, @incidents, @created, @updated, NULL, @sequence, @fence, @snapshot)
                """,
                cancellationToken,
                ("id", instance.Id),
                ("definition", instance.DefinitionId),
                ("versionId", instance.DefinitionVersionId),
                ("version", instance.DefinitionVersion),
                ("name", instance.Name),
                ("correlation", instance.CorrelationId),
                ("startKey", instance.StartKey),
                ("status", instance.Status.ToString()),
                ("sub", instance.SubStatus.ToString()),
                ("incidents", instance.IncidentCount),
                ("created", database.ToParameter(instance.CreatedAt)),
                ("updated", database.ToParameter(instance.UpdatedAt)),
                ("sequence", instance.LastSequence),
                ("fence", commit.Lease.Fence),
                ("snapshot", instance.Snapshot));
        }
        catch (DbException exception) when (instance.StartKey is { } startKey && database.IsUniqueViolation(exception))
        {
            throw new StartKeyTakenException(startKey, await FindInstanceByStartKeyAsync(startKey, cancellationToken) ?? "?");
        }
    }

    private async Task WriteEventAsync(WriteSession session, string instanceId, JournalEvent item, CancellationToken cancellationToken)
    {
        var (executionId, nodeId) = item switch
        {
            ActivityEvent activity => (activity.ExecutionId, activity.NodeId),
            InstanceFaulted faulted => (faulted.ExecutionId, faulted.NodeId),
            _ => (null, null),
        };
        await session.ExecuteAsync(
            InsertJournal,
            cancellationToken,
            ("instance", instanceId),
            ("sequence", item.Sequence),
            ("at", database.ToParameter(item.At)),
            ("kind", KindOf(item)),
            ("node", nodeId),
            ("execution", executionId),
            ("payload", JsonSerializer.Serialize(item, PlainValue.Json)));
    }

    private async Task WriteBookmarksAsync(WriteSession session, StepCommit commit, CancellationToken cancellationToken)
    {
        if (commit.Bookmarks is not { } bookmarks || (commit.IsStart && bookmarks.Count == 0))
        {
            return;
        }

        await session.ExecuteAsync("DELETE FROM bookmarks WHERE instance_id = @id", cancellationToken, ("id", commit.Instance.Id));
        foreach (var bookmark in bookmarks)
        {
            await session.ExecuteAsync(
                "INSERT INTO bookmarks (instance_id, id, node_id, name, key, due_at, created_at) VALUES (@instance, @id, @node, @name, @key, @due, @created)",
                cancellationToken,
                ("instance", commit.Instance.Id),
                ("id", bookmark.Id),
                ("node", bookmark.NodeId),
                ("name", bookmark.Name),
                ("key", bookmark.Key),
                ("due", bookmark.DueAt is { } due ? database.ToParameter(due) : null),
                ("created", database.ToParameter(bookmark.CreatedAt)));
            if (WorkflowEnded.InstanceOf(bookmark.Key) is { } awaited && await HasEndedAsync(session, awaited, cancellationToken))
            {
                await WriteMessageAsync(
                    session, commit.Instance.Id, new InboxMessage(0, InboxMessageKind.Stimulus, bookmark.Key, null, Actor.System, null), commit.At, cancellationToken);
            }
        }
    }

    private static async Task<bool> HasEndedAsync(WriteSession session, string instanceId, CancellationToken cancellationToken)
    {
        await using var ended = session.Command("SELECT 1 FROM workflow_instances WHERE id = @id AND status = 'Finished'", ("id", instanceId));
        return await ended.ExecuteScalarAsync(cancellationToken) is not null;
    }

    private async Task WriteMessageAsync(WriteSession session, string instanceId, InboxMessage message, DateTimeOffset at, CancellationToken cancellationToken)
    {
        await session.ExecuteAsync(
            "INSERT INTO inbox (instance_id, kind, bookmark_key, payload, actor, reason, at) VALUES (@instance, @kind, @key, @payload, @actor, @reason, @at)",
            cancellationToken,
            ("instance", instanceId),
            ("kind", message.Kind.ToString()),
            ("key", message.BookmarkKey),
            ("payload", message.Payload is null ? null : PlainValue.ToJson(message.Payload)),
            ("actor", JsonSerializer.Serialize(message.Actor, PlainValue.Json)),
            ("reason", message.Reason),
            ("at", database.ToParameter(at)));
        var woken = await session.ExecuteAsync("UPDATE wake_ups SET seq = seq + 1 WHERE instance_id = @id", cancellationToken, ("id", instanceId));
        if (woken == 0)
        {
            // A finished instance has no row any more; a redrive gives it one again.
            await session.ExecuteAsync(
                "INSERT INTO wake_ups (instance_id, due_at, seq, ran, owner, lease_until, fence) VALUES (@id, NULL, 1, 0, NULL, NULL, 0)",
                cancellationToken,
                ("id", instanceId));
        }
    }

    /// <summary>A look without a transaction: most of the time there is nothing to claim, and writers should not queue for that.</summary>
    private Task<bool> HasRunnableAsync(DateTimeOffset now, CancellationToken cancellationToken) => IsAnyRunnable.ExecuteAsync(database, now, cancellationToken);

    private static string KindOf(JournalEvent item)
    {
        var name = item.GetType().Name;
        return char.ToLowerInvariant(name[0]) + name[1..];
    }

    private static StoredInstance ToInstance(WorkflowInstanceRow row) => new()
    {
        Id = row.Id,
        DefinitionId = row.DefinitionId,
        DefinitionVersionId = row.DefinitionVersionId,
        DefinitionVersion = row.DefinitionVersion,
        Name = row.Name,
        CorrelationId = row.CorrelationId,
        StartKey = row.StartKey,
        Status = Enum.Parse<WorkflowStatus>(row.Status),
        SubStatus = Enum.Parse<WorkflowSubStatus>(row.SubStatus),
        IncidentCount = row.IncidentCount,
        CreatedAt = row.CreatedAt,
        UpdatedAt = row.UpdatedAt,
        FinishedAt = row.FinishedAt,
        LastSequence = row.LastSequence,
        Snapshot = row.Snapshot,
    };
}
