using System.Collections.Concurrent;
using FailbackWorkflows.Persistence;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace FailbackWorkflows.Testing.Persistence;

/// <summary>
/// Databases for tests: copies of one that was migrated once. On the temporary server a database that its test is done with is emptied and used
/// again, which is faster than to make and to drop one.
/// </summary>
public sealed class PostgresDatabases
{
    private static readonly Lazy<Task<string>> Template = new(MakeTemplateAsync);
    private static readonly ConcurrentBag<string> Free = [];
    private static readonly SemaphoreSlim Copying = new(1, 1);

    private PostgresDatabases()
    {
    }

    /// <summary>Connection string of a migrated database with nothing in it, for one test.</summary>
    public static async Task<string> TakeAsync()
    {
        var template = await Template.Value;
        return Free.TryTake(out var free) ? free : await CreateAsync($"TEMPLATE {template}");
    }

    /// <summary>Connection string of a database that was not migrated.</summary>
    public static Task<string> TakeUnmigratedAsync() => CreateAsync("TEMPLATE template0");

    /// <summary>The test is done and has closed its connections.</summary>
    public static async Task GiveBackAsync(string connectionString)
    {
        if (!PostgresCluster.IsTemporary)
        {
            await DropAsync(connectionString);
            return;
        }

        await ExecuteAsync(
            connectionString,
            """
            DO $$
            DECLARE t record;
            BEGIN
                SET LOCAL session_replication_role = replica;
                FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> '__EFMigrationsHistory' LOOP
                    EXECUTE format('DELETE FROM public.%I', t.tablename);
                END LOOP;
                PERFORM setval(seqrelid, seqstart, false) FROM pg_sequence;
            END $$
            """);
        Free.Add(connectionString);
    }

    /// <summary>Not to be used again: a test has done something to it that emptying does not undo.</summary>
    public static Task DropAsync(string connectionString) =>
        ExecuteAsync(null, $"DROP DATABASE IF EXISTS {new NpgsqlConnectionStringBuilder(connectionString).Database} WITH (FORCE)");

    private static async Task<string> MakeTemplateAsync()
    {
        var connectionString = await TakeUnmigratedAsync();
        await using (var services = new ServiceCollection().AddPostgresPersistence(connectionString, Path.GetTempPath()).BuildServiceProvider())
        {
            await services.GetRequiredService<IDatabase>().MigrateAsync(CancellationToken.None);
        }

        var name = new NpgsqlConnectionStringBuilder(connectionString).Database!;
        if (!PostgresCluster.IsTemporary)
        {
            AppDomain.CurrentDomain.ProcessExit += (_, _) => DropAsync(connectionString).Wait(TimeSpan.FromSeconds(5));
        }

        return name;
    }

    private static async Task<string> CreateAsync(string how)
    {
        var name = $"failback_test_{Guid.NewGuid():N}";

        // Of one template one copy is made at a time.
        await Copying.WaitAsync();
        try
        {
            await ExecuteAsync(null, $"CREATE DATABASE {name} {how} ENCODING 'UTF8'");
        }
        finally
        {
            Copying.Release();
        }

        return new NpgsqlConnectionStringBuilder(await PostgresCluster.ConnectionStringAsync()) { Database = name }.ToString();
    }

    private static async Task ExecuteAsync(string? connectionString, string sql)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString ?? await PostgresCluster.ConnectionStringAsync()) { Pooling = false };
        await using var connection = new NpgsqlConnection(settings.ToString());
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await command.ExecuteNonQueryAsync();
    }
}
