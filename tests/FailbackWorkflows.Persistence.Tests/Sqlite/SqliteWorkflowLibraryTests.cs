using FailbackWorkflows.Persistence.Tests.Library;
using FailbackWorkflows.Testing.Persistence;

namespace FailbackWorkflows.Persistence.Tests.Sqlite;

public sealed class SqliteWorkflowLibraryTests : WorkflowLibraryCompliance
{
    protected override Task<TestDatabase> BuildCleanDatabaseAsync() => TestDatabase.CreateSqliteAsync();
}
