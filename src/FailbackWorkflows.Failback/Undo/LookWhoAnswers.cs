using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Failback.RestoreRoles;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;

namespace FailbackWorkflows.Failback.Undo;

/// <summary>
/// Before the duty is given back: does the failover server answer? It is asked until the hand-over timeout is over. Then a failed server that
/// demonstrably records decides for going forward; with neither for as long again, the run ends and what is left is owed. The run is taken up anew before the first
/// look, so that a call whose answer never came cannot arrive any more once its recorder was asked. Changes nothing but fences.
/// </summary>
[Activity("Failback.LookWhoAnswers", Category = "Failback parts", Description = "Does the failover server answer, and if not, does the failed server record?")]
[FlowNode("FailoverServerAnswers", "FailedServerRecords", "NobodyAnswers")]
public sealed class LookWhoAnswers(DutyCalls calls, HolderLook look, FailbackPolicies policies) : DutyActivity
{
    [Input(DisplayName = "Recorded identity", UIHint = ActivityHints.VmsServer)]
    public required Input<string> Identity { get; init; }

    [Input(DisplayName = "Failover server", UIHint = ActivityHints.VmsServer)]
    public required Input<string> FailoverServer { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var identity = context.Get(Identity);
        var failover = await calls.GetServerAsync(context.Get(FailoverServer), cancellationToken);
        var now = context.Time.GetUtcNow();
        if (context.Progress is not string text)
        {
            return ActivityResult.RunAgainAt(now, now.UtcDateTime.ToString("O"));
        }

        var since = DateTimeOffset.Parse(text, System.Globalization.CultureInfo.InvariantCulture);
        if (await AnswersAsync(context, failover.Id, identity, cancellationToken) is not null)
        {
            return ActivityResult.Completed("FailoverServerAnswers");
        }

        var timeout = (await policies.GetAsync(cancellationToken)).HandOverTimeout;
        if (now - since < timeout)
        {
            return ActivityResult.RunAgainAt(Looks.Next(since, now, timeout), text);
        }

        if (await IsRecordingAsync(context, identity, cancellationToken))
        {
            return ActivityResult.Completed("FailedServerRecords")
                .WithAlarm(context, failover.Id, $"{failover.Name} does not answer, so it cannot take the duty of {identity} back. {identity} records, and the failback goes forward with the channels it has. Check dark channels there, and bring {failover.Name} back.");
        }

        // One look that found nobody proves little: the failed server is looked at as long as the failover server was.
        return now - since < timeout + timeout
            ? ActivityResult.RunAgainAt(Looks.Next(since + timeout, now, timeout), text)
            : ActivityResult.Completed("NobodyAnswers");
    }

    /// <summary>True when the failed server has the duty and demonstrably writes frames; false, too, when it does not answer.</summary>
    private async Task<bool> IsRecordingAsync(ActivityExecutionContext context, string identity, CancellationToken cancellationToken)
    {
        try
        {
            return await AnswersAsync(context, identity, identity, cancellationToken) is { Role: DutyRole.Recorder, Recording: true }
                && await look.HasFreshFramesAsync(await calls.GetEndpointAsync(identity, cancellationToken), identity, cancellationToken);
        }
        catch (RecorderException exception) when (exception.IsTransient)
        {
            return false;
        }
    }

    /// <summary>The duty as the server has it, under the fence of this run; null when it does not answer.</summary>
    private async Task<DutyState?> AnswersAsync(ActivityExecutionContext context, string serverId, string identity, CancellationToken cancellationToken)
    {
        try
        {
            return await calls.RaiseFenceAsync(context, identity, await calls.GetEndpointAsync(serverId, cancellationToken), cancellationToken);
        }
        catch (RecorderException exception) when (exception.IsTransient)
        {
            return null;
        }
    }
}
