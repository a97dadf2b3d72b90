using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.MaterialCopy;
using Quartz;

namespace FailbackWorkflows.Server.Jobs;

/// <summary>Looks after material copies: asks what failed failovers have left, reads the tasks of the failed servers, starts what is queued, tells recorders what they are owed. Derives everything from the tables each time.</summary>
[DisallowConcurrentExecution]
internal sealed class MaterialCopyJob(SettleFailedFailovers settle, PollCopyTasks poll, StartDueCopies start, DeliverOwed deliver) : IJob
{
    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken)
    {
        await settle.ExecuteAsync(cancellationToken);
        await poll.ExecuteAsync(cancellationToken);
        await start.ExecuteAsync(cancellationToken);
        await deliver.ExecuteAsync(cancellationToken);
    }
}
