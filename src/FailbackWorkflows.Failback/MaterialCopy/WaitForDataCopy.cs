using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.Failback.MaterialCopy;

/// <summary>
/// Waits for the target, which works by itself. Each time it is woken (the poll has seen another state, an operator wants something, or the
/// timer behind them is due) it looks at the task once, writes down what has become of it, and either goes on or waits again. Only reads.
/// </summary>
[Activity("Failback.WaitForDataCopy", Category = "Material copy", DisplayName = "Wait for the copy", Description = "Waits until the failed server has copied, or something is to be done.")]
[FlowNode("Copied", "GaveUp", "Cancelled", "Ordered", "SourceChanged", "Reconnected", "Unknown")]
public sealed class WaitForDataCopy(CopyCalls calls, IFailoverLog log, IMaterialCopyClient recorders) : CopyActivity
{
    /// <summary>The look behind the wake-ups.</summary>
    private static readonly TimeSpan LookAnyway = TimeSpan.FromMinutes(5);

    [Output(Description = "How the copy ends.")]
    public Output<string>? Ending { get; init; }

    [Output(Description = "Why it failed.")]
    public Output<string>? Failure { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var task = await calls.GetTaskAsync(context, cancellationToken);
        if (task.IsOutOfTouch)
        {
            return await IsConnectedAsync(task, cancellationToken) ? ActivityResult.Completed("Reconnected") : WaitFor(context, task, task.TargetServerId);
        }

        CopyTask report;
        try
        {
            report = await recorders.GetCopyTaskAsync(await calls.GetTargetAsync(task, cancellationToken), task.TaskId, cancellationToken);
        }
        catch (RecorderException exception) when (exception.IsTransient)
        {
            return WaitFor(context, task with { IsOutOfTouch = true, WaitsForServerId = null }, task.TargetServerId);
        }
        catch (RecorderException exception) when (exception.Kind == RecorderErrorKind.NotFound)
        {
            return ActivityResult.Completed("Unknown");
        }

        var now = context.Time.GetUtcNow();
        var looked = task.WithReport(report, now).Noted() with { WaitsForServerId = null };
        return await DecideAsync(context, task, looked, now, cancellationToken);
    }

    private async Task<ActivityResult> DecideAsync(ActivityExecutionContext context, MaterialCopyTask task, MaterialCopyTask looked, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var report = looked.Reported!;
        var changes = await LogAsync(context, task, report, cancellationToken);
        ActivityResult result;
        switch (report.State)
        {
            case CopyTaskState.Copied or CopyTaskState.CopiedWithLosses or CopyTaskState.NothingToCopy:
                result = ActivityResult.Completed("Copied");
                break;

            case CopyTaskState.Failed:
                result = ActivityResult.Completed("GaveUp").With(Ending, CopyEndings.Failed).With(Failure, report.LastError ?? "The failed server gave no reason.");
                break;

            case CopyTaskState.Cancelled:
                result = ActivityResult.Completed("Cancelled").With(Ending, CopyEndings.Cancelled).With(Failure, "The task was cancelled at the failed server.");
                break;

            case var _ when looked.OpenWish is not null && !(looked.RepeatWishAt > now):
                result = ActivityResult.Completed("Ordered");
                break;

            case var _ when looked.IsRefusedBySource && now >= looked.NextTokenAt:
                // A new generation ends the former; drawn here, so that a repeat of the next step does not draw another.
                looked = looked with { TokenGeneration = looked.TokenGeneration + 1, ProtectedToken = null, TokenDrawnAt = now, TokenRefusals = looked.TokenRefusals + 1 };
                result = ActivityResult.Completed("SourceChanged");
                break;

            case var _ when looked.ToldSourceUrl != (await calls.Servers.GetServerAsync(looked.SourceServerId, cancellationToken)).BaseUrl:
                result = ActivityResult.Completed("SourceChanged");
                break;

            default:
                if (report.State is CopyTaskState.Running or CopyTaskState.Verifying && looked.TokenRefusals > 0)
                {
                    looked = looked with { TokenRefusals = 0 };
                }

                result = ActivityResult.Suspended(
                    null,
                    new BookmarkRequest("MaterialCopy", looked.StimulusKey, null, RunsAgain: true),
                    new BookmarkRequest("Timer", null, NextLook(looked, now), RunsAgain: true));
                break;
        }

        return result.WithChanges([.. changes, new SaveCopyTask(looked)]);
    }

    private static DateTimeOffset NextLook(MaterialCopyTask task, DateTimeOffset now)
    {
        var next = now + LookAnyway;
        if (task.RepeatWishAt is { } repeat && repeat < next)
        {
            next = repeat;
        }

        return task.IsRefusedBySource && task.NextTokenAt < next ? task.NextTokenAt : next;
    }

    /// <summary>What the report means for the failover log, in the same transaction.</summary>
    private async Task<IReadOnlyList<IDomainChange>> LogAsync(ActivityExecutionContext context, MaterialCopyTask task, CopyTask report, CancellationToken cancellationToken)
    {
        if (task.IsDisputed)
        {
            // The entry tells of what is owed.
            return [];
        }

        var entry = await log.GetAsync(task.EntryId, cancellationToken);
        var now = CopyTaskStates.HasEnded(report.State) ? entry : entry.While(report.State);
        return now == entry
            ? []
            : [new SaveFailoverLogEntry(now), Tell(context, "failoverLog", entry.Id, Sentence(entry, now, report))];
    }

    private static string Sentence(FailoverLogEntry before, FailoverLogEntry now, CopyTask report) => now.MaterialCopy switch
    {
        MaterialCopyState.Paused => $"The material copy of {before.FailedServerId} pauses ({report.PauseReason?.ToString() ?? "waiting for its source"}).",
        _ when before.MaterialCopy == MaterialCopyState.Paused => $"The material copy of {before.FailedServerId} goes on.",
        _ => $"The material copy of {before.FailedServerId} is running.",
    };

    private async Task<bool> IsConnectedAsync(MaterialCopyTask task, CancellationToken cancellationToken)
    {
        try
        {
            await recorders.ListCopyTasksAsync(await calls.GetTargetAsync(task, cancellationToken), cancellationToken);
            return true;
        }
        catch (RecorderException exception) when (exception.IsTransient)
        {
            return false;
        }
    }
}
