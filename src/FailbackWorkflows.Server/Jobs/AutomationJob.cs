using FailbackWorkflows.Failback.AutomaticFailback;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Maintenance;
using Quartz;

namespace FailbackWorkflows.Server.Jobs;

/// <summary>
/// What happens by itself: maintenance modes come to their end, whoever may be failed back now is, and workflows are told of connections they
/// were not told of yet. Derives everything from the tables each time; what happens at once after a change is found here when that failed.
/// </summary>
[DisallowConcurrentExecution]
internal sealed class AutomationJob(ChangeMaintenanceMode maintenance, PublishTransitions publish, AutomaticFailbacks automatic) : IJob
{
    public static readonly TimeSpan Every = TimeSpan.FromSeconds(1);

    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken)
    {
        await maintenance.EndExpiredAsync(cancellationToken);
        await automatic.DeriveAllAsync(cancellationToken);
        await publish.ExecuteAsync(cancellationToken);
    }
}
