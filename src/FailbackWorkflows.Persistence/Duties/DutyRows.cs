using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Reconciliation;
using FailbackWorkflows.Persistence.Changes;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace FailbackWorkflows.Persistence.Duties;

internal sealed class DutyRow
{
    public required string Identity { get; set; }

    public required string HolderServerId { get; set; }

    public long Epoch { get; set; }

    public required string AllocationId { get; set; }

    public long Fence { get; set; }

    public static void Configure(EntityTypeBuilder<DutyRow> row)
    {
        row.ToTable("duties");
        row.HasKey(r => r.Identity);
        row.HasIndex(r => r.HolderServerId);
        row.Property(r => r.Epoch).IsConcurrencyToken();
        row.Property(r => r.Fence).IsConcurrencyToken();
    }

    public Duty ToDuty() => new(Identity, HolderServerId, Epoch, AllocationId, Fence);
}

internal sealed class DutyClaimRow
{
    /// <summary>Primary key: what makes a claim exclusive.</summary>
    public required string Key { get; set; }

    public required string InstanceId { get; set; }

    public required string Kind { get; set; }

    public DateTimeOffset TakenAt { get; set; }

    public static void Configure(EntityTypeBuilder<DutyClaimRow> row)
    {
        row.ToTable("duty_claims");
        row.HasKey(r => r.Key);
        row.HasIndex(r => r.InstanceId);
    }

    public DutyClaim ToClaim() => new(Key, InstanceId, Kind, TakenAt);
}

internal sealed class RetentionHoldRow
{
    public required string EntryId { get; set; }

    public required string ServerId { get; set; }

    public required string Identity { get; set; }

    public DateTimeOffset FromUtc { get; set; }

    public DateTimeOffset? ToUtc { get; set; }

    public static void Configure(EntityTypeBuilder<RetentionHoldRow> row)
    {
        row.ToTable("retention_holds");
        row.HasKey(r => new { r.EntryId, r.ServerId });
        row.HasIndex(r => r.ServerId);
    }
}

internal sealed class TakeClaimsHandler(IDatabase database) : DomainChangeHandler<TakeClaims>
{
    private static readonly CompiledRead<string, DutyClaimRow?> ByKey = new((db, key, _) => db.DutyClaims.AsNoTracking().FirstOrDefault(r => r.Key == key));

    protected override async Task ApplyAsync(WriteSession session, TakeClaims change, CancellationToken cancellationToken)
    {
        foreach (var key in change.Keys.Distinct())
        {
            // What the instance has already, it keeps as it is.
            var taken = await session.ExecuteAsync(
                """
                INSERT INTO duty_claims (key, instance_id, kind, taken_at) VALUES (@key, @instance, @kind, @at)
                ON CONFLICT (key) DO UPDATE SET kind = duty_claims.kind WHERE duty_claims.instance_id = excluded.instance_id
                """,
                cancellationToken,
                ("key", key),
                ("instance", change.InstanceId),
                ("kind", change.Kind),
                ("at", database.ToParameter(change.At)));
            if (taken == 0)
            {
                var holder = await ByKey.ExecuteAsync(session.Context, key, cancellationToken);
                throw new ClaimConflictException(key, holder?.InstanceId ?? "?", holder?.Kind ?? "?");
            }
        }
    }
}

internal sealed class ReleaseClaimsHandler : DomainChangeHandler<ReleaseClaims>
{
    protected override Task ApplyAsync(WriteSession session, ReleaseClaims change, CancellationToken cancellationToken) => session.ExecuteAsync(
        "DELETE FROM duty_claims WHERE instance_id = @instance AND key <> @except",
        cancellationToken,
        ("instance", change.InstanceId),
        ("except", change.ExceptKey ?? ""));
}

internal sealed class RequireClaimHandler : DomainChangeHandler<RequireClaim>
{
    protected override async Task ApplyAsync(WriteSession session, RequireClaim change, CancellationToken cancellationToken)
    {
        await using var held = session.Command(
            $"SELECT 1 FROM duty_claims WHERE key = @key AND instance_id = @instance{session.Dialect.HoldKey}", ("key", change.Key), ("instance", change.InstanceId));
        if (await held.ExecuteScalarAsync(cancellationToken) is null)
        {
            throw new ConcurrentChangeException($"The claim {change.Key}");
        }
    }
}

internal sealed class GrantEpochHandler(IEpochCheckpoint checkpoint) : DomainChangeHandler<GrantEpoch>
{
    protected override async Task ApplyAsync(WriteSession session, GrantEpoch change, CancellationToken cancellationToken)
    {
        // Ahead of the commit: no recorder ever knows an epoch that the checkpoint does not. One that is noted and not committed is only skipped.
        checkpoint.Note(change.Identity, change.Epoch, change.AllocationId);

        // To grant the same epoch again is harmless; to grant it to somebody else, or an older one, is not.
        var granted = await session.ExecuteAsync(
            """
            INSERT INTO duties (identity, holder_server_id, epoch, allocation_id, fence) VALUES (@identity, @holder, @epoch, @allocation, 0)
            ON CONFLICT (identity) DO UPDATE SET holder_server_id = excluded.holder_server_id, epoch = excluded.epoch, allocation_id = excluded.allocation_id
            WHERE duties.epoch < excluded.epoch
                OR (duties.epoch = excluded.epoch AND duties.allocation_id = excluded.allocation_id AND duties.holder_server_id = excluded.holder_server_id)
            """,
            cancellationToken,
            ("identity", change.Identity),
            ("holder", change.HolderServerId),
            ("epoch", change.Epoch),
            ("allocation", change.AllocationId));
        if (granted == 0)
        {
            throw new ConcurrentChangeException($"The duty of {change.Identity}");
        }
    }
}

