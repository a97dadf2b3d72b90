using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Persistence.Workflows;

/// <summary>
/// Whoever would take the instance over passes it by until the commit: he claims it <c>FOR UPDATE</c>. Its own node goes on to prolong the lease, and others to wake it.
/// </summary>
internal sealed class RequireLeaseHandler : DomainChangeHandler<RequireLease>
{
    protected override async Task ApplyAsync(WriteSession session, RequireLease change, CancellationToken cancellationToken)
    {
        var lease = change.Lease;
        await using var held = session.Command(
            $"SELECT 1 FROM wake_ups WHERE instance_id = @id AND owner = @owner AND fence = @fence{session.Dialect.HoldKey}",
            ("id", lease.InstanceId),
            ("owner", lease.Node),
            ("fence", lease.Fence));
        if (await held.ExecuteScalarAsync(cancellationToken) is null)
        {
            throw new LeaseLostException(lease.InstanceId);
        }
    }
}
