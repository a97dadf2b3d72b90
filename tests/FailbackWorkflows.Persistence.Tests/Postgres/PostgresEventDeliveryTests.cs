using FailbackWorkflows.Persistence.Tests.CrashPoints;
using FailbackWorkflows.Testing.Failback;
using FailbackWorkflows.Testing.Persistence;
using Xunit.Abstractions;

namespace FailbackWorkflows.Persistence.Tests.Postgres;

public sealed class PostgresEventDeliveryTests(ITestOutputHelper output) : EventDeliveryCompliance(output)
{
    private protected override Task<FailbackWorld> BuildWorldAsync(ProcessLife life) => FailbackWorld.CreateOnPostgresAsync(life: life);

    private protected override int? UsualSample => 12;
}
