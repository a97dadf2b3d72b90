using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.VmsServers;

namespace FailbackWorkflows.Failback.Failover;

/// <summary>A wish to move the duty of a failed server to a failover server, or the news that another system has done so.</summary>
/// <param name="FailedServerId">Whose duty moves.</param>
/// <param name="FailoverServerId">Who takes it over.</param>
/// <param name="RequestId">Made by the caller once; the same id again starts nothing new. 1–64 characters.</param>
/// <param name="ExternalId">Id at the system that did the failover; its repeat starts nothing new.</param>
/// <param name="AlreadyPerformed">True when the failover server records already and has its settings.</param>
/// <param name="StartedAt">When the failover began; null: now.</param>
public sealed record StartFailoverRequest(
    string FailedServerId,
    string FailoverServerId,
    string RequestId,
    Actor Actor,
    string? Reason,
    string? ExternalId = null,
    bool AlreadyPerformed = false,
    DateTimeOffset? StartedAt = null);

/// <summary>Starts the failover workflow. The claim is taken in the transaction of the start, as with a failback.</summary>
public sealed class StartFailover(IVmsServers servers, IFailoverLog log, IWorkflowRuntime runtime, TimeProvider time)
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
            if (await servers.FindAsync(id, cancellationToken) is null)
            {
                return new(StartRunOutcome.Unknown, null, null, $"There is no VMS server '{id}'.");
            }
        }

        if (request.FailedServerId == request.FailoverServerId)
        {
            return new(StartRunOutcome.Refused, null, null, "A server cannot be its own failover server. Choose another one.");
        }

        try
        {
            var started = await runtime.StartAsync(ToWorkflow(request), cancellationToken);
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

    /// <summary>The start as the engine is asked for it.</summary>
    internal StartWorkflow ToWorkflow(StartFailoverRequest request) => new(DefinitionId, request.Actor)
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
        StartKey = $"failover:{request.ExternalId ?? request.RequestId}",
    };

    /// <summary>The log entry a failover run writes: one per run, so a repeated step finds the same entry.</summary>
    public static string EntryIdOf(string instanceId) => instanceId;
}
