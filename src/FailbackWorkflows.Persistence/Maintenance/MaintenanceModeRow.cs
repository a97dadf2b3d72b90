using FailbackWorkflows.Failback.Maintenance;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace FailbackWorkflows.Persistence.Maintenance;

internal sealed class MaintenanceModeRow : IVersionedRow
{
    public required string Scope { get; set; }

    public bool IsOn { get; set; }

    public required string Reason { get; set; }

    public required string StartedBy { get; set; }

    public DateTimeOffset StartedAt { get; set; }

    public DateTimeOffset? EndsAt { get; set; }

    public string? EndedBy { get; set; }

    public DateTimeOffset? EndedAt { get; set; }

    public long Episode { get; set; }

    public long Revision { get; set; }

    public static void Configure(EntityTypeBuilder<MaintenanceModeRow> row)
    {
        row.ToTable("maintenance_modes");
        row.HasKey(r => r.Scope);
        row.Property(r => r.Revision).IsConcurrencyToken();
    }

    public static MaintenanceModeRow From(MaintenanceMode mode) => new()
    {
        Scope = mode.Scope,
        IsOn = mode.IsOn,
        Reason = mode.Reason,
        StartedBy = mode.StartedBy,
        StartedAt = mode.StartedAt,
        EndsAt = mode.EndsAt,
        EndedBy = mode.EndedBy,
        EndedAt = mode.EndedAt,
        Episode = mode.Episode,
    };

    public MaintenanceMode ToMode() => new()
    {
        Scope = Scope,
        IsOn = IsOn,
        Reason = Reason,
        StartedBy = StartedBy,
        StartedAt = StartedAt,
        EndsAt = EndsAt,
        EndedBy = EndedBy,
        EndedAt = EndedAt,
        Episode = Episode,
        Revision = Revision,
    };
}

internal sealed class SaveMaintenanceModeHandler(IDatabase database) : ModelChangeHandler<SaveMaintenanceMode>
{
    private static readonly CompiledRead<string, MaintenanceModeRow?> ByScope = new((db, scope, _) => db.MaintenanceModes.FirstOrDefault(r => r.Scope == scope));

    protected override DatabaseLock? Lock => DatabaseLock.Maintenance;

    protected override Task ApplyAsync(FailbackDbContext db, SaveMaintenanceMode change, CancellationToken cancellationToken) => db.SaveVersionedAsync(
        database, ByScope, MaintenanceModeRow.From(change.Mode), change.Mode.Scope, change.Mode.Revision, $"The maintenance mode of {change.Mode.Scope}", cancellationToken);
}

/// <summary>Looks within the transaction, so that of a start and the turning on of maintenance mode one comes first.</summary>
internal sealed class RequireNoMaintenanceHandler : ModelChangeHandler<RequireNoMaintenance>
{
    private static readonly CompiledRead<string, MaintenanceModeRow?> ByScope = new((db, scope, _) => db.MaintenanceModes.AsNoTracking().FirstOrDefault(r => r.Scope == scope));

    /// <summary>The row that would be looked at may not be there yet.</summary>
    protected override DatabaseLock? Lock => DatabaseLock.Maintenance;

    protected override async Task ApplyAsync(FailbackDbContext db, RequireNoMaintenance change, CancellationToken cancellationToken)
    {
        foreach (var scope in new[] { MaintenanceMode.System, MaintenanceMode.ScopeOf(change.ServerId) })
        {
            if ((await ByScope.ExecuteAsync(db, scope, cancellationToken))?.ToMode() is { } mode && mode.IsActive(change.At))
            {
                throw new MaintenanceModeOnException(mode);
            }
        }
    }
}

internal sealed class MaintenanceModes(IDatabase database) : IMaintenanceModes
{
    private static readonly CompiledRead<string, MaintenanceModeRow?> ByScope = new((db, scope, _) => db.MaintenanceModes.FirstOrDefault(r => r.Scope == scope));
    private static readonly CompiledList<bool, MaintenanceModeRow> On = new((db, isOn) => db.MaintenanceModes.Where(r => r.IsOn == isOn).OrderBy(r => r.Scope));

    public async Task<MaintenanceMode?> FindAsync(string scope, CancellationToken cancellationToken) => (await ByScope.ExecuteAsync(database, scope, cancellationToken))?.ToMode();

    public Task<IReadOnlyList<MaintenanceMode>> ListOnAsync(CancellationToken cancellationToken) => On.ExecuteAsync(database, true, r => r.ToMode(), cancellationToken);
}
