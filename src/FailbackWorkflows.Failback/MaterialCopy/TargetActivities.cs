using System.Globalization;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.Failback.MaterialCopy;

/// <summary>
/// <c>StartDataCopy</c>: adds the task to the target's own queue, always with the same definition, so that a second time changes nothing. Also
/// how a target that lost its queue gets its task again.
/// </summary>
[Activity("Failback.StartDataCopy", Category = "Material copy", DisplayName = "StartDataCopy", Description = "Adds the task to the queue of the failed server.")]
[FlowNode("Queued", "Ended")]
public sealed class StartDataCopyAtTarget(CopyCalls calls, IMaterialCopyClient recorders, IRecorderClient status) : CopyActivity
{
    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var task = await calls.GetTaskAsync(context, cancellationToken);
        var target = await calls.GetTargetAsync(task, cancellationToken);
        try
        {
            if ((await status.GetStatusAsync(target, cancellationToken)).Capabilities is { BackfillAnywhere: false, SideArchive: false })
            {
                // A success that leaves the material where nobody finds it would be worse than none: it stays at the source, held and in the log.
                throw new ActivityFaultException(
                    "copy.appendOnly",
                    $"{task.TargetServerId} only takes material behind what it has recorded and keeps no side archive, so the material of this failover cannot be copied home to it. It stays held at {task.SourceServerId}: play or export it there. When nobody needs it any more, accept its loss.",
                    false);
            }

            var answer = await recorders.StartDataCopyAsync(
                target,
                task.Definition!,
                await calls.GetAuthorityAsync(context, task, cancellationToken),
                context.CallKey("startDataCopy"),
                cancellationToken);
            return Answered(context, task, answer);
        }
        catch (RecorderException exception) when (exception.IsTransient)
        {
            return WaitFor(context, task, task.TargetServerId);
        }
        catch (RecorderException exception) when (exception.ProblemType == RecorderProblems.CopyTaskConflict)
        {
            // It was told of this very copy before the database was set back, with the times as they were known then: what it has counts.
            var known = await recorders.GetCopyTaskAsync(target, task.TaskId, cancellationToken);
            if (known.EntryId != task.EntryId || known.Identity != task.Identity || known.SourceRecorderId != task.Definition!.SourceRecorderId)
            {
                throw;
            }

            return Answered(context, task with { Definition = task.Definition with { Period = known.Period, Channels = [] } }, known);
        }
    }

    private static ActivityResult Answered(ActivityExecutionContext context, MaterialCopyTask task, CopyTask answer)
    {
        // What ended without everything being home is taken up again; what is home needs no more than its report to be read.
        var isOver = answer.State is CopyTaskState.Failed or CopyTaskState.Cancelled or CopyTaskState.CopiedWithLosses;
        return ActivityResult.Completed(isOver ? "Ended" : "Queued")
            .WithChanges(new SaveCopyTask(task.WithReport(answer, context.Time.GetUtcNow()) with { WaitsForServerId = null, IsOutOfTouch = false }));
    }
}

/// <summary>Makes a task that had ended go on from its saved position.</summary>
[Activity("Failback.RetryDataCopy", Category = "Material copy", DisplayName = "Take the task up again", Description = "Makes an ended task of the failed server go on from its position.")]
public sealed class RetryDataCopy(CopyCalls calls, IMaterialCopyClient recorders) : CopyActivity
{
    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var task = await calls.GetTaskAsync(context, cancellationToken);
        try
        {
            var answer = await recorders.OrderAsync(
                await calls.GetTargetAsync(task, cancellationToken),
                task.TaskId,
                CopyOrder.Retry,
                await calls.GetAuthorityAsync(context, task, cancellationToken),
                context.CallKey("retry"),
                cancellationToken);
            return ActivityResult.Completed().WithChanges(new SaveCopyTask(task.WithReport(answer, context.Time.GetUtcNow()) with { WaitsForServerId = null }));
        }
        catch (RecorderException exception) when (exception.IsTransient)
        {
            return WaitFor(context, task, task.TargetServerId);
        }
    }
}

