using FailbackWorkflows.Persistence.Tests.Workflows;
using FailbackWorkflows.Testing.Persistence;

namespace FailbackWorkflows.Persistence.Tests.Postgres;

public sealed class PostgresWorkflowStoreTests : WorkflowStoreCompliance
{
    protected override Task<TestDatabase> BuildCleanDatabaseAsync() => TestDatabase.CreatePostgresAsync();
}
