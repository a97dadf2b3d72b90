using FailbackWorkflows.Persistence.Seals;
using Quartz;

namespace FailbackWorkflows.Server.Jobs;

/// <summary>Seals what was written since the last time. What is unsealed is worked out anew each time, so a run that fails or comes late only seals later.</summary>
[DisallowConcurrentExecution]
internal sealed class SealJob(IHistorySeals seals, ILogger<SealJob> logger) : IJob
{
    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken)
    {
        try
        {
            await seals.SealAsync(cancellationToken);
        }
        catch (SealConflictException conflict)
        {
            logger.LogCritical("The history is not sealed any more: {Conflict}", conflict.Message);
        }
    }
}

/// <summary>Keeps a copy of what other nodes have sealed in this node's file: the more places it is in, the less can be changed unseen.</summary>
[DisallowConcurrentExecution]
internal sealed class FollowSealsJob(IHistorySeals seals, ILogger<FollowSealsJob> logger) : IJob
{
    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken)
    {
        try
        {
            await seals.FollowAsync(cancellationToken);
        }
        catch (SealConflictException conflict)
        {
            logger.LogCritical("The checkpoints of the other nodes are not followed: {Conflict}", conflict.Message);
        }
    }
}