/// <summary><c>UpdateClientInfo</c>: address and read credential of the failover server; also while the task runs, and after a lost connection.</summary>
[Activity("Failback.UpdateClientInfo", Category = "Material copy", DisplayName = "UpdateClientInfo", Description = "Tells the failed server where the failover server is and how to sign in there.")]
[FlowNode("Done", "Unknown")]
public sealed class UpdateClientInfoAtTarget(CopyCalls calls, IMaterialCopyClient recorders, ISecretProtector secrets) : CopyActivity
{
    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var task = await calls.GetTaskAsync(context, cancellationToken);
        var source = await calls.Servers.GetServerAsync(task.SourceServerId, cancellationToken);
        var token = task.ProtectedToken is { } kept
            ? secrets.Unprotect(kept)
            : throw new ActivityFaultException("copy.tokenMissing", "There is no read credential for this copy. Start the copy again: it obtains a new one.", false);
        var done = task with { ToldSourceUrl = source.BaseUrl, WaitsForServerId = null };
        try
        {
            var answer = await recorders.UpdateClientInfoAsync(
                await calls.GetTargetAsync(task, cancellationToken),
                task.TaskId,
                new UpdateClientInfo(source.BaseUrl, token),
                await calls.GetAuthorityAsync(context, task, cancellationToken),
                context.CallKey("updateClientInfo"),
                cancellationToken);
            return ActivityResult.Completed().WithChanges(new SaveCopyTask(done.WithReport(answer, context.Time.GetUtcNow())));
        }
        catch (RecorderException exception) when (exception.IsTransient)
        {
            return WaitFor(context, task, task.TargetServerId);
        }
        catch (RecorderException exception) when (exception.ProblemType == RecorderProblems.CopyTaskState)
        {
            // It ended meanwhile and needs no source any more; the wait sees how.
            return ActivityResult.Completed().WithChanges(new SaveCopyTask(done));
        }
        catch (RecorderException exception) when (exception.Kind == RecorderErrorKind.NotFound)
        {
            return ActivityResult.Completed("Unknown");
        }
    }
}

/// <summary>Tells the target the next thing an operator wants: pause, go on, other limits.</summary>
[Activity("Failback.OrderDataCopy", Category = "Material copy", DisplayName = "Tell the operator's wish", Description = "Pauses or resumes the task, or changes its limits.")]
public sealed class OrderDataCopy(CopyCalls calls, IMaterialCopyClient recorders) : CopyActivity
{
    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var task = await calls.GetTaskAsync(context, cancellationToken);
        if (task.OpenWish is not { } wish)
        {
            return ActivityResult.Completed();
        }

        var now = context.Time.GetUtcNow();
        try
        {
            var target = await calls.GetTargetAsync(task, cancellationToken);
            var authority = await calls.GetAuthorityAsync(context, task, cancellationToken);
            var answer = wish switch
            {
                CopyWish.Limits => await recorders.SetLimitsAsync(target, task.TaskId, task.Limits, authority, context.CallKey(KeyOf(task.Limits)), cancellationToken),
                CopyWish.Pause => await recorders.OrderAsync(target, task.TaskId, CopyOrder.Pause, authority, context.CallKey("pause"), cancellationToken),
                _ => await recorders.OrderAsync(target, task.TaskId, CopyOrder.Resume, authority, context.CallKey("resume"), cancellationToken),
            };
            var told = task.WithReport(answer, now) with { ToldWish = wish, ToldWishAt = now, WaitsForServerId = null };
            return ActivityResult.Completed().WithChanges(new SaveCopyTask(wish == CopyWish.Limits ? told with { Limits = answer.Limits } : told));
        }
        catch (RecorderException exception) when (exception.IsTransient)
        {
            return WaitFor(context, task, task.TargetServerId);
        }
        catch (RecorderException exception) when (exception.Kind is RecorderErrorKind.Conflict or RecorderErrorKind.Rejected or RecorderErrorKind.NotFound)
        {
            // The wish does not fit the task as it is now; it is dropped instead of being told again and again.
            return ActivityResult.Completed().WithChanges(
                new SaveCopyTask(task with
                {
                    IsPauseWished = wish == CopyWish.Pause ? false : wish == CopyWish.Resume || task.IsPauseWished,
                    Limits = wish == CopyWish.Limits ? task.Reported!.Limits : task.Limits,
                    ToldWish = wish,
                    ToldWishAt = now,
                }),
                Tell(context, "alarm", task.EntryId, $"{task.TargetServerId} did not follow the order '{wish}' for the material copy: {exception.Message}"));
        }
    }

    /// <summary>Limits that were changed before the answer to the former ones was written down are another command.</summary>
    private static string KeyOf(CopyLimits limits) =>
        string.Create(CultureInfo.InvariantCulture, $"limits/{limits.MaxBytesPerSecond}/{limits.WindowFrom?.Ticks}/{limits.WindowTo?.Ticks}");
}

