using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.VmsServers;

namespace FailbackWorkflows.Failback.Failover;

/// <summary>A wish to move the duty of a failed server to a failover server, or the news that another system has done so.</summary>
/// <param name="FailedServerId">Whose duty moves.</param>
/// <param name="FailoverServerId">Who takes it over; null: <see cref="FailoverServerSelection"/> chooses. One that is named needs not be of the failover group.</param>
/// <param name="RequestId">Made by the caller once; the same id again starts nothing new. 1–64 characters.</param>
/// <param name="ExternalId">Id at the system that did the failover; its repeat starts nothing new.</param>
/// <param name="AlreadyPerformed">True when the failover server records already and has its settings.</param>
/// <param name="StartedAt">When the failover began; null: now.</param>
public sealed record StartFailoverRequest(
    string FailedServerId,
    string? FailoverServerId,
    string RequestId,
    Actor Actor,
    string? Reason,
    string? ExternalId = null,
    bool AlreadyPerformed = false,
    DateTimeOffset? StartedAt = null);

/// <summary>Starts the failover workflow. The claim is taken in the transaction of the start, as with a failback.</summary>
public sealed class StartFailover(IVmsServers servers, IFailoverLog log, IDuties duties, FailoverServerSelection selection, IWorkflowStore store, IWorkflowRuntime runtime, TimeProvider time)
{
    /// <summary>Id of the workflow definition.</summary>
    public const string DefinitionId = "failover";

    public async Task<StartRunResult> ExecuteAsync(StartFailoverRequest request, CancellationToken cancellationToken)
    {
        if (request.ExternalId is not null
            && await log.FindByExternalIdAsync(request.ExternalId, cancellationToken) is { } known)
        {
            return new(StartRunOutcome.AlreadyStarted, known.FailoverRunId, known.Id, null);
        }

        foreach (var id in new[] { request.FailedServerId, request.FailoverServerId })
        {
            if (id is not null && await servers.FindAsync(id, cancellationToken) is null)
            {
                return new(StartRunOutcome.Unknown, null, null, $"There is no VMS server '{id}'.");
            }
        }

        if (request.FailedServerId == request.FailoverServerId)
        {
            return new(StartRunOutcome.Refused, null, null, "A server cannot be its own failover server. Choose another one.");
        }

        var startKey = await FindStartKeyAsync(request, cancellationToken);
        var failoverServerId = request.FailoverServerId;
        if (failoverServerId is null)
        {
            // Chosen once per request: its repeat is the same run, whoever would be chosen by now.
            if (await FindStartedAsync(startKey, cancellationToken) is { } before)
            {
                return before;
            }

            if (await duties.FindClaimAsync(DutyClaim.Identity(request.FailedServerId), cancellationToken) is { } claim)
            {
                return await FindStartedAsync(startKey, cancellationToken) ?? StartRunResult.Busy(claim.InstanceId, claim.Kind, null);
            }

            var selected = await selection.SelectAsync(request.FailedServerId, enough: null, cancellationToken);
            if (selected.Chosen is null)
            {
                return await FindStartedAsync(startKey, cancellationToken)
                    ?? new(selected.IsOnlyBusy ? StartRunOutcome.Busy : StartRunOutcome.NobodyFit, null, null, selected.Message) { Candidates = selected.Candidates };
            }

            failoverServerId = selected.Chosen.ServerId;
        }

        try
        {
            var started = await runtime.StartAsync(ToWorkflow(request with { FailoverServerId = failoverServerId }, startKey), cancellationToken);
            return new(
                started.AlreadyStarted ? StartRunOutcome.AlreadyStarted : StartRunOutcome.Started,
                started.InstanceId,
                EntryIdOf(started.InstanceId),
                null);
        }
        catch (WorkflowRefusedException refusal)
        {
            return StartRunResult.From(refusal, null);
        }
    }

    /// <summary>The start as the engine is asked for it; the failover server has been chosen.</summary>
    internal StartWorkflow ToWorkflow(StartFailoverRequest request, string startKey) => new(DefinitionId, request.Actor)
    {
        Input = new Dictionary<string, object?>
        {
            ["FailedServerId"] = request.FailedServerId,
            ["FailoverServerId"] = request.FailoverServerId,
            ["ExternalId"] = request.ExternalId,
            ["AlreadyPerformed"] = request.AlreadyPerformed,
            ["StartedAt"] = (request.StartedAt ?? time.GetUtcNow()).UtcDateTime.ToString("O"),
        },
        Reason = request.Reason,
        StartKey = startKey,
    };

    /// <summary>
    /// A click is one run. A report of another system is one log entry: one whose run was refused, and so wrote none, may be made again when
    /// what was in the way is gone.
    /// </summary>
    private async Task<string> FindStartKeyAsync(StartFailoverRequest request, CancellationToken cancellationToken)
    {
        if (request.ExternalId is null)
        {
            return $"failover:{request.RequestId}";
        }

        for (var attempt = 1; ; attempt++)
        {
            var key = attempt == 1 ? $"failover:{request.ExternalId}" : $"failover:{request.ExternalId}#{attempt}";
            if (await store.FindInstanceByStartKeyAsync(key, cancellationToken) is not { } runId
                || await runtime.FindAsync(runId, cancellationToken) is not { Status: WorkflowStatus.Finished }
                || await log.FindAsync(EntryIdOf(runId), cancellationToken) is not null)
            {
                return key;
            }
        }
    }

    private async Task<StartRunResult?> FindStartedAsync(string startKey, CancellationToken cancellationToken) =>
        await store.FindInstanceByStartKeyAsync(startKey, cancellationToken) is { } runId ? new(StartRunOutcome.AlreadyStarted, runId, EntryIdOf(runId), null) : null;

    /// <summary>The log entry a failover run writes: one per run, so a repeated step finds the same entry.</summary>
    public static string EntryIdOf(string instanceId) => instanceId;
}
