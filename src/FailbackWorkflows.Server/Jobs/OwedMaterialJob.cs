using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.MaterialCopy;
using Quartz;

namespace FailbackWorkflows.Server.Jobs;

/// <summary>
/// Asks what failed failovers have left, and tells recorders what they are owed after copies. Apart from <see cref="MaterialCopyJob"/>: what waits
/// for a recorder that does not answer must not slow down the copies of others. Derives everything from the tables each time.
/// </summary>
[DisallowConcurrentExecution]
internal sealed class OwedMaterialJob(SettleFailedFailovers settle, DeliverOwed deliver) : IJob
{
    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken)
    {
        await settle.ExecuteAsync(cancellationToken);
        await deliver.ExecuteAsync(cancellationToken);
    }
}
