using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Engine.Values;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Maintenance;
using FailbackWorkflows.Failback.Reconciliation;
using FailbackWorkflows.Failback.Runs;

namespace FailbackWorkflows.Failback.AutomaticFailback;

/// <summary>
/// An attempt begins in the transaction that starts its run and ends, and is counted, in the transaction that ends it, whatever started the
/// run. Only what is eligible begins: what is not leaves no trace and uses up no attempt.
/// </summary>
public sealed class AutomaticFailbackHooks(IFailoverLog log, IAutomaticFailbacks states, AutomaticFailbackCheck check, RecordersKnowMore doubts) : IWorkflowHooks
{
    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<IDomainChange>> StartingAsync(StartingWorkflow starting, CancellationToken cancellationToken)
    {
        if (!IsAutomatic(starting.Definition))
        {
            return [];
        }

        var entryId = starting.Input.TryGetValue("EntryId", out var value) ? PlainValue.ToText(value) : "";
        var entry = await log.FindAsync(entryId, cancellationToken) ?? throw new WorkflowRefusedException("entry-unknown", $"There is no failover log entry '{entryId}'.");
        var decision = await check.DecideAsync(entry, null, cancellationToken);
        if (decision.Verdict != AutomaticVerdict.Yes)
        {
            throw new WorkflowRefusedException("not-eligible", decision.Sentence);
        }

        return
        [
            new RequireNoMaintenance(entry.FailedServerId, starting.At),
            new SaveAutomaticFailback((decision.State ?? new() { EntryId = entry.Id }).Begun(starting.InstanceId, decision.Episode)),
            new Notify(new ChangeNotification("automaticFailback", entry.Id, $"Attempt {(decision.State?.Attempts ?? 0) + 1} to fail back {entry.FailedServerId} by itself has begun.", starting.At)),
        ];
    }

    /// <summary>A node that has just begun does not know yet whether the database is to be believed: to be refused for that would use up an attempt.</summary>
    public ValueTask<object?> AcquiredAsync(AcquiredWorkflow acquired, CancellationToken cancellationToken)
    {
        if (IsAutomatic(acquired.Definition))
        {
            doubts.RequireRoundDone();
        }

        return ValueTask.FromResult<object?>(null);
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<IDomainChange>> EndingAsync(EndingWorkflow ending, CancellationToken cancellationToken)
    {
        // A run that an incident stopped has ended its attempt; a redrive of it later is no attempt of its own.
        if (!IsAutomatic(ending.Definition) || await states.FindByRunAsync(ending.InstanceId, cancellationToken) is not { } state)
        {
            return [];
        }

        if (ending.SubStatus == WorkflowSubStatus.Finished && ending.Output.GetValueOrDefault(RunOutputs.Result) is RunOutputs.Done)
        {
            return [new SaveAutomaticFailback(state.Succeeded(ending.At)), Tell($"Attempt {state.Attempts + 1} of the automatic failback has succeeded.")];
        }

        var message = ending.SubStatus switch
        {
            WorkflowSubStatus.Cancelled => "It was cancelled.",
            WorkflowSubStatus.Faulted => "Its run was stopped by an incident.",
            _ => ending.Output.GetValueOrDefault(RunOutputs.Message) as string ?? "It gave no reason.",
        };
        var failed = state.Failed(ending.At, message);
        return [new SaveAutomaticFailback(failed), Tell($"Attempt {failed.Attempts} of the automatic failback has failed: {message} The next one begins at {failed.NextAt:u}.")];

        Notify Tell(string text) => new(new ChangeNotification("automaticFailback", state.EntryId, text, ending.At));
    }

    private static bool IsAutomatic(WorkflowDefinition definition)
    {
        foreach (var node in definition.Nodes.Values)
        {
            if (node.Descriptor.Type == CheckAutomaticFailback.TypeName)
            {
                return true;
            }
        }

        return false;
    }
}
