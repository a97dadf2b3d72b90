using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Persistence.Tests.Workflows;
using FailbackWorkflows.Testing.Persistence;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Postgres;

public sealed class PostgresWorkflowStoreTests : WorkflowStoreCompliance
{
    protected override Task<TestDatabase> BuildCleanDatabaseAsync() => TestDatabase.CreatePostgresAsync();

    // The lease has run out, and whoever would take the run over comes between the look at it and the commit.
    [Fact]
    public async Task RequireLease_UntilTheCommit_CanBeProlongedAndNotTakenOver()
    {
        var lease = await StartAsync("run-1", "node-1");
        var later = T0 + (Steps.LeaseTime * 2);
        Task written;
        await using (var other = await Database.Get<IDatabase>().BeginWriteAsync(None))
        {
            await other.LockAsync(DatabaseLock.Feed, None);
            written = Database.Get<IDomainWriter>().ApplyAsync([new RequireLease(lease), new Notify(new ChangeNotification("test", null, "last", T0))], None);
            await Eventually.HoldsAsync(
                "it waits at its commit",
                async () => (long)(await Database.ScalarAsync("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"))! == 1);

            (await ClaimAsync("node-2", later)).ShouldBeEmpty();
            (await Store.RenewLeaseAsync(lease, T0 + Steps.LeaseTime, None).WaitAsync(TimeSpan.FromSeconds(10))).ShouldBeTrue();
        }

        await written.WaitAsync(TimeSpan.FromSeconds(10));
        (await ClaimOneAsync("node-2", later)).InstanceId.ShouldBe("run-1");
    }
}
