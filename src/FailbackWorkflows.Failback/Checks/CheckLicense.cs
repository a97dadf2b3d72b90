using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Failback.Licensing;

namespace FailbackWorkflows.Failback.Checks;

/// <summary>Step 4: the licence is genuine, valid, covers failover and enough recorders. Only reads.</summary>
[Activity("Failback.CheckLicense", Category = "Failback", DisplayName = "Check licence", Description = "Is failover licensed?")]
[FlowNode("Licensed", "Refused")]
[Rehearsal(RehearsalMode.Executes)]
[SafeToTry]
public sealed class CheckLicense(LicenseCheck licenses) : DutyActivity
{
    public const int Number = 4;

    [Output(Description = "A warning, e.g. that the licence runs in its grace period.")]
    public Output<string?>? Warning { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var verdict = await licenses.CheckAsync(LicenseCheck.Failover, cancellationToken);
        if (!verdict.IsLicensed)
        {
            return Refuse("Refused", Number, verdict.Message!);
        }

        var result = ActivityResult.Completed("Licensed").With(Warning, verdict.Message);
        return verdict.Message is { } warning ? result.WithNote(warning) : result;
    }
}
