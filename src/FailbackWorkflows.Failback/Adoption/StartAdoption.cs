using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;

namespace FailbackWorkflows.Failback.Adoption;

/// <summary>A wish to leave the duty with the failed server as it stands.</summary>
/// <param name="RequestId">Made by the caller once per click; the same id again starts nothing new. 1–64 characters.</param>
/// <param name="Reason">Why; required.</param>
public sealed record StartAdoptionRequest(string EntryId, string RequestId, Actor Actor, string? Reason);

/// <summary>
/// Starts the adoption of a failover log entry: somebody put the failed server back into service by hand, or the failover server does not act
/// any more. The failed server gets a new epoch as it stands, the failback is done, and what the failover server must hear is owed to it.
/// </summary>
public sealed class StartAdoption(IFailoverLog log, IWorkflowRuntime runtime)
{
    /// <summary>Id of the workflow definition.</summary>
    public const string DefinitionId = "adoption";

    public async Task<StartRunResult> ExecuteAsync(StartAdoptionRequest request, CancellationToken cancellationToken)
    {
        if (await log.FindAsync(request.EntryId, cancellationToken) is not { } entry)
        {
            return new(StartRunOutcome.Unknown, null, null, $"There is no failover log entry '{request.EntryId}'.");
        }

        if (string.IsNullOrWhiteSpace(request.Reason))
        {
            return new(StartRunOutcome.Refused, null, entry.Id, "An adoption needs a reason: nothing is copied to the failed server before it has the duty.");
        }

        try
        {
            var started = await runtime.StartAsync(
                new StartWorkflow(DefinitionId, request.Actor)
                {
                    Input = new Dictionary<string, object?> { ["EntryId"] = entry.Id, ["Reason"] = request.Reason },
                    Reason = request.Reason,
                    StartKey = $"adoption:{entry.Id}:{request.RequestId}",
                    CorrelationId = entry.Id,
                },
                cancellationToken);
            return new(started.AlreadyStarted ? StartRunOutcome.AlreadyStarted : StartRunOutcome.Started, started.InstanceId, entry.Id, null);
        }
        catch (WorkflowRefusedException refusal)
        {
            return StartRunResult.From(refusal, entry.Id);
        }
    }
}
