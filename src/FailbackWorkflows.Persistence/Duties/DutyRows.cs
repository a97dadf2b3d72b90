using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Duties;
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

internal sealed class TakeClaimsHandler : DomainChangeHandler<TakeClaims>
{
    protected override async Task ApplyAsync(FailbackDbContext db, TakeClaims change, CancellationToken cancellationToken)
    {
        foreach (var key in change.Keys.Distinct())
        {
            var holder = await db.DutyClaims.AsNoTracking().FirstOrDefaultAsync(r => r.Key == key, cancellationToken);
            if (holder is not null && holder.InstanceId != change.InstanceId)
            {
                throw new ClaimConflictException(key, holder.InstanceId, holder.Kind);
            }

            if (holder is null)
            {
                db.Add(new DutyClaimRow { Key = key, InstanceId = change.InstanceId, Kind = change.Kind, TakenAt = change.At });
            }
        }

        await db.SaveChangesAsync(cancellationToken);
    }
}

internal sealed class ReleaseClaimsHandler : DomainChangeHandler<ReleaseClaims>
{
    protected override Task ApplyAsync(FailbackDbContext db, ReleaseClaims change, CancellationToken cancellationToken) => db.DutyClaims
        .Where(r => r.InstanceId == change.InstanceId && r.Key != change.ExceptKey)
        .ExecuteDeleteAsync(cancellationToken);
}

internal sealed class GrantEpochHandler : DomainChangeHandler<GrantEpoch>
{
    protected override async Task ApplyAsync(FailbackDbContext db, GrantEpoch change, CancellationToken cancellationToken)
    {
        var row = await db.Duties.FindAsync([change.Identity], cancellationToken);
        if (row is null)
        {
            db.Add(new DutyRow { Identity = change.Identity, HolderServerId = change.HolderServerId, Epoch = change.Epoch, AllocationId = change.AllocationId });
        }
        else if (change.Epoch > row.Epoch)
        {
            row.Epoch = change.Epoch;
            row.HolderServerId = change.HolderServerId;
            row.AllocationId = change.AllocationId;
        }
        else if (change.Epoch != row.Epoch || change.AllocationId != row.AllocationId || change.HolderServerId != row.HolderServerId)
        {
            throw new ConcurrentChangeException($"The duty of {change.Identity}");
        }

        await db.SaveChangesAsync(cancellationToken);
    }
}

internal sealed class RaiseFenceHandler : DomainChangeHandler<RaiseFence>
{
    protected override async Task ApplyAsync(FailbackDbContext db, RaiseFence change, CancellationToken cancellationToken)
    {
        var raised = await db.Duties
            .Where(r => r.Identity == change.Identity && r.Fence < change.Fence)
            .ExecuteUpdateAsync(r => r.SetProperty(x => x.Fence, change.Fence), cancellationToken);
        if (raised != 1)
        {
            throw new ConcurrentChangeException($"The fence of {change.Identity}");
        }
    }
}

internal sealed class SaveRetentionHoldHandler : DomainChangeHandler<SaveRetentionHold>
{
    protected override async Task ApplyAsync(FailbackDbContext db, SaveRetentionHold change, CancellationToken cancellationToken)
    {
        var hold = change.Hold;
        var row = await db.RetentionHolds.FindAsync([hold.EntryId, hold.ServerId], cancellationToken);
        if (row is null)
        {
            row = new RetentionHoldRow { EntryId = hold.EntryId, ServerId = hold.ServerId, Identity = hold.Identity };
            db.Add(row);
        }

        row.FromUtc = hold.FromUtc;
        row.ToUtc = hold.ToUtc;
        await db.SaveChangesAsync(cancellationToken);
    }
}

internal sealed class Duties(IDatabase database) : IDuties
{
    private static readonly CompiledRead<string, DutyRow?> ByIdentity = new((db, identity, _) => db.Duties.FirstOrDefault(r => r.Identity == identity));
    private static readonly CompiledRead<string, DutyClaimRow?> ClaimByKey = new((db, key, _) => db.DutyClaims.FirstOrDefault(r => r.Key == key));

    public async Task<Duty?> FindAsync(string identity, CancellationToken cancellationToken) => (await ByIdentity.ExecuteAsync(database, identity, cancellationToken))?.ToDuty();

    public async Task<IReadOnlyList<Duty>> ListAsync(CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return [.. (await db.Duties.OrderBy(r => r.Identity).ToListAsync(cancellationToken)).Select(r => r.ToDuty())];
    }

    public async Task<IReadOnlyList<DutyClaim>> ListClaimsAsync(string instanceId, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return [.. (await db.DutyClaims.Where(r => r.InstanceId == instanceId).OrderBy(r => r.Key).ToListAsync(cancellationToken)).Select(r => r.ToClaim())];
    }

    public async Task<DutyClaim?> FindClaimAsync(string key, CancellationToken cancellationToken) => (await ClaimByKey.ExecuteAsync(database, key, cancellationToken))?.ToClaim();
}
