using FailbackWorkflows.Failback.Connectivity;
using Quartz;

namespace FailbackWorkflows.Server.Jobs;

/// <summary>Keeps the watch, if it is to be had, and while it is ours begins the polls that are due: one shard of the recorders each time. It does not wait for their answers.</summary>
[DisallowConcurrentExecution]
internal sealed class PollRecordersJob(PollRecorders poll, IWatch watch) : IJob
{
    /// <summary>How late a poll may begin because nobody looked. Small against the shortest interval.</summary>
    public static readonly TimeSpan Every = TimeSpan.FromMilliseconds(100);

    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken)
    {
        await watch.KeepAsync(cancellationToken);
        await poll.SweepAsync(cancellationToken);
    }
}
