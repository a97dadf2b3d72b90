using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Clocks;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Failback.Reconciliation;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Recorders.Recording;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Failback.Failover;

/// <summary>
/// Asks the failover server of a failover that failed what it recorded all the same, once it has stopped: the hold gets its end and is
/// released if there was nothing, else its material is to be copied. Derived from the log each time, so a server that is away is asked when it is back.
/// Nothing is told while a run has the claim on the duty; what decides is read under a fence of its own (<see cref="MomentaryClaim"/>).
/// </summary>
public sealed class SettleFailedFailovers(
    IFailoverLog log,
    IMaterialCopies copies,
    IDuties duties,
    IObligations obligations,
    RecordersKnowMore doubts,
    DutyCalls calls,
    IRecorderClient recorders,
    HoldEnds ends,
    DeliverOwed deliver,
    FailbackPolicies policies,
    IDomainWriter writer,
    TimeProvider time,
    ILogger<SettleFailedFailovers> logger)
{
    private const int MostAtOnce = 50;

    /// <summary>Kind of its claims.</summary>
    private const string Kind = "settlement of a failed failover";

    public async Task ExecuteAsync(CancellationToken cancellationToken)
    {
        foreach (var entry in await log.ListUnsettledAsync(MostAtOnce, cancellationToken))
        {
            try
            {
                await SettleAsync(entry, cancellationToken);
            }
            catch (Exception exception) when (exception is RecorderException or ConcurrentChangeException or ClaimConflictException or ActivityFaultException)
            {
                logger.LogInformation("What {Server} recorded in the failed failover {EntryId} is not known yet: {Reason}", entry.FailoverServerId, entry.Id, exception.Message);
            }
        }
    }

    private async Task SettleAsync(FailoverLogEntry entry, CancellationToken cancellationToken)
    {
        if (await doubts.FindAsync(entry.FailedServerId, cancellationToken) is not null)
        {
            return;
        }

        var now = time.GetUtcNow();
        if (await copies.FindHoldAsync(entry.Id, entry.FailoverServerId, cancellationToken) is not { } hold)
        {
            await writer.ApplyAsync([new SaveFailoverLogEntry(entry.NothingRecordedByFailedFailover()), Tell("failoverLog", entry, "Nothing was recorded in the failover that failed.", now)], cancellationToken);
            return;
        }

        // The end is told under the current epoch, which would stop whoever has not heard of it: its stop is delivered first, and with care.
        if (await duties.FindClaimAsync(DutyClaim.Identity(entry.FailedServerId), cancellationToken) is not null
            || (await obligations.ListOpenAsync(entry.FailoverServerId, entry.FailedServerId, cancellationToken)).Any(o => o.Kind is ObligationKind.Stop or ObligationKind.StandBy)
            || await ReadLastTimesAsync(entry, cancellationToken) is null)
        {
            return;
        }

        // It looks settled. From here on no earlier run's late call changes what is read, and no later run finds this in its way.
        var duty = await calls.GetDutyAsync(entry.FailedServerId, cancellationToken);
        await writer.ApplyAsync(MomentaryClaim.Take($"settle/{entry.Id}", Kind, duty, now), cancellationToken);
        var fence = MomentaryClaim.FenceOf(duty);
        var endpoint = await calls.GetEndpointAsync(hold.ServerId, cancellationToken);
        await recorders.RaiseFenceAsync(endpoint, entry.FailedServerId, fence, cancellationToken);
        if (await ReadLastTimesAsync(entry, cancellationToken) is not { } lastTimes)
        {
            return;
        }

        var end = lastTimes.Count > 0 ? lastTimes.Values.Max() : new FailoverServerTimes(entry).Latest(entry.FailoverEndedAt!.Value);
        var ended = await ends.GiveAsync(endpoint, hold, end, new(duty.Epoch, fence), name => $"{name}/{entry.Id}/{duty.Epoch}", cancellationToken);
        if (lastTimes.Count > 0)
        {
            var isAutomatic = (await policies.GetAsync(cancellationToken)).MaterialCopy == MaterialCopyPolicy.Automatic;
            var owed = entry.MaterialRecordedByFailedFailover(lastTimes);
            await writer.ApplyAsync(
                [ended, new SaveFailoverLogEntry(isAutomatic ? owed.MaterialCopyQueued() : owed), Tell("failoverLog", entry, $"{entry.FailoverServerId} had recorded in the failover that failed; this material is owed.", now)],
                cancellationToken);
            return;
        }

        await writer.ApplyAsync(
            [
                ended,
                new SaveFailoverLogEntry(entry.NothingRecordedByFailedFailover()),
                new SaveHoldRelease(new HoldReleaseOrder(
                    entry.Id,
                    entry.FailoverServerId,
                    entry.FailedServerId,
                    MaterialCopyTask.IdOf(entry.Id, entry.FailoverServerId),
                    HoldRelease.NothingRecorded,
                    "The failover failed and nothing was recorded in it",
                    now)),
                Tell("failoverLog", entry, "Nothing was recorded in the failover that failed.", now),
            ],
            cancellationToken);
        await deliver.ReleaseAsync(entry.Id, entry.FailoverServerId, cancellationToken);
    }

    /// <summary>Last frame since the failover began, per channel that has one; null: it records still, and more may come.</summary>
    private async Task<IReadOnlyDictionary<string, DateTimeOffset>?> ReadLastTimesAsync(FailoverLogEntry entry, CancellationToken cancellationToken)
    {
        RecordingState state;
        try
        {
            state = await recorders.GetRecordingAsync(await calls.GetEndpointAsync(entry.FailoverServerId, cancellationToken), entry.FailedServerId, cancellationToken);
        }
        catch (RecorderException exception) when (exception.Kind == RecorderErrorKind.NotFound)
        {
            // It never heard of the duty.
            return new Dictionary<string, DateTimeOffset>();
        }

        return state.Channels.Any(c => c.Recording)
            ? null
            : state.Channels.Where(c => c.LastFrameAt >= new FailoverServerTimes(entry).Start).ToDictionary(c => c.ChannelId, c => c.LastFrameAt!.Value);
    }

    private static Notify Tell(string kind, FailoverLogEntry entry, string text, DateTimeOffset at) => new(new ChangeNotification(kind, entry.Id, text, at));
}
