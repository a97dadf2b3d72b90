using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Recorders.Duties;

namespace FailbackWorkflows.Failback.Obligations;

/// <summary>Writes down what a server could not be told, so that it is told when it is seen again; the run goes on. Calls nobody.</summary>
[Activity("Failback.OweToServer", Category = "Obligations", DisplayName = "Owe to a server", Description = "Writes down what a server must still be told.")]
public sealed class OweToServer(DutyCalls calls) : DutyActivity
{
    [Input(DisplayName = "Recorded identity", UIHint = ActivityHints.VmsServer)]
    public required Input<string> Identity { get; init; }

    [Input(UIHint = ActivityHints.VmsServer)]
    public required Input<string> Server { get; init; }

    [Input(DisplayName = "Failover log entry", UIHint = ActivityHints.FailoverLogEntry)]
    public Input<string>? EntryId { get; init; }

    [Input(Description = "What is owed, separated by commas: grant, stop, lastTimes, holdEnd, standBy, unfreeze, rollback.")]
    public required Input<string> Kinds { get; init; }

    [Input(Description = "Role to be told: standby (default) or failoverServer.")]
    public Input<string>? Role { get; init; }

    [Input(DisplayName = "Former revision", Description = "Settings revision to go back to; without it no rollback is owed.")]
    public Input<long?>? FormerRevision { get; init; }

    [Input(Description = "Why it could not be told.", UIHint = "multiline")]
    public required Input<string> Why { get; init; }

    [Input(DisplayName = "Raise an alarm", Description = "Tell people, because material or authority depends on it.")]
    public Input<bool?>? Alarm { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var identity = context.Get(Identity);
        var server = await calls.GetServerAsync(context.Get(Server), cancellationToken);
        var entryId = context.GetOrDefault(EntryId);
        var duty = await calls.GetDutyAsync(identity, cancellationToken);
        var kinds = context.Get(Kinds).Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(Parse).ToList();
        var former = context.GetOrDefault(FormerRevision);
        if (former is null)
        {
            kinds.Remove(ObligationKind.Rollback);
        }

        var why = context.Get(Why);
        var result = ActivityResult.Completed().WithChanges(
            MakeObligations(context, server.Id, identity, entryId, duty.Epoch, kinds, string.Equals(context.GetOrDefault(Role), nameof(DutyRole.FailoverServer), StringComparison.OrdinalIgnoreCase) ? DutyRole.FailoverServer : DutyRole.Standby, former, why),
            Tell(context, "obligation", entryId ?? server.Id, $"{server.Name} must still be told: {why}"));
        return context.GetOrDefault(Alarm) == true
            ? result.WithAlarm(context, server.Id, $"{why} What {server.Name} must still be told is kept and told when it is seen again. Bring it back on the network.")
            : result;
    }

    /// <summary>The change that owes these kinds, named after the step that owes them.</summary>
    internal static Owe MakeObligations(
        ActivityExecutionContext context, string serverId, string identity, string? entryId, long epoch, IEnumerable<ObligationKind> kinds, DutyRole role, long? formerRevision, string why)
    {
        var now = context.Time.GetUtcNow();
        return new([.. kinds.Select(kind => new Obligation
        {
            Id = $"{context.InstanceId}/{context.ExecutionId}/{serverId}/{entryId}/{kind}",
            ServerId = serverId,
            Identity = identity,
            EntryId = entryId,
            Kind = kind,
            Epoch = epoch,
            Role = kind == ObligationKind.StandBy ? role : null,
            Revision = kind == ObligationKind.Rollback ? formerRevision : null,
            Reason = why,
            CreatedAt = now,
            NextAttemptAt = now,
        })]);
    }

    private static ObligationKind Parse(string text) => Enum.TryParse<ObligationKind>(text, ignoreCase: true, out var kind)
        ? kind
        : throw new ActivityFaultException("input.invalid", $"There is no obligation '{text}'.", false);
}
