using System.Text.Json;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Reconciliation;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace FailbackWorkflows.Persistence.Reconciliation;

internal sealed class ReconciliationRow
{
    /// <summary>Grows and is never used again.</summary>
    public long Id { get; set; }

    public required string Identity { get; set; }

    public DateTimeOffset At { get; set; }

    public required string DoneBy { get; set; }

    public required string Reason { get; set; }

    public long? EpochBefore { get; set; }

    public string? HolderBefore { get; set; }

    public string? HolderServerId { get; set; }

    public long Epoch { get; set; }

    public long Checkpoint { get; set; }

    /// <summary>JSON.</summary>
    public required string Changes { get; set; }

    public static void Configure(EntityTypeBuilder<ReconciliationRow> row)
    {
        row.ToTable("reconciliations");
        row.HasKey(r => r.Id);
        row.HasIndex(r => new { r.Identity, r.Id });
    }

    public static ReconciliationRow From(DutyReconciliation reconciliation) => new()
    {
        Identity = reconciliation.Identity,
        At = reconciliation.At,
        DoneBy = reconciliation.By,
        Reason = reconciliation.Reason,
        EpochBefore = reconciliation.EpochBefore,
        HolderBefore = reconciliation.HolderBefore,
        HolderServerId = reconciliation.HolderServerId,
        Epoch = reconciliation.Epoch,
        Checkpoint = reconciliation.Checkpoint,
        Changes = JsonSerializer.Serialize(reconciliation.Changes),
    };

    public DutyReconciliation ToReconciliation() => new()
    {
        Id = Id,
        Identity = Identity,
        At = At,
        By = DoneBy,
        Reason = Reason,
        EpochBefore = EpochBefore,
        HolderBefore = HolderBefore,
        HolderServerId = HolderServerId,
        Epoch = Epoch,
        Checkpoint = Checkpoint,
        Changes = JsonSerializer.Deserialize<List<string>>(Changes)!,
    };
}

internal sealed class AddReconciliationHandler : ModelChangeHandler<AddReconciliation>
{
    protected override async Task ApplyAsync(FailbackDbContext db, AddReconciliation change, CancellationToken cancellationToken)
    {
        db.Add(ReconciliationRow.From(change.Reconciliation));
        await db.SaveChangesAsync(cancellationToken);
    }
}

internal sealed class Reconciliations(IDatabase database) : IReconciliations
{
    private const int MostPerPage = 200;

    public async Task<long> FindCheckpointAsync(string identity, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return await db.Reconciliations.Where(r => r.Identity == identity).MaxAsync(r => (long?)r.Checkpoint, cancellationToken) ?? 0;
    }

    public async Task<IReadOnlyList<DutyReconciliation>> ListAsync(string? identity, int take, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        var rows = await db.Reconciliations
            .Where(r => identity == null || r.Identity == identity)
            .OrderByDescending(r => r.Id)
            .Take(Math.Clamp(take, 1, MostPerPage))
            .ToListAsync(cancellationToken);
        return [.. rows.Select(r => r.ToReconciliation())];
    }
}
