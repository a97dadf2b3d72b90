using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Licensing;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.Failback.FailoverLog;

/// <summary>Step 6: failback = running. From here a cancelled or failed run is undone.</summary>
[Activity("Failback.LogFailbackStarted", Category = "Failback", DisplayName = "Log: failback started", Description = "Writes to the failover log that the failback has started.")]
[Rehearsal(RehearsalMode.PassesOver)]
public sealed class LogFailbackStarted(IFailoverLog log) : DutyActivity
{
    [Input(DisplayName = "Failover log entry", Description = "Id of the entry.", UIHint = ActivityHints.FailoverLogEntry)]
    public required Input<string> EntryId { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var entry = await log.GetAsync(context.Get(EntryId), cancellationToken);
        DutyCalls.RequireClaim(context, entry.FailedServerId);
        return ActivityResult.Completed()
            .WithCancellation(CancellationMode.Undo)
            .WithChanges(
                new SaveFailoverLogEntry(entry.FailbackStarted(context.InstanceId, context.Time.GetUtcNow())),
                Tell(context, "failoverLog", entry.Id, $"The failback of {entry.FailedServerId} has started."));
    }
}

/// <summary>Step 10: failback = done; older open entries of the same failed server are ended by it; the material copies are queued.</summary>
[Activity("Failback.LogFailbackPerformed", Category = "Failback", DisplayName = "Log: failback performed", Description = "Writes to the failover log that the failback was performed.")]
public sealed class LogFailbackPerformed(IFailoverLog log, IVmsServers servers, FailbackPolicies policies, LicenseCheck licenses) : DutyActivity
{
    [Input(DisplayName = "Failover log entry", Description = "Id of the entry.", UIHint = ActivityHints.FailoverLogEntry)]
    public required Input<string> EntryId { get; init; }

    [Input(DisplayName = "Last times", Description = "Last written time per channel on the failover server.")]
    public Input<IReadOnlyDictionary<string, DateTimeOffset>>? LastTimes { get; init; }

    [Input(DisplayName = "Authority ends", Description = "First confirmed frame per channel on the failed server.")]
    public Input<IReadOnlyDictionary<string, DateTimeOffset>>? AuthorityEnds { get; init; }

    [Input(Description = "What the entry says about how the duty came home, when it was not by the 11 steps.", UIHint = "multiline")]
    public Input<string>? Remark { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var now = context.Time.GetUtcNow();
        var entry = await log.GetAsync(context.Get(EntryId), cancellationToken);
        var policy = await policies.GetAsync(cancellationToken);
        // Step 9g has left it broken when it died after the hand-over. The entry's own words say so for good; how things stand now is EntryAlerts' business.
        var failed = await servers.FindAsync(entry.FailedServerId, cancellationToken);
        var message = failed?.State == VmsServerState.Broken
            ? $"{failed.Name} failed again after {entry.FailoverServerId} had stopped, so nobody recorded its channels from then on."
            : null;
        var remark = context.GetOrDefault(Remark);
        var done = entry.FailbackPerformed(now, string.IsNullOrWhiteSpace(remark) ? message : message is null ? remark : $"{remark} {message}") with { LastTimes = context.GetOrDefault(LastTimes), AuthorityEnds = context.GetOrDefault(AuthorityEnds) };
        var changes = new List<IDomainChange> { new SaveFailoverLogEntry(Queue(done, policy)) };
        foreach (var older in await log.ListOpenAsync(entry.FailedServerId, cancellationToken))
        {
            if (older.Id != entry.Id && older.CanFailBack)
            {
                changes.AddRange(Close(older.ClosedBy(entry, now), policy, now));
                changes.Add(Tell(context, "failoverLog", older.Id, $"The failback of {entry.FailedServerId} ended this older entry too."));
            }
        }

        changes.Add(Tell(context, "failoverLog", entry.Id, message is null ? $"The failback of {entry.FailedServerId} was performed." : $"The failback of {entry.FailedServerId} ended with an alarm. {message}"));
        var result = ActivityResult.Completed().WithWorkflowOutput(RunOutputs.Result, RunOutputs.Done).WithChanges(changes);
        // Past the point of no return a licence stops nothing: half a failback would be worse than an unlicensed one.
        var verdict = await licenses.CheckAsync(LicenseCheck.Failover, cancellationToken);
        return verdict.IsLicensed ? result : result.WithAlarm(context, entry.FailedServerId, $"This failback was finished although the licence does not cover it any more. {verdict.Message}");
    }

    /// <summary>An entry that a newer one has closed: its material is owed as before, or given up where the site has decided so.</summary>
    private static IEnumerable<IDomainChange> Close(FailoverLogEntry closed, FailbackPolicy policy, DateTimeOffset now)
    {
        if (policy.SupersededMaterial != SupersededMaterialPolicy.MarkDone || !closed.OwesMaterial)
        {
            return [new SaveFailoverLogEntry(Queue(closed, policy))];
        }

        var reason = $"Given up by the rule for superseded material: {policy.SupersededMaterialReason}";
        return
        [
            new SaveFailoverLogEntry(closed.MaterialLossesAccepted(reason)),
            new SaveHoldRelease(new HoldReleaseOrder(
                closed.Id,
                closed.FailoverServerId,
                closed.FailedServerId,
                MaterialCopyTask.IdOf(closed.Id, closed.FailoverServerId),
                HoldRelease.AcceptedLoss,
                reason,
                now)),
        ];
    }

