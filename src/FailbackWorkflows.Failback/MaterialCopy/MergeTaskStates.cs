using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.Failback.MaterialCopy;

/// <summary>Tells a target what the management server knows of its tasks and hears what they have become. Safe to repeat.</summary>
public sealed class MergeTaskStates(DutyCalls calls, IMaterialCopies copies, IFailoverLog log, IMaterialCopyClient recorders)
{
    /// <summary>The task as it is after the merge; null when the target does not know it. Throws what the call throws.</summary>
    public async Task<CopyTask?> ExecuteAsync(MaterialCopyTask task, CancellationToken cancellationToken)
    {
        var known = new List<KnownCopyTask>();
        foreach (var other in (await copies.ListWatchedAsync(cancellationToken)).Where(t => t.Identity == task.Identity && t.TargetServerId == task.TargetServerId && t.Definition is not null))
        {
            known.Add(await DescribeAsync(other, cancellationToken));
        }

        if (known.TrueForAll(k => k.TaskId != task.TaskId))
        {
            known.Add(await DescribeAsync(task, cancellationToken));
        }

        var merged = await recorders.UpdateFailoverTaskStatesAsync(
            await calls.GetEndpointAsync(task.TargetServerId, cancellationToken),
            new UpdateFailoverTaskStates(task.Identity, known),
            (await calls.GetDutyAsync(task.Identity, cancellationToken)).Epoch,
            cancellationToken);
        return merged.UnknownTaskIds.Contains(task.TaskId) ? null : merged.Tasks.FirstOrDefault(t => t.TaskId == task.TaskId);
    }

    private async Task<KnownCopyTask> DescribeAsync(MaterialCopyTask task, CancellationToken cancellationToken)
    {
        var isAccepted = (await log.FindAsync(task.EntryId, cancellationToken))?.MaterialCopy == MaterialCopyState.LossesAccepted;
        return new(
            task.TaskId,
            task.IsCancellationOwed ? CopyTaskState.Cancelled : task.Reported?.State ?? CopyTaskState.Queued,
            task.ReportedAt ?? task.CreatedAt,
            isAccepted);
    }
}
