using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;

namespace FailbackWorkflows.Failback.Checks;

/// <summary>
/// Step 2: the failover server still fulfils the duty under the current epoch. Raises the fence there before it looks, so that whoever
/// held the duty's claim before can no longer change what is seen. A failover server that came up meanwhile and waits for its role is told
/// that it still has it.
/// </summary>
[Activity("Failback.CheckFailoverServerActing", Category = "Failback", DisplayName = "Check failover server is acting", Description = "Does the failover server still act as recorder?")]
[FlowNode("Acting", "NotActing", "Unreachable", "Refused")]
[Retry(3, InitialDelayMilliseconds = 500, MaxDelayMilliseconds = 2000)]
[Rehearsal(RehearsalMode.Executes)]
public sealed class CheckFailoverServerActing(DutyCalls calls, IRecorderClient recorders, FailbackPolicies policies) : DutyActivity
{
    public const int Number = 2;

    [Input(DisplayName = "Failed server", Description = "Whose duty it is.", UIHint = ActivityHints.VmsServer)]
    public required Input<string> FailedServer { get; init; }

    [Input(DisplayName = "Failover server", Description = "Who should be fulfilling it.", UIHint = ActivityHints.VmsServer)]
    public required Input<string> FailoverServer { get; init; }

    [Input(DisplayName = "Go on without it", Description = "An operator has confirmed, with a reason, that the failover server need not answer. Left out: unreachable is a refusal.")]
    public Input<bool?>? GoesOnWithout { get; init; }

    [Output(DisplayName = "Is away", Description = "The failover server did not answer, and the run goes on without it.")]
    public Output<bool>? IsAway { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var identity = context.Get(FailedServer);
        var serverId = context.Get(FailoverServer);
        var duty = await calls.GetDutyAsync(identity, cancellationToken);
        if (duty.HolderServerId != serverId)
        {
            return Refuse("NotActing", Number, $"The duty of {identity} is with {duty.HolderServerId}, not with the failover server {serverId} of this entry.", RunOffers.Adopt);
        }

        var server = await calls.GetServerAsync(serverId, cancellationToken);
        try
        {
            var endpoint = calls.EndpointOf(server);
            var seen = await calls.RaiseFenceAsync(context, identity, endpoint, cancellationToken);
            if (seen.Role == DutyRole.AwaitingRole && seen.Epoch == duty.Epoch && seen.AssignedRole == DutyRole.Recorder)
            {
                seen = await recorders.AssignDutyAsync(
                    endpoint,
                    identity,
                    new DutyAssignment(DutyRole.Recorder, duty.Epoch, duty.AllocationId, DutyCalls.FenceOf(context, identity)),
                    context.CallKey("confirmRole"),
                    cancellationToken);
            }

            if (seen.Role != DutyRole.Recorder || seen.Epoch != duty.Epoch)
            {
                return Refuse("NotActing", Number, $"The failover server {serverId} does not act as {identity} any more (it is {Describe(seen)}, expected recorder with epoch {duty.Epoch}). Find out who records, then report that failover or fail over again. If {identity} records by itself, it can be adopted as it stands.", RunOffers.Adopt);
            }

            var recording = await recorders.GetRecordingAsync(endpoint, identity, cancellationToken);
            return recording.Channels.Any(c => c.Recording)
                ? ActivityResult.Completed("Acting").With(IsAway, false)
                : Refuse("NotActing", Number, $"The failover server {serverId} has the duty of {identity} but records none of its channels. Check its cameras and storage.", RunOffers.Adopt);
        }
        catch (RecorderException exception) when (exception.IsTransient && context.Attempt >= 3)
        {
            return await IsUnreachableAsync(context, serverId, exception, cancellationToken);
        }
        catch (RecorderException exception) when (!exception.IsTransient)
        {
            return Refuse("NotActing", Number, $"The failover server {serverId} refused to be asked: {exception.Message}");
        }
    }

    private async Task<ActivityResult> IsUnreachableAsync(ActivityExecutionContext context, string serverId, RecorderException exception, CancellationToken cancellationToken)
    {
        var confirmed = context.GetOrDefault(GoesOnWithout);
        if (confirmed is not null && (confirmed == true || (await policies.GetAsync(cancellationToken)).FailbackWithoutFailoverServer))
        {
            var who = confirmed == true ? $"{context.Run.StartedBy.Name} has confirmed it: {context.Run.Reason}" : "the site's policy allows it";
            return ActivityResult.Completed("Unreachable")
                .With(IsAway, true)
                .WithNote($"The failover server {serverId} does not answer; the failback goes on without it, because {who}. Settings come from the cache; its stop and its last times are owed.");
        }

        return Refuse(
            confirmed is null ? "Unreachable" : "Refused",
            Number,
            $"The failover server {serverId} does not answer, so its settings and its stop cannot be had. Bring it back first, or confirm that the failback shall go on without it. ({exception.Message})",
            confirmed is null ? null : RunOffers.WithoutFailoverServer);
    }

    private static string Describe(DutyState state) => $"{state.Role} with epoch {state.Epoch}".ToLowerInvariant();
}
