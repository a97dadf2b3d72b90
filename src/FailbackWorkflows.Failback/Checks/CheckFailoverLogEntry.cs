using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Failback.FailoverLog;

namespace FailbackWorkflows.Failback.Checks;

/// <summary>Step 1: the entry exists, its failover is done, its failback is not, and it is the newest such entry of the failed server. Only reads.</summary>
[Activity("Failback.CheckFailoverLogEntry", Category = "Failback", DisplayName = "Check failover log entry", Description = "Is there a valid failover log entry in the right state?")]
[FlowNode("Valid", "Refused")]
[Rehearsal(RehearsalMode.Executes)]
[SafeToTry]
public sealed class CheckFailoverLogEntry(IFailoverLog log) : DutyActivity
{
    public const int Number = 1;

    [Input(DisplayName = "Failover log entry", Description = "Id of the entry.", UIHint = ActivityHints.FailoverLogEntry)]
    public required Input<string> EntryId { get; init; }

    [Output(Description = "The recorder whose duty comes home.")]
    public Output<string>? FailedServer { get; init; }

    [Output(Description = "The recorder that took it over.")]
    public Output<string>? FailoverServer { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var entryId = context.Get(EntryId);
        if (await log.FindAsync(entryId, cancellationToken) is not { } entry)
        {
            return Refuse("Refused", Number, $"There is no failover log entry '{entryId}'.");
        }

        if (entry.Failover != FailoverState.Done)
        {
            return Refuse("Refused", Number, entry.Failover == FailoverState.Running
                ? "The failover of this entry is still running. Wait until it is done."
                : "The failover of this entry failed, so there is nothing to bring back.");
        }

        if (entry.Failback == FailbackState.Done)
        {
            return Refuse("Refused", Number, "The failback of this entry has been done already.");
        }

        if (entry.Failback == FailbackState.Running && entry.FailbackRunId != context.InstanceId)
        {
            return Refuse("Refused", Number, "A failback of this entry is running already. Open it to see where it stands.");
        }

        var newest = (await log.ListOpenAsync(entry.FailedServerId, cancellationToken)).FirstOrDefault(e => e.Failover == FailoverState.Done);
        if (newest is not null && newest.Id != entry.Id)
        {
            return Refuse("Refused", Number, $"A newer failover of this server, started {newest.FailoverStartedAt:u}, is still open (entry {newest.Id}). Fail that one back: it ends this one too.");
        }

        return ActivityResult.Completed("Valid").With(FailedServer, entry.FailedServerId).With(FailoverServer, entry.FailoverServerId);
    }
}
