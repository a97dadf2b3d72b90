using System.Collections.Concurrent;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.RestoreRoles;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;

namespace FailbackWorkflows.Failback;

/// <summary>An activity of this product: failures of recorders become faults with a kind and a sentence.</summary>
public abstract class DutyActivity : CodeActivity
{
    /// <inheritdoc/>
    protected override ActivityFault DescribeFault(Exception exception) => exception switch
    {
        RecorderException recorder => new($"recorder.{char.ToLowerInvariant(recorder.Kind.ToString()[0])}{recorder.Kind.ToString()[1..]}", recorder.Message, recorder.IsTransient),
        ConcurrentChangeException conflict => new("concurrentChange", conflict.Message, true),
        _ => base.DescribeFault(exception),
    };

    /// <summary>The activity said no: the run ends as refused with the number of the check, and nothing was touched.</summary>
    /// <param name="offer">What may be done instead; one of <see cref="RunOffers"/>.</param>
    protected static ActivityResult Refuse(string outcome, int check, string sentence, string? offer = null)
    {
        var result = ActivityResult.Completed(outcome)
            .WithWorkflowOutput(RunOutputs.Result, RunOutputs.Refused)
            .WithWorkflowOutput(RunOutputs.RefusedCheck, check)
            .WithWorkflowOutput(RunOutputs.Message, sentence);
        return offer is null ? result : result.WithWorkflowOutput(RunOutputs.Offer, offer);
    }

    /// <summary>Looks again soon, until the wait that began with the first look is over; then null.</summary>
    protected static ActivityResult? LookAgain(ActivityExecutionContext context, TimeSpan timeout)
    {
        var now = context.Time.GetUtcNow();
        var since = context.Progress is string text ? DateTimeOffset.Parse(text, System.Globalization.CultureInfo.InvariantCulture) : now;
        return now - since < timeout ? ActivityResult.RunAgainAt(Looks.Next(since, now, timeout), since.UtcDateTime.ToString("O")) : null;
    }

    /// <summary>A change notification in the transaction of the step.</summary>
    protected static Notify Tell(ActivityExecutionContext context, string kind, string? subject, string text) =>
        new(new ChangeNotification(kind, subject, text, context.Time.GetUtcNow()));
}

/// <summary>Alarms of a run.</summary>
internal static class RunAlarms
{
    /// <summary>Raises an alarm in the transaction of the step: clients hear of it now, and whoever reads the run finds it later.</summary>
    public static ActivityResult WithAlarm(this ActivityResult result, ActivityExecutionContext context, string subject, string text) =>
        result.WithNote(text).WithChanges(new Notify(new ChangeNotification("alarm", subject, text, context.Time.GetUtcNow())));
}

/// <summary>Names of the workflow outputs in which a run says how it ended.</summary>
public static class RunOutputs
{
    public const string Result = "Result";
    public const string Message = "Message";
    public const string RefusedCheck = "RefusedCheck";

    /// <summary>What an operator may do instead of what was refused; one of <see cref="RunOffers"/>, not set otherwise.</summary>
    public const string Offer = "Offer";

    /// <summary>The recorded identity that nobody recorded any more when the run ended; not set otherwise.</summary>
    public const string NobodyRecords = "NobodyRecords";

    public const string Done = "done";
    public const string Refused = "refused";
    public const string Undone = "undone";
    public const string Failed = "failed";
}

/// <summary>What a refused failback offers instead.</summary>
public static class RunOffers
{
    /// <summary>Leave the duty where it is recorded: the failed server gets it as it stands.</summary>
    public const string Adopt = "adopt";

    /// <summary>The machine was exchanged: bind the new one to the identity.</summary>
    public const string ReplaceMachine = "replaceMachine";

    /// <summary>Fail back although the failover server does not answer.</summary>
    public const string WithoutFailoverServer = "withoutFailoverServer";
}

/// <summary>The claim an instance holds, with the fence of its newest acquisition: what every call to a recorder carries.</summary>
public sealed class ClaimedDuty(string identity, long fence)
{
    private readonly ConcurrentDictionary<string, bool> _acknowledged = new(StringComparer.Ordinal);

    public string Identity { get; } = identity;

    public long Fence { get; } = fence;

