using FailbackWorkflows.Failback.AutomaticFailback;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace FailbackWorkflows.Persistence.AutomaticFailback;

internal sealed class AutomaticFailbackRow : AutomaticRunRow
{
    public required string EntryId { get; set; }

    public static void Configure(EntityTypeBuilder<AutomaticFailbackRow> row)
    {
        row.ToTable("automatic_failbacks");
        row.HasKey(r => r.EntryId);
        row.Property(r => r.Revision).IsConcurrencyToken();
        row.HasIndex(r => r.RunId).IsUnique();
    }

    public static AutomaticFailbackRow From(AutomaticFailbackState state) => new AutomaticFailbackRow { EntryId = state.EntryId }.Take(state);

    public AutomaticFailbackState ToState() => Give(new AutomaticFailbackState { EntryId = EntryId });
}

internal sealed class SaveAutomaticFailbackHandler(IDatabase database) : ModelChangeHandler<SaveAutomaticFailback>
{
    private static readonly CompiledRead<string, AutomaticFailbackRow?> ByEntry = new((db, id, _) => db.AutomaticFailbacks.FirstOrDefault(r => r.EntryId == id));

    protected override Task ApplyAsync(FailbackDbContext db, SaveAutomaticFailback change, CancellationToken cancellationToken) => db.SaveVersionedAsync(
        database, ByEntry, AutomaticFailbackRow.From(change.State), change.State.EntryId, change.State.Revision, $"The automatic failback of {change.State.EntryId}", cancellationToken);
}

internal sealed class AutomaticFailbackStates(IDatabase database) : IAutomaticFailbacks
{
    private static readonly CompiledRead<string, AutomaticFailbackRow?> ByEntry = new((db, id, _) => db.AutomaticFailbacks.FirstOrDefault(r => r.EntryId == id));
    private static readonly CompiledRead<string, AutomaticFailbackRow?> ByRun = new((db, id, _) => db.AutomaticFailbacks.FirstOrDefault(r => r.RunId == id));

    public async Task<AutomaticFailbackState?> FindAsync(string entryId, CancellationToken cancellationToken) => (await ByEntry.ExecuteAsync(database, entryId, cancellationToken))?.ToState();

    public async Task<AutomaticFailbackState?> FindByRunAsync(string runId, CancellationToken cancellationToken) => (await ByRun.ExecuteAsync(database, runId, cancellationToken))?.ToState();
}
