using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Reconciliation;

namespace FailbackWorkflows.Persistence.Workflows;

/// <summary>Ends a run by a message to it, in the transaction of the change: whoever runs it, or takes it up next, reads that first.</summary>
internal sealed class EndRunHandler(IDatabase database) : DomainChangeHandler<EndRun>
{
    protected override async Task ApplyAsync(WriteSession session, EndRun change, CancellationToken cancellationToken)
    {
        await using var exists = session.Command("SELECT 1 FROM workflow_instances WHERE id = @id", ("id", change.InstanceId));
        if (await exists.ExecuteScalarAsync(cancellationToken) is not null)
        {
            await WorkflowStore.WriteMessageAsync(
                session, database, change.InstanceId, new InboxMessage(0, InboxMessageKind.End, null, null, change.Actor, change.Reason), change.At, cancellationToken);
        }
    }
}
