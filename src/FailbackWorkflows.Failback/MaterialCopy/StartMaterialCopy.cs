using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Failback.Reconciliation;
using FailbackWorkflows.Failback.VmsServers;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Failback.MaterialCopy;

/// <summary>A wish to bring the material of an entry home.</summary>
/// <param name="RequestId">Made by the caller once per click; the same id again starts nothing new. 1–64 characters.</param>
public sealed record StartMaterialCopyRequest(string EntryId, string RequestId, Actor Actor, string? Reason);

/// <summary>
/// Starts the material copy of a failover log entry. The task is taken in the transaction of the start, so however many ask at the same
/// moment, one copy runs and the others learn which.
/// </summary>
public sealed class StartMaterialCopy(IFailoverLog log, IVmsServers servers, IMaterialCopies copies, IWorkflowRuntime runtime)
{
    /// <summary>Id of the workflow definition.</summary>
    public const string DefinitionId = "material-copy";

    public async Task<StartRunResult> ExecuteAsync(StartMaterialCopyRequest request, CancellationToken cancellationToken)
    {
        if (await log.FindAsync(request.EntryId, cancellationToken) is not { } entry)
        {
            return new(StartRunOutcome.Unknown, null, null, $"There is no failover log entry '{request.EntryId}'.");
        }

        try
        {
            var started = await runtime.StartAsync(
                new StartWorkflow(DefinitionId, request.Actor)
                {
                    Input = new Dictionary<string, object?> { ["EntryId"] = entry.Id },
                    Reason = request.Reason,
                    StartKey = $"material-copy:{entry.Id}:{request.RequestId}",
                    CorrelationId = entry.Id,
                },
                cancellationToken);
            return new(started.AlreadyStarted ? StartRunOutcome.AlreadyStarted : StartRunOutcome.Started, started.InstanceId, entry.Id, null);
        }
        catch (CopyTaskTakenException taken)
        {
            return Busy(taken.RunId, entry);
        }
        catch (ConcurrentChangeException changed)
        {
            // Another start, or another change of the entry, was committed between the look and the write.
            var task = await copies.FindAsync(MaterialCopyTask.IdOf(entry.Id, entry.FailoverServerId), cancellationToken);
            return task?.RunId is { } runId ? Busy(runId, entry) : new(StartRunOutcome.Refused, null, entry.Id, $"{changed.Message} Look at the entry again, then start the copy again.");
        }
        catch (WorkflowRefusedException refusal)
        {
            return new(StartRunOutcome.Refused, null, entry.Id, refusal.Message);
        }
    }

    /// <summary>As <see cref="ExecuteAsync"/>, for the oldest period that is owed to a failed server; entries that a newer one closed are included.</summary>
    public async Task<StartRunResult> ExecuteOldestAsync(string failedServerId, string requestId, Actor actor, string? reason, CancellationToken cancellationToken)
    {
        if (await servers.FindAsync(failedServerId, cancellationToken) is not { } server)
        {
            return new(StartRunOutcome.Unknown, null, null, $"There is no VMS server '{failedServerId}'.");
        }

        return await copies.FindOldestOwedEntryAsync(failedServerId, cancellationToken) is { } entryId
            ? await ExecuteAsync(new(entryId, requestId, actor, reason), cancellationToken)
            : new(StartRunOutcome.Refused, null, null, $"No material is owed to {server.Name}: every period whose failback is done is home, given up, or had nothing to copy.");
    }

    private static StartRunResult Busy(string runId, FailoverLogEntry entry) =>
        new(StartRunOutcome.Busy, runId, entry.Id, "The material copy of this entry is running already. Open it to see where it stands.");
}

/// <summary>
/// Starts the copies that are queued and that nobody works on: those a failback has queued under the policy <c>automatic</c>. Derived from
/// the tables each time, so a look that is missed or done twice does no harm.
/// </summary>
public sealed class StartDueCopies(
    IFailoverLog log, IMaterialCopies copies, IObligations obligations, RecordersKnowMore doubts, StartMaterialCopy start, FailbackPolicies policies, ILogger<StartDueCopies> logger)
{
    private const int PageSize = 50;

    public async Task ExecuteAsync(CancellationToken cancellationToken)
    {
        if ((await policies.GetAsync(cancellationToken)).MaterialCopy != MaterialCopyPolicy.Automatic)
        {
            return;
        }

        // All of them, page by page: those that cannot start now must not stand in the way of younger ones that can.
        string? last = null;
        do
        {
            var page = await copies.ListDueEntriesAsync(last, PageSize, cancellationToken);
            foreach (var entryId in page)
            {
                await StartAsync(entryId, cancellationToken);
            }

            last = page.Count == PageSize ? page[^1] : null;
        }
        while (last is not null);
    }

    private async Task StartAsync(string entryId, CancellationToken cancellationToken)
    {
        if (await log.FindAsync(entryId, cancellationToken) is not { } entry || await doubts.FindAsync(entry.FailedServerId, cancellationToken) is not null)
        {
            return;
        }

        if ((await obligations.ListOpenAsync(entry.FailoverServerId, entry.FailedServerId, cancellationToken)).Count > 0)
        {
            // The source's return discharges these first: only then are its last times known, and its hold has its end.
            return;
        }

        var task = await copies.FindAsync(MaterialCopyTask.IdOf(entry.Id, entry.FailoverServerId), cancellationToken);
        var result = await start.ExecuteAsync(
            new(entryId, $"automatic-{task?.Runs ?? 0}", Actor.System, "The failback is done; the policy is to copy automatically."), cancellationToken);
        if (result.Outcome is StartRunOutcome.Refused or StartRunOutcome.Unknown)
        {
            logger.LogWarning("The queued material copy of entry {EntryId} was not started: {Reason}", entryId, result.Message);
        }
    }
}
