using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Recorders.Duties;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace FailbackWorkflows.Persistence.Obligations;

internal sealed class ObligationRow
{
    public required string Id { get; set; }

    public required string ServerId { get; set; }

    public required string Identity { get; set; }

    /// <summary>Empty when it belongs to no entry: the index of what is open needs a value.</summary>
    public required string EntryId { get; set; }

    public ObligationKind Kind { get; set; }

    /// <summary>Place of the kind in the order of delivery.</summary>
    public int KindOrder { get; set; }

    public long Epoch { get; set; }

    public DutyRole? Role { get; set; }

    public long? Revision { get; set; }

    public required string Reason { get; set; }

    public DateTimeOffset CreatedAt { get; set; }

    public int Attempts { get; set; }

    public DateTimeOffset NextAttemptAt { get; set; }

    public string? LastError { get; set; }

    public DateTimeOffset? SettledAt { get; set; }

    public string? Settlement { get; set; }

    public static void Configure(EntityTypeBuilder<ObligationRow> row)
    {
        row.ToTable("obligations");
        row.HasKey(r => r.Id);
        row.Property(r => r.Kind).HasConversion<string>();
        row.Property(r => r.Role).HasConversion<string>();
        row.HasIndex(r => new { r.ServerId, r.Identity, r.EntryId, r.Kind }).IsUnique().HasFilter("settled_at IS NULL");
        row.HasIndex(r => r.EntryId);
    }

    public static ObligationRow From(Obligation obligation) => new()
    {
        Id = obligation.Id,
        ServerId = obligation.ServerId,
        Identity = obligation.Identity,
        EntryId = obligation.EntryId ?? "",
        Kind = obligation.Kind,
        KindOrder = (int)obligation.Kind,
        Epoch = obligation.Epoch,
        Role = obligation.Role,
        Revision = obligation.Revision,
        Reason = obligation.Reason,
        CreatedAt = obligation.CreatedAt,
        Attempts = obligation.Attempts,
        NextAttemptAt = obligation.NextAttemptAt,
        LastError = obligation.LastError,
        SettledAt = obligation.SettledAt,
        Settlement = obligation.Settlement,
    };

    public Obligation ToObligation() => new()
    {
        Id = Id,
        ServerId = ServerId,
        Identity = Identity,
        EntryId = EntryId.Length == 0 ? null : EntryId,
        Kind = Kind,
        Epoch = Epoch,
        Role = Role,
        Revision = Revision,
        Reason = Reason,
        CreatedAt = CreatedAt,
        Attempts = Attempts,
        NextAttemptAt = NextAttemptAt,
        LastError = LastError,
        SettledAt = SettledAt,
        Settlement = Settlement,
    };
}

internal sealed class OweHandler : ModelChangeHandler<Owe>
{
    protected override async Task ApplyAsync(FailbackDbContext db, Owe change, CancellationToken cancellationToken)
    {
        foreach (var row in change.Obligations.Select(ObligationRow.From))
        {
            var open = await db.Obligations.AsTracking().FirstOrDefaultAsync(
                r => r.ServerId == row.ServerId && r.Identity == row.Identity && r.EntryId == row.EntryId && r.Kind == row.Kind && r.SettledAt == null, cancellationToken);
            if (open is not null)
            {
                (open.Epoch, open.Role, open.Revision, open.Reason, open.NextAttemptAt) = (row.Epoch, row.Role, row.Revision ?? open.Revision, row.Reason, row.NextAttemptAt);
            }
            else if (!await db.Obligations.AnyAsync(r => r.Id == row.Id, cancellationToken))
            {
                db.Add(row);
            }
        }

        await db.SaveChangesAsync(cancellationToken);
    }
}

internal sealed class SettleObligationHandler(IDatabase database) : DomainChangeHandler<SettleObligation>
{
    protected override Task ApplyAsync(WriteSession session, SettleObligation change, CancellationToken cancellationToken) => session.ExecuteAsync(
        "UPDATE obligations SET settled_at = @at, settlement = @settlement WHERE id = @id AND settled_at IS NULL",
        cancellationToken,
        ("at", database.ToParameter(change.At)),
        ("settlement", change.Settlement),
        ("id", change.Id));
}

internal sealed class PostponeObligationsHandler(IDatabase database) : DomainChangeHandler<PostponeObligations>
{
    protected override Task ApplyAsync(WriteSession session, PostponeObligations change, CancellationToken cancellationToken) => session.ExecuteAsync(
        """
        UPDATE obligations SET attempts = attempts + 1, next_attempt_at = @next, last_error = @error
        WHERE server_id = @server AND identity = @identity AND settled_at IS NULL
        """,
        cancellationToken,
        ("next", database.ToParameter(change.NextAttemptAt)),
        ("error", change.Error),
        ("server", change.ServerId),
        ("identity", change.Identity));
}

internal sealed class Obligations(IDatabase database) : IObligations
{
    private static readonly CompiledList<string, ObligationRow> OfEntry = new((db, entryId) => db.Obligations.Where(r => r.EntryId == entryId).OrderBy(r => r.CreatedAt).ThenBy(r => r.KindOrder));
    private static readonly CompiledList<int, ObligationRow> Open = new((db, _) => db.Obligations
        .Where(r => r.SettledAt == null)
        .OrderBy(r => r.CreatedAt)
        .ThenBy(r => r.ServerId)
        .ThenBy(r => r.KindOrder));

    private static readonly CompiledList<string, ObligationRow> OpenOfServer = new((db, serverId) => db.Obligations
        .Where(r => r.ServerId == serverId && r.SettledAt == null)
        .OrderBy(r => r.KindOrder)
        .ThenBy(r => r.CreatedAt)
        .ThenBy(r => r.Id));

    public async Task<IReadOnlyList<Obligation>> ListOpenAsync(string serverId, string identity, CancellationToken cancellationToken) =>
        [.. (await OpenOfServer.ExecuteAsync(database, serverId, r => r.ToObligation(), cancellationToken)).Where(o => o.Identity == identity)];

    public Task<IReadOnlyList<Obligation>> ListOpenAsync(CancellationToken cancellationToken) => Open.ExecuteAsync(database, 0, r => r.ToObligation(), cancellationToken);

    public Task<IReadOnlyList<Obligation>> ListOfEntryAsync(string entryId, CancellationToken cancellationToken) =>
        OfEntry.ExecuteAsync(database, entryId, r => r.ToObligation(), cancellationToken);
}
