using System.Data;
using System.Data.Common;
using System.Text.Json;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Library;
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
    private const string Runnable =
        """
        SELECT w.instance_id, w.seq, CASE WHEN w.fence > i.last_fence THEN w.fence ELSE i.last_fence END AS fence
        FROM wake_ups w JOIN workflow_instances i ON i.id = w.instance_id
        WHERE (w.owner IS NULL AND (w.seq > w.ran OR w.due_at <= @now)) OR (w.owner IS NOT NULL AND w.lease_until < @now)
        ORDER BY w.due_at NULLS FIRST, w.instance_id LIMIT @max
        """;

    /// <summary>
    /// What <see cref="WriteStimulusAsync"/> does, in one statement, for a database that can: everybody reached gets a message, and in the same order
    /// a wake-up.
    /// </summary>
    private static readonly Statement Post = new(
        """
        WITH reached AS MATERIALIZED (SELECT DISTINCT instance_id FROM bookmarks WHERE key = @key AND (@instance IS NULL OR instance_id = @instance)
                AND (@correlation IS NULL OR instance_id IN (SELECT id FROM workflow_instances WHERE correlation_id = @correlation)) ORDER BY instance_id),
            messages AS (INSERT INTO inbox (instance_id, kind, bookmark_key, payload, actor, reason, at) SELECT instance_id, @kind, @key, @payload, @actor, NULL, @at FROM reached)
        INSERT INTO wake_ups (instance_id, due_at, seq, ran, owner, lease_until, fence) SELECT instance_id, NULL, 1, 0, NULL, NULL, 0 FROM reached
        ON CONFLICT (instance_id) DO UPDATE SET seq = wake_ups.seq + 1
        RETURNING instance_id
        """,
        ("key", DbType.String), ("instance", DbType.String), ("correlation", DbType.String), ("kind", DbType.String), ("payload", DbType.String), ("actor", DbType.String), ("at", DbType.Int64));

    /// <summary>What <see cref="WriteLeasesAsync"/> does, in one statement, for a database that can.</summary>
    private static readonly Statement Claim = new(
        $"""
        WITH due AS MATERIALIZED ({Runnable}{SqlDialect.ManyWriters.Claim}),
            raised AS (UPDATE workflow_instances i SET last_fence = due.fence + 1 FROM due WHERE i.id = due.instance_id)
        UPDATE wake_ups w SET owner = @owner, lease_until = @until, fence = due.fence + 1 FROM due WHERE w.instance_id = due.instance_id
        RETURNING w.instance_id, due.seq, w.fence
        """,
        ("now", DbType.Int64), ("max", DbType.Int32), ("owner", DbType.String), ("until", DbType.Int64));

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
        if (!await TryShareAsync(commit, cancellationToken))
        {
            await database.WriteAsync(session => WriteStepAsync(session, commit, cancellationToken), cancellationToken);
        }

        feed.Committed(commit.Changes);
    }

    /// <summary>A step that looks at nothing but its own lease may share a transaction with those of other instances. False: nothing was written.</summary>
    private Task<bool> TryShareAsync(StepCommit commit, CancellationToken cancellationToken)
    {
        if (database.Shared is not { } shared || commit.Changes.Count > 0 || commit.Cancels.Count > 0 || commit.Activation is not null || commit.Bookmarks?.Any(b => WorkflowEnded.InstanceOf(b.Key) is not null) == true)
        {
            return Task.FromResult(false);
        }

        var calls = StepStatements.Of(commit, database);
        calls.AddRange(commit.Stimuli.Select(stimulus => PostCall(stimulus, commit.At)));
        return shared.TryWriteAsync(calls, cancellationToken);
    }

    private async Task WriteStepAsync(WriteSession session, StepCommit commit, CancellationToken cancellationToken)
    {
        if (commit.Activation is { } activation)
        {
            await session.LockAsync(DatabaseLock.Activation, cancellationToken);
            if (await FindRunningAsync(session, activation, commit.Instance.Id, cancellationToken) is { } running)
            {
                throw new AlreadyRunningException(running);
            }
        }

        var ended = await FindEndedAsync(session, commit, cancellationToken);
        try
        {
            if (!await session.ExecuteAsync(StepStatements.Of(commit, database), cancellationToken))
            {
                throw new LeaseLostException(commit.Lease.InstanceId);
            }
        }
        catch (DbException exception) when (commit.IsStart && commit.Instance.StartKey is not null && database.IsUniqueViolation(exception))
        {
            if (await FindInstanceByStartKeyAsync(commit.Instance.StartKey, cancellationToken) is { } taken)
            {
                throw new StartKeyTakenException(commit.Instance.StartKey, taken);
            }

            throw;
        }

        foreach (var bookmark in commit.Bookmarks ?? [])
        {
            if (WorkflowEnded.InstanceOf(bookmark.Key) is { } awaited && ended.Contains(awaited))
            {
                await WriteMessageAsync(
                    session, commit.Instance.Id, new InboxMessage(0, InboxMessageKind.Stimulus, bookmark.Key, null, Actor.System, null), commit.At, cancellationToken);
            }
        }

        foreach (var stimulus in commit.Stimuli)
        {
            await WriteStimulusAsync(session, stimulus, commit.At, cancellationToken);
        }

        foreach (var child in commit.Cancels)
        {
            await using var exists = session.Command("SELECT 1 FROM workflow_instances WHERE id = @id", ("id", child));
            if (await exists.ExecuteScalarAsync(cancellationToken) is not null)
            {
                await WriteMessageAsync(
                    session, child, new InboxMessage(0, InboxMessageKind.Cancel, null, null, Actor.System, "What had started it was cancelled."), commit.At, cancellationToken);
            }
        }

        if (commit.Changes.Count > 0)
        {
            await changes.ApplyAsync(session, commit.Changes, cancellationToken);
        }
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

    public async Task<IReadOnlyList<string>> PostStimulusAsync(Stimulus stimulus, DateTimeOffset at, CancellationToken cancellationToken)
    {
        if (database.Shared is { } shared)
        {
            var reached = await shared.QueryAsync(PostCall(stimulus, at), row => row.GetString(0), cancellationToken);
            reached.Sort(StringComparer.Ordinal);
            return reached;
        }

        // A look first: most stimuli reach nobody, and then writers need not queue for them. A bookmark made after it came after the stimulus.
        if (!await HasBookmark.ExecuteAsync(database, stimulus.Key, cancellationToken))
        {
            return [];
        }

        return await database.WriteAsync(session => WriteStimulusAsync(session, stimulus, at, cancellationToken), cancellationToken);
    }

    private StatementCall PostCall(Stimulus stimulus, DateTimeOffset at) => Post.With(
        stimulus.Key,
        stimulus.InstanceId,
        stimulus.CorrelationId,
        nameof(InboxMessageKind.Stimulus),
        stimulus.Payload is null ? null : PlainValue.ToJson(stimulus.Payload),
        JsonSerializer.Serialize(stimulus.Actor, PlainValue.Json),
        database.ToParameter(at));

    private async Task<IReadOnlyList<string>> WriteStimulusAsync(WriteSession session, Stimulus stimulus, DateTimeOffset at, CancellationToken cancellationToken)
    {
        var reached = new List<string>();
        // In order, so that two that reach the same instances do not wait for each other.
        await using (var find = session.Command(
            "SELECT DISTINCT instance_id FROM bookmarks WHERE key = @key"
            + (stimulus.InstanceId is null ? string.Empty : " AND instance_id = @instance")
            + (stimulus.CorrelationId is null ? string.Empty : " AND instance_id IN (SELECT id FROM workflow_instances WHERE correlation_id = @correlation)")
            + " ORDER BY instance_id",
            ("key", stimulus.Key),
            ("instance", stimulus.InstanceId),
            ("correlation", stimulus.CorrelationId)))
        await using (var reader = await find.ExecuteReaderAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken))
            {
                reached.Add(reader.GetString(0));
            }
        }

        foreach (var id in reached)
        {
            await WriteMessageAsync(session, id, new InboxMessage(0, InboxMessageKind.Stimulus, stimulus.Key, stimulus.Payload, stimulus.Actor, null), at, cancellationToken);
        }

        return reached;
    }

    public Task<bool> PostAsync(string instanceId, InboxMessage message, DateTimeOffset at, CancellationToken cancellationToken) => database.WriteAsync(
        async session =>
        {
            await using (var exists = session.Command("SELECT 1 FROM workflow_instances WHERE id = @id", ("id", instanceId)))
            {
                if (await exists.ExecuteScalarAsync(cancellationToken) is null)
                {
                    return false;
                }
            }

            await WriteMessageAsync(session, instanceId, message, at, cancellationToken);
            return true;
        },
        cancellationToken);

    public async Task<IReadOnlyList<Lease>> ClaimRunnableAsync(string node, DateTimeOffset now, TimeSpan leaseDuration, int max, CancellationToken cancellationToken)
    {
        if (database.Shared is { } shared)
        {
            var until = now + leaseDuration;
            return await shared.QueryAsync(
                Claim.With(database.ToParameter(now), max, node, database.ToParameter(until)),
                row => new Lease(row.GetString(0), node, row.GetInt64(2), until, row.GetInt64(1)),
                cancellationToken);
        }

        if (!await HasRunnableAsync(now, cancellationToken))
        {
            return [];
        }

        return await database.WriteAsync(session => WriteLeasesAsync(session, node, now, now + leaseDuration, max, cancellationToken), cancellationToken);
    }

    private async Task<IReadOnlyList<Lease>> WriteLeasesAsync(WriteSession session, string node, DateTimeOffset now, DateTimeOffset until, int max, CancellationToken cancellationToken)
    {
        var found = new List<(string Id, long Seq, long Fence)>();
        await using (var find = session.Command(
            Runnable + session.Dialect.Claim,
            ("now", database.ToParameter(now)),
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
        var renewed = await database.WriteUrgentlyAsync(
            session => session.ExecuteAsync(
                "UPDATE wake_ups SET lease_until = @until WHERE instance_id = @id AND owner = @owner AND fence = @fence",
                cancellationToken,
                ("until", database.ToParameter(until)),
                ("id", lease.InstanceId),
                ("owner", lease.Node),
                ("fence", lease.Fence)),
            cancellationToken);
        return renewed == 1;
    }

    public Task ReleaseLeaseAsync(Lease lease, CancellationToken cancellationToken) => database.WriteAsync(
        session => session.ExecuteAsync(
            "UPDATE wake_ups SET owner = NULL, lease_until = NULL, seq = seq + 1 WHERE instance_id = @id AND owner = @owner AND fence = @fence",
            cancellationToken,
            ("id", lease.InstanceId),
            ("owner", lease.Node),
            ("fence", lease.Fence)),
        cancellationToken);

    public Task ReleaseLeasesOfAsync(string node, CancellationToken cancellationToken) => database.WriteAsync(
        session => session.ExecuteAsync("UPDATE wake_ups SET owner = NULL, lease_until = NULL, seq = seq + 1 WHERE owner = @owner", cancellationToken, ("owner", node)),
        cancellationToken);

    public Task<StoredDefinition> PublishDefinitionAsync(StoredDefinition definition, CancellationToken cancellationToken) =>
        database.WriteAsync(session => WriteDefinitionAsync(session, definition, cancellationToken), cancellationToken);

    private static async Task<StoredDefinition> WriteDefinitionAsync(WriteSession session, StoredDefinition definition, CancellationToken cancellationToken)
    {
        await session.LockAsync(DatabaseLock.Publish, cancellationToken);
        var db = session.Context;
        var versions = await db.WorkflowDefinitions.Where(r => r.DefinitionId == definition.DefinitionId).ToListAsync(cancellationToken);
        var row = versions.Find(r => r.Sha256 == definition.Sha256 && !r.IsDraft);
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
                Description = definition.Description,
                Origin = definition.PublishedBy == StoredDefinition.FromFile ? VersionOrigin.File : VersionOrigin.Designer,
                Conflict = definition.Conflict,
            };
            db.Add(row);
            versions.Add(row);
        }

        if (!definition.IsKeptBack)
        {
            foreach (var other in versions)
            {
                other.IsPublished = other == row;
            }
        }

        row.DeletedAt = null;
        var latest = versions.Where(r => r.DeletedAt is null).MaxBy(r => (r.IsDraft, r.Version));
        foreach (var other in versions)
        {
            other.IsLatest = other == latest;
        }

        if (latest is { IsDraft: true } && versions.Exists(r => r.Version > latest.Version))
        {
            // Its number was taken by what came in between; the draft goes on under the next one.
            db.Remove(latest);
            await db.SaveChangesAsync(cancellationToken);
            var moved = LibraryChange.Renumber(latest, versions.Max(r => r.Version) + 1);
            db.Add(moved);
        }

        if (definition.IsKeptBack)
        {
            await db.SaveChangesAsync(cancellationToken);
            return row.ToDefinition();
        }

        db.RemoveRange(await db.WorkflowTriggers.Where(r => r.DefinitionId == definition.DefinitionId).ToListAsync(cancellationToken));
        db.AddRange(definition.Triggers.Select(trigger => new WorkflowTriggerRow { DefinitionId = definition.DefinitionId, NodeId = trigger.NodeId, Key = trigger.Key }));
        await db.SaveChangesAsync(cancellationToken);
        return row.ToDefinition();
    }

    public async Task<StoredDefinition?> FindPublishedDefinitionAsync(string definitionId, CancellationToken cancellationToken) =>
        (await PublishedDefinition.ExecuteAsync(database, definitionId, cancellationToken))?.ToDefinition();

    public async Task<IReadOnlyDictionary<string, string>> FindPublishedVersionsAsync(IReadOnlyCollection<string> definitionIds, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return await db.WorkflowDefinitions
            .Where(r => r.IsPublished && definitionIds.Contains(r.DefinitionId))
            .Select(r => new { r.DefinitionId, r.Id })
            .ToDictionaryAsync(r => r.DefinitionId, r => r.Id, StringComparer.Ordinal, cancellationToken);
    }

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

    public async Task<StoredDefinition?> FindDefinitionByContentAsync(string definitionId, string sha256, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return (await db.WorkflowDefinitions.FirstOrDefaultAsync(r => r.DefinitionId == definitionId && r.Sha256 == sha256 && !r.IsDraft, cancellationToken))?.ToDefinition();
    }

    public async Task<IReadOnlyList<ScheduledTrigger>> ListTriggersAsync(IReadOnlyCollection<string> prefixes, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        var rows = await db.WorkflowTriggers
            .Join(db.WorkflowDefinitions.Where(d => d.IsPublished), t => t.DefinitionId, d => d.DefinitionId, (t, d) => new { t.DefinitionId, t.NodeId, t.Key, d.PublishedAt })
            .OrderBy(r => r.DefinitionId)
            .ThenBy(r => r.NodeId)
            .ToListAsync(cancellationToken);
        return [.. rows.Where(r => prefixes.Any(p => r.Key.StartsWith(p, StringComparison.Ordinal))).Select(r => new ScheduledTrigger(r.DefinitionId, r.NodeId, r.Key, r.PublishedAt))];
    }

    public async Task<IReadOnlyList<StoredDefinition>> ListPublishedDefinitionsAsync(CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        var rows = await db.WorkflowDefinitions.Where(r => r.IsPublished).OrderBy(r => r.DefinitionId).ToListAsync(cancellationToken);
        return [.. rows.Select(r => r.ToDefinition())];
    }

    public Task<string?> FindRunningAsync(Activation activation, string exceptInstanceId, CancellationToken cancellationToken) =>
        database.WriteAsync(session => FindRunningAsync(session, activation, exceptInstanceId, cancellationToken), cancellationToken);

    private static async Task<string?> FindRunningAsync(WriteSession session, Activation activation, string exceptInstanceId, CancellationToken cancellationToken)
    {
        var byDefinition = activation.Strategy != ActivationStrategy.Correlation;
        var byCorrelation = activation.Strategy != ActivationStrategy.Singleton;
        await using var find = session.Command(
            "SELECT id FROM workflow_instances WHERE status = 'Running' AND id <> @id"
            + (byDefinition ? " AND definition_id = @definition" : string.Empty)
            + (byCorrelation ? activation.CorrelationId is null ? " AND correlation_id IS NULL" : " AND correlation_id = @correlation" : string.Empty)
            + " LIMIT 1",
            ("id", exceptInstanceId),
            ("definition", activation.DefinitionId),
            ("correlation", activation.CorrelationId));
        return await find.ExecuteScalarAsync(cancellationToken) as string;
    }

    public async Task<IReadOnlyList<StoredBookmark>> ListBookmarksAsync(string name, int take, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        var rows = await db.Bookmarks.Where(r => r.Name == name).OrderBy(r => r.CreatedAt).ThenBy(r => r.InstanceId).ThenBy(r => r.Id).Take(take).ToListAsync(cancellationToken);
        return [.. rows.Select(r => new StoredBookmark(r.Id, r.InstanceId, r.NodeId, r.Name, r.Key, r.DueAt, r.CreatedAt))];
    }

    public async Task<StoredDefinition?> FindDefinitionVersionAsync(string definitionVersionId, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return (await db.WorkflowDefinitions.FirstOrDefaultAsync(r => r.Id == definitionVersionId && !r.IsDraft, cancellationToken))?.ToDefinition();
    }

    /// <summary>
    /// The instances whose end the step waits for and that have ended. The others cannot end before this commit, and then find its bookmark: their
    /// last commit changes the row that is held here before it looks for bookmarks. Held before anything else, so that nobody waits for what this
    /// one has while it waits for them.
    /// </summary>
    private static async Task<HashSet<string>> FindEndedAsync(WriteSession session, StepCommit commit, CancellationToken cancellationToken)
    {
        var ended = new HashSet<string>(StringComparer.Ordinal);
        if (commit.Bookmarks is not { Count: > 0 } bookmarks)
        {
            return ended;
        }

        foreach (var id in bookmarks.Select(b => WorkflowEnded.InstanceOf(b.Key)).OfType<string>().Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
        {
            await using var find = session.Command($"SELECT status FROM workflow_instances WHERE id = @id{session.Dialect.Hold}", ("id", id));
            if (await find.ExecuteScalarAsync(cancellationToken) is nameof(WorkflowStatus.Finished))
            {
                ended.Add(id);
            }
        }

        return ended;
    }

    private Task WriteMessageAsync(WriteSession session, string instanceId, InboxMessage message, DateTimeOffset at, CancellationToken cancellationToken) =>
        WriteMessageAsync(session, database, instanceId, message, at, cancellationToken);

    /// <summary>Puts a message into an inbox and wakes its instance, in the session's transaction.</summary>
    internal static async Task WriteMessageAsync(WriteSession session, IDatabase database, string instanceId, InboxMessage message, DateTimeOffset at, CancellationToken cancellationToken)
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
        // A finished instance has no row any more; a redrive gives it one again.
        await session.ExecuteAsync(
            """
            INSERT INTO wake_ups (instance_id, due_at, seq, ran, owner, lease_until, fence) VALUES (@id, NULL, 1, 0, NULL, NULL, 0)
            ON CONFLICT (instance_id) DO UPDATE SET seq = wake_ups.seq + 1
            """,
            cancellationToken,
            ("id", instanceId));
    }

    /// <summary>A look without a transaction: most of the time there is nothing to claim, and writers should not queue for that.</summary>
    private Task<bool> HasRunnableAsync(DateTimeOffset now, CancellationToken cancellationToken) => IsAnyRunnable.ExecuteAsync(database, now, cancellationToken);

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
        ChainHead = row.ChainHead,
        Snapshot = row.Snapshot,
    };
}
