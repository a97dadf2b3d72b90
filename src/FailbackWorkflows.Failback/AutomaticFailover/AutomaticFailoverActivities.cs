using System.Globalization;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.Runs;

namespace FailbackWorkflows.Failback.AutomaticFailover;

/// <summary>
/// Asks once more whether the duty may be taken over by itself. A workflow that contains it is an automatic failover: its start takes the
/// duty's next attempt, its end counts it. Only reads.
/// </summary>
[Activity(TypeName, Category = "Automatic failover", DisplayName = "Check automatic failover", Description = "May this duty be taken over by itself now?")]
[FlowNode("Eligible", "Refused")]
public sealed class CheckAutomaticFailover(AutomaticFailoverCheck check) : DutyActivity
{
    public const string TypeName = "Failback.CheckAutomaticFailover";

    [Input(DisplayName = "Failed server", Description = "Whose duty it is.", UIHint = ActivityHints.VmsServer)]
    public required Input<string> FailedServer { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var decision = await check.DecideAsync(context.Get(FailedServer), context.InstanceId, cancellationToken);
        return decision.Verdict == AutomaticVerdict.Yes
            ? ActivityResult.Completed("Eligible")
            : ActivityResult.Completed("Refused")
                .WithWorkflowOutput(RunOutputs.Result, RunOutputs.Refused)
                .WithWorkflowOutput(RunOutputs.Message, decision.Sentence);
    }
}

/// <summary>
/// Chooses a failover server and starts the failover, the very workflow that an operator starts, and waits for its end. While every server
/// that could take the duty over is busy with another run, it looks again each second for a minute: that is how the duties of one failed server move one by one.
/// </summary>
[Activity("Failback.RunFailover", Category = "Automatic failover", DisplayName = "Fail over", Description = "Chooses a failover server, starts the failover as an operator would, and waits until its run has ended.")]
[FlowNode("Done", "Refused", "Failed")]
public sealed class RunFailover(StartFailover start, IWorkflowRuntime runtime) : RunAndWait(runtime)
{
    private const string Since = "since:";
    private static readonly TimeSpan LookAgainAfter = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    [Input(DisplayName = "Failed server", Description = "Whose duty moves.", UIHint = ActivityHints.VmsServer)]
    public required Input<string> FailedServer { get; init; }

    [Output(Description = "The run of the failover; empty when none was started.")]
    public Output<string?>? RunId { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var progress = context.Progress as string;
        if (progress is not null && !progress.StartsWith(Since, StringComparison.Ordinal))
        {
            return await WaitAsync(progress, "failover", RunId, cancellationToken);
        }

        var result = await start.ExecuteAsync(
            new StartFailoverRequest(context.Get(FailedServer), null, $"{context.InstanceId}-{context.ExecutionId}", AutomaticFailovers.Actor, context.Run.Reason), cancellationToken);
        if (result is { Outcome: StartRunOutcome.Started or StartRunOutcome.AlreadyStarted, RunId: { } started })
        {
            return Suspend(started);
        }

        var now = context.Time.GetUtcNow();
        var since = progress is null ? now : DateTimeOffset.Parse(progress[Since.Length..], CultureInfo.InvariantCulture);
        return result.Outcome == StartRunOutcome.Busy && now - since < Patience
            ? ActivityResult.RunAgainAt(now + LookAgainAfter, Since + since.UtcDateTime.ToString("O"))
            : NotStarted(result.Message, "failover", RunId);
    }
}
