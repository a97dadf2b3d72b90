using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.Failback.MaterialCopy;

/// <summary>
/// An administrator gives up what is not home, with a reason. The decision and the order to release the hold are one transaction; the hold
/// is released at once when its server answers, else when it is seen again. A copy that works is told to end. What is disputed stays held after
/// a verified copy and is given up by a decision of its own.
/// </summary>
public sealed class AcceptLosses(
    IFailoverLog log, IMaterialCopies copies, DisputedMaterial disputedMaterial, IDomainWriter writer, IWorkflowRuntime runtime, DeliverOwed deliver, TimeProvider time)
{
    private const int MostAttempts = 5;

    /// <param name="reason">Why; kept with the entry and with the hold. Required.</param>
    public async Task<ControlResult> ExecuteAsync(string entryId, Actor actor, string reason, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            if (await log.FindAsync(entryId, cancellationToken) is not { } entry)
            {
                return new(ControlOutcome.Unknown, $"There is no failover log entry '{entryId}'.");
            }

            if (WhyNot(entry) is { } sentence)
            {
                return new(ControlOutcome.Refused, sentence);
            }

            var now = time.GetUtcNow();
            var accepted = entry.MaterialLossesAccepted($"{actor.Name} accepted the losses: {reason}");
            var task = await copies.FindByEntryAsync(entryId, cancellationToken);
            var changes = new List<IDomainChange>
            {
                new SaveFailoverLogEntry(accepted),
                Order(entry, actor, reason, now),
                new Notify(new ChangeNotification("failoverLog", entry.Id, accepted.Message, now)),
            };
            try
            {
                await writer.ApplyAsync(changes, cancellationToken);
            }
            catch (ConcurrentChangeException) when (attempt < MostAttempts)
            {
                continue;
            }

            var disputed = await copies.FindAsync(MaterialCopyTask.IdOf(entry.Id, entry.FailoverServerId, isDisputed: true), cancellationToken);
            foreach (var runId in new[] { task?.RunId, disputed?.RunId }.OfType<string>())
            {
                await CancelAsync(runId, actor, "The losses were accepted.", cancellationToken);
            }

            await deliver.ReleaseAsync(entry.Id, entry.FailoverServerId, cancellationToken);
            return new(ControlOutcome.Accepted, null);
        }
    }

    /// <summary>
    /// Gives up what is disputed of an entry whose ordinary material is settled. The entry stays as it is; nothing changes when the decision has
    /// been made already. A copy of the disputed material that works must have ended before.
    /// </summary>
    /// <param name="reason">Why; kept with the hold. Required.</param>
    public async Task<ControlResult> ReleaseDisputedAsync(string entryId, Actor actor, string reason, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            if (await log.FindAsync(entryId, cancellationToken) is not { } entry)
            {
                return new(ControlOutcome.Unknown, $"There is no failover log entry '{entryId}'.");
            }

            var state = await disputedMaterial.ReadAsync(entry, cancellationToken);
            if (WhyNotDisputed(entry, state) is { } sentence)
            {
                return new(ControlOutcome.Refused, sentence);
            }

            var now = time.GetUtcNow();
            try
            {
                // The entry is written as it is: of two who decide at once, the second looks again.
                await writer.ApplyAsync(
                    [
                        new SaveFailoverLogEntry(entry),
                        Order(entry, actor, reason, now),
                        new Notify(new ChangeNotification("materialCopy", entry.Id, $"{actor.Name} gave up the disputed material: {reason}", now)),
                    ],
                    cancellationToken);
            }
            catch (ConcurrentChangeException) when (attempt < MostAttempts)
            {
                continue;
            }

            // One that was started between the look and the write; one that starts later is refused.
            if ((await copies.FindAsync(MaterialCopyTask.IdOf(entry.Id, entry.FailoverServerId, isDisputed: true), cancellationToken))?.RunId is { } runId)
            {
                await CancelAsync(runId, actor, "The disputed material was given up.", cancellationToken);
            }

            await deliver.ReleaseAsync(entry.Id, entry.FailoverServerId, cancellationToken);
            return new(ControlOutcome.Accepted, null);
        }
    }

    /// <summary>Why what is disputed cannot be given up now; null when it can.</summary>
    public static string? WhyNotDisputed(FailoverLogEntry entry, DisputedMaterialState state) => entry switch
    {
        { Failover: FailoverState.Running } or { OwesMaterial: true } => WhyNot(entry)
            ?? "Ordinary material of this period is still owed. Copy it first; or accept its losses, which gives up what is disputed with it.",
        _ when !state.Exists => "Nothing of this period is disputed.",
        _ when state.GivenUp is { ReleasedAt: not null } => "The hold on it was released already.",
        _ when state.GivenUp is not null => "It was given up already. The failover server is told as soon as it is seen again.",
        _ when state.Task?.RunId is not null => "It is being copied. Wait until that copy has ended, or cancel its run, then decide again.",
        _ => null,
    };

    private static SaveHoldRelease Order(FailoverLogEntry entry, Actor actor, string reason, DateTimeOffset at) => new(new HoldReleaseOrder(
        entry.Id,
        entry.FailoverServerId,
        entry.FailedServerId,
        MaterialCopyTask.IdOf(entry.Id, entry.FailoverServerId),
        HoldRelease.AcceptedLoss,
        $"{actor.Name} ({actor.Id}): {reason}",
        at));

    /// <summary>Why losses cannot be accepted now; null when they can.</summary>
    public static string? WhyNot(FailoverLogEntry entry) => entry switch
    {
        { MaterialCopy: MaterialCopyState.Copied or MaterialCopyState.NothingToCopy } => "Nothing is missing, so there is no loss to accept.",
        { MaterialCopy: MaterialCopyState.LossesAccepted } => "The losses of this entry have been accepted already.",
        { Failover: FailoverState.Running } => "The failover is still running.",
        { Failover: FailoverState.Done, Failback: not FailbackState.Done } => "The failback is not done: the failover server still records this material. Fail back first.",
        _ => null,
    };

    private async Task CancelAsync(string runId, Actor actor, string reason, CancellationToken cancellationToken)
    {
        try
        {
            await runtime.CancelAsync(runId, actor, reason, cancellationToken);
        }
        catch (WorkflowRefusedException)
        {
            // It is past cancelling and ends by itself; the entry keeps the decision.
        }
    }
}
