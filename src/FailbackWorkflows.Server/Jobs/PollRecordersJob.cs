using FailbackWorkflows.Failback.Connectivity;
using Quartz;

namespace FailbackWorkflows.Server.Jobs;

/// <summary>Asks every recorder for its state. Derives everything from the tables each time, so a missed run loses nothing.</summary>
[DisallowConcurrentExecution]
internal sealed class PollRecordersJob(PollRecorders poll) : IJob
{
    public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) =>
        new(poll.ExecuteAsync(cancellationToken));
}