    /// <summary>True once the server has taken the fence, so that whoever held the claim before can no longer change what is read there.</summary>
    public bool IsAcknowledgedBy(string serverId) => _acknowledged.ContainsKey(serverId);

    internal void Acknowledged(string serverId) => _acknowledged[serverId] = true;
}

/// <summary>What activities need to call recorders for a duty: endpoints, fence and authority.</summary>
public sealed class DutyCalls(IVmsServers servers, IDuties duties, IRecorderClient recorders, ISecretProtector secrets)
{
    /// <summary>The server's row. Throws a fault when it is not in the registry.</summary>
    public async Task<VmsServer> GetServerAsync(string serverId, CancellationToken cancellationToken) =>
        await servers.FindAsync(serverId, cancellationToken)
        ?? throw new ActivityFaultException("server.unknown", $"The VMS server '{serverId}' is not in the registry any more.", false);

    public async Task<RecorderEndpoint> GetEndpointAsync(string serverId, CancellationToken cancellationToken) =>
        EndpointOf(await GetServerAsync(serverId, cancellationToken));

    /// <summary>
    /// The server's endpoint for an activity that reads there what it decides by. Every such activity comes through here (or through
    /// <see cref="RaiseFenceAsync"/>): the fence of this acquisition is raised first, once per acquisition and server, so that an earlier
    /// holder's late call cannot change what was read. Throws what the recorder throws; a server that cannot be reached is asked again at the next read.
    /// A run without the claim has no fence to raise; it may look, and will not be able to command.
    /// </summary>
    public async Task<RecorderEndpoint> GetFencedAsync(ActivityExecutionContext context, string identity, string serverId, CancellationToken cancellationToken)
    {
        var endpoint = await GetEndpointAsync(serverId, cancellationToken);
        if (context.HostFacts is ClaimedDuty claimed && claimed.Identity == identity && !claimed.IsAcknowledgedBy(serverId))
        {
            await RaiseFenceAsync(context, identity, endpoint, cancellationToken);
        }

        return endpoint;
    }

    /// <summary>Raises the fence of this acquisition at a recorder and answers with the duty as it is there. Repeating is harmless.</summary>
    public async Task<DutyState> RaiseFenceAsync(ActivityExecutionContext context, string identity, RecorderEndpoint endpoint, CancellationToken cancellationToken)
    {
        var seen = await recorders.RaiseFenceAsync(endpoint, identity, FenceOf(context, identity), cancellationToken);
        ((ClaimedDuty)context.HostFacts!).Acknowledged(endpoint.ServerId);
        return seen;
    }

    /// <summary>Throws a <see cref="RecorderException"/> when the stored credential cannot be read.</summary>
    public RecorderEndpoint EndpointOf(VmsServer server) => new(server.Id, server.BaseUrl, secrets.CredentialOf(server));

    /// <summary>The duty as granted. Throws a fault when nobody was ever given it.</summary>
    public async Task<Duty> GetDutyAsync(string identity, CancellationToken cancellationToken) =>
        await duties.FindAsync(identity, cancellationToken)
        ?? throw new ActivityFaultException("duty.unknown", $"Nobody was ever given the duty of '{identity}'. Add the recorder while it fulfils its duty.", false);

    /// <summary>Current epoch and the fence of this acquisition. A run without the claim has no authority.</summary>
    public async Task<DutyAuthority> GetAuthorityAsync(ActivityExecutionContext context, string identity, CancellationToken cancellationToken) =>
        new((await GetDutyAsync(identity, cancellationToken)).Epoch, FenceOf(context, identity));

    /// <summary>
    /// For a step that changes who has the duty before it commands anybody. Throws a fault when the run does not hold the claim: it was stopped
    /// before it had changed anything, gave the claim back then and is retried now, or its definition never took one.
    /// </summary>
    public static void RequireClaim(ActivityExecutionContext context, string identity) => FenceOf(context, identity);

    /// <summary>The fence of this acquisition. Throws a fault when the run does not hold the claim.</summary>
    public static long FenceOf(ActivityExecutionContext context, string identity) => context.HostFacts is ClaimedDuty claimed && claimed.Identity == identity
        ? claimed.Fence
        : throw new ActivityFaultException("claim.missing", $"This run does not hold the claim on the duty of '{identity}', so it may not act on it. Start it anew: that takes the claim.", false);
}
