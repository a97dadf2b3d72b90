using FailbackWorkflows.Persistence;
using Microsoft.Extensions.DependencyInjection;

namespace FailbackWorkflows.Testing.Persistence;

/// <summary>A migrated, empty database for one test, with every store registered. Disposing it removes it.</summary>
public sealed class TestDatabase : IAsyncDisposable
{
    private readonly Action<IServiceCollection> _register;
    private readonly Func<ValueTask> _remove;
    private ServiceProvider _services;

    private TestDatabase(Action<IServiceCollection> register, Func<ValueTask> remove)
    {
        _register = register;
        _remove = remove;
        _services = BuildServices();
    }

    /// <summary>One SQLite file in a temporary folder of its own.</summary>
    public static Task<TestDatabase> CreateSqliteAsync()
    {
        var folder = Directory.CreateTempSubdirectory("failback-test-");
        return CreateAsync(
            services => services.AddPersistence(Path.Combine(folder.FullName, "failback.db")),
            () =>
            {
                folder.Delete(recursive: true);
                return ValueTask.CompletedTask;
            });
    }

    /// <summary>One database on the PostgreSQL server of the tests.</summary>
    public static async Task<TestDatabase> CreatePostgresAsync()
    {
        var connectionString = await PostgresDatabases.TakeAsync();
        var folder = Directory.CreateTempSubdirectory("failback-test-");
        return await CreateAsync(
            services => services.AddPostgresPersistence(connectionString, folder.FullName),
            async () =>
            {
                folder.Delete(recursive: true);
                await PostgresDatabases.GiveBackAsync(connectionString);
            });
    }

    /// <summary>Any product: what <paramref name="register"/> adds is migrated; <paramref name="remove"/> clears it away at the end.</summary>
    public static async Task<TestDatabase> CreateAsync(Action<IServiceCollection> register, Func<ValueTask> remove)
    {
        var database = new TestDatabase(register, remove);
        await database.Get<IDatabase>().MigrateAsync(CancellationToken.None);
        return database;
    }

    public T Get<T>()
        where T : notnull => _services.GetRequiredService<T>();

    public AsyncServiceScope CreateScope() => _services.CreateAsyncScope();

    /// <summary>What a new process would see: every service is made anew over the same data.</summary>
    public async Task RestartAsync()
    {
        await _services.DisposeAsync();
        _services = BuildServices();
        await Get<IDatabase>().MigrateAsync(CancellationToken.None);
    }

    /// <summary>Runs a statement as its own transaction.</summary>
    public async Task ExecuteAsync(string sql)
    {
        await using var session = await Get<IDatabase>().BeginWriteAsync(CancellationToken.None);
        await session.ExecuteAsync(sql, CancellationToken.None);
        await session.CommitAsync(CancellationToken.None);
    }

    /// <summary>First column of the first row, on the writer's connection.</summary>
    public async Task<object?> ScalarAsync(string sql)
    {
        await using var session = await Get<IDatabase>().BeginWriteAsync(CancellationToken.None);
        await using var command = session.Command(sql);
        return await command.ExecuteScalarAsync();
    }

    public async Task<long> CountAsync(string table) => Convert.ToInt64(await ScalarAsync($"SELECT COUNT(*) FROM {table}"));

    public async ValueTask DisposeAsync()
    {
        await _services.DisposeAsync();
        await _remove();
    }

    private ServiceProvider BuildServices()
    {
        var services = new ServiceCollection();
        _register(services);
        return services.BuildServiceProvider(new ServiceProviderOptions { ValidateOnBuild = true, ValidateScopes = true });
    }
}
