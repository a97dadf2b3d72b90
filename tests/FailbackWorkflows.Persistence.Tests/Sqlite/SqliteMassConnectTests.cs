using FailbackWorkflows.Persistence.Tests.Failback;
using FailbackWorkflows.Testing.Failback;
using FailbackWorkflows.Testing.Persistence;

namespace FailbackWorkflows.Persistence.Tests.Sqlite;

public sealed class SqliteMassConnectTests : MassConnectCompliance
{
    private protected override Task<TestDatabase> BuildCleanDatabaseAsync() => TestDatabase.CreateSqliteAsync();

    private protected override Task<FailbackWorld> BuildWorldAsync() => FailbackWorld.CreateAsync();
}
