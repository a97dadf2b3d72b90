using FailbackWorkflows.Failback.Obligations;
using Quartz;

namespace FailbackWorkflows.Server.Jobs;

/// <summary>Starts the runs that tell recorders what they missed. Derives everything from the tables each time.</summary>
[DisallowConcurrentExecution]
internal sealed class ObligationsJob(DeliverObligations deliver) : IJob
{
    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) => await deliver.ExecuteAsync(cancellationToken);
}
