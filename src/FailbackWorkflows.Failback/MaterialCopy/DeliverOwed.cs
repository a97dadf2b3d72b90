using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Reconciliation;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.MaterialCopy;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Failback.MaterialCopy;

/// <summary>
/// Tells recorders what they are owed after material copies: holds that may end, credentials that have ended, cancellations. Derived from the
/// tables each time; a recorder that is away is told the next time.
/// </summary>
public sealed class DeliverOwed(
    DutyCalls calls,
    IDuties duties,
    IMaterialCopies copies,
    IMaterialCopyClient recorders,
    MergeTaskStates merge,
    RecordersKnowMore doubts,
    IDomainWriter writer,
    TimeProvider time,
    ILogger<DeliverOwed> logger)
{
    private const int MaxConcurrency = 16;

    public async Task ExecuteAsync(CancellationToken cancellationToken)
    {
        // In order at each recorder, and no recorder waits for another that does not answer.
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = MaxConcurrency, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(
            (await copies.ListOwedReleasesAsync(cancellationToken)).GroupBy(o => o.ServerId),
            parallel,
            async (orders, token) =>
            {
                foreach (var order in orders)
                {
                    // A run that works on the task releases the hold itself.
                    if (await copies.FindAsync(order.TaskId, token) is not { RunId: not null } || order.Release == HoldRelease.AcceptedLoss)
                    {
                        await ReleaseAsync(order.EntryId, order.ServerId, token);
                    }
                }
            });
        await Parallel.ForEachAsync(
            (await copies.ListWatchedAsync(cancellationToken)).Where(t => t.RunId is null).GroupBy(t => (t.SourceServerId, t.TargetServerId)),
            parallel,
            async (tasks, token) =>
            {
                foreach (var task in tasks)
                {
                    await TryAsync(task, task.IsRevocationOwed, RevokeAsync, token);
                    await TryAsync(await copies.FindAsync(task.TaskId, token) ?? task, task.IsCancellationOwed, CancelAsync, token);
                }
            });
    }

    /// <summary>Releases one hold whose order is open; harmless when there is none.</summary>
    public async Task ReleaseAsync(string entryId, string serverId, CancellationToken cancellationToken)
    {
        if (await copies.FindReleaseAsync(entryId, serverId, cancellationToken) is not { ReleasedAt: null } order
            || await duties.FindAsync(order.Identity, cancellationToken) is not { } duty
            || await doubts.FindAsync(order.Identity, cancellationToken) is not null)
        {
            return;
        }

        HoldReleaseOrder told;
        try
        {
            var fence = await copies.GetFenceAsync(order.TaskId, cancellationToken);
            if (fence == 0)
            {
                // Nothing was ever copied under it; the recorder wants a fence all the same.
                fence = CopyFence.Next(fence, time.GetUtcNow());
                await writer.ApplyAsync([new RaiseCopyFence(order.TaskId, fence)], cancellationToken);
            }

            await recorders.ReleaseRetentionHoldAsync(
                await calls.GetEndpointAsync(order.ServerId, cancellationToken),
                new ReleaseHoldCommand(order.EntryId, order.Identity, order.TaskId, new(duty.Epoch, fence), order.Release, order.Reason),
                $"release/{order.EntryId}/{order.OrderedAt.UtcTicks}/{order.Refusals}",
                cancellationToken);
            told = order with { LastError = null, ReleasedAt = time.GetUtcNow() };
        }
        catch (RecorderException exception) when (exception.Kind == RecorderErrorKind.NotFound)
        {
            told = order with { LastError = null, ReleasedAt = time.GetUtcNow() };
        }
        catch (RecorderException exception)
        {
            logger.LogInformation("The hold of entry {EntryId} at {Server} is not released yet: {Reason}", order.EntryId, order.ServerId, exception.Message);
            if (exception.IsTransient && order.LastError is not null)
            {
                return;
            }

            // A refusal is remembered under its key: the next attempt is another command.
            told = order with { LastError = exception.Message, Refusals = order.Refusals + (exception.IsTransient ? 0 : 1) };
        }
        catch (ActivityFaultException exception)
        {
            // The server is not in the registry (any more): the order stays, and is seen on the entry's page.
            if (order.LastError == exception.Message)
            {
                return;
            }

            told = order with { LastError = exception.Message };
        }
        catch (ConcurrentChangeException)
        {
            return;
        }

        var changes = new List<IDomainChange> { new SaveHoldRelease(told) };
        if (told.ReleasedAt is { } at)
        {
            changes.Add(new Notify(new ChangeNotification("materialCopy", order.EntryId, $"The hold at {order.ServerId} was released.", at)));
        }

        try
        {
            await writer.ApplyAsync(changes, cancellationToken);
        }
        catch (ConcurrentChangeException)
        {
            logger.LogInformation("The release of the hold of entry {EntryId} at {Server} was ordered anew while it was delivered; the new order is delivered next", order.EntryId, order.ServerId);
        }
    }

    private async Task TryAsync(MaterialCopyTask task, bool isOwed, Func<MaterialCopyTask, CancellationToken, Task<MaterialCopyTask?>> tell, CancellationToken cancellationToken)
    {
        if (!isOwed || await doubts.FindAsync(task.Identity, cancellationToken) is not null)
        {
            return;
        }

        try
        {
            if (await tell(task, cancellationToken) is { } told)
            {
                await writer.ApplyAsync([new SaveCopyTask(told)], cancellationToken);
            }
        }
        catch (Exception exception) when (exception is RecorderException or ConcurrentChangeException or ActivityFaultException)
        {
            logger.LogInformation("What is owed about the material copy {Task} could not be told: {Reason}", task.TaskId, exception.Message);
        }
    }

    private async Task<MaterialCopyTask?> RevokeAsync(MaterialCopyTask task, CancellationToken cancellationToken)
    {
        var duty = await calls.GetDutyAsync(task.Identity, cancellationToken);
        await recorders.RevokeReadTokenAsync(
            await calls.GetEndpointAsync(task.SourceServerId, cancellationToken),
            task.TaskId,
            task.Identity,
            new(duty.Epoch, await copies.GetFenceAsync(task.TaskId, cancellationToken)),
            $"revoke/{task.TaskId}/{task.TokenGeneration}/{duty.Epoch}",
            cancellationToken);
        return task with { IsRevocationOwed = false };
    }

    private async Task<MaterialCopyTask?> CancelAsync(MaterialCopyTask task, CancellationToken cancellationToken)
    {
        var merged = await merge.ExecuteAsync(task, cancellationToken);
        return merged is null || CopyTaskStates.HasEnded(merged.State)
            ? (merged is null ? task : task.WithReport(merged, time.GetUtcNow())) with { IsCancellationOwed = false }
            : null;
    }
}