    private static FailoverLogEntry Queue(FailoverLogEntry entry, FailbackPolicy policy) =>
        policy.MaterialCopy == MaterialCopyPolicy.Automatic && entry.MaterialCopy == MaterialCopyState.NotStarted ? entry.MaterialCopyQueued() : entry;
}

/// <summary>After undo: failback = failed, with the sentence that says why.</summary>
[Activity("Failback.LogFailbackFailed", Category = "Failback", DisplayName = "Log: failback failed", Description = "Writes to the failover log that the failback failed and was undone.")]
public sealed class LogFailbackFailed(IFailoverLog log) : DutyActivity
{
    [Input(DisplayName = "Failover log entry", Description = "Id of the entry.", UIHint = ActivityHints.FailoverLogEntry)]
    public required Input<string> EntryId { get; init; }

    [Input(Description = "Why it failed; empty when it was cancelled.", UIHint = "multiline")]
    public Input<string>? Failure { get; init; }

    [Input(DisplayName = "The re-grant is owed", Description = "The failover server did not answer, and the failed server does not record: whether anybody records is not known.")]
    public Input<bool?>? IsRegrantOwed { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var entry = await log.GetAsync(context.Get(EntryId), cancellationToken);
        var failure = context.GetOrDefault(Failure);
        if (context.GetOrDefault(IsRegrantOwed) == true)
        {
            var lost = $"The failback failed, and {entry.FailoverServerId} did not answer when it should have gone on: it gets its duty when it is seen again. {failure}".TrimEnd();
            return ActivityResult.Completed()
                .WithWorkflowOutput(RunOutputs.Result, RunOutputs.Failed)
                .WithWorkflowOutput(RunOutputs.Message, lost)
                .WithWorkflowOutput(RunOutputs.NobodyRecords, entry.FailedServerId)
                .WithChanges(
                    new SaveFailoverLogEntry(entry.FailbackFailed(context.Time.GetUtcNow(), lost)),
                    Tell(context, "failoverLog", entry.Id, $"The failback of {entry.FailedServerId} failed, and nobody may be recording its channels."))
                .WithAlarm(context, entry.FailedServerId, $"{lost} Start a failover of {entry.FailedServerId} to another server now, or bring {entry.FailoverServerId} back.");
        }

        var message = string.IsNullOrWhiteSpace(failure)
            ? "The failback was cancelled and undone: the failover server goes on recording."
            : $"The failback was undone, the failover server goes on recording. {failure}";
        return ActivityResult.Completed()
            .WithWorkflowOutput(RunOutputs.Result, RunOutputs.Undone)
            .WithWorkflowOutput(RunOutputs.Message, message)
            .WithChanges(
                new SaveFailoverLogEntry(entry.FailbackFailed(context.Time.GetUtcNow(), message)),
                Tell(context, "failoverLog", entry.Id, $"The failback of {entry.FailedServerId} failed and was undone."));
    }
}

/// <summary>Step 11: tells every client that the system has changed, so that it reads its configuration again.</summary>
[Activity("Failback.NotifyClients", Category = "Failback", DisplayName = "Notify clients", Description = "Sends the system change notification to all clients.")]
[SafeToTry]
public sealed class NotifyClients : DutyActivity
{
    [Input(Description = "What clients may show.", DefaultValue = "The recorders of the system have changed.", UIHint = "multiline")]
    public Input<string>? Text { get; init; }

    /// <inheritdoc/>
    protected override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken) =>
        ValueTask.FromResult(ActivityResult.Completed()
            .WithChanges(Tell(context, "systemChange", null, context.GetOrDefault(Text) ?? "The recorders of the system have changed.")));
}

/// <summary>Ends a refused run: tells clients; the check has said why.</summary>
[Activity("Failback.LogRefusal", Category = "Failback", DisplayName = "Log: refused", Description = "Ends a run that a check refused; nothing was touched.")]
public sealed class LogRefusal : DutyActivity
{
    [Input(Description = "The failover log entry or server it was about.")]
    public Input<string>? Subject { get; init; }

    /// <inheritdoc/>
    protected override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken) =>
        ValueTask.FromResult(ActivityResult.Completed()
            .WithChanges(Tell(context, "failoverLog", context.GetOrDefault(Subject), "A run was refused by one of its checks.")));
}

/// <summary>Reading for activities.</summary>
internal static class FailoverLogReading
{
    /// <summary>The entry, which the run's first check has seen; its absence now is a fault.</summary>
    public static async Task<FailoverLogEntry> GetAsync(this IFailoverLog log, string entryId, CancellationToken cancellationToken) =>
        await log.FindAsync(entryId, cancellationToken) ?? throw new ActivityFaultException("entry.unknown", $"The failover log entry '{entryId}' is gone.", false);
}
