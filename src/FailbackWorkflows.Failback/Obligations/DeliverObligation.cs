using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Clocks;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Recording;
using FailbackWorkflows.Recorders.Settings;

namespace FailbackWorkflows.Failback.Obligations;

/// <summary>
/// Delivers the next thing a server is owed for one identity: one call, one commit. What a higher epoch has overtaken only makes the server
/// learn that epoch and report its times; a duty that it holds is never stopped. A server that records is not stopped before the one that
/// holds the duty is seen to record in its place.
/// </summary>
[Activity("Failback.DeliverObligation", Category = "Obligations", DisplayName = "Deliver an obligation", Description = "Tells a recorder the next thing it is owed.")]
[FlowNode("Delivered", "AllDelivered", "Postponed")]
[Retry(LastAttempt, InitialDelayMilliseconds = 500, MaxDelayMilliseconds = 2000)]
public sealed class DeliverObligation(
    DutyCalls calls, IRecorderClient recorders, HolderLook look, HoldEnds ends, RecorderClocks clocks, IObligations obligations, IFailoverLog log, IMaterialCopies copies) : DutyActivity
{
    private const int LastAttempt = 3;

    [Input(DisplayName = "VMS server", Description = "Who is owed.", UIHint = ActivityHints.VmsServer)]
    public required Input<string> ServerId { get; init; }

    [Input(DisplayName = "Recorded identity", Description = "Which duty it is about.", UIHint = ActivityHints.VmsServer)]
    public required Input<string> Identity { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var identity = context.Get(Identity);
        var server = await calls.GetServerAsync(context.Get(ServerId), cancellationToken);
        var open = await obligations.ListOpenAsync(server.Id, identity, cancellationToken);
        if (open.Count == 0)
        {
            return ActivityResult.Completed("AllDelivered").WithWorkflowOutput(RunOutputs.Result, RunOutputs.Done)
                .WithChanges(Tell(context, "obligation", server.Id, $"{server.Name} was told everything it was owed for {identity}."));
        }

        try
        {
            var endpoint = calls.EndpointOf(server);

            // Which machine it is comes before the fence: another machine must not be told anything.
            var (status, clock) = await clocks.MeasureAsync(endpoint, cancellationToken);
            if (server.MachineId is not null && status.Id != server.MachineId)
            {
                return Postpone(context, open, $"Another machine ({status.Id}) answers at the address of {server.Name}.");
            }

            var delivery = new Delivery(
                context,
                open[0],
                await calls.GetDutyAsync(identity, cancellationToken),
                endpoint,
                clock,
                await calls.RaiseFenceAsync(context, identity, endpoint, cancellationToken));
            return delivery.Seen.Epoch > delivery.Duty.Epoch
                ? Postpone(context, open, $"{server.Name} knows a newer epoch of {identity} ({delivery.Seen.Epoch}) than was granted here ({delivery.Duty.Epoch}). Find out who granted it.")
                : await DeliverAsync(delivery, open, cancellationToken);
        }
        catch (RecorderException exception) when (!exception.IsTransient || context.Attempt >= LastAttempt)
        {
            return Postpone(context, open, exception.Message);
        }
    }

    private async Task<ActivityResult> DeliverAsync(Delivery delivery, IReadOnlyList<Obligation> open, CancellationToken cancellationToken)
    {
        var owed = delivery.Owed;
        if (delivery.IsHolder && !delivery.HasHeardOfGrant)
        {
            // Any other call under an epoch it has not been given would stop it, so this comes first whatever is owed.
            await AssignAsync(delivery, DutyRole.Recorder, cancellationToken);
            return ActivityResult.Completed("Delivered");
        }

        if (owed.Kind == ObligationKind.Grant)
        {
            return delivery.IsHolder ? await StartRecordingAsync(delivery, cancellationToken) : Overtaken(delivery, $"The duty is with {delivery.Duty.HolderServerId} by now.");
        }

        if (delivery.IsHolder && owed.Kind is (ObligationKind.Stop or ObligationKind.StandBy or ObligationKind.Rollback))
        {
            return Overtaken(delivery, $"{owed.ServerId} has the duty again, under epoch {delivery.Duty.Epoch}.");
        }

        if (owed.Kind is ObligationKind.Stop or ObligationKind.StandBy or ObligationKind.HoldEnd
            && !delivery.IsHolder
            && await RecordsOrWillAsync(delivery, cancellationToken)
            && !await look.IsSeenRecordingAsync(delivery.Context, delivery.Duty, cancellationToken))
        {
            return Postpone(
                delivery.Context,
                open,
                $"{owed.ServerId} records {owed.Identity}, and {delivery.Duty.HolderServerId}, which has the duty, was not seen to record it: nobody is stopped for a server that does not record. Check {delivery.Duty.HolderServerId}.");
        }

        return owed.Kind switch
        {
            ObligationKind.Stop => await StopAsync(delivery, cancellationToken),
            ObligationKind.LastTimes => await ReadLastTimesAsync(delivery, cancellationToken),
            ObligationKind.HoldEnd => await EndHoldAsync(delivery, cancellationToken),
            ObligationKind.StandBy => await StandByAsync(delivery, cancellationToken),
            ObligationKind.Unfreeze => await UnfreezeAsync(delivery, cancellationToken),
            ObligationKind.Rollback => await RollBackAsync(delivery, cancellationToken),
            _ => throw new InvalidOperationException($"There is no obligation of the kind {owed.Kind}."),
        };
    }

    /// <summary>It writes frames, or waits for its role and would record by itself after a while.</summary>
    private async Task<bool> RecordsOrWillAsync(Delivery delivery, CancellationToken cancellationToken) =>
        delivery.Seen.Recording
            ? await look.HasFreshFramesAsync(delivery.Endpoint, delivery.Owed.Identity, cancellationToken)
            : delivery.Seen is { Role: DutyRole.AwaitingRole, AssignedRole: DutyRole.Recorder };

    private async Task<ActivityResult> StartRecordingAsync(Delivery delivery, CancellationToken cancellationToken)
    {
        if (!delivery.Seen.Recording)
        {
            await recorders.StartRecordingAsync(
                delivery.Endpoint, new RecordingCommand(delivery.Owed.Identity, delivery.Authority), delivery.Context.CallKey("start"), cancellationToken);
        }

        return Settled(delivery, $"It has the duty under epoch {delivery.Duty.Epoch} and records.");
    }

    private async Task<ActivityResult> StopAsync(Delivery delivery, CancellationToken cancellationToken)
    {
        var entry = await FindEntryAsync(delivery, cancellationToken);
        if (entry is not null && entry.FailoverServerId == delivery.Owed.ServerId && entry.Clocks?.FailoverServerAtEnd is null)
        {
            // Committed first: a stop that is repeated must say the same. The next delivery stops it.
            var measured = new Dictionary<string, ClockOffset>(StringComparer.Ordinal) { [entry.FailoverServerId] = delivery.Clock };
            return ActivityResult.Completed("Delivered").WithChanges(new SaveFailoverLogEntry(RecorderClocks.Note(entry, delivery.Context.InstanceId, measured)));
        }

        await recorders.StopRecordingAsync(
            delivery.Endpoint,
            new RecordingCommand(delivery.Owed.Identity, delivery.Authority, entry is null ? null : new FailoverServerTimes(entry).AuthorityEnds(entry.AuthorityEnds)),
            delivery.Context.CallKey("stop"),
            cancellationToken);
        return Settled(delivery, "It has stopped recording.");
    }

    private async Task<ActivityResult> ReadLastTimesAsync(Delivery delivery, CancellationToken cancellationToken)
    {
        if (await FindEntryAsync(delivery, cancellationToken) is not { LastTimes: null } entry)
        {
            return Settled(delivery, "Its last times are known.");
        }

        var lastTimes = await LastTimesAsync(delivery, cancellationToken);
        return Settled(delivery, $"It reported its last times of {lastTimes.Count} channels.").WithChanges(new SaveFailoverLogEntry(entry with { LastTimes = lastTimes }));
    }

    private async Task<ActivityResult> EndHoldAsync(Delivery delivery, CancellationToken cancellationToken)
    {
        var entry = await FindEntryAsync(delivery, cancellationToken);
        if (entry is null || await copies.FindHoldAsync(entry.Id, delivery.Owed.ServerId, cancellationToken) is not { } hold)
        {
            return Settled(delivery, "There is no hold.");
        }

        // The disputed tail is part of it. Without any frame there is nothing after the failover's start to hold.
        var lastTimes = entry.LastTimes ?? await LastTimesAsync(delivery, cancellationToken);
        var end = lastTimes.Count > 0 ? lastTimes.Values.Max() : new FailoverServerTimes(entry).Latest(entry.FailbackEndedAt ?? delivery.Context.Time.GetUtcNow());
        if (end < hold.FromUtc)
        {
            end = hold.FromUtc;
        }

        var ended = await ends.GiveAsync(delivery.Endpoint, hold, end, delivery.Authority, delivery.Context.CallKey, cancellationToken);
        return Settled(delivery, $"The hold of entry {entry.Id} has its end.").WithChanges(ended);
    }

    private async Task<ActivityResult> StandByAsync(Delivery delivery, CancellationToken cancellationToken)
    {
        var seen = delivery.Seen;
        var knows = seen.Epoch == delivery.Duty.Epoch && seen.AllocationId == delivery.Duty.AllocationId && seen is { Recording: false, AssignedRole: DutyRole.Standby or DutyRole.FailoverServer };
        if (!knows)
        {
            await AssignAsync(delivery, delivery.Owed.Role ?? DutyRole.Standby, cancellationToken);
        }

        return Settled(delivery, $"It knows that the duty is with {delivery.Duty.HolderServerId} under epoch {delivery.Duty.Epoch}.");
    }

    private async Task<ActivityResult> UnfreezeAsync(Delivery delivery, CancellationToken cancellationToken)
    {
        await recorders.FreezeSettingsAsync(
            delivery.Endpoint, new FreezeSettingsCommand(delivery.Owed.Identity, delivery.Authority, false), delivery.Context.CallKey("unfreeze"), cancellationToken);
        return Settled(delivery, "Its settings are not frozen.");
    }

    private async Task<ActivityResult> RollBackAsync(Delivery delivery, CancellationToken cancellationToken)
    {
        var former = delivery.Owed.Revision ?? 0;
        if (await recorders.ReadActiveRevisionAsync(delivery.Endpoint, delivery.Owed.Identity, cancellationToken) == former)
        {
            return Settled(delivery, $"Its settings are those of revision {former}.");
        }

        try
        {
            await recorders.RollBackSettingsAsync(
                delivery.Endpoint, new RollBackSettingsCommand(delivery.Owed.Identity, delivery.Authority, former), delivery.Context.CallKey("rollBack"), cancellationToken);
        }
        catch (RecorderException exception) when (exception.Kind == RecorderErrorKind.NotFound)
        {
            return Settled(delivery, $"It has no revision {former} any more; its next failback applies settings anew.");
        }

        return Settled(delivery, $"Its settings went back to those of revision {former}.");
    }

    private Task<DutyState> AssignAsync(Delivery delivery, DutyRole role, CancellationToken cancellationToken) => recorders.AssignDutyAsync(
        delivery.Endpoint,
        delivery.Owed.Identity,
        new DutyAssignment(role, delivery.Duty.Epoch, delivery.Duty.AllocationId, delivery.Authority.Fence),
        delivery.Context.CallKey($"assign/{role}"),
        cancellationToken);

    private async Task<IReadOnlyDictionary<string, DateTimeOffset>> LastTimesAsync(Delivery delivery, CancellationToken cancellationToken)
    {
        try
        {
            var state = await recorders.GetRecordingAsync(delivery.Endpoint, delivery.Owed.Identity, cancellationToken);
            return state.Channels.Where(c => c.LastFrameAt is not null).ToDictionary(c => c.ChannelId, c => c.LastFrameAt!.Value);
        }
        catch (RecorderException exception) when (exception.Kind == RecorderErrorKind.NotFound)
        {
            return new Dictionary<string, DateTimeOffset>();
        }
    }

    private async Task<FailoverLogEntry?> FindEntryAsync(Delivery delivery, CancellationToken cancellationToken) =>
        delivery.Owed.EntryId is { } entryId ? await log.FindAsync(entryId, cancellationToken) : null;

    private static ActivityResult Settled(Delivery delivery, string settlement) => ActivityResult.Completed("Delivered")
        .WithChanges(
            new SettleObligation(delivery.Owed.Id, delivery.Context.Time.GetUtcNow(), settlement),
            Tell(delivery.Context, "obligation", delivery.Owed.EntryId ?? delivery.Owed.ServerId, $"{delivery.Owed.ServerId}: {settlement}"));

    private static ActivityResult Overtaken(Delivery delivery, string sentence) => Settled(delivery, $"Overtaken. {sentence}");

    private static ActivityResult Postpone(ActivityExecutionContext context, IReadOnlyList<Obligation> open, string error)
    {
        var next = context.Time.GetUtcNow() + Obligation.DelayAfter(open.Max(o => o.Attempts) + 1);
        return ActivityResult.Completed("Postponed")
            .WithWorkflowOutput(RunOutputs.Result, RunOutputs.Failed)
            .WithWorkflowOutput(RunOutputs.Message, error)
            .WithChanges(
                new PostponeObligations(open[0].ServerId, open[0].Identity, next, error),
                Tell(context, "obligation", open[0].EntryId ?? open[0].ServerId, $"What {open[0].ServerId} is owed could not be delivered yet."));
    }

    /// <summary>One delivery at work.</summary>
    /// <param name="Clock">The server's clock, just measured.</param>
    /// <param name="Seen">The duty as the server has it.</param>
    private sealed record Delivery(ActivityExecutionContext Context, Obligation Owed, Duty Duty, RecorderEndpoint Endpoint, ClockOffset Clock, DutyState Seen)
    {
        public bool IsHolder => Duty.HolderServerId == Owed.ServerId;

        public bool HasHeardOfGrant => Seen.Epoch == Duty.Epoch && Seen.AllocationId == Duty.AllocationId && Seen.Role == DutyRole.Recorder;

        public DutyAuthority Authority => new(Duty.Epoch, DutyCalls.FenceOf(Context, Owed.Identity));
    }
}
