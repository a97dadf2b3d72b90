using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Clocks;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;

namespace FailbackWorkflows.Failback.Duties;

/// <summary>
/// Draws a new epoch for a duty (<see cref="EpochDraw"/>) and commits whom it is for, before anybody hears of it. The participants' clocks
/// are measured by the same call and committed with it, before anybody is told an instant.
/// A repeat before the commit draws again and nothing was lost; after it, it never runs again. What the run has drawn for that server already, because its first
/// commands needed it, counts as long as nobody knows more.
/// </summary>
[Activity("Failback.AllocateEpoch", Category = "Failback parts", Description = "Draws a new epoch and writes down who gets the duty.")]
[FlowNode("Allocated", "NotNeeded")]
public sealed class AllocateEpoch(DutyCalls calls, EpochDraw epochs, RecorderClocks clocks) : DutyActivity
{
    [Input(DisplayName = "Recorded identity", UIHint = ActivityHints.VmsServer)]
    public required Input<string> Identity { get; init; }

    [Input(DisplayName = "For server", Description = "Who gets the duty.", UIHint = ActivityHints.VmsServer)]
    public required Input<string> Server { get; init; }

    [Input(DisplayName = "Other server", Description = "Another participant whose epoch counts.", UIHint = ActivityHints.VmsServer)]
    public required Input<string> OtherServer { get; init; }

    [Input(DisplayName = "Only when held by", Description = "Leave by NotNeeded unless the duty was granted to this server.", UIHint = ActivityHints.VmsServer)]
    public Input<string>? OnlyWhenHeldBy { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var identity = context.Get(Identity);
        DutyCalls.RequireClaim(context, identity);
        var duty = await calls.GetDutyAsync(identity, cancellationToken);
        if (context.GetOrDefault(OnlyWhenHeldBy) is { } holder && duty.HolderServerId != holder)
        {
            return ActivityResult.Completed("NotNeeded");
        }

        string[] servers = [context.Get(Server), context.Get(OtherServer)];
        var drawn = await epochs.DrawAsync(context, duty, servers, cancellationToken);
        var isDrawn = duty.HolderServerId == context.Get(Server) && duty.AllocationId.StartsWith($"{context.InstanceId}/", StringComparison.Ordinal) && drawn.Epoch == duty.Epoch + 1;
        List<IDomainChange> changes = isDrawn ? [] : [new GrantEpoch(identity, context.Get(Server), drawn.Epoch, $"{context.InstanceId}/{context.ExecutionId}")];
        if (drawn.Clocks.Count > 0 && await clocks.FindEntryAsync(identity, servers, cancellationToken) is { } entry)
        {
            changes.Add(new SaveFailoverLogEntry(RecorderClocks.Note(entry, context.InstanceId, drawn.Clocks)));
        }

        return ActivityResult.Completed("Allocated").WithChanges(changes);
    }
}

/// <summary>
/// Tells a server what it is for the duty under the current epoch; with a failover log entry, opens the retention hold in the same command.
/// Repeating is harmless: the same epoch with the same content is the same assignment.
/// </summary>
[Activity("Failback.AssignDuty", Category = "Failback parts", Description = "Tells a server its role for the duty, under the current epoch.")]
[FlowNode("Done", "Unreachable")]
[Retry(1_000_000, InitialDelayMilliseconds = 500, MaxDelayMilliseconds = 10_000)]
public sealed class AssignDuty(DutyCalls calls, IRecorderClient recorders, IFailoverLog log, FailbackPolicies policies) : DutyActivity
{
    [Input(DisplayName = "Recorded identity", UIHint = ActivityHints.VmsServer)]
    public required Input<string> Identity { get; init; }

    [Input(UIHint = ActivityHints.VmsServer)]
    public required Input<string> Server { get; init; }

    [Input(Description = "recorder, failoverServer or standby.")]
    public required Input<string> Role { get; init; }

    [Input(DisplayName = "Give up after", Description = "Attempts after which an unreachable server is left by Unreachable; 0: keep trying.", DefaultValue = 5)]
    public Input<int>? GiveUpAfter { get; init; }

    [Input(DisplayName = "Within the hand-over", Description = "Leave by Unreachable when the site's hand-over timeout is over, whatever the attempts.")]
    public Input<bool?>? WithinHandOver { get; init; }

    [Input(DisplayName = "Hold for entry", Description = "Failover log entry for which a retention hold is opened with the duty.", UIHint = ActivityHints.FailoverLogEntry)]
    public Input<string>? HoldEntryId { get; init; }

    [Input(DisplayName = "Hold from", Description = "When the hold begins, by our clock; the server is told it by its own.")]
    public Input<DateTimeOffset>? HoldFrom { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var identity = context.Get(Identity);
        var serverId = context.Get(Server);
        var duty = await calls.GetDutyAsync(identity, cancellationToken);
        var role = Enum.TryParse<DutyRole>(context.Get(Role), ignoreCase: true, out var parsed)
            ? parsed
            : throw new ActivityFaultException("input.invalid", $"There is no role '{context.Get(Role)}'.", false);
        var hold = context.GetOrDefault(HoldEntryId) is { Length: > 0 } entryId
            ? new HoldRequest(entryId, await AtServerAsync(entryId, context.GetOrDefault(HoldFrom), cancellationToken), RetentionHold.Reason)
            : null;
        List<IDomainChange> changes = hold is null ? [] : [new SaveRetentionHold(new RetentionHold(hold.EntryId, serverId, identity, hold.FromUtc, null))];
        try
        {
            await recorders.AssignDutyAsync(
                await calls.GetEndpointAsync(serverId, cancellationToken),
                identity,
                new DutyAssignment(role, duty.Epoch, duty.AllocationId, DutyCalls.FenceOf(context, identity), hold),
                context.CallKey("assign"),
                cancellationToken);
        }
        catch (RecorderException exception) when (exception.IsTransient && context.GetOrDefault(WithinHandOver) == true)
        {
            return LookAgain(context, (await policies.GetAsync(cancellationToken)).HandOverTimeout) ?? ActivityResult.Completed("Unreachable").WithChanges(changes);
        }
        catch (RecorderException exception) when (exception.IsTransient && context.GetOrDefault(GiveUpAfter) is > 0 and var limit && context.Attempt >= limit)
        {
            // It may have heard all the same, so there may be a hold.
            return ActivityResult.Completed("Unreachable").WithChanges(changes);
        }

        return ActivityResult.Completed().WithChanges(changes);
    }

    private async Task<DateTimeOffset> AtServerAsync(string entryId, DateTimeOffset ours, CancellationToken cancellationToken) =>
        (await log.FindAsync(entryId, cancellationToken))?.Clocks?.FailoverServerAtStart?.Earliest(ours) ?? ours;
}
