using FailbackWorkflows.Persistence.Tests.Failback;
using FailbackWorkflows.Testing.Persistence;

namespace FailbackWorkflows.Persistence.Tests.Postgres;

public sealed class PostgresFailbackStoresTests : FailbackStoresCompliance
{
    protected override Task<TestDatabase> BuildCleanDatabaseAsync() => TestDatabase.CreatePostgresAsync();
}
