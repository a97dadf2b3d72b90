using FailbackWorkflows.Persistence.Tests.Failback;
using FailbackWorkflows.Testing.Failback;
using FailbackWorkflows.Testing.Persistence;

namespace FailbackWorkflows.Persistence.Tests.Postgres;

public sealed class PostgresMassConnectTests : MassConnectCompliance
{
    private protected override Task<TestDatabase> BuildCleanDatabaseAsync() => TestDatabase.CreatePostgresAsync();

    private protected override Task<FailbackWorld> BuildWorldAsync() => FailbackWorld.CreateOnPostgresAsync();
}
