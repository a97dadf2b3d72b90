using FailbackWorkflows.Failback.Connectivity;
using Quartz;

namespace FailbackWorkflows.Server.Jobs;

/// <summary>Begins the polls that are due: one shard of the recorders each time. It does not wait for their answers.</summary>
[DisallowConcurrentExecution]
internal sealed class PollRecordersJob(PollRecorders poll) : IJob
{
    /// <summary>How late a poll may begin because nobody looked. Small against the shortest interval.</summary>
    public static readonly TimeSpan Every = TimeSpan.FromMilliseconds(100);

    public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) => new(poll.SweepAsync(cancellationToken));
}
