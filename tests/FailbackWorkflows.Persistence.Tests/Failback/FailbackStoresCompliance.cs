using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Testing.Persistence;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Failback;

/// <summary>What the stores of the product's own data must do, whatever the database. A product derives once and says how to build a clean one.</summary>
public abstract partial class FailbackStoresCompliance : IAsyncLifetime
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly DateTimeOffset T0 = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    private protected TestDatabase Database { get; private set; } = null!;

    /// <summary>A migrated database with nothing in it.</summary>
    protected abstract Task<TestDatabase> BuildCleanDatabaseAsync();

    public async Task InitializeAsync() => Database = await BuildCleanDatabaseAsync();

    public async Task DisposeAsync() => await Database.DisposeAsync();

    private Task ApplyAsync(params IReadOnlyList<IDomainChange> changes) => Database.Get<IDomainWriter>().ApplyAsync(changes, None);

    private static VmsServer Server(string id, string? name = null) => new()
    {
        Id = id, Name = name ?? id, BaseUrl = new Uri($"https://{id}.example:8443/api/"), ProtectedCredential = "secret", State = VmsServerState.Ok, CreatedAt = T0,
    };

    private static FailoverLogEntry Entry(string id, DateTimeOffset? at = null) => new()
    {
        Id = id, FailedServerId = "vms-1", FailoverServerId = "vms-2", Failover = FailoverState.Done, FailoverStartedAt = at ?? T0, StartedBy = "system",
    };
}
