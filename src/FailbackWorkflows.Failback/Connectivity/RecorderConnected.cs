using FailbackWorkflows.Engine.Activities;

namespace FailbackWorkflows.Failback.Connectivity;

/// <summary>
/// As a trigger: starts its workflow each time a recorder is connected, once per connection, or each time an automatic failback may begin.
/// On the way of a run: waits until the recorder is connected the next time.
/// </summary>
[Activity("Failback.RecorderConnected", Category = "Connectivity", DisplayName = "Recorder connected", Description = "Starts the workflow, or lets it go on, when a recorder is connected.")]
[Trigger("RecorderConnected", "server", "occasion")]
[SafeToTry]
public sealed class RecorderConnected : CodeActivity
{
    /// <summary>Occasion of every connection.</summary>
    public const string EveryConnection = "everyConnection";

    /// <summary>Occasion on which the recorder's duty may come home by itself: connected, and everything else that an automatic failback needs.</summary>
    public const string AutomaticFailback = "automaticFailback";

    [Input(Description = "Id of the recorder. Empty: any, which is possible only where the activity starts the workflow.", UIHint = ActivityHints.VmsServer)]
    public Input<string>? Server { get; init; }

    [Input(Description = "everyConnection; or automaticFailback: whenever its duty may come home by itself.", DefaultValue = EveryConnection, UIHint = "dropdown")]
    public Input<string>? Occasion { get; init; }

    [Output(Description = "Id of the recorder.")]
    public Output<string>? ServerId { get; init; }

    [Output(Description = "Its boot, as it says itself.")]
    public Output<string?>? BootId { get; init; }

    [Output(Description = "The failover log entry to fail back, on the occasion automaticFailback.")]
    public Output<string?>? EntryId { get; init; }

    /// <summary>What runs that wait for a recorder are woken by.</summary>
    public static string KeyOf(string serverId) => $"RecorderConnected:{serverId}";

    /// <inheritdoc/>
    protected override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var payload = (context.Trigger is { } trigger ? trigger.Payload : context.ResumedBy?.Payload) as IReadOnlyDictionary<string, object?>;
        return ValueTask.FromResult(payload is null
            ? TransitionStimulus.WaitFor(context, Server, "RecorderConnected", KeyOf)
            : ActivityResult.Completed()
                .With(ServerId, TransitionStimulus.Text(payload, "Server") ?? "")
                .With(BootId, TransitionStimulus.Text(payload, "BootId"))
                .With(EntryId, TransitionStimulus.Text(payload, "EntryId")));
    }
}

/// <summary>As <see cref="RecorderConnected"/>, for a recorder that is lost; and as a trigger each time an automatic failover may begin.</summary>
[Activity("Failback.RecorderDisconnected", Category = "Connectivity", DisplayName = "Recorder disconnected", Description = "Starts the workflow, or lets it go on, when a recorder is lost.")]
[Trigger("RecorderDisconnected", "server", "occasion")]
[SafeToTry]
public sealed class RecorderDisconnected : CodeActivity
{
    /// <summary>Occasion of every loss.</summary>
    public const string EveryLoss = "everyLoss";

    /// <summary>Occasion on which a duty is to be taken over by itself: its holder has failed enough polls, and everything else that an automatic failover needs.</summary>
    public const string AutomaticFailover = "automaticFailover";

    [Input(Description = "Id of the recorder; on the occasion automaticFailover of the one whose duty it is. Empty: any, which is possible only where the activity starts the workflow.", UIHint = ActivityHints.VmsServer)]
    public Input<string>? Server { get; init; }

    [Input(Description = "everyLoss; or automaticFailover: whenever a duty is to be taken over by itself.", DefaultValue = EveryLoss, UIHint = "dropdown")]
    public Input<string>? Occasion { get; init; }

    [Output(Description = "Id of the recorder that is lost.")]
    public Output<string>? ServerId { get; init; }

    [Output(Description = "Whose duty is to be taken over, on the occasion automaticFailover.")]
    public Output<string?>? FailedServerId { get; init; }

    [Output(Description = "Why it counts as lost.")]
    public Output<string?>? Cause { get; init; }

    /// <inheritdoc cref="RecorderConnected.KeyOf"/>
    public static string KeyOf(string serverId) => $"RecorderDisconnected:{serverId}";

    /// <inheritdoc/>
    protected override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var payload = (context.Trigger is { } trigger ? trigger.Payload : context.ResumedBy?.Payload) as IReadOnlyDictionary<string, object?>;
        return ValueTask.FromResult(payload is null
            ? TransitionStimulus.WaitFor(context, Server, "RecorderDisconnected", KeyOf)
            : ActivityResult.Completed()
                .With(ServerId, TransitionStimulus.Text(payload, "Server") ?? "")
                .With(FailedServerId, TransitionStimulus.Text(payload, "FailedServerId"))
                .With(Cause, TransitionStimulus.Text(payload, "Cause")));
    }
}
