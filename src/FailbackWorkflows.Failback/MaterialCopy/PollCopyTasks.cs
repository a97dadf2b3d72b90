using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.MaterialCopy;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Failback.MaterialCopy;

/// <summary>
/// Reads the copy tasks of every target that a run waits for, keeps the mirror true, one transaction per task, and wakes runs that have
/// not taken notice of what is there. Owns no truth: a look that is missed or done twice does no harm, and a wake-up that is lost is given
/// again by the next look.
/// </summary>
public sealed class PollCopyTasks(
    DutyCalls calls,
    IMaterialCopies copies,
    IMaterialCopyClient recorders,
    IDomainWriter writer,
    IWorkflowRuntime runtime,
    TimeProvider time,
    ILogger<PollCopyTasks> logger)
{
    private const int MaxConcurrency = 16;

    public async Task ExecuteAsync(CancellationToken cancellationToken)
    {
        var targets = (await copies.ListWatchedAsync(cancellationToken)).Where(t => t.RunId is not null).GroupBy(t => t.TargetServerId);
        await Parallel.ForEachAsync(
            targets,
            new ParallelOptions { MaxDegreeOfParallelism = MaxConcurrency, CancellationToken = cancellationToken },
            async (tasks, token) => await PollAsync(tasks.Key, [.. tasks], token));
    }

    private async Task PollAsync(string targetId, List<MaterialCopyTask> tasks, CancellationToken cancellationToken)
    {
        Dictionary<string, CopyTask>? reports = null;
        try
        {
            reports = (await recorders.ListCopyTasksAsync(await calls.GetEndpointAsync(targetId, cancellationToken), cancellationToken)).Items.ToDictionary(t => t.TaskId);
        }
        catch (Exception exception) when (exception is RecorderException or Engine.Activities.ActivityFaultException)
        {
            logger.LogInformation("The copy tasks of {Server} could not be read: {Reason}", targetId, exception.Message);
        }

        foreach (var task in tasks)
        {
            try
            {
                await NoteAsync(task, reports, cancellationToken);
            }
            catch (ConcurrentChangeException)
            {
                logger.LogDebug("{Task} was changed while it was polled; the next poll looks again", task.TaskId);
            }
        }
    }

    private async Task NoteAsync(MaterialCopyTask task, Dictionary<string, CopyTask>? reports, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var noted = Note(task, reports, now);
        if (noted != task)
        {
            await writer.ApplyAsync(
                [new SaveCopyTask(noted), new Notify(new ChangeNotification("materialCopy", task.EntryId, null, now))], cancellationToken);
        }

        if (reports is null || task.RunId is not { } runId)
        {
            return;
        }

        if (noted.WaitsForServerId == noted.TargetServerId)
        {
            await runtime.ResumeAsync(new Stimulus(RecorderConnected.KeyOf(noted.TargetServerId), Actor.System, null, runId), cancellationToken);
        }
        else if (noted.HasNews)
        {
            await runtime.ResumeAsync(new Stimulus(noted.StimulusKey, Actor.System, null, runId), cancellationToken);
        }
    }

    private static MaterialCopyTask Note(MaterialCopyTask task, Dictionary<string, CopyTask>? reports, DateTimeOffset now)
    {
        // Before the target was told of the task there is nothing to miss there.
        if (task.Reported is null)
        {
            return task;
        }

        if (reports is null)
        {
            return task.IsOutOfTouch ? task : task with { IsOutOfTouch = true };
        }

        if (!reports.TryGetValue(task.TaskId, out var report))
        {
            return task.IsUnknownAtTarget ? task : task with { IsUnknownAtTarget = true };
        }

        return report.Revision == task.Reported.Revision && !task.IsUnknownAtTarget ? task : task.WithReport(report, now);
    }
}