internal sealed class RaiseFenceHandler : DomainChangeHandler<RaiseFence>
{
    protected override async Task ApplyAsync(WriteSession session, RaiseFence change, CancellationToken cancellationToken)
    {
        var raised = await session.ExecuteAsync(
            "UPDATE duties SET fence = @fence WHERE identity = @identity AND fence < @fence", cancellationToken, ("fence", change.Fence), ("identity", change.Identity));
        if (raised == 0)
        {
            throw new ConcurrentChangeException($"The fence of {change.Identity}");
        }
    }
}

internal sealed class AcceptDutyHandler(IEpochCheckpoint checkpoint) : DomainChangeHandler<AcceptDuty>
{
    protected override async Task ApplyAsync(WriteSession session, AcceptDuty change, CancellationToken cancellationToken)
    {
        // A checkpoint that was lost learns again what recorders know.
        checkpoint.Note(change.Accepted.Identity, change.Accepted.Epoch, null);
        var accepted = await session.ExecuteAsync(
            change.Known is null
                ? "INSERT INTO duties (identity, holder_server_id, epoch, allocation_id, fence) VALUES (@identity, @holder, @epoch, @allocation, @fence) ON CONFLICT (identity) DO NOTHING"
                : """
                UPDATE duties SET holder_server_id = @holder, epoch = @epoch, allocation_id = @allocation, fence = @fence
                WHERE identity = @identity AND epoch = @knownEpoch AND fence = @knownFence AND epoch <= @epoch AND fence <= @fence
                """,
            cancellationToken,
            [
                ("identity", change.Accepted.Identity),
                ("holder", change.Accepted.HolderServerId),
                ("epoch", change.Accepted.Epoch),
                ("allocation", change.Accepted.AllocationId),
                ("fence", change.Accepted.Fence),
                .. change.Known is { } known ? new (string, object?)[] { ("knownEpoch", known.Epoch), ("knownFence", known.Fence) } : [],
            ]);
        if (accepted == 0)
        {
            throw new ConcurrentChangeException($"The duty of {change.Accepted.Identity}");
        }
    }
}

internal sealed class SaveRetentionHoldHandler(IDatabase database) : DomainChangeHandler<SaveRetentionHold>
{
    protected override Task ApplyAsync(WriteSession session, SaveRetentionHold change, CancellationToken cancellationToken) => session.ExecuteAsync(
        """
        INSERT INTO retention_holds (entry_id, server_id, identity, from_utc, to_utc) VALUES (@entry, @server, @identity, @from, @to)
        ON CONFLICT (entry_id, server_id) DO UPDATE SET from_utc = excluded.from_utc, to_utc = excluded.to_utc
        """,
        cancellationToken,
        ("entry", change.Hold.EntryId),
        ("server", change.Hold.ServerId),
        ("identity", change.Hold.Identity),
        ("from", database.ToParameter(change.Hold.FromUtc)),
        ("to", change.Hold.ToUtc is { } to ? database.ToParameter(to) : null));
}

internal sealed class Duties(IDatabase database, CommittedChanges committed) : IDuties
{
    private static readonly CompiledRead<string, DutyRow?> ByIdentity = new((db, identity, _) => db.Duties.FirstOrDefault(r => r.Identity == identity));
    private static readonly CompiledRead<string, DutyClaimRow?> ClaimByKey = new((db, key, _) => db.DutyClaims.FirstOrDefault(r => r.Key == key));
    private static readonly CompiledList<string[], DutyRow> HeldByThese = new((db, holderServerIds) => db.Duties.Where(r => holderServerIds.Contains(r.HolderServerId)).OrderBy(r => r.Identity));
    private static readonly CompiledList<int, DutyClaimRow> Claims = new((db, _) => db.DutyClaims.OrderBy(r => r.Key));
    private static readonly CompiledList<string, DutyClaimRow> ClaimsOf = new((db, instanceId) => db.DutyClaims.Where(r => r.InstanceId == instanceId).OrderBy(r => r.Key));

    public long Version => committed.CountOf<GrantEpoch>() + committed.CountOf<AcceptDuty>();

    public async Task<Duty?> FindAsync(string identity, CancellationToken cancellationToken) => (await ByIdentity.ExecuteAsync(database, identity, cancellationToken))?.ToDuty();

    public async Task<IReadOnlyList<Duty>> ListAsync(CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return [.. (await db.Duties.OrderBy(r => r.Identity).ToListAsync(cancellationToken)).Select(r => r.ToDuty())];
    }

    public async Task<IReadOnlyList<Duty>> ListAsync(IReadOnlyCollection<string> identities, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return [.. (await db.Duties.Where(r => identities.Contains(r.Identity)).OrderBy(r => r.Identity).ToListAsync(cancellationToken)).Select(r => r.ToDuty())];
    }

    public Task<IReadOnlyList<Duty>> ListHeldAsync(IReadOnlyCollection<string> holderServerIds, CancellationToken cancellationToken) =>
        HeldByThese.ExecuteAsync(database, [.. holderServerIds], r => r.ToDuty(), cancellationToken);

    public Task<IReadOnlyList<DutyClaim>> ListClaimsAsync(string instanceId, CancellationToken cancellationToken) =>
        ClaimsOf.ExecuteAsync(database, instanceId, r => r.ToClaim(), cancellationToken);

    public Task<IReadOnlyList<DutyClaim>> ListClaimsAsync(CancellationToken cancellationToken) => Claims.ExecuteAsync(database, 0, r => r.ToClaim(), cancellationToken);

    public async Task<DutyClaim?> FindClaimAsync(string key, CancellationToken cancellationToken) => (await ClaimByKey.ExecuteAsync(database, key, cancellationToken))?.ToClaim();
}
