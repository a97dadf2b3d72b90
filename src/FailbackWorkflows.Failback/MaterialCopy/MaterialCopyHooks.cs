using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Engine.Values;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Failback.Reconciliation;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Failback.MaterialCopy;

/// <summary>The copy task an instance works on, with the copy fence of its newest acquisition: what every call for the task carries.</summary>
public sealed record ClaimedCopy(string TaskId, long Fence);

/// <summary>Copy fences. Recorders do not tell the one they know.</summary>
internal static class CopyFence
{
    /// <summary>
    /// Larger than the one that was given out last, and than any that a database forgot which was set back to a backup: with seconds for numbers, a
    /// task would have to change hands every second to overtake the clock.
    /// </summary>
    public static long Next(long last, DateTimeOffset now) => Math.Max(last + 1, now.ToUnixTimeSeconds());
}

/// <summary>Another run works on the task.</summary>
public sealed class CopyTaskTakenException(string runId) : Exception($"The run {runId} works on this material copy.")
{
    public string RunId { get; } = runId;
}

/// <summary>
/// What every run of a material copy takes and gives back, whatever started it: the task in the transaction of the start, the entry's state
/// with it; each time a node takes the run up, the copy fence grows. Duties are not claimed: a failback may run meanwhile.
/// </summary>
public sealed class MaterialCopyHooks(IFailoverLog log, IMaterialCopies copies, DisputedMaterial disputed, FailbackPolicies policies, RecordersKnowMore doubts, IDomainWriter writer, TimeProvider time, ILogger<MaterialCopyHooks> logger) : IWorkflowHooks
{
    /// <summary>Name of the workflow input that says why disputed material is copied; without it, none is.</summary>
    public const string DisputedReason = "DisputedReason";

    private const int MaxFenceAttempts = 10;

    private static readonly TimeSpan LookAgainAfter = TimeSpan.FromSeconds(5);

    /// <summary>True when a definition copies material: a copy of it under another name needs the task too.</summary>
    public static bool IsMaterialCopy(WorkflowDefinition definition) => definition.Nodes.Values.Any(n => n.Descriptor.Type == "Failback.CheckMaterialCopy");

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<IDomainChange>> StartingAsync(StartingWorkflow starting, CancellationToken cancellationToken)
    {
        if (!IsMaterialCopy(starting.Definition))
        {
            return [];
        }

        var entryId = PlainValue.ToText(starting.Input.GetValueOrDefault("EntryId"));
        if (entryId is not { Length: > 0 } || await log.FindAsync(entryId, cancellationToken) is not { } entry)
        {
            throw new WorkflowRefusedException("entry-unknown", $"There is no failover log entry '{entryId}'.");
        }

        if (await doubts.FindAsync(entry.FailedServerId, cancellationToken) is { } doubt)
        {
            throw new WorkflowRefusedException("reconcile-first", doubt.Kind == DoubtKind.NotAskedYet
                ? $"{doubt.Sentence} Try again in a moment."
                : $"{doubt.Sentence} Nothing is copied before that is settled; the alert on VMS servers says what to do.");
        }

        var isDisputed = IsDisputed(starting.Input);
        var taskId = MaterialCopyTask.IdOf(entry.Id, entry.FailoverServerId, isDisputed);
        var task = await copies.FindAsync(taskId, cancellationToken);
        if (task?.RunId is { } runId)
        {
            throw new CopyTaskTakenException(runId);
        }

        if ((isDisputed ? (await disputed.ReadAsync(entry, cancellationToken)).WhyNot : WhyNot(entry)) is { } sentence)
        {
            throw new WorkflowRefusedException("copy-not-possible", sentence);
        }

        task ??= new MaterialCopyTask
        {
            TaskId = taskId,
            EntryId = entry.Id,
            IsDisputed = isDisputed,
            Identity = entry.FailedServerId,
            SourceServerId = entry.FailoverServerId,
            TargetServerId = entry.FailedServerId,
            Limits = new((await policies.GetAsync(cancellationToken)).MaterialCopyBytesPerSecond),
            CreatedAt = starting.At,
        };
        var changes = new List<IDomainChange>
        {
            new SaveCopyTask(task with
            {
                RunId = starting.InstanceId,
                LastRunId = starting.InstanceId,
                StoppedRunId = null,
                Runs = task.Runs + 1,
                IsPauseWished = false,
                IsCancellationOwed = false,
                NotedState = null,
                NotedPauseReason = null,
                WaitsForServerId = null,
                EndedAt = null,
            }),
            new Notify(new ChangeNotification("run", starting.InstanceId, isDisputed ? "A copy of disputed material was started." : "A material copy was started.", starting.At)),
        };
        if (isDisputed)
        {
            changes.Add(new Notify(new ChangeNotification("materialCopy", entry.Id, "The disputed material was asked for.", starting.At)));
        }
        else if (entry.MaterialCopy != MaterialCopyState.Queued)
        {
            changes.Insert(0, new SaveFailoverLogEntry(entry.MaterialCopyQueued()));
            changes.Add(new Notify(new ChangeNotification("failoverLog", entry.Id, $"The material copy of {entry.FailedServerId} is queued.", starting.At)));
        }

        return changes;
    }

