using FailbackWorkflows.Failback.MaterialCopy;
using Quartz;

namespace FailbackWorkflows.Server.Jobs;

/// <summary>Looks after material copies: reads the tasks of the failed servers, starts what is queued. Derives everything from the tables each time.</summary>
[DisallowConcurrentExecution]
internal sealed class MaterialCopyJob(PollCopyTasks poll, StartDueCopies start) : IJob
{
    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken)
    {
        await poll.ExecuteAsync(cancellationToken);
        await start.ExecuteAsync(cancellationToken);
    }
}
