using FailbackWorkflows.Failback.AutomaticFailback;
using FailbackWorkflows.Failback.AutomaticFailover;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Maintenance;
using Quartz;

namespace FailbackWorkflows.Server.Jobs;

/// <summary>
/// What happens by itself: maintenance modes come to their end, what is to be taken over or may be failed back now is, and workflows are told of connections they
/// were not told of yet. Derives everything from the tables each time; what happens at once after a change is found here when that failed.
/// </summary>
[DisallowConcurrentExecution]
internal sealed class AutomationJob(ChangeMaintenanceMode maintenance, PublishTransitions publish, AutomaticFailovers failovers, AutomaticFailbacks failbacks) : IJob
{
    public static readonly TimeSpan Every = TimeSpan.FromSeconds(1);

    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken)
    {
        await maintenance.EndExpiredAsync(cancellationToken);
        await failovers.DeriveAllAsync(cancellationToken);
        await failbacks.DeriveAllAsync(cancellationToken);
        await publish.ExecuteAsync(cancellationToken);
    }
}
