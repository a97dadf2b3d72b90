using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Failback.Duties;

namespace FailbackWorkflows.Failback.Checks;

/// <summary>Step 5: this run, and no other, holds the claim on the duty (taken in the transaction of its start). Only reads.</summary>
[Activity("Failback.CheckNoFailbackRunning", Category = "Failback", DisplayName = "Check no failback is running", Description = "Is no other run at work on this recorder?")]
[FlowNode("Clear", "Refused")]
[Rehearsal(RehearsalMode.Executes)]
[SafeToTry]
public sealed class CheckNoFailbackRunning(IDuties duties) : DutyActivity
{
    public const int Number = 5;

    [Input(DisplayName = "Failed server", Description = "Whose duty it is.", UIHint = ActivityHints.VmsServer)]
    public required Input<string> FailedServer { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var identity = context.Get(FailedServer);
        var claim = await duties.FindClaimAsync(DutyClaim.Identity(identity), cancellationToken);
        return claim?.InstanceId == context.InstanceId
            ? ActivityResult.Completed("Clear")
            : Refuse("Refused", Number, claim is null
                ? $"This run does not hold the claim on the duty of {identity}. Start the failback from the failover log."
                : $"A {claim.Kind} (run {claim.InstanceId}) is at work on {identity}. Wait for it to end.");
    }
}
