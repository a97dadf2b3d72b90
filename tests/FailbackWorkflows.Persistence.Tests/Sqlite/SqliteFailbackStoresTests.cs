using FailbackWorkflows.Persistence.Tests.Failback;
using FailbackWorkflows.Testing.Persistence;

namespace FailbackWorkflows.Persistence.Tests.Sqlite;

public sealed class SqliteFailbackStoresTests : FailbackStoresCompliance
{
    protected override Task<TestDatabase> BuildCleanDatabaseAsync() => TestDatabase.CreateSqliteAsync();
}
