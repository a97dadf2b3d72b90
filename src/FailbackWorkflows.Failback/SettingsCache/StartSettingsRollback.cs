using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.VmsServers;

namespace FailbackWorkflows.Failback.SettingsCache;

/// <summary>A wish to bring earlier settings of a VMS server back.</summary>
/// <param name="ServerId">Whose settings; they are applied at whoever has its duty now.</param>
/// <param name="Number">Number of the bundle in the history of its settings.</param>
/// <param name="RequestId">Made by the caller once per click; the same id again starts nothing new. 1–64 characters.</param>
/// <param name="Reason">Why, as the person puts it; it is kept with the run and with the new revision.</param>
public sealed record StartSettingsRollbackRequest(string ServerId, long Number, string RequestId, Actor Actor, string Reason);

/// <summary>
/// Starts the settings rollback workflow. The claim on the duty and on whoever has it is taken in the transaction of the start, so it cannot
/// meet a failover, a failback or another rollback. Whether it is possible is decided by the run's own check, which leaves a trace.
/// </summary>
public sealed class StartSettingsRollback(IVmsServers servers, IWorkflowRuntime runtime)
{
    /// <summary>Id of the workflow definition.</summary>
    public const string DefinitionId = "settings-rollback";

    public async Task<StartRunResult> ExecuteAsync(StartSettingsRollbackRequest request, CancellationToken cancellationToken)
    {
        if (await servers.FindAsync(request.ServerId, cancellationToken) is null)
        {
            return new(StartRunOutcome.Unknown, null, null, $"There is no VMS server '{request.ServerId}'.");
        }

        try
        {
            var started = await runtime.StartAsync(
                new StartWorkflow(DefinitionId, request.Actor)
                {
                    Input = new Dictionary<string, object?> { ["ServerId"] = request.ServerId, ["Number"] = request.Number },
                    Reason = request.Reason,
                    StartKey = $"{DefinitionId}:{request.ServerId}:{request.RequestId}",
                },
                cancellationToken);
            return new(started.AlreadyStarted ? StartRunOutcome.AlreadyStarted : StartRunOutcome.Started, started.InstanceId, null, null);
        }
        catch (WorkflowRefusedException refusal)
        {
            return StartRunResult.From(refusal, entryId: null);
        }
    }
}
