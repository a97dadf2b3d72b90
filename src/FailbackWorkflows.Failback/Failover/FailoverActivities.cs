using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Licensing;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;

namespace FailbackWorkflows.Failback.Failover;

/// <summary>Is the failover possible: licensed, the failover server known, reachable, the right machine, able to write, and itself ok? Only reads.</summary>
[Activity("Failback.CheckFailover", Category = "Failover", DisplayName = "Check failover", Description = "Is the failover possible?")]
[FlowNode("Possible", "Refused")]
[Retry(3, InitialDelayMilliseconds = 500, MaxDelayMilliseconds = 2000)]
[Rehearsal(RehearsalMode.Executes)]
public sealed class CheckFailover(DutyCalls calls, IRecorderClient recorders, LicenseCheck licenses, IFailoverLog log) : DutyActivity
{
    public const int Number = 1;

    [Input(DisplayName = "Failed server", Description = "Whose duty moves.", UIHint = ActivityHints.VmsServer)]
    public required Input<string> FailedServer { get; init; }

    [Input(DisplayName = "Failover server", Description = "Who takes it over.", UIHint = ActivityHints.VmsServer)]
    public required Input<string> FailoverServer { get; init; }

    [Output(DisplayName = "Holder", Description = "The server that has the duty now: the failed server itself, or a failover server that has failed too.")]
    public Output<string>? Holder { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var verdict = await licenses.CheckAsync(LicenseCheck.Failover, cancellationToken);
        if (!verdict.IsLicensed)
        {
            return Refuse("Refused", Number, verdict.Message!);
        }

        var failed = await calls.GetServerAsync(context.Get(FailedServer), cancellationToken);
        var failover = await calls.GetServerAsync(context.Get(FailoverServer), cancellationToken);
        if (failover.State != VmsServerState.Ok)
        {
            return Refuse("Refused", Number, $"{failover.Name} is marked broken itself and cannot take over. Choose another failover server.");
        }

        var duty = await calls.GetDutyAsync(failed.Id, cancellationToken);
        var open = await log.ListOpenAsync(failed.Id, cancellationToken);
        if (duty.HolderServerId == failover.Id && open.Any(e => e.Failover == FailoverState.Done && e.FailoverServerId == failover.Id))
        {
            return Refuse("Refused", Number, $"{failover.Name} has the duty of {failed.Name} already.");
        }

        try
        {
            var status = await recorders.GetStatusAsync(calls.EndpointOf(failover), cancellationToken);
            if (failover.MachineId is not null && failover.MachineId != status.Id)
            {
                return Refuse("Refused", Number, $"The machine at {failover.BaseUrl} is not {failover.Name}.");
            }

            var probe = await recorders.ProbeAsync(calls.EndpointOf(failover), null, cancellationToken);
            return probe.Writable
                ? ActivityResult.Completed("Possible").With(Holder, duty.HolderServerId)
                : Refuse("Refused", Number, $"{failover.Name} cannot write: {probe.Reason}");
        }
        catch (RecorderException exception) when (exception.IsTransient && context.Attempt >= 3)
        {
            return Refuse("Refused", Number, $"{failover.Name} does not answer. Choose another failover server. ({exception.Message})");
        }
        catch (RecorderException exception) when (!exception.IsTransient)
        {
            return Refuse("Refused", Number, $"{failover.Name} refused to be asked: {exception.Message}");
        }
    }
}

/// <summary>
/// Writes the entry (failover = running) and marks the failed server broken. From here a failed or cancelled run ends with a failover that failed.
/// A failover server that knows a larger epoch than the database, which was restored from a backup, would refuse the settings it gets before the duty: then the new epoch is drawn here.
/// </summary>
[Activity("Failback.LogFailoverStarted", Category = "Failover", DisplayName = "Log: failover started", Description = "Writes the failover log entry and marks the failed server broken.")]
[Rehearsal(RehearsalMode.PassesOver)]
public sealed class LogFailoverStarted(DutyCalls calls, IFailoverLog log, SeenDuties seen, EpochDraw epochs) : DutyActivity
{
    [Input(DisplayName = "Failed server", UIHint = ActivityHints.VmsServer)]
    public required Input<string> FailedServer { get; init; }

    [Input(DisplayName = "Failover server", UIHint = ActivityHints.VmsServer)]
    public required Input<string> FailoverServer { get; init; }

    [Input(DisplayName = "Started at", Description = "When the failover began.")]
    public required Input<DateTimeOffset> StartedAt { get; init; }

    [Input(DisplayName = "External id", Description = "Id at the system that did the failover.")]
    public Input<string>? ExternalId { get; init; }

    [Output(DisplayName = "Failover log entry")]
    public Output<string>? EntryId { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var entryId = StartFailover.EntryIdOf(context.InstanceId);
        var failed = await calls.GetServerAsync(context.Get(FailedServer), cancellationToken);
        DutyCalls.RequireClaim(context, failed.Id);
        var changes = new List<IDomainChange>();
        if (await log.FindAsync(entryId, cancellationToken) is null)
        {
            changes.Add(new SaveFailoverLogEntry(new FailoverLogEntry
            {
                Id = entryId,
                FailedServerId = failed.Id,
                FailoverServerId = context.Get(FailoverServer),
                Failover = FailoverState.Running,
                FailoverStartedAt = context.Get(StartedAt).ToUniversalTime(),
                FailoverRunId = context.InstanceId,
                StartedBy = context.Run.StartedBy.Name,
                Reason = context.Run.Reason,
                ExternalId = context.GetOrDefault(ExternalId) is { Length: > 0 } external ? external : null,
            }));
        }

        // Written even when it is broken already: a poll that is about to mark it ok must notice that a failover came between.
        changes.Add(new SaveVmsServer(failed with { State = VmsServerState.Broken }));
        if (failed.State != VmsServerState.Broken)
        {
            changes.Add(Tell(context, "server", failed.Id, $"{failed.Name} is marked broken."));
        }

        // The acquisition of this run has asked it.
        var failoverServerId = context.Get(FailoverServer);
        var duty = await calls.GetDutyAsync(failed.Id, cancellationToken);
        if ((await seen.OfAsync(failed.Id, cancellationToken)).Words.GetValueOrDefault(failoverServerId)?.Epoch > duty.Epoch)
        {
            var drawn = await epochs.DrawAsync(context, duty, [failed.Id, failoverServerId], cancellationToken);
            changes.Add(new GrantEpoch(failed.Id, failoverServerId, drawn.Epoch, $"{context.InstanceId}/{context.ExecutionId}"));
        }

        changes.Add(Tell(context, "failoverLog", entryId, $"The failover of {failed.Name} has started."));
        return ActivityResult.Completed().With(EntryId, entryId).WithCancellation(CancellationMode.Undo).WithChanges(changes);
    }
}

