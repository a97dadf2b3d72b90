using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Runs;

namespace FailbackWorkflows.Failback.AutomaticFailback;

/// <summary>
/// Asks once more whether the entry may be failed back by itself. A workflow that contains it is an automatic failback: its start takes the
/// entry's next attempt, its end counts it. Only reads.
/// </summary>
[Activity(TypeName, Category = "Automatic failback", DisplayName = "Check automatic failback", Description = "May this entry be failed back by itself now?")]
[FlowNode("Eligible", "Refused")]
public sealed class CheckAutomaticFailback(IFailoverLog log, AutomaticFailbackCheck check) : DutyActivity
{
    public const string TypeName = "Failback.CheckAutomaticFailback";

    [Input(DisplayName = "Failover log entry", Description = "Id of the entry.", UIHint = ActivityHints.FailoverLogEntry)]
    public required Input<string> EntryId { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var entry = await log.GetAsync(context.Get(EntryId), cancellationToken);
        var decision = await check.DecideAsync(entry, context.InstanceId, cancellationToken);
        return decision.Verdict == AutomaticVerdict.Yes
            ? ActivityResult.Completed("Eligible")
            : ActivityResult.Completed("Refused")
                .WithWorkflowOutput(RunOutputs.Result, RunOutputs.Refused)
                .WithWorkflowOutput(RunOutputs.Message, decision.Sentence);
    }
}

/// <summary>Starts the failback of an entry, the very workflow that an operator starts, and waits for its end.</summary>
[Activity("Failback.RunFailback", Category = "Automatic failback", DisplayName = "Fail back", Description = "Starts the failback of an entry as an operator would, and waits until its run has ended.")]
[FlowNode("Done", "Refused", "Failed")]
public sealed class RunFailback(StartFailback start, IWorkflowRuntime runtime) : RunAndWait(runtime)
{
    [Input(DisplayName = "Failover log entry", Description = "Id of the entry.", UIHint = ActivityHints.FailoverLogEntry)]
    public required Input<string> EntryId { get; init; }

    [Output(Description = "The run of the failback; empty when none was started.")]
    public Output<string?>? RunId { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        if (context.Progress is string runId)
        {
            return await WaitAsync(runId, "failback", RunId, cancellationToken);
        }

        var result = await start.ExecuteAsync(
            new StartFailbackRequest(context.Get(EntryId), $"{context.InstanceId}-{context.ExecutionId}", AutomaticFailbacks.Actor, context.Run.Reason), cancellationToken);
        return result is { Outcome: StartRunOutcome.Started or StartRunOutcome.AlreadyStarted, RunId: { } started }
            ? Suspend(started)
            : NotStarted(result.Message, "failback", RunId);
    }
}
