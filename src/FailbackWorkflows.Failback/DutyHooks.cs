using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Engine.Values;
using FailbackWorkflows.Failback.Abandonment;
using FailbackWorkflows.Failback.Adoption;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.Reconciliation;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Recorders;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Failback;

/// <summary>
/// Claims and fences of every run that acts on recorders, whatever started it: the claim is taken in the transaction of the start and given
/// up in the transaction of the end; each time a node takes the run up, the fence of its duty grows.
/// </summary>
public sealed class DutyHooks(
    IFailoverLog log,
    IDuties duties,
    ObligationsInTheWay inTheWay,
    RecordersKnowMore doubts,
    SeenDuties seen,
    DutyCalls calls,
    IRecorderClient recorders,
    IDomainWriter writer,
    Redrives redrives,
    TimeProvider time,
    ILogger<DutyHooks> logger) : IWorkflowHooks
{
    private const int MaxFenceAttempts = 10;

    /// <summary>How long a run of an earlier life waits before it is looked at again: for recorders to be asked, or for its duty to be reconciled (which ends it).</summary>
    private static readonly TimeSpan LookAgainSoon = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LookAgainLater = TimeSpan.FromSeconds(30);

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<IDomainChange>> StartingAsync(StartingWorkflow starting, CancellationToken cancellationToken)
    {
        if (KindOf(starting.Definition) is not { } kind)
        {
            return [];
        }

        string identity;
        string other;
        if (kind == StartSettingsRollback.DefinitionId)
        {
            identity = Text(starting.Input, "ServerId") ?? throw new WorkflowRefusedException("input-missing", "A settings rollback needs the VMS server.");
            other = (await duties.FindAsync(identity, cancellationToken))?.HolderServerId
                ?? throw new WorkflowRefusedException("duty-unknown", $"Nobody was ever given the duty of '{identity}', so nobody has settings of it to bring back.");
        }
        else if (kind is StartFailback.DefinitionId or StartAdoption.DefinitionId or AbandonFailback.DefinitionId)
        {
            var entryId = Text(starting.Input, "EntryId");
            var entry = entryId is null ? null : await log.FindAsync(entryId, cancellationToken);
            if (entry is null)
            {
                throw new WorkflowRefusedException("entry-unknown", $"There is no failover log entry '{entryId}'.");
            }

            (identity, other) = (entry.FailedServerId, entry.FailoverServerId);
        }
        else if (kind == DeliverObligations.DefinitionId)
        {
            identity = Text(starting.Input, "Identity") ?? throw new WorkflowRefusedException("input-missing", "Delivering obligations needs the recorded identity.");
            other = Text(starting.Input, "ServerId") ?? throw new WorkflowRefusedException("input-missing", "Delivering obligations needs the server.");
            await RequireNoDoubtAsync(identity, cancellationToken);
            return [new TakeClaims(starting.InstanceId, kind, [DutyClaim.Identity(identity), DutyClaim.Recorder(other)], starting.At)];
        }
        else
        {
            identity = Text(starting.Input, "FailedServerId") ?? throw new WorkflowRefusedException("input-missing", "A failover needs the failed server.");
            other = Text(starting.Input, "FailoverServerId") ?? throw new WorkflowRefusedException("input-missing", "A failover needs the failover server.");
        }

        // What a person starts looks at the recorders itself and draws a new epoch above everything that anybody knows: it is the way out when nothing
        // else decides. Settings rolled back, and a duty named in an abandonment, would be told under the epoch that is in doubt.
        if (kind is not (StartFailback.DefinitionId or StartFailover.DefinitionId or StartAdoption.DefinitionId) || starting.Actor.Kind is not (ActorKind.User or ActorKind.ApiKey))
        {
            await RequireNoDoubtAsync(identity, cancellationToken);
        }

        var owed = kind switch
        {
            StartFailover.DefinitionId => await inTheWay.FindForFailoverAsync(identity, other, cancellationToken),
            StartFailback.DefinitionId => await inTheWay.FindForFailbackAsync(identity, other, cancellationToken),
            _ => null,
        };
        if (owed is not null)
        {
            throw new WorkflowRefusedException("obligations-first", $"{owed} Then start again.");
        }

        return
        [
            new TakeClaims(starting.InstanceId, kind, [.. new[] { DutyClaim.Identity(identity), DutyClaim.Recorder(identity), DutyClaim.Recorder(other) }.Distinct()], starting.At),
            new Notify(new ChangeNotification("run", starting.InstanceId, $"A {kind} was started.", starting.At)),
        ];
    }

    /// <inheritdoc/>
    public async ValueTask<object?> AcquiredAsync(AcquiredWorkflow acquired, CancellationToken cancellationToken)
    {
        if (KindOf(acquired.Definition) is null)
        {
            return null;
        }

        var claims = await duties.ListClaimsAsync(acquired.InstanceId, cancellationToken);
        if (claims.FirstOrDefault(c => c.Key.StartsWith("identity:", StringComparison.Ordinal)) is not { } claim)
        {
            return null;
        }

        var identity = claim.Key["identity:".Length..];
        var participants = claims.Where(c => c.Key.StartsWith("recorder:", StringComparison.Ordinal)).Select(c => c.Key["recorder:".Length..]);
        var fences = await Task.WhenAll(participants.Select(id => ReadFenceAsync(id, identity, cancellationToken)));
        if (claim.TakenAt < doubts.Since && await doubts.FindAsync(identity, cancellationToken) is { } doubt)
        {
            // It may be from a backup: what it was about to do may have been done, and undone, since.
            throw new WorkflowNotNowException(doubt.Sentence, time.GetUtcNow() + (doubt.Kind == DoubtKind.NotAskedYet ? LookAgainSoon : LookAgainLater));
        }

        for (var attempt = 1; ; attempt++)
        {
            if (await duties.FindClaimAsync(claim.Key, cancellationToken) is not { } held || held.InstanceId != acquired.InstanceId)
            {
                // Taken away meanwhile, by an abandonment or a reconciliation. Another run may act already.
                return null;
            }

            var duty = await duties.FindAsync(identity, cancellationToken);
            if (duty is null)
            {
                // Nobody has the duty yet; the run's own check says so to the operator.
                return null;
            }

            var fence = 1 + Math.Max(duty.Fence, fences.Append(0).Max());
            try
            {
                // Not by a node that was overtaken meanwhile, nor by a run that has lost its claim: its fence would be above that of whoever acts now, whose calls would be refused.
                await writer.ApplyAsync([new RequireLease(acquired.Lease), new RequireClaim(acquired.InstanceId, claim.Key), new RaiseFence(identity, fence)], cancellationToken);
                return new ClaimedDuty(identity, fence);
            }
            catch (ConcurrentChangeException) when (attempt < MaxFenceAttempts)
            {
                logger.LogInformation("The claim or the fence of {Identity} changed meanwhile; looking again", identity);
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<IDomainChange>> EndingAsync(EndingWorkflow ending, CancellationToken cancellationToken)
    {
        if (KindOf(ending.Definition) is not { } kind)
        {
            return [];
        }

        if (kind == DeliverObligations.DefinitionId)
        {
            return await EndDeliveryAsync(ending, cancellationToken);
        }

        // A run that stopped after it began to change recorders keeps the duty's claim: a redrive goes on under it, and nobody else may act.
        var kept = ending.SubStatus == WorkflowSubStatus.Faulted && ending.Cancellation != CancellationMode.End
            ? (await duties.ListClaimsAsync(ending.InstanceId, cancellationToken)).FirstOrDefault(c => c.Key.StartsWith("identity:", StringComparison.Ordinal))?.Key
            : null;
        var text = ending.SubStatus == WorkflowSubStatus.Faulted ? $"A {kind} was stopped by an incident and needs attention." : $"A {kind} has ended.";
        return
        [
            new ReleaseClaims(ending.InstanceId, kept),
            new Notify(new ChangeNotification("run", ending.InstanceId, text, ending.At)),
        ];
    }

    /// <inheritdoc/>
    public async ValueTask RedrivingAsync(RedrivingWorkflow redriving, CancellationToken cancellationToken)
    {
        if (await redrives.FindWhyNotAsync(redriving.Definition, redriving.InstanceId, cancellationToken) is { } whyNot)
        {
            throw new WorkflowRefusedException("claim-given-back", whyNot);
        }
    }

    /// <summary>Each delivery was told already. One that an incident stopped is tried again, but not at once: what stopped it is likely to be there still.</summary>
    private async Task<IReadOnlyList<IDomainChange>> EndDeliveryAsync(EndingWorkflow ending, CancellationToken cancellationToken)
    {
        var release = new ReleaseClaims(ending.InstanceId);
        if (ending.SubStatus != WorkflowSubStatus.Faulted)
        {
            return [release];
        }

        var claims = await duties.ListClaimsAsync(ending.InstanceId, cancellationToken);
        var identity = claims.First(c => c.Key.StartsWith("identity:", StringComparison.Ordinal)).Key["identity:".Length..];
        var serverId = claims.First(c => c.Key.StartsWith("recorder:", StringComparison.Ordinal)).Key["recorder:".Length..];
        return
        [
            release,
            new PostponeObligations(serverId, identity, ending.At + Obligation.DelayAfter(int.MaxValue), "An incident stopped its delivery; the run says why."),
            new Notify(new ChangeNotification("run", ending.InstanceId, $"What {serverId} is owed could not be delivered: an incident stopped the run.", ending.At)),
        ];
    }

    private async Task RequireNoDoubtAsync(string identity, CancellationToken cancellationToken)
    {
        if (await doubts.FindAsync(identity, cancellationToken) is { } doubt)
        {
            throw new WorkflowRefusedException("reconcile-first", doubt.Kind == DoubtKind.NotAskedYet
                ? $"{doubt.Sentence} Try again in a moment."
                : $"The recorders know more about the duty of {identity} than the database, which was probably restored from a backup. {doubt.Sentence} The alert on VMS servers says what to do.");
        }
    }

    /// <summary>What a definition does to duties, by the activities it contains: a copy of the failback under another name needs its claim too.</summary>
    internal static string? KindOf(WorkflowDefinition definition)
    {
        foreach (var node in definition.Nodes.Values)
        {
            switch (node.Descriptor.Type)
            {
                case "Failback.CheckAdoption":
                    return StartAdoption.DefinitionId;
                case "Failback.CheckAbandonment":
                    return AbandonFailback.DefinitionId;
                case "Failback.LogFailbackStarted":
                    return StartFailback.DefinitionId;
                case "Failback.LogFailoverStarted":
                    return StartFailover.DefinitionId;
                case "Failback.CheckSettingsRollback":
                    return StartSettingsRollback.DefinitionId;
                case "Failback.DeliverObligation":
                    return DeliverObligations.DefinitionId;
                default:
                    break;
            }
        }

        return null;
    }

    private async Task<long> ReadFenceAsync(string serverId, string identity, CancellationToken cancellationToken)
    {
        try
        {
            var server = await calls.GetServerAsync(serverId, cancellationToken);
            var askedAt = time.GetUtcNow();
            var status = await recorders.GetStatusAsync(calls.EndpointOf(server), cancellationToken);
            if (server.MachineId is null || server.MachineId == status.Id)
            {
                seen.Notice(serverId, status.Duties, askedAt);
            }

            return status.Duties.FirstOrDefault(d => d.Identity == identity)?.Fence ?? 0;
        }
        catch (Exception exception) when (exception is RecorderException or ActivityFaultException)
        {
            // A recorder that is not in the registry is the run's own check to report; a recorder that does not answer cannot be commanded either; when it is back, it is asked before it is told.
            logger.LogInformation("The fence of {Identity} at {Server} could not be read: {Reason}", identity, serverId, exception.Message);
            return 0;
        }
    }

    private static string? Text(IReadOnlyDictionary<string, object?> input, string name) => input.TryGetValue(name, out var value) ? PlainValue.ToText(value) is { Length: > 0 } text ? text : null : null;
}
