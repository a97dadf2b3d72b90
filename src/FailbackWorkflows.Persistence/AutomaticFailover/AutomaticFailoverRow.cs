using FailbackWorkflows.Failback.AutomaticFailover;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace FailbackWorkflows.Persistence.AutomaticFailover;

internal sealed class AutomaticFailoverRow : AutomaticRunRow
{
    public required string Identity { get; set; }

    public static void Configure(EntityTypeBuilder<AutomaticFailoverRow> row)
    {
        row.ToTable("automatic_failovers");
        row.HasKey(r => r.Identity);
        row.Property(r => r.Revision).IsConcurrencyToken();
        row.HasIndex(r => r.RunId).IsUnique();
    }

    public static AutomaticFailoverRow From(AutomaticFailoverState state) => new AutomaticFailoverRow { Identity = state.Identity }.Take(state);

    public AutomaticFailoverState ToState() => Give(new AutomaticFailoverState { Identity = Identity });
}

internal sealed class SaveAutomaticFailoverHandler(IDatabase database) : ModelChangeHandler<SaveAutomaticFailover>
{
    private static readonly CompiledRead<string, AutomaticFailoverRow?> ByIdentity = new((db, id, _) => db.AutomaticFailovers.FirstOrDefault(r => r.Identity == id));

    protected override Task ApplyAsync(FailbackDbContext db, SaveAutomaticFailover change, CancellationToken cancellationToken) => db.SaveVersionedAsync(
        database, ByIdentity, AutomaticFailoverRow.From(change.State), change.State.Identity, change.State.Revision, $"The automatic failover of {change.State.Identity}", cancellationToken);
}

internal sealed class AutomaticFailoverStates(IDatabase database) : IAutomaticFailovers
{
    private static readonly CompiledRead<string, AutomaticFailoverRow?> ByIdentity = new((db, id, _) => db.AutomaticFailovers.FirstOrDefault(r => r.Identity == id));
    private static readonly CompiledRead<string, AutomaticFailoverRow?> ByRun = new((db, id, _) => db.AutomaticFailovers.FirstOrDefault(r => r.RunId == id));
    private static readonly CompiledList<int, AutomaticFailoverRow> Unsuccessful = new((db, _) => db.AutomaticFailovers
        .Where(r => r.RefusalCode != null || r.LastMessage != null)
        .OrderBy(r => r.Identity));

    public async Task<AutomaticFailoverState?> FindAsync(string identity, CancellationToken cancellationToken) => (await ByIdentity.ExecuteAsync(database, identity, cancellationToken))?.ToState();

    public async Task<AutomaticFailoverState?> FindByRunAsync(string runId, CancellationToken cancellationToken) => (await ByRun.ExecuteAsync(database, runId, cancellationToken))?.ToState();

    public Task<IReadOnlyList<AutomaticFailoverState>> ListUnsuccessfulAsync(CancellationToken cancellationToken) => Unsuccessful.ExecuteAsync(database, 0, r => r.ToState(), cancellationToken);
}
