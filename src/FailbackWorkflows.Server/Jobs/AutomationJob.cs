using FailbackWorkflows.Failback.AutomaticFailback;
using FailbackWorkflows.Failback.AutomaticFailover;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Maintenance;
using FailbackWorkflows.Failback.Reconciliation;
using Quartz;

namespace FailbackWorkflows.Server.Jobs;

/// <summary>
/// What happens by itself, at the server that is on watch and has asked every recorder since it took it: duties of which recorders know more than a restored database are reconciled where that is clear, maintenance modes come to their end, what is to be taken over or may be failed back now is, and workflows are told of connections they
/// were not told of yet. Derives everything from the tables each time; what happens at once after a change is found here when that failed.
/// </summary>
[DisallowConcurrentExecution]
internal sealed class AutomationJob(IWatch watch, ReconcileDuties reconcile, ChangeMaintenanceMode maintenance, PublishTransitions publish, AutomaticFailovers failovers, AutomaticFailbacks failbacks) : IJob
{
    public static readonly TimeSpan Every = TimeSpan.FromSeconds(1);

    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken)
    {
        if (!watch.MayDecide)
        {
            return;
        }

        await reconcile.ExecuteAsync(cancellationToken);
        await maintenance.EndExpiredAsync(cancellationToken);
        await failovers.DeriveAllAsync(cancellationToken);
        await failbacks.DeriveAllAsync(cancellationToken);
        await publish.ExecuteAsync(cancellationToken);
    }
}