/// <summary>Tells the target that the copy is cancelled. A target that is away does not hold up the log: it learns it when the states are merged.</summary>
[Activity("Failback.CancelDataCopy", Category = "Material copy parts", DisplayName = "Cancel the task", Description = "Tells the failed server to end the task; what is copied stays.")]
[FlowNode("Done", "Owed")]
[Retry(3, InitialDelayMilliseconds = 500, MaxDelayMilliseconds = 2000)]
public sealed class CancelDataCopy(CopyCalls calls, IMaterialCopyClient recorders) : CopyActivity
{
    private const int Attempts = 3;

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var task = await calls.GetTaskAsync(context, cancellationToken);
        try
        {
            var answer = await recorders.OrderAsync(
                await calls.GetTargetAsync(task, cancellationToken),
                task.TaskId,
                CopyOrder.Cancel,
                await calls.GetAuthorityAsync(context, task, cancellationToken),
                context.CallKey("cancel"),
                cancellationToken);
            return ActivityResult.Completed("Done").WithChanges(new SaveCopyTask(task.WithReport(answer, context.Time.GetUtcNow()) with { IsCancellationOwed = false, WaitsForServerId = null }));
        }
        catch (RecorderException exception) when (exception.Kind is RecorderErrorKind.NotFound or RecorderErrorKind.Conflict)
        {
            // It never heard of the task, or that has ended: nothing is being copied.
            return ActivityResult.Completed("Done");
        }
        catch (RecorderException exception) when (!exception.IsTransient || context.Attempt >= Attempts)
        {
            return ActivityResult.Completed("Owed").WithChanges(new SaveCopyTask(task with { IsCancellationOwed = true, WaitsForServerId = null }));
        }
    }
}

/// <summary>
/// <c>UpdateFailoverTaskStates</c>: after a lost connection both sides' states are merged. The recorder's position wins, the manager's
/// cancellation or acceptance wins. A task the target does not know is started again from the mirror.
/// </summary>
[Activity("Failback.UpdateFailoverTaskStates", Category = "Material copy", DisplayName = "UpdateFailoverTaskStates", Description = "Merges the task states of both sides after a lost connection.")]
[FlowNode("Known", "Unknown")]
public sealed class UpdateTaskStatesAtTarget(CopyCalls calls, MergeTaskStates merge) : CopyActivity
{
    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var task = await calls.GetTaskAsync(context, cancellationToken);
        try
        {
            var merged = await merge.ExecuteAsync(task, cancellationToken);
            return merged is null
                ? ActivityResult.Completed("Unknown").WithChanges(new SaveCopyTask(task with { IsOutOfTouch = false, IsUnknownAtTarget = true, WaitsForServerId = null }))
                : ActivityResult.Completed("Known").WithChanges(new SaveCopyTask(task.WithReport(merged, context.Time.GetUtcNow()) with { IsOutOfTouch = false, WaitsForServerId = null }));
        }
        catch (RecorderException exception) when (exception.IsTransient)
        {
            return WaitFor(context, task, task.TargetServerId);
        }
    }
}
