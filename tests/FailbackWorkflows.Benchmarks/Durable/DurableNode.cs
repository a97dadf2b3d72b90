using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Persistence;
using FailbackWorkflows.Testing.Persistence;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace FailbackWorkflows.Benchmarks.Durable;

/// <summary>
/// One node with an engine over a real, empty database in which every commit is synced to disk: a SQLite file, or a database on the PostgreSQL
/// server of the tests, which runs on the same machine unless <c>FAILBACK_TEST_POSTGRES</c> names another.
/// </summary>
internal sealed class DurableNode : IAsyncDisposable
{
    private readonly ServiceProvider _services;
    private readonly Func<Task> _remove;

    private DurableNode(ServiceProvider services, string description, string? connectionString, Func<Task> remove)
    {
        _services = services;
        _remove = remove;
        Description = description;
        ConnectionString = connectionString;
    }

    /// <summary>The database in words, with what it promises about a commit.</summary>
    public string Description { get; private set; }

    /// <summary>Null: not on PostgreSQL.</summary>
    public string? ConnectionString { get; }

    public WatchedStore Store => Get<WatchedStore>();

    public IWorkflowRuntime Runtime => Get<IWorkflowRuntime>();

    public T Get<T>()
        where T : notnull => _services.GetRequiredService<T>();

    /// <param name="product"><c>sqlite</c> or <c>postgres</c>.</param>
    /// <param name="definition">Published before the node starts.</param>
    public static async Task<DurableNode> StartAsync(string product, string definition, Action<ActivityCatalog> addActivities, Action<WorkflowEngineOptions>? configure = null)
    {
        var folder = Directory.CreateTempSubdirectory("failback-benchmark-");
        var services = new ServiceCollection();
        string? connectionString = null;
        Func<Task> remove = () => Task.CompletedTask;
        switch (product)
        {
            case "sqlite":
                services.AddPersistence(Path.Combine(folder.FullName, "failback.db"));
                break;
            case "postgres":
                connectionString = await PostgresDatabases.TakeAsync();
                services.AddPostgresPersistence(connectionString, folder.FullName);
                remove = () => PostgresDatabases.DropAsync(connectionString);
                break;
            default:
                folder.Delete();
                throw new ArgumentException($"There is no database '{product}': sqlite or postgres.");
        }

        var inner = services.Last(s => s.ServiceType == typeof(IWorkflowStore)).ImplementationType!;
        services.AddLogging();
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton(provider => new WatchedStore((IWorkflowStore)ActivatorUtilities.CreateInstance(provider, inner)));
        services.AddSingleton<IWorkflowStore>(provider => provider.GetRequiredService<WatchedStore>());
        services.AddWorkflowEngine(addActivities, configure);
        var node = new DurableNode(services.BuildServiceProvider(), $"SQLite in {folder.FullName}", connectionString, async () =>
        {
            await remove();
            folder.Delete(recursive: true);
        });
        try
        {
            await node.Get<IDatabase>().MigrateAsync(CancellationToken.None);
            if (connectionString is not null)
            {
                node.Description = await DescribeAsync(connectionString);
            }

            await node.Get<WorkflowDefinitions>().PublishAsync(definition, "benchmark", CancellationToken.None);
            foreach (var service in node._services.GetServices<IHostedService>())
            {
                await service.StartAsync(CancellationToken.None);
            }

            return node;
        }
        catch
        {
            await node.DisposeAsync();
            throw;
        }
    }

    /// <summary>First column of the first row, on a connection of its own.</summary>
    public static async Task<T> ScalarAsync<T>(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false, CommandTimeout = 0 }.ToString());
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var service in _services.GetServices<IHostedService>())
        {
            await service.StopAsync(CancellationToken.None);
        }

        await _services.DisposeAsync();
        await _remove();
    }

    private static Task<string> DescribeAsync(string connectionString) => ScalarAsync<string>(
        connectionString,
        """
        SELECT format('PostgreSQL %s, fsync %s, synchronous_commit %s, wal_sync_method %s', split_part(current_setting('server_version'), ' ', 1),
            current_setting('fsync'), current_setting('synchronous_commit'), current_setting('wal_sync_method'))
        """);
}
