using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.Failback.MaterialCopy;

/// <summary>What a report of the target means for the failover log.</summary>
public static class CopyProgress
{
    /// <summary>
    /// The entry as it is while the target works. Waiting in the target's queue is <i>queued</i> before the first byte and a pause after it;
    /// the end is not logged here, because it takes a verified report. The same entry when nothing changes.
    /// </summary>
    public static FailoverLogEntry While(this FailoverLogEntry entry, CopyTaskState state)
    {
        if (!entry.IsCopying)
        {
            return entry;
        }

        return state switch
        {
            CopyTaskState.Queued or CopyTaskState.WaitingForSource => entry.MaterialCopy == MaterialCopyState.Running ? entry.MaterialCopyPaused() : entry,
            CopyTaskState.Paused => entry.MaterialCopy == MaterialCopyState.Paused ? entry : entry.Running().MaterialCopyPaused(),
            _ => entry.Running(),
        };
    }

    /// <summary>Running, by whatever way the table allows.</summary>
    public static FailoverLogEntry Running(this FailoverLogEntry entry) => entry.MaterialCopy == MaterialCopyState.Running ? entry : entry.MaterialCopyRunning();
}
