using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Obligations;

namespace FailbackWorkflows.Failback.VmsServers;

/// <summary>Takes a server out of the registry; its revision must be the stored one. Throws <see cref="ConcurrentChangeException"/> otherwise; harmless when it is gone already.</summary>
public sealed record DeleteVmsServer(string ServerId, long Revision) : IDomainChange;

/// <summary>Either it is gone, or why it stays.</summary>
/// <param name="RunId">The run that is in the way, if one is.</param>
public sealed record RemoveVmsServerResult(bool IsRemoved, bool IsUnknown, string? RunId, string? Message);

/// <summary>
/// Removes a recorder that nothing depends on any more: it fulfils no duty of others, its own duty is not elsewhere, no failover with it is open, and
/// nothing is owed by or to it. The recorder itself is told nothing and goes on recording. Log, settings history and its largest epoch stay: a server
/// that is added under this id later goes on from there. Claims the duty and the server while it writes, so no run is at work on either.
/// </summary>
public sealed class RemoveVmsServer(IVmsServers servers, IDuties duties, IFailoverLog log, IObligations obligations, IDomainWriter writer, TimeProvider time)
{
    /// <summary>Kind of its claims.</summary>
    public const string Kind = "removal";

    public async Task<RemoveVmsServerResult> ExecuteAsync(string serverId, CancellationToken cancellationToken)
    {
        if (await servers.FindAsync(serverId, cancellationToken) is not { } server)
        {
            return new(false, true, null, $"There is no VMS server '{serverId}'.");
        }

        if (await FindObjectionAsync(server, cancellationToken) is { } objection)
        {
            return new(false, false, null, objection);
        }

        var now = time.GetUtcNow();
        var claimant = $"remove/{server.Id}";
        try
        {
            await writer.ApplyAsync(
                [
                    new TakeClaims(claimant, Kind, [DutyClaim.Identity(server.Id), DutyClaim.Recorder(server.Id)], now),
                    new DeleteVmsServer(server.Id, server.Revision),
                    new ReleaseClaims(claimant),
                    new Notify(new ChangeNotification("server", server.Id, $"{server.Name} was removed.", now)),
                ],
                cancellationToken);
            return new(true, false, null, null);
        }
        catch (ClaimConflictException conflict)
        {
            return new(false, false, conflict.HolderInstanceId, $"A {conflict.HolderKind} is running for {server.Name}. Wait for it to end.");
        }
        catch (ConcurrentChangeException)
        {
            return new(false, false, null, $"{server.Name} was changed at the same moment. Look again, then try again.");
        }
    }

    /// <summary>Why it cannot be removed now, as a sentence with what to do; null: it can.</summary>
    public async Task<string?> FindObjectionAsync(VmsServer server, CancellationToken cancellationToken)
    {
        var held = await duties.ListHeldAsync([server.Id], cancellationToken);
        if (held.FirstOrDefault(duty => duty.Identity != server.Id) is { } others)
        {
            return $"{server.Name} acts as {others.Identity}. Fail that duty back first.";
        }

        if (server.State != VmsServerState.Ok || await duties.FindAsync(server.Id, cancellationToken) is { } own && own.HolderServerId != server.Id)
        {
            return $"The duty of {server.Name} is elsewhere, or it is broken. Bring it back into service first: by its failback, by adopting it, or by replacing its machine.";
        }

        if ((await log.ListAsync(new FailoverLogQuery(FailoverLogView.Active) { Take = 1, ServerIds = [server.Id] }, cancellationToken)).Count > 0)
        {
            return $"There are active failovers with {server.Name}. Copy their material home, or have an administrator accept its loss, until the log shows them as finalized.";
        }

        if ((await log.CountOwedPeriodsAsync(cancellationToken)).ContainsKey(server.Id))
        {
            return $"{server.Name} still owes material of failovers. Copy it home, or have an administrator accept its loss.";
        }

        return (await obligations.ListOpenAsync(cancellationToken)).Any(owed => owed.ServerId == server.Id || owed.Identity == server.Id)
            ? $"{server.Name} must still be told something, or a recorder must still be told something about its duty. The list of servers names it; it is delivered when the recorder answers."
            : null;
    }
}
