using FailbackWorkflows.Failback.Readiness;
using Quartz;

namespace FailbackWorkflows.Server.Jobs;

/// <summary>Looks whether the servers that are due are ready. Derives what is due from the tables each time; how often a server is, is an option of the server.</summary>
[DisallowConcurrentExecution]
internal sealed class ReadinessJob(CheckReadinessOfAll all) : IJob
{
    /// <summary>How late a look may begin, also one that somebody asked for.</summary>
    public static readonly TimeSpan Every = TimeSpan.FromSeconds(10);

    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) => await all.SweepAsync(cancellationToken);
}
