using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Reconciliation;
using FailbackWorkflows.Failback.VmsServers;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Failback.Obligations;

/// <summary>
/// Starts the runs that deliver what is owed, one per server and identity, as soon as the server is connected. While another run has the
/// claim on the duty or the server, it waits for the next look. Derived from the table each time, so a look that is missed or done twice does no harm.
/// </summary>
public sealed class DeliverObligations(
    IObligations obligations, IVmsServers servers, IDuties duties, RecordersKnowMore doubts, IWorkflowRuntime runtime, TimeProvider time, ILogger<DeliverObligations> logger)
{
    /// <summary>Id of the workflow definition.</summary>
    public const string DefinitionId = "obligations";

    /// <summary>Answers with the runs that were started.</summary>
    public async Task<IReadOnlyList<string>> ExecuteAsync(CancellationToken cancellationToken)
    {
        var open = await obligations.ListOpenAsync(cancellationToken);
        if (open.Count == 0)
        {
            return [];
        }

        var started = new List<string>();
        var connected = (await servers.ListAsync(cancellationToken)).Where(s => s.Connection != ConnectionState.Disconnected).Select(s => s.Id).ToHashSet(StringComparer.Ordinal);
        // Of one identity, first whoever has the duty and has not heard of it: the others stop only once it is seen to record.
        foreach (var owed in open.Where(o => connected.Contains(o.ServerId)).GroupBy(o => (o.ServerId, o.Identity)).OrderBy(g => g.Min(o => o.Kind)))
        {
            if (owed.Min(o => o.NextAttemptAt) > time.GetUtcNow()
                || await duties.FindClaimAsync(DutyClaim.Identity(owed.Key.Identity), cancellationToken) is not null
                || await duties.FindClaimAsync(DutyClaim.Recorder(owed.Key.ServerId), cancellationToken) is not null
                || await doubts.FindAsync(owed.Key.Identity, cancellationToken) is not null)
            {
                continue;
            }

            try
            {
                var run = await runtime.StartAsync(
                    new StartWorkflow(DefinitionId, Actor.System)
                    {
                        Input = new Dictionary<string, object?> { ["ServerId"] = owed.Key.ServerId, ["Identity"] = owed.Key.Identity },
                        Reason = owed.First().Reason,
                        CorrelationId = owed.Select(o => o.EntryId).FirstOrDefault(id => id is not null),
                    },
                    cancellationToken);
                started.Add(run.InstanceId);
            }
            catch (Exception exception) when (exception is ClaimConflictException or WorkflowRefusedException)
            {
                logger.LogInformation("What {Server} is owed for {Identity} is not delivered now: {Reason}", owed.Key.ServerId, owed.Key.Identity, exception.Message);
            }
        }

        return started;
    }
}
