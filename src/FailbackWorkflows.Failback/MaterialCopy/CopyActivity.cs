using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Values;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.Failback.MaterialCopy;

/// <summary>What activities of a material copy need to call recorders: the mirror of the task, endpoints and authority.</summary>
public sealed class CopyCalls(DutyCalls calls, IMaterialCopies copies)
{
    public DutyCalls Servers => calls;

    /// <summary>The task of this run. Throws a fault when another run has taken it over.</summary>
    public async Task<MaterialCopyTask> GetTaskAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var task = context.HostFacts is ClaimedCopy claimed ? await copies.FindAsync(claimed.TaskId, cancellationToken) : null;
        return task is not null && task.RunId == context.InstanceId
            ? task
            : throw new ActivityFaultException("copy.taken", "This run does not hold the material copy any more: another run works on it, or the matter is settled. Open the failover log entry to see how it stands.", false);
    }

    /// <summary>Current epoch of the identity and the copy fence of this acquisition.</summary>
    public async Task<CopyAuthority> GetAuthorityAsync(ActivityExecutionContext context, MaterialCopyTask task, CancellationToken cancellationToken) => new(
        (await calls.GetDutyAsync(task.Identity, cancellationToken)).Epoch,
        ((ClaimedCopy)context.HostFacts!).Fence);

    public Task<RecorderEndpoint> GetSourceAsync(MaterialCopyTask task, CancellationToken cancellationToken) => calls.GetEndpointAsync(task.SourceServerId, cancellationToken);

    public Task<RecorderEndpoint> GetTargetAsync(MaterialCopyTask task, CancellationToken cancellationToken) => calls.GetEndpointAsync(task.TargetServerId, cancellationToken);
}

/// <summary>An activity of a material copy. A server that does not answer is waited for, however long it takes; nobody has to watch.</summary>
public abstract class CopyActivity : DutyActivity
{
    private static readonly TimeSpan FirstWait = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LongestWait = TimeSpan.FromHours(1);

    /// <summary>Waits until the server is connected again; a timer stands behind it, in case nobody says so.</summary>
    protected static ActivityResult WaitFor(ActivityExecutionContext context, MaterialCopyTask task, string serverId)
    {
        var waits = context.ResumedBy?.Key is null ? PlainValue.To<int?>(context.Progress) ?? 0 : 0;
        var wait = TimeSpan.FromTicks(Math.Min(LongestWait.Ticks, FirstWait.Ticks << Math.Min(waits, 10)));
        var result = ActivityResult.Suspended(
            waits + 1,
            new BookmarkRequest("RecorderConnected", RecorderConnected.KeyOf(serverId), null, RunsAgain: true),
            new BookmarkRequest("Timer", null, context.Time.GetUtcNow() + wait, RunsAgain: true));
        return task.WaitsForServerId == serverId
            ? result
            : result.WithChanges(new SaveCopyTask(task with { WaitsForServerId = serverId }), Tell(context, "materialCopy", task.EntryId, $"The material copy waits for {serverId}, which does not answer."));
    }
}
