using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Testing.Persistence;
using FailbackWorkflows.Testing.Processes;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Postgres;

/// <summary>What only the production store does: a server that may be elsewhere, and transactions side by side.</summary>
public sealed class PostgresDatabaseTests : IAsyncLifetime
{
    /// <summary>Not a pause but the point at which missing evidence is called a failure.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly DateTimeOffset T0 = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly CancellationToken None = CancellationToken.None;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("failback-test-");
    private string _connectionString = "";

    public async Task InitializeAsync() => _connectionString = await PostgresDatabases.TakeAsync();

    public async Task DisposeAsync()
    {
        _folder.Delete(recursive: true);
        await PostgresDatabases.DropAsync(_connectionString);
    }

    [Fact]
    public async Task Model_HasNoPendingChanges()
    {
        await using var services = await OpenAsync();
        await using var db = services.GetRequiredService<IDatabase>().CreateReadContext();

        db.Database.HasPendingModelChanges().ShouldBeFalse("run eng/add-migration.sh");
        (await db.Database.GetPendingMigrationsAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task Migrate_Twice_ChangesNothing()
    {
        await using var services = await OpenAsync();
        await services.GetRequiredService<IDomainWriter>().ApplyAsync([new GrantEpoch("vms-1", "vms-1", 1, "seed")], None);

        await services.GetRequiredService<IDatabase>().MigrateAsync(None);

        (await services.GetRequiredService<IDuties>().ListAsync(None)).Count.ShouldBe(1);
    }

    [Fact]
    public async Task Instants_AtASqlPrompt_CanBeRead()
    {
        await using var services = await OpenAsync();

        (await ScalarAsync($"SELECT (as_instant({T0.AddTicks(10).UtcTicks}) AT TIME ZONE 'UTC')::text")).ShouldBe("2026-03-01 12:00:00.000001");
        (await ScalarAsync("SELECT as_instant(NULL)")).ShouldBe(DBNull.Value);
    }

    [Fact]
    public async Task Database_OpenedTwice_IsInUseUntilTheFirstIsGone()
    {
        await using (await OpenAsync())
        {
            await using var second = Build(patience: TimeSpan.FromMilliseconds(100));
            var inUse = await Should.ThrowAsync<DatabaseInUseException>(() => second.GetRequiredService<IDatabase>().MigrateAsync(None));
            inUse.Message.ShouldContain("is in use by another management server that is called 'node-1', too. End that one");
            await Should.ThrowAsync<DatabaseInUseException>(() => second.GetRequiredService<IDatabase>().BeginWriteAsync(None), "nor can it write all the same");
        }

        await using var next = await OpenAsync();
    }

    [Fact]
    public async Task Guard_SessionLost_IsTakenAgainByTheNextWrite()
    {
        await using var services = await OpenAsync();
        var database = services.GetRequiredService<IDatabase>();
        await Eventually.HoldsAsync(
            "the lost session is noticed",
            async () =>
            {
                await ScalarAsync("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())");
                try
                {
                    await database.CheckAsync(None);
                    await services.GetRequiredService<IDomainWriter>().ApplyAsync([new GrantEpoch("vms-1", "vms-1", 1, "seed")], None);
                }
                catch (NpgsqlException)
                {
                    return false;
                }

                return (long)(await ScalarAsync("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"))! == 1;
            },
            Patience);
    }

    [Fact]
    public async Task Server_NotThere_SaysWhereAndKeepsThePasswordToItself()
    {
        await using var services = Build(new NpgsqlConnectionStringBuilder { Host = _folder.FullName, Port = 5999, Database = "failback", Username = "olga", Password = "hush-hush" }.ToString());

        var notOpened = await Should.ThrowAsync<DatabaseNotOpenedException>(() => services.GetRequiredService<IDatabase>().MigrateAsync(None));

        notOpened.Message.ShouldContain($"failback at {_folder.FullName}:5999");
        notOpened.ToString().ShouldNotContain("hush-hush");
    }

    [Fact]
    public async Task Server_ThatAcknowledgesBeforeItHasWritten_IsRefused()
    {
        await AlterAsync("SET synchronous_commit = off");
        await using var services = Build();

        var notOpened = await Should.ThrowAsync<DatabaseNotOpenedException>(() => services.GetRequiredService<IDatabase>().MigrateAsync(None));

        notOpened.Message.ShouldContain("synchronous_commit = off");
    }

    [Fact]
    public async Task Check_DatabaseThatOnlyAnswersReads_IsNotReady()
    {
        await using (var services = await OpenAsync())
        {
            await services.GetRequiredService<IDatabase>().CheckAsync(None);
        }

        await AlterAsync("SET default_transaction_read_only = on");
        await using var closed = Build();
        (await Should.ThrowAsync<InvalidOperationException>(() => closed.GetRequiredService<IDatabase>().CheckAsync(None))).Message.ShouldContain("can only be read");
    }

    /// <summary>Without the lock the second one would be committed, and read, before the first, whose place is smaller, can be seen.</summary>
    [Fact]
    public async Task Feed_PlaceTakenFirstAndCommittedLater_IsNotOvertaken()
    {
        await using var services = await OpenAsync();
        var feed = services.GetRequiredService<IChangeFeed>();
        Task second;
        await using (var first = await services.GetRequiredService<IDatabase>().BeginWriteAsync(None))
        {
            await first.LockAsync(DatabaseLock.Feed, None);
            await first.ExecuteAsync("INSERT INTO change_notifications (kind, subject, text, at) VALUES ('test', 'test', 'first', 0)", None);
            second = services.GetRequiredService<IDomainWriter>().ApplyAsync([Note("second")], None);
            await WaitingForALockAsync(second);

            (await feed.ReadAsync(0, 10, None)).ShouldBeEmpty();
            await first.CommitAsync(None);
        }

        await second.WaitAsync(Patience);
        (await feed.ReadAsync(0, 10, None)).Select(i => i.Change.Text).ShouldBe(["first", "second"]);
    }

    [Fact]
    public async Task Write_ChosenToGiveWay_IsDoneOnceMore()
    {
        await using var services = await OpenAsync();
        var database = services.GetRequiredService<IDatabase>();
        await services.GetRequiredService<IDomainWriter>().ApplyAsync([new GrantEpoch("vms-0", "vms-0", 1, "seed"), new GrantEpoch("vms-1", "vms-1", 1, "seed")], None);
        var bothHaveOne = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var tries = 0;

        var attempts = await Together.RunAsync(2, n => database.WriteAsync(
            async session =>
            {
                await session.ExecuteAsync("UPDATE duties SET fence = fence + 1 WHERE identity = @id", None, ("id", $"vms-{n}"));
                if (Interlocked.Increment(ref tries) == 2)
                {
                    bothHaveOne.SetResult();
                }

                await bothHaveOne.Task;
                await session.ExecuteAsync("UPDATE duties SET fence = fence + 1 WHERE identity = @id", None, ("id", $"vms-{1 - n}"));
            },
            None)).WaitAsync(Patience);

        attempts.Select(a => a.Exception).ShouldAllBe(e => e == null);
        // Not exactly 3: the one undone may have its row again before the other wakes, and then one of them gives way once more.
        tries.ShouldBeGreaterThanOrEqualTo(3, "one of the two was undone and began again");
        (await services.GetRequiredService<IDuties>().ListAsync(None)).ShouldAllBe(d => d.Fence == 2);
    }

    /// <summary>A thousand failbacks that begin at once wait for their turn, not for a connection that they are refused after a while.</summary>
    [Fact]
    public async Task Write_ManyMoreThanConnections_WaitForTheirTurnAndKeepNobodyFromReading()
    {
        const int writers = 40;
        const string Insert = "INSERT INTO duties (identity, holder_server_id, allocation_id, epoch, fence) VALUES (@id, @id, @id, 1, 0)";
        await using var services = Build(new NpgsqlConnectionStringBuilder(_connectionString) { MaxPoolSize = 6, Timeout = 2 }.ToString());
        var database = services.GetRequiredService<IDatabase>();
        await database.MigrateAsync(None);
        Task<IReadOnlyList<Attempt<bool>>> all;
        await using (var first = await database.BeginWriteAsync(None))
        {
            await first.LockAsync(DatabaseLock.Activation, None);
            all = Together.RunAsync(writers, n => database.WriteAsync(
                async session =>
                {
                    await session.LockAsync(DatabaseLock.Activation, None);
                    return await session.ExecuteAsync(Insert, None, ("id", $"vms-{n}")) == 1;
                },
                None));
            await Eventually.HoldsAsync(
                "those whose turn it is wait for the lock",
                async () => (long)(await ScalarAsync("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"))! >= 2,
                Patience);

            (await services.GetRequiredService<IDuties>().ListAsync(None)).ShouldBeEmpty();
            var urgent = database.WriteUrgentlyAsync(session => session.ExecuteAsync(Insert, None, ("id", "urgent")), None);
            (await urgent.WaitAsync(Patience)).ShouldBe(1, "what keeps a lease or the watch does not wait behind them");
        }

        (await all.WaitAsync(Patience)).Select(a => a.Exception).ShouldAllBe(e => e == null);
        (await services.GetRequiredService<IDuties>().ListAsync(None)).Count.ShouldBe(writers + 1);
    }

    private static Notify Note(string text) => new(new ChangeNotification("test", null, text, T0));

    private async Task WaitingForALockAsync(Task waiting) => await Eventually.HoldsAsync(
        "it waits for a lock",
        async () =>
        {
            waiting.IsCompleted.ShouldBeFalse();
            return (long)(await ScalarAsync("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"))! == 1;
        },
        Patience);

    private ServiceProvider Build(string? connectionString = null, TimeSpan? patience = null) =>
        new ServiceCollection().AddPostgresPersistence(connectionString ?? _connectionString, _folder.FullName, patience: patience).BuildServiceProvider();

    private async Task<ServiceProvider> OpenAsync()
    {
        var services = Build();
        await services.GetRequiredService<IDatabase>().MigrateAsync(None);
        return services;
    }

    private Task AlterAsync(string what) => ScalarAsync($"ALTER DATABASE {new NpgsqlConnectionStringBuilder(_connectionString).Database} {what}");

    private async Task<object?> ScalarAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(_connectionString) { Pooling = false }.ToString());
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        return await command.ExecuteScalarAsync();
    }
}