/// <summary>Failover = done. A failover server that had the duty before and failed is owed its stop, its last times and the end of its hold: its period is over.</summary>
[Activity("Failback.LogFailoverPerformed", Category = "Failover", DisplayName = "Log: failover performed", Description = "Writes to the failover log that the failover was performed.")]
public sealed class LogFailoverPerformed(IFailoverLog log, DutyCalls calls, EarlierPeriods earlier) : DutyActivity
{
    [Input(DisplayName = "Failover log entry", UIHint = ActivityHints.FailoverLogEntry)]
    public required Input<string> EntryId { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var entry = await log.GetAsync(context.Get(EntryId), cancellationToken);
        var duty = await calls.GetDutyAsync(entry.FailedServerId, cancellationToken);
        var owed = await earlier.OweEndsAsync(context, entry, duty.Epoch, $"{entry.FailoverServerId} has taken the duty of {entry.FailedServerId} over from it.", cancellationToken);
        return ActivityResult.Completed()
            .WithWorkflowOutput(RunOutputs.Result, RunOutputs.Done)
            .WithChanges(owed)
            .WithChanges(
                new SaveFailoverLogEntry(entry.FailoverPerformed(context.Time.GetUtcNow())),
                Tell(context, "failoverLog", entry.Id, $"{entry.FailoverServerId} has taken over the duty of {entry.FailedServerId}."));
    }
}

/// <summary>
/// Failover = failed, with the sentence that says why. The duty, if it had been granted already, goes back to the failed server, which
/// is told when it is seen again; it stays broken until it demonstrably records. A failover server that had the duty before has lost it, so its period is over as well. What the failover server may have recorded stays held until
/// <see cref="SettleFailedFailovers"/> has asked it.
/// </summary>
[Activity("Failback.LogFailoverFailed", Category = "Failover", DisplayName = "Log: failover failed", Description = "Writes to the failover log that the failover failed.")]
public sealed class LogFailoverFailed(IFailoverLog log, IDuties duties, EpochDraw epochs, EarlierPeriods earlier) : DutyActivity
{
    [Input(DisplayName = "Failover log entry", UIHint = ActivityHints.FailoverLogEntry)]
    public required Input<string> EntryId { get; init; }

    [Input(Description = "Why it failed.", UIHint = "multiline")]
    public Input<string>? Failure { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var entry = await log.GetAsync(context.Get(EntryId), cancellationToken);
        var message = context.GetOrDefault(Failure) is { Length: > 0 } failure ? failure : "The failover server did not take the duty over.";
        var failed = entry.FailoverFailed(context.Time.GetUtcNow(), message);
        var duty = await duties.FindAsync(entry.FailedServerId, cancellationToken);
        var isGranted = duty?.HolderServerId == entry.FailoverServerId;

        // Without the duty it has recorded nothing for it, and holds nothing.
        var changes = new List<IDomainChange> { new SaveFailoverLogEntry(isGranted ? failed : failed.NothingRecordedByFailedFailover()) };
        if (isGranted && entry.ExternalId is null)
        {
            // The duty goes back to its own recorder, under an epoch that is drawn here and learned at the next poll: otherwise that recorder
            // would be told to stand by for a server that does not record. What the failover server must be told is committed with it; nobody is
            // stopped before the holder is seen to record. A failover reported by another system stays where that system put it.
            var drawn = await epochs.DrawAsync(context, duty!, [entry.FailedServerId, entry.FailoverServerId], cancellationToken);
            changes.Add(new GrantEpoch(entry.FailedServerId, entry.FailedServerId, drawn.Epoch, $"{context.InstanceId}/{context.ExecutionId}"));
            changes.Add(OweToServer.MakeObligations(
                context, entry.FailoverServerId, entry.FailedServerId, entry.Id, drawn.Epoch, [ObligationKind.Stop, ObligationKind.StandBy], DutyRole.Standby, null,
                $"Its failover of {entry.FailedServerId} failed; the duty is with {entry.FailedServerId} again."));
        }

        if (isGranted)
        {
            var epoch = changes.OfType<GrantEpoch>().FirstOrDefault()?.Epoch ?? duty!.Epoch;
            changes.AddRange(await earlier.OweEndsAsync(context, entry, epoch, $"It lost the duty of {entry.FailedServerId} to a failover to {entry.FailoverServerId} that failed.", cancellationToken));
        }

        return ActivityResult.Completed()
            .WithWorkflowOutput(RunOutputs.Result, RunOutputs.Failed)
            .WithWorkflowOutput(RunOutputs.Message, message)
            .WithChanges(changes)
            .WithAlarm(context, entry.FailedServerId, $"The failover of {entry.FailedServerId} failed: nobody may be recording its channels. {message}");
    }
}
