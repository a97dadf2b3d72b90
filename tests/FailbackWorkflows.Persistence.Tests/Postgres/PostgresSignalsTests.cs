using System.Collections.Concurrent;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Persistence.Postgres;
using FailbackWorkflows.Testing.Persistence;
using FailbackWorkflows.Testing.Processes;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Postgres;

/// <summary>What two nodes on one database tell each other.</summary>
public sealed class PostgresSignalsTests : IAsyncLifetime
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly DateTimeOffset T0 = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("failback-signals-");
    private readonly List<ServiceProvider> _nodes = [];
    private string _connectionString = "";

    public async Task InitializeAsync() => _connectionString = await PostgresDatabases.TakeAsync();

    public async Task DisposeAsync()
    {
        foreach (var node in _nodes)
        {
            await node.GetRequiredService<PostgresSignals>().StopAsync(None);
            await node.DisposeAsync();
        }

        _folder.Delete(recursive: true);
        await PostgresDatabases.GiveBackAsync(_connectionString);
    }

    [Fact]
    public async Task Signal_Sent_IsHeardByTheOthersAndNotByItself()
    {
        var (first, heardByFirst) = await StartAsync("a");
        var (_, heardBySecond) = await StartAsync("b");
        var (_, heardByThird) = await StartAsync("c");

        first.GetRequiredService<INodeSignals>().Send(new NodeSignal(NodeSignalKind.Posted, "run 1"));
        first.GetRequiredService<INodeSignals>().Send(new NodeSignal(NodeSignalKind.WorkWaits));

        foreach (var heard in new[] { heardBySecond, heardByThird })
        {
            await Eventually.HoldsAsync("both are heard", () => Task.FromResult(heard.Contains(new(NodeSignalKind.Posted, "run 1")) && heard.Contains(new(NodeSignalKind.WorkWaits))), Patience);
        }

        heardByFirst.ShouldAllBe(s => s.Kind == NodeSignalKind.Missed);
    }

    [Fact]
    public async Task Change_OfOneNode_WakesTheFeedAndTheRosterOfTheOther()
    {
        var (first, _) = await StartAsync("a");
        var (second, _) = await StartAsync("b");
        var (feed, servers, duties) = (second.GetRequiredService<IChangeFeed>(), second.GetRequiredService<IVmsServers>(), second.GetRequiredService<IDuties>());
        var changed = feed.WaitAsync(None);
        var (before, dutiesBefore) = (servers.Version, duties.Version);

        await first.GetRequiredService<IDomainWriter>().ApplyAsync(
            [
                new SaveVmsServer(new VmsServer { Id = "vms-1", Name = "One", BaseUrl = new Uri("https://one.example/"), ProtectedCredential = "x", State = VmsServerState.Ok, CreatedAt = T0 }),
                new GrantEpoch("vms-1", "vms-1", 1, "seed"),
                new Notify(new ChangeNotification("test", null, "told by the other", T0)),
            ],
            None);

        await changed.WaitAsync(Patience);
        (await feed.ReadAsync(0, 10, None)).ShouldHaveSingleItem().Change.Text.ShouldBe("told by the other");
        await Eventually.HoldsAsync("the versions have grown", () => Task.FromResult(servers.Version > before && duties.Version > dutiesBefore), Patience);
    }

    [Fact]
    public async Task Session_Lost_IsMadeAnewAndWhatWasMissedIsLookedFor()
    {
        var (first, _) = await StartAsync("a");
        var (second, heard) = await StartAsync("b");
        heard.Clear();

        await ScalarAsync("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'");

        await Eventually.HoldsAsync("it says that something may have been missed", () => Task.FromResult(heard.Contains(new(NodeSignalKind.Missed))), Patience);
        first.GetRequiredService<INodeSignals>().Send(new NodeSignal(NodeSignalKind.WorkWaits));
        await Eventually.HoldsAsync("it hears again", () => Task.FromResult(heard.Contains(new(NodeSignalKind.WorkWaits))), Patience);
        second.ShouldNotBeNull();
    }

    /// <summary>More than one notification may hold, of ids as long as they get.</summary>
    [Fact]
    public async Task Signals_ManyAtOnce_AllArrive()
    {
        var (first, _) = await StartAsync("a");
        var (_, heard) = await StartAsync("b");
        var sent = Enumerable.Range(0, 1000).Select(n => new NodeSignal(NodeSignalKind.Posted, $"{n:D5}-{new string('x', 100)}")).ToList();

        sent.ForEach(first.GetRequiredService<INodeSignals>().Send);

        await Eventually.HoldsAsync("all are heard", () => Task.FromResult(sent.All(heard.Contains)), Patience);
    }

    private async Task<(ServiceProvider Node, HeardSignals Heard)> StartAsync(string name)
    {
        var folder = _folder.CreateSubdirectory(name).FullName;
        var node = new ServiceCollection().AddPostgresPersistence(_connectionString, folder, name).BuildServiceProvider();
        _nodes.Add(node);
        var heard = new HeardSignals();
        var signals = node.GetRequiredService<PostgresSignals>();
        signals.Subscribe(heard.Add);

        // The feed subscribes when it is made.
        _ = node.GetRequiredService<IChangeFeed>();
        await signals.StartAsync(None);
        await Eventually.HoldsAsync("it listens", () => Task.FromResult(heard.Contains(new(NodeSignalKind.Missed))), Patience);
        return (node, heard);
    }

    private async Task<object?> ScalarAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(_connectionString) { Pooling = false }.ToString());
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        return await command.ExecuteScalarAsync();
    }

    private sealed class HeardSignals
    {
        private readonly ConcurrentDictionary<NodeSignal, bool> _signals = new();

        public void Add(NodeSignal signal) => _signals[signal] = true;

        public bool Contains(NodeSignal signal) => _signals.ContainsKey(signal);

        public void Clear() => _signals.Clear();

        public void ShouldAllBe(Func<NodeSignal, bool> holds) => _signals.Keys.All(holds).ShouldBeTrue();
    }
}
