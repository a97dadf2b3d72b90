using System.Net;
using System.Text.Json.Nodes;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Persistence;
using FailbackWorkflows.Testing.Failback;
using FailbackWorkflows.Testing.Persistence;
using FailbackWorkflows.Testing.Processes;
using Microsoft.Extensions.DependencyInjection;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// A management server, on either database, whose failback is an integrator's own definition that claims no duty: so one entry of its failover log can be failed
/// back over HTTP as often as a test likes, and what is tried is the server and its engine alone.
/// </summary>
internal sealed class OwnDefinitionServer : IAsyncDisposable
{
    public const string Sqlite = "SQLite";
    public const string Postgres = "PostgreSQL";

    private const string EntryId = "entry-1";

    private readonly string _folder;

    private OwnDefinitionServer(string folder, ManagementServerProcess process, string? connectionString)
    {
        _folder = folder;
        Process = process;
        ConnectionString = connectionString;
    }

    public ManagementServerProcess Process { get; }

    /// <summary>Of its PostgreSQL database; null: it has an embedded one.</summary>
    public string? ConnectionString { get; }

    /// <param name="definition">Of the workflow <c>failback</c>; its input is <c>EntryId</c>.</param>
    public static async Task<OwnDefinitionServer> StartAsync(string database, string definition)
    {
        var folder = Directory.CreateTempSubdirectory("failback-own-").FullName;
        var workflows = Directory.CreateDirectory(Path.Combine(folder, "workflows")).FullName;
        await File.WriteAllTextAsync(Path.Combine(workflows, "failback.json"), definition);
        var environment = new Dictionary<string, string> { ["Failback__WorkflowsPath"] = workflows };
        var connectionString = database == Postgres ? await PostgresDatabases.TakeUnmigratedAsync() : null;
        if (connectionString is not null)
        {
            environment["Failback__Postgres"] = connectionString;
        }

        var data = Directory.CreateDirectory(Path.Combine(folder, "server")).FullName;
        var server = new OwnDefinitionServer(folder, new ManagementServerProcess(data, environment), connectionString);
        try
        {
            await using (var stores = server.OpenStores())
            {
                await stores.GetRequiredService<IDatabase>().MigrateAsync(CancellationToken.None);
                await stores.GetRequiredService<IDomainWriter>().ApplyAsync(
                    [new SaveFailoverLogEntry(FailbackWorld.NewEntry(EntryId, TimeProvider.System.GetUtcNow().AddMinutes(-20)))], CancellationToken.None);
            }

            await server.Process.StartAsync();
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Stores and an engine, which runs nothing, on its database. Only while the process is dead.</summary>
    public ServiceProvider OpenStores()
    {
        var services = new ServiceCollection();
        services.AddLogging();
        services.AddSingleton(TimeProvider.System);
        if (ConnectionString is { } connectionString)
        {
            services.AddPostgresPersistence(connectionString, Process.Folder);
        }
        else
        {
            services.AddPersistence(Path.Combine(Process.Folder, "failback.db"));
        }

        services.AddWorkflowEngine(FailbackActivities.AddTo);
        return services.BuildServiceProvider();
    }

    /// <summary>Starts a run over HTTP; its id, when the server has accepted it.</summary>
    public async Task<string> StartRunAsync(string requestId)
    {
        var answer = await Process.PostAsync($"api/v1/failover-log/{EntryId}/failback", new JsonObject { ["requestId"] = requestId });
        return answer.Status == HttpStatusCode.Accepted
            ? (string)answer.Json!["runId"]!
            : throw new InvalidOperationException($"The start {requestId} was not accepted: {answer}");
    }

    public async ValueTask DisposeAsync()
    {
        await Process.DisposeAsync();
        if (ConnectionString is { } connectionString)
        {
            await PostgresDatabases.DropAsync(connectionString);
        }

        Directory.Delete(_folder, recursive: true);
    }
}
