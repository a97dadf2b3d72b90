using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Runs;

namespace FailbackWorkflows.Failback.Abandonment;

/// <summary>An administrator gives up a run that an incident stopped, and says who has the duty.</summary>
/// <param name="RunId">The stopped run.</param>
/// <param name="HolderServerId">Failed or failover server of its entry: who has the duty from now on.</param>
/// <param name="RequestId">Made by the caller once per click; the same id again starts nothing new. 1–64 characters.</param>
/// <param name="Reason">Why; required.</param>
public sealed record AbandonFailbackRequest(string RunId, string HolderServerId, string RequestId, Actor Actor, string? Reason);

/// <summary>
/// Abandons a failback that an incident stopped in its undo or from step 9d: in one transaction the stopped run loses its claim and the
/// abandoning run takes it. The server named gets a new epoch, the other one is owed what it must hear, and the failback becomes done (failed server) or
/// failed (failover server).
/// </summary>
public sealed class AbandonFailback(IFailoverLog log, IDuties duties, IRunReports reports, IWorkflowRuntime runtime)
{
    /// <summary>Id of the workflow definition.</summary>
    public const string DefinitionId = "abandonment";

    public async Task<StartRunResult> ExecuteAsync(AbandonFailbackRequest request, CancellationToken cancellationToken)
    {
        if (await reports.FindAsync(request.RunId, cancellationToken) is not { } run)
        {
            return new(StartRunOutcome.Unknown, null, null, $"There is no run '{request.RunId}'.");
        }

        if (run.EntryId is null || await log.FindAsync(run.EntryId, cancellationToken) is not { } entry)
        {
            return new(StartRunOutcome.Refused, null, null, "This run belongs to no failover log entry, so there is no duty to settle.");
        }

        if (string.IsNullOrWhiteSpace(request.Reason))
        {
            return new(StartRunOutcome.Refused, null, entry.Id, "Abandoning a run needs a reason.");
        }

        if (request.HolderServerId != entry.FailedServerId && request.HolderServerId != entry.FailoverServerId)
        {
            return new(StartRunOutcome.Refused, null, entry.Id, $"The duty can be with {entry.FailedServerId} or with {entry.FailoverServerId}. Name one of them.");
        }

        if (run.SubStatus != WorkflowSubStatus.Faulted || entry.FailbackRunId != run.RunId)
        {
            return new(StartRunOutcome.Refused, run.RunId, entry.Id, "Only a failback that an error stopped after it had begun to change recorders can be abandoned. This one can be waited for, cancelled or started again.");
        }

        var startKey = $"abandonment:{run.RunId}:{request.RequestId}";
        var hasClaim = (await duties.FindClaimAsync(DutyClaim.Identity(entry.FailedServerId), cancellationToken))?.InstanceId == run.RunId;
        try
        {
            var started = await runtime.StartAsync(
                new StartWorkflow(DefinitionId, request.Actor)
                {
                    Input = new Dictionary<string, object?> { ["EntryId"] = entry.Id, ["HolderServerId"] = request.HolderServerId, ["Reason"] = request.Reason, ["RunId"] = run.RunId },
                    Reason = request.Reason,
                    StartKey = startKey,
                    CorrelationId = entry.Id,
                    Changes = hasClaim ? [new ReleaseClaims(run.RunId)] : [],
                },
                cancellationToken);
            return new(started.AlreadyStarted ? StartRunOutcome.AlreadyStarted : StartRunOutcome.Started, started.InstanceId, entry.Id, null);
        }
        catch (ClaimConflictException conflict)
        {
            return new(StartRunOutcome.Busy, conflict.HolderInstanceId, entry.Id, $"A {conflict.HolderKind} is running for one of these servers. Wait for it to end.");
        }
        catch (WorkflowRefusedException refusal)
        {
            return new(StartRunOutcome.Refused, null, entry.Id, refusal.Message);
        }
    }
}
