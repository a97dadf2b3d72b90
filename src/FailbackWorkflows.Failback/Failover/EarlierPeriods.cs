using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Recorders.Duties;

namespace FailbackWorkflows.Failback.Failover;

/// <summary>
/// The periods of failovers before one that took the duty away from their servers, however that one ended: each is over. Its server is owed its stop, the question
/// for its last times, and the end of its hold.
/// </summary>
public sealed class EarlierPeriods(IFailoverLog log, IObligations obligations)
{
    private static readonly ObligationKind[] All = [ObligationKind.Stop, ObligationKind.LastTimes, ObligationKind.HoldEnd, ObligationKind.StandBy];

    /// <summary>What is owed for them; empty when there are none, or it is owed already.</summary>
    public async Task<IReadOnlyList<IDomainChange>> OweEndsAsync(
        ActivityExecutionContext context, FailoverLogEntry entry, long epoch, string why, CancellationToken cancellationToken)
    {
        var owed = new List<IDomainChange>();
        foreach (var earlier in await log.ListOpenAsync(entry.FailedServerId, cancellationToken))
        {
            if (earlier.Id != entry.Id
                && earlier.Failover == FailoverState.Done
                && earlier.FailoverServerId != entry.FailoverServerId
                && !(await obligations.ListOfEntryAsync(earlier.Id, cancellationToken)).Any(o => o.Kind == ObligationKind.HoldEnd))
            {
                owed.Add(OweToServer.MakeObligations(context, earlier.FailoverServerId, entry.FailedServerId, earlier.Id, epoch, All, DutyRole.Standby, null, why));
            }
        }

        return owed;
    }
}
