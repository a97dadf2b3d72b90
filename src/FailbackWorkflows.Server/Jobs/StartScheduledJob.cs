using FailbackWorkflows.Engine.Runtime;
using Quartz;

namespace FailbackWorkflows.Server.Jobs;

/// <summary>Starts workflows whose Timer, Cron or StartAt is due. Works out from the published definitions each time what that is.</summary>
[DisallowConcurrentExecution]
internal sealed class StartScheduledJob(StartScheduled start) : IJob
{
    public static readonly TimeSpan Every = TimeSpan.FromSeconds(1);

    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) => await start.ExecuteAsync(cancellationToken);
}
