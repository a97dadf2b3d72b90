using FailbackWorkflows.Failback.VmsServers;

namespace FailbackWorkflows.Failback.Reconciliation;

/// <summary>A duty of which recorders know more than the database, and what somebody should do about it.</summary>
/// <param name="Identity">Whose duty it is.</param>
/// <param name="Title">The fact, in a line.</param>
/// <param name="Sentence">What was found.</param>
/// <param name="Next">What to do.</param>
/// <param name="CanReconcile">An administrator may have the word of the recorders that answer taken.</param>
public sealed record ReconciliationAlert(string Identity, string Title, string Sentence, string Next, bool CanReconcile);

/// <summary>Finds them. Derived at each look; gone when the duty is reconciled.</summary>
public sealed class ReconciliationAlerts(RecordersKnowMore doubts, ReconcileDuties reconcile, IVmsServers servers)
{
    public async Task<IReadOnlyList<ReconciliationAlert>> ListAsync(CancellationToken cancellationToken)
    {
        var alerts = new List<ReconciliationAlert>();
        foreach (var doubt in await doubts.ListAsync(cancellationToken))
        {
            var server = await servers.FindAsync(doubt.Identity, cancellationToken);
            alerts.Add(Describe(doubt, server, reconcile.LookOf(doubt.Identity)));
        }

        return alerts;
    }

    private static ReconciliationAlert Describe(Doubt doubt, VmsServer? server, ReconciliationLook? look)
    {
        var title = $"The recorders know more about the duty of {server?.Name ?? doubt.Identity} than the database";
        const string Frozen = "The database was probably restored from a backup. Until this is settled nothing happens to this duty by itself: no failover, no failback, nothing that is owed is told.";
        if (server is null)
        {
            return new(doubt.Identity, title, $"{doubt.Sentence} {Frozen}", $"{doubt.Identity} was added after the backup was made. Add it again with its address and credential.", false);
        }

        return look is { Next: { } next }
            ? new(doubt.Identity, title, $"{doubt.Sentence} {look.Sentence} {Frozen}", next, true)
            : new(doubt.Identity, title, $"{doubt.Sentence} {Frozen}", "Wait a moment: the recorders are being asked.", true);
    }
}
