using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Persistence.Sqlite;
using FailbackWorkflows.Testing.Processes;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Sqlite;

/// <summary>What only the embedded database does: its file, its lock, its settings.</summary>
public sealed class SqliteDatabaseTests : IDisposable
{
    /// <summary>Not a pause but the point at which missing evidence is called a failure.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly CancellationToken None = CancellationToken.None;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("failback-test-");

    private string DatabaseFile => Path.Combine(_folder.FullName, "failback.db");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Writer_Pragmas_AreReallyOn()
    {
        await using var services = await OpenAsync();

        (await PragmaAsync(services, "journal_mode")).ShouldBe("wal");
        (await PragmaAsync(services, "synchronous")).ShouldBe(2L, "FULL: a commit is on disk when it is acknowledged");
        (await PragmaAsync(services, "foreign_keys")).ShouldBe(1L);
    }

    [Fact]
    public async Task Users_Pragmas_AreReallyOn()
    {
        await using var services = await OpenAsync();
        await using var scope = services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<FailbackDbContext>();

        (await PragmaAsync(db, "journal_mode")).ShouldBe("wal");
        (await PragmaAsync(db, "synchronous")).ShouldBe(2L);
        (await PragmaAsync(db, "foreign_keys")).ShouldBe(1L);
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
    public async Task Migrate_SettingsFromBeforeTheHistory_KeepTheirContentAndGetNumbers()
    {
        await using (var old = Build())
        {
            await using var scope = old.CreateAsyncScope();
            var db = scope.ServiceProvider.GetRequiredService<FailbackDbContext>();
            await db.GetService<IMigrator>().MigrateAsync("AddMaterialCopy");
            const string Content = """{"Channels":[{"id":"cam-1"}],"Masks":[],"Schedules":[],"Alarms":[],"Retention":{},"Files":[]}""";
            foreach (var (source, epoch, revision, sha256, takenAt) in new[] { ("vms-2", 2, 1, "b", 30), ("vms-1", 1, 1, "a", 10), ("vms-1", 1, 2, "b", 20) })
            {
                await db.Database.ExecuteSqlAsync($"INSERT INTO settings_bundles VALUES ('vms-1', {source}, {epoch}, {revision}, {sha256}, {takenAt}, {Content})");
            }
        }

        await using var services = await OpenAsync();

        var cache = services.GetRequiredService<ISettingsCache>();
        (await cache.ListAsync("vms-1", null, 10, None)).Select(r => (r.Number, r.SourceServerId, r.Epoch, r.Revision, r.Sha256)).ShouldBe(
            [(3, "vms-2", 2, 1, "b"), (2, "vms-1", 1, 2, "b"), (1, "vms-1", 1, 1, "a")]);
        var newest = (await cache.FindNewestAsync("vms-1", None)).ShouldNotBeNull();
        (newest.SourceServerId, newest.Content.Channels[0].GetProperty("id").GetString()).ShouldBe(("vms-2", "cam-1"));
    }

    [Fact]
    public async Task Migrate_DefinitionsFromBeforeTheLibrary_HaveOneLatestVersionEach_AndSayWhereTheyCameFrom()
    {
        await using (var old = Build())
        {
            await using var scope = old.CreateAsyncScope();
            var db = scope.ServiceProvider.GetRequiredService<FailbackDbContext>();
            await db.GetService<IMigrator>().MigrateAsync("SealHistory");
            foreach (var (version, by, isPublished) in new[] { (1, "file", false), (2, "Ines Integrator", true) })
            {
                await db.Database.ExecuteSqlAsync(
                    $"INSERT INTO workflow_definitions (id, definition_id, version, name, json, sha256, published_at, published_by, is_published) VALUES ({"door:" + version}, 'door', {version}, 'Door', '{{}}', {"sha" + version}, {version}, {by}, {isPublished})");
            }
        }

        await using var services = await OpenAsync();

        var versions = (await services.GetRequiredService<IWorkflowLibrary>().ListAsync(new VersionQuery { OrderBy = VersionOrder.Version }, None)).Items;
        versions.Select(v => (v.Version, v.Origin, v.IsLatest, v.IsPublished, v.IsDraft)).ShouldBe([(1, VersionOrigin.File, false, false, false), (2, VersionOrigin.Designer, true, true, false)]);
    }

    [Fact]
    public async Task Migrate_EarlierLifeDiedWhileMigrating_GoesOn()
    {
        await using (var services = await OpenAsync())
        {
            // What Entity Framework leaves behind when the process is killed during a migration.
            await using var session = await services.GetRequiredService<IDatabase>().BeginWriteAsync(None);
            await session.ExecuteAsync("""CREATE TABLE IF NOT EXISTS "__EFMigrationsLock" ("Id" INTEGER NOT NULL CONSTRAINT "PK___EFMigrationsLock" PRIMARY KEY, "Timestamp" TEXT NOT NULL)""", None);
            await session.ExecuteAsync("""INSERT INTO "__EFMigrationsLock" ("Id", "Timestamp") VALUES (1, '2026-03-01 12:00:00+00:00')""", None);
            await session.CommitAsync(None);
        }

        using var patience = new CancellationTokenSource(Patience / 3);
        await using var again = Build();
        await again.GetRequiredService<IDatabase>().MigrateAsync(patience.Token);
    }

    [Fact]
    public async Task File_OpenedTwice_IsInUse()
    {
        await using var first = await OpenAsync();
        await using var second = Build();

        var inUse = Should.Throw<DatabaseInUseException>(() => second.GetRequiredService<IDatabase>());

        inUse.Message.ShouldBe($"The database {DatabaseFile} is in use by another management server. End that one, or give this one a data folder of its own with --data DIR.");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task File_AfterDispose_IsReleased(bool asynchronously)
    {
        var first = await OpenAsync();
        await first.GetRequiredService<IDomainWriter>().ApplyAsync([new GrantEpoch("vms-1", "vms-1", 1, "seed")], None);
        _ = await first.GetRequiredService<IDuties>().ListAsync(None);
        if (asynchronously)
        {
            await first.DisposeAsync();
        }
        else
        {
            first.Dispose();
        }

        File.Exists(DatabaseFile + "-wal").ShouldBeFalse("the last connection closes the log");
        await using var second = await OpenAsync();
        (await second.GetRequiredService<IDuties>().ListAsync(None)).Count.ShouldBe(1);
    }

    [Fact]
    public async Task File_WrittenAnotherWay_IsTheSameFile()
    {
        await using var first = await OpenAsync();
        await using var second = Build(Path.Combine(_folder.FullName, "sub", "..", "failback.db"));

        Should.Throw<DatabaseInUseException>(() => second.GetRequiredService<IDatabase>());
    }

    [Theory]
    [InlineData("missing/failback.db", "does not exist. Create it")]
    [InlineData("locked/failback.db", "may not be written by this user")]
    [InlineData("long", "cannot be written")]
    public async Task File_CannotBeOpened_SaysWhyAndNotThatItIsInUse(string file, string reason)
    {
        Directory.CreateDirectory(Path.Combine(_folder.FullName, "locked", "failback.db.lock"));
        await using var services = Build(Path.Combine(_folder.FullName, file == "long" ? new string('x', 300) : file));

        Should.Throw<DatabaseNotOpenedException>(() => services.GetRequiredService<IDatabase>()).Message.ShouldContain(reason);
    }

    [Fact]
    public async Task File_NotADatabase_SaysSoEachTime()
    {
        await File.WriteAllTextAsync(DatabaseFile, string.Concat(Enumerable.Repeat("This is not a database. ", 100)));
        await using var services = Build();

        Should.Throw<SqliteException>(() => services.GetRequiredService<IDatabase>());
        Should.Throw<SqliteException>(() => services.GetRequiredService<IDatabase>(), "the lock of the failed attempt is gone");
    }

    [Fact]
    public async Task Reader_BesideAnOpenWriteTransaction_IsNotHeldUpAndSeesWhatWasCommitted()
    {
        await using var services = await OpenAsync();
        await services.GetRequiredService<IDomainWriter>().ApplyAsync([new GrantEpoch("vms-1", "vms-1", 1, "seed")], None);
        await using var session = await services.GetRequiredService<IDatabase>().BeginWriteAsync(None);
        await session.ExecuteAsync("UPDATE duties SET epoch = 9", None);

        (await services.GetRequiredService<IDuties>().FindAsync("vms-1", None).WaitAsync(Patience)).ShouldNotBeNull().Epoch.ShouldBe(1);
    }

    [Fact]
    public async Task Writer_WaitingForItsTurn_CanGiveUpAndTheNextIsServed()
    {
        await using var services = await OpenAsync();
        var database = services.GetRequiredService<IDatabase>();
        var held = await database.BeginWriteAsync(None);
        using var giveUp = new CancellationTokenSource();
        var impatient = database.BeginWriteAsync(giveUp.Token);
        var patient = database.BeginWriteAsync(None);

        await giveUp.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => impatient.WaitAsync(Patience));
        patient.IsCompleted.ShouldBeFalse();
        await held.DisposeAsync();

        await using var served = await patient.WaitAsync(Patience);
    }

    [Fact]
    public async Task Writer_QueuedBehindTheDispose_IsRefusedInsteadOfForgotten()
    {
        var services = await OpenAsync();
        var database = services.GetRequiredService<IDatabase>();
        var held = await database.BeginWriteAsync(None);
        var disposing = services.DisposeAsync().AsTask();
        var late = database.BeginWriteAsync(None);

        await held.DisposeAsync();

        await disposing.WaitAsync(Patience);
        await Should.ThrowAsync<ObjectDisposedException>(() => late.WaitAsync(Patience / 3));
        await Should.ThrowAsync<ObjectDisposedException>(() => database.BeginWriteAsync(None));
    }

    [Fact]
    public async Task Session_AfterOneThatWasRefused_SeesNothingOfIt()
    {
        await using var services = await OpenAsync();
        var database = services.GetRequiredService<IDatabase>();
        await services.GetRequiredService<IDomainWriter>().ApplyAsync([new GrantEpoch("vms-1", "vms-1", 5, "seed")], None);

        // The second change is refused after the first one was saved: context and commands of the session are used again afterwards.
        await Should.ThrowAsync<ConcurrentChangeException>(
            () => services.GetRequiredService<IDomainWriter>().ApplyAsync([new GrantEpoch("vms-2", "vms-2", 1, "lost"), new GrantEpoch("vms-1", "vms-1", 4, "older")], None));
        await using (var session = await database.BeginWriteAsync(None))
        {
            session.Context.ChangeTracker.Entries().ShouldBeEmpty();
            (await session.Context.Set<Persistence.Duties.DutyRow>().CountAsync()).ShouldBe(1);
        }

        await services.GetRequiredService<IDomainWriter>().ApplyAsync([new GrantEpoch("vms-1", "vms-1", 6, "next")], None);
        (await services.GetRequiredService<IDuties>().FindAsync("vms-1", None)).ShouldNotBeNull().Epoch.ShouldBe(6);
    }

    [Fact]
    public async Task Command_TheSameTextAgain_TakesTheNewValuesAndTheNewTransaction()
    {
        await using var services = await OpenAsync();
        var database = services.GetRequiredService<IDatabase>();
        const string Insert = "INSERT INTO system_settings (key, json) VALUES (@key, @json)";
        await using (var session = await database.BeginWriteAsync(None))
        {
            await session.ExecuteAsync(Insert, None, ("key", "a"), ("json", "1"));
            await session.ExecuteAsync(Insert, None, ("key", "b"), ("json", "2"));
            await session.CommitAsync(None);
        }

        await using (var session = await database.BeginWriteAsync(None))
        {
            // Refused, then rolled back with its session: neither stays behind in the command.
            await session.ExecuteAsync(Insert, None, ("key", "c"), ("json", "3"));
            await Should.ThrowAsync<SqliteException>(() => session.ExecuteAsync(Insert, None, ("key", "a"), ("json", "4")));
        }

        await using (var session = await database.BeginWriteAsync(None))
        {
            await session.ExecuteAsync(Insert, None, ("key", "d"), ("json", "5"));
            await session.CommitAsync(None);
        }

        await using var db = database.CreateReadContext();
        (await db.SystemSettings.OrderBy(r => r.Key).Select(r => r.Key + r.Json).ToListAsync()).ShouldBe(["a1", "b2", "d5"]);
    }

    [Fact]
    public async Task Log_ManyCommits_IsCopiedIntoTheDatabaseBesideThem()
    {
        await using var services = await OpenAsync();
        var before = new FileInfo(DatabaseFile).Length;
        var big = new string('x', 100_000);

        // Fewer pages than those after which a commit would make the checkpoint itself.
        for (var i = 0; i < 150; i++)
        {
            await services.GetRequiredService<IDomainWriter>().ApplyAsync([new SaveSystemSetting($"key-{i}", big)], None);
        }

        await Eventually.HoldsAsync("a checkpoint is made", () => Task.FromResult(new FileInfo(DatabaseFile).Length > before + (50 * big.Length)), Patience);
        (await services.GetRequiredService<ISystemSettings>().FindAsync("key-0", None)).ShouldBe(big);
    }

    private ServiceProvider Build(string? file = null) => new ServiceCollection().AddPersistence(file ?? DatabaseFile).BuildServiceProvider();

    private async Task<ServiceProvider> OpenAsync()
    {
        var services = Build();
        await services.GetRequiredService<IDatabase>().MigrateAsync(None);
        return services;
    }

    private static async Task<object?> PragmaAsync(ServiceProvider services, string name)
    {
        await using var session = await services.GetRequiredService<IDatabase>().BeginWriteAsync(None);
        await using var command = session.Command($"PRAGMA {name}");
        return await command.ExecuteScalarAsync();
    }

    private static async Task<object?> PragmaAsync(FailbackDbContext db, string name)
    {
        await db.Database.OpenConnectionAsync();
        await using var command = db.Database.GetDbConnection().CreateCommand();
        command.CommandText = $"PRAGMA {name}";
        return await command.ExecuteScalarAsync();
    }
}
