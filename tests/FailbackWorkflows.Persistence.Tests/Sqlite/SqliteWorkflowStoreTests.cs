using FailbackWorkflows.Persistence.Tests.Workflows;
using FailbackWorkflows.Testing.Persistence;

namespace FailbackWorkflows.Persistence.Tests.Sqlite;

public sealed class SqliteWorkflowStoreTests : WorkflowStoreCompliance
{
    protected override Task<TestDatabase> BuildCleanDatabaseAsync() => TestDatabase.CreateSqliteAsync();
}
