using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Failback.FailoverLog;

namespace FailbackWorkflows.Failback.Abandonment;

/// <summary>Is the entry's failback still the one that is abandoned, and whose duty will it be? Only reads. From here the run can only go forward.</summary>
[Activity("Failback.CheckAbandonment", Category = "Abandonment", DisplayName = "Check abandonment", Description = "Is the failback still stopped, and who has the duty from now on?")]
[FlowNode("FailedServer", "FailoverServer", "Refused")]
public sealed class CheckAbandonment(IFailoverLog log) : DutyActivity
{
    public const int Number = 1;

    [Input(DisplayName = "Failover log entry", Description = "Id of the entry.", UIHint = ActivityHints.FailoverLogEntry)]
    public required Input<string> EntryId { get; init; }

    [Input(DisplayName = "Has the duty", Description = "Failed or failover server of the entry.", UIHint = ActivityHints.VmsServer)]
    public required Input<string> Holder { get; init; }

    [Input(DisplayName = "Run", Description = "The failback that is abandoned.")]
    public required Input<string> RunId { get; init; }

    [Output(Description = "The failed server.")]
    public Output<string>? FailedServer { get; init; }

    [Output(Description = "The failover server.")]
    public Output<string>? FailoverServer { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var entry = await log.GetAsync(context.Get(EntryId), cancellationToken);
        var holder = context.Get(Holder);
        if (entry.Failback != FailbackState.Running || entry.FailbackRunId != context.Get(RunId))
        {
            return Refuse("Refused", Number, "The failback of this entry is not the one that was to be abandoned any more. Look at the entry again.");
        }

        return holder != entry.FailedServerId && holder != entry.FailoverServerId
            ? Refuse("Refused", Number, $"The duty can be with {entry.FailedServerId} or with {entry.FailoverServerId}, not with {holder}.")
            : ActivityResult.Completed(holder == entry.FailedServerId ? "FailedServer" : "FailoverServer")
                .With(FailedServer, entry.FailedServerId)
                .With(FailoverServer, entry.FailoverServerId)
                .WithCancellation(CancellationMode.Refuse);
    }
}
