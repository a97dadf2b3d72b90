using FailbackWorkflows.Persistence.Tests.CrashPoints;
using FailbackWorkflows.Testing.Failback;
using FailbackWorkflows.Testing.Persistence;
using Xunit.Abstractions;

namespace FailbackWorkflows.Persistence.Tests.Sqlite;

public sealed class SqliteCrashPointTests(ITestOutputHelper output) : CrashPointCompliance(output)
{
    private protected override Task<FailbackWorld> BuildWorldAsync(ProcessLife life) => FailbackWorld.CreateAsync(life: life);

    private protected override int? UsualSample => 40;
}
