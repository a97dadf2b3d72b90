using FailbackWorkflows.Failback.Connectivity;
using Quartz;

namespace FailbackWorkflows.Server.Jobs;

/// <summary>Keeps the history of connections from growing for ever. What is too old is worked out anew each time, so a missed run loses nothing.</summary>
[DisallowConcurrentExecution]
internal sealed class PruneConnectivityJob(PruneConnectivity prune) : IJob
{
    public static readonly TimeSpan Every = TimeSpan.FromHours(1);

    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) => await prune.ExecuteAsync(cancellationToken);
}
