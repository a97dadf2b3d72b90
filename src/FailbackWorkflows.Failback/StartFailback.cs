using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Maintenance;

namespace FailbackWorkflows.Failback;

/// <summary>An operator's (or a schedule's) wish to fail back.</summary>
/// <param name="RequestId">Made by the caller once per click; the same id again starts nothing new. 1–64 characters.</param>
/// <param name="Reason">Why, as the person puts it. Required to override maintenance mode, and to go on without the failover server.</param>
/// <param name="OverridesMaintenance">Start although maintenance mode is on. Whoever asks must have the right to; that is checked before.</param>
/// <param name="WithoutFailoverServer">Confirmed: go on although the failover server does not answer.</param>
public sealed record StartFailbackRequest(
    string EntryId, string RequestId, Actor Actor, string? Reason, bool OverridesMaintenance = false, bool WithoutFailoverServer = false);

/// <summary>
/// Starts the failback of a failover log entry. The claim on the duty and on both recorders is taken in the transaction of the start,
/// so of two requests at the same moment exactly one starts and the other learns who won. Whether the failback is possible is decided by
/// the run's own checks, which leave a trace; here only what makes no sense at all is turned away.
/// </summary>
public sealed class StartFailback(IFailoverLog log, IWorkflowRuntime runtime, TimeProvider time)
{
    /// <summary>Id of the workflow definition.</summary>
    public const string DefinitionId = "failback";

    public async Task<StartRunResult> ExecuteAsync(StartFailbackRequest request, CancellationToken cancellationToken)
    {
        var entry = await log.FindAsync(request.EntryId, cancellationToken);
        if (entry is null)
        {
            return new(StartRunOutcome.Unknown, null, null, $"There is no failover log entry '{request.EntryId}'.");
        }

        if (request.OverridesMaintenance && string.IsNullOrWhiteSpace(request.Reason))
        {
            return new(StartRunOutcome.Refused, null, entry.Id, "Overriding maintenance mode needs a reason.");
        }

        if (request.WithoutFailoverServer && string.IsNullOrWhiteSpace(request.Reason))
        {
            return new(StartRunOutcome.Refused, null, entry.Id, "Failing back without the failover server needs a reason: what it recorded may come home late, or never.");
        }

        try
        {
            var started = await runtime.StartAsync(ToWorkflow(request, entry), cancellationToken);
            return new(started.AlreadyStarted ? StartRunOutcome.AlreadyStarted : StartRunOutcome.Started, started.InstanceId, entry.Id, null);
        }
        catch (WorkflowRefusedException refusal)
        {
            return StartRunResult.From(refusal, entry.Id);
        }
    }

    /// <summary>The start as the engine is asked for it.</summary>
    internal StartWorkflow ToWorkflow(StartFailbackRequest request, FailoverLogEntry entry) => new(DefinitionId, request.Actor)
    {
        // Named only when it is asked for: a definition of an integrator's own need not know it.
        Input = request.WithoutFailoverServer
            ? new Dictionary<string, object?> { ["EntryId"] = entry.Id, ["WithoutFailoverServer"] = true }
            : new Dictionary<string, object?> { ["EntryId"] = entry.Id },
        Reason = request.Reason,
        StartKey = $"failback:{entry.Id}:{request.RequestId}",
        CorrelationId = entry.Id,
        Changes = request.OverridesMaintenance ? [] : [new RequireNoMaintenance(entry.FailedServerId, time.GetUtcNow())],
    };
}
