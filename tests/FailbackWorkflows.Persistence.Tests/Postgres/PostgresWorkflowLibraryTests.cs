using FailbackWorkflows.Persistence.Tests.Library;
using FailbackWorkflows.Testing.Persistence;

namespace FailbackWorkflows.Persistence.Tests.Postgres;

public sealed class PostgresWorkflowLibraryTests : WorkflowLibraryCompliance
{
    protected override Task<TestDatabase> BuildCleanDatabaseAsync() => TestDatabase.CreatePostgresAsync();
}
