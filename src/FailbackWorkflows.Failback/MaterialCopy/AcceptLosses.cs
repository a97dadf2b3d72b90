using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.Failback.MaterialCopy;

/// <summary>
/// An administrator gives up what is not home, with a reason. The decision and the order to release the hold are one transaction; the hold
/// is released at once when its server answers, else when it is seen again. A copy that works is told to end.
/// </summary>
public sealed class AcceptLosses(
    IFailoverLog log, IMaterialCopies copies, IDomainWriter writer, IWorkflowRuntime runtime, DeliverOwed deliver, TimeProvider time)
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
                new SaveHoldRelease(new HoldReleaseOrder(
                    entry.Id,
                    entry.FailoverServerId,
                    entry.FailedServerId,
                    MaterialCopyTask.IdOf(entry.Id, entry.FailoverServerId),
                    HoldRelease.AcceptedLoss,
                    $"{actor.Name} ({actor.Id}): {reason}",
                    now)),
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
                await CancelAsync(runId, actor, cancellationToken);
            }

            await deliver.ReleaseAsync(entry.Id, entry.FailoverServerId, cancellationToken);
            return new(ControlOutcome.Accepted, null);
        }
    }

    /// <summary>Why losses cannot be accepted now; null when they can.</summary>
    public static string? WhyNot(FailoverLogEntry entry) => entry switch
    {
        { MaterialCopy: MaterialCopyState.Copied or MaterialCopyState.NothingToCopy } => "Nothing is missing, so there is no loss to accept.",
        { MaterialCopy: MaterialCopyState.LossesAccepted } => "The losses of this entry have been accepted already.",
        { Failover: FailoverState.Running } => "The failover is still running.",
        { Failover: FailoverState.Done, Failback: not FailbackState.Done } => "The failback is not done: the failover server still records this material. Fail back first.",
        _ => null,
    };

    private async Task CancelAsync(string runId, Actor actor, CancellationToken cancellationToken)
    {
        try
        {
            await runtime.CancelAsync(runId, actor, "The losses were accepted.", cancellationToken);
        }
        catch (WorkflowRefusedException)
        {
            // It is past cancelling and ends by itself; the entry keeps the decision.
        }
    }
}
