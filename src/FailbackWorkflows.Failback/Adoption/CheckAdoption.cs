using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Recorders;

namespace FailbackWorkflows.Failback.Adoption;

/// <summary>May the failed server of an entry be given its duty as it stands: the entry is open and the newest, the server answers and is the right machine. Only reads. From here the run can only go forward.</summary>
[Activity("Failback.CheckAdoption", Category = "Adoption", DisplayName = "Check adoption", Description = "May the failed server be given its duty as it stands?")]
[FlowNode("Possible", "Refused")]
[Retry(3, InitialDelayMilliseconds = 500, MaxDelayMilliseconds = 2000)]
public sealed class CheckAdoption(DutyCalls calls, IRecorderClient recorders, IFailoverLog log) : DutyActivity
{
    public const int Number = 1;

    [Input(DisplayName = "Failover log entry", Description = "Id of the entry.", UIHint = ActivityHints.FailoverLogEntry)]
    public required Input<string> EntryId { get; init; }

    [Output(Description = "The recorder that keeps its duty.")]
    public Output<string>? FailedServer { get; init; }

    [Output(Description = "The recorder that had taken it over.")]
    public Output<string>? FailoverServer { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var entry = await log.GetAsync(context.Get(EntryId), cancellationToken);
        if (!entry.CanFailBack)
        {
            return Refuse("Refused", Number, entry.Failback switch
            {
                FailbackState.Running => "A failback of this entry is running or was stopped by an error. Wait for it, retry it, or have an administrator abandon it.",
                FailbackState.Done => "The failback of this entry has been done already.",
                _ => "The failover of this entry is not done, so there is no duty to adopt.",
            });
        }

        if ((await log.ListOpenAsync(entry.FailedServerId, cancellationToken)).FirstOrDefault(e => e.Failover == FailoverState.Done) is { } newest && newest.Id != entry.Id)
        {
            return Refuse("Refused", Number, $"A newer failover of this server, started {newest.FailoverStartedAt:u}, is still open (entry {newest.Id}). Adopt that one: it ends this one too.");
        }

        var server = await calls.GetServerAsync(entry.FailedServerId, cancellationToken);
        try
        {
            var status = await recorders.GetStatusAsync(calls.EndpointOf(server), cancellationToken);
            return server.MachineId is not null && status.Id != server.MachineId
                ? Refuse("Refused", Number, $"The machine at {server.BaseUrl} is not {server.Name}: its id is {status.Id}, known is {server.MachineId}. If it was exchanged, replace it in the registry first.", RunOffers.ReplaceMachine)
                : ActivityResult.Completed("Possible").With(FailedServer, entry.FailedServerId).With(FailoverServer, entry.FailoverServerId).WithCancellation(CancellationMode.Refuse);
        }
        catch (RecorderException exception) when (!exception.IsTransient || context.Attempt >= 3)
        {
            return Refuse("Refused", Number, $"{server.Name} does not answer, so it cannot be adopted as it stands. Bring it back on the network. ({exception.Message})");
        }
    }
}