    /// <inheritdoc/>
    public async ValueTask<object?> AcquiredAsync(AcquiredWorkflow acquired, CancellationToken cancellationToken)
    {
        if (!IsMaterialCopy(acquired.Definition)
            || PlainValue.ToText(acquired.Input.GetValueOrDefault("EntryId")) is not { Length: > 0 } entryId
            || await log.FindAsync(entryId, cancellationToken) is not { } entry)
        {
            return null;
        }

        if (await doubts.FindAsync(entry.FailedServerId, cancellationToken) is { } doubt)
        {
            throw new WorkflowNotNowException(doubt.Sentence, time.GetUtcNow() + LookAgainAfter);
        }

        var isDisputed = IsDisputed(acquired.Input);
        var taskId = MaterialCopyTask.IdOf(entry.Id, entry.FailoverServerId, isDisputed);
        for (var attempt = 1; ; attempt++)
        {
            var changes = new List<IDomainChange>();
            var task = await copies.FindAsync(taskId, cancellationToken);
            if (task is null || task.RunId != acquired.InstanceId)
            {
                // A run that an incident stopped takes the task back when it is redriven, unless another run has it or the matter is settled.
                entry = await log.FindAsync(entryId, cancellationToken);
                if (task is not { RunId: null } || task.StoppedRunId != acquired.InstanceId || entry is null || !(isDisputed || entry.CanQueueCopy || entry.MaterialCopy == MaterialCopyState.Queued))
                {
                    return null;
                }

                if (!isDisputed && entry.CanQueueCopy)
                {
                    changes.Add(new SaveFailoverLogEntry(entry.MaterialCopyQueued()));
                }

                changes.Add(new SaveCopyTask(task with { RunId = acquired.InstanceId, StoppedRunId = null, NotedState = null, NotedPauseReason = null, EndedAt = null }));
            }

            var fence = CopyFence.Next(await copies.GetFenceAsync(taskId, cancellationToken), time.GetUtcNow());
            try
            {
                await writer.ApplyAsync([new RequireLease(acquired.Lease), .. changes, new RaiseCopyFence(taskId, fence)], cancellationToken);
                return new ClaimedCopy(taskId, fence);
            }
            catch (ConcurrentChangeException) when (attempt < MaxFenceAttempts)
            {
                logger.LogInformation("The copy fence of {Task} grew meanwhile; drawing another", taskId);
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<IDomainChange>> EndingAsync(EndingWorkflow ending, CancellationToken cancellationToken)
    {
        if (!IsMaterialCopy(ending.Definition))
        {
            return [];
        }

        var isStopped = ending.SubStatus == WorkflowSubStatus.Faulted;
        var text = isStopped ? "A material copy was stopped by an incident and needs attention." : "A material copy has ended.";
        var changes = new List<IDomainChange> { new Notify(new ChangeNotification("run", ending.InstanceId, text, ending.At)) };
        var task = (await copies.ListWatchedAsync(cancellationToken)).FirstOrDefault(t => t.RunId == ending.InstanceId);
        if (task is null)
        {
            return changes;
        }

        changes.Add(new SaveCopyTask(task with { RunId = null, StoppedRunId = isStopped ? ending.InstanceId : null, WaitsForServerId = null, EndedAt = ending.At }));
        if (task.IsDisputed)
        {
            changes.Add(new Notify(new ChangeNotification("materialCopy", task.EntryId, null, ending.At)));
        }
        else if (await log.FindAsync(task.EntryId, cancellationToken) is { IsCopying: true } entry)
        {
            // An end that no step of the run has logged: an incident, or a cancellation before the run had done anything.
            var logged = isStopped
                ? entry.MaterialCopyFailed("The material copy was stopped by an incident. Open its run to see what is wrong, then retry it or start it again.")
                : entry.MaterialCopyCancelled("The material copy was cancelled before it began. The material is still owed.");
            changes.Add(new SaveFailoverLogEntry(logged));
            changes.Add(new Notify(new ChangeNotification(isStopped ? "alarm" : "failoverLog", entry.Id, logged.Message, ending.At)));
        }

        return changes;
    }

    private static bool IsDisputed(IReadOnlyDictionary<string, object?> input) => !string.IsNullOrWhiteSpace(PlainValue.ToText(input.GetValueOrDefault(DisputedReason)));

    /// <summary>Why no copy can be started, as a sentence; null when it can.</summary>
    public static string? WhyNot(FailoverLogEntry entry) => entry switch
    {
        { Failover: FailoverState.Running } => "The failover of this entry is not done, so there is nothing to bring home.",
        { IsUnsettled: true } => "The failover failed, and its failover server has not said yet whether it recorded anything. It is asked by itself when it is connected and has stopped.",
        { Failover: FailoverState.Done, Failback: not FailbackState.Done } => "The failback is not done: the failover server still records. Fail back first, then copy the material.",
        { MaterialCopy: MaterialCopyState.Copied } => "The material of this entry is home and verified already.",
        { MaterialCopy: MaterialCopyState.NothingToCopy } => "There is nothing to copy for this entry.",
        { MaterialCopy: MaterialCopyState.LossesAccepted } => "The missing material of this entry was given up, so it may be gone by now.",
        _ => null,
    };
}
