using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Persistence;
using FailbackWorkflows.Persistence.Duties;
using FailbackWorkflows.Persistence.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Sqlite;

/// <summary>The largest epochs, in a file that does not go back with the database.</summary>
public sealed class EpochCheckpointFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("epochs-").FullName;

    private string Database => Path.Combine(_folder, "failback.db");

    private string EpochsFile => Database + ".epochs";

    [Fact]
    public void Epochs_Noted_AreThereAtTheNextStart()
    {
        using (var file = EpochCheckpointFile.Open(Database, null))
        {
            file.Note("rec-1", 3, null);
            file.Note("rec-2", 12, null);
            file.Note("rec-1", 4, null);
            file.Note("rec-1", 2, null);
            file.Note("rec-4", 7, "run-1/42");
            file.Largest("rec-1").ShouldBe(4);
            file.AtStart("rec-1").ShouldBeNull();
        }

        using var next = EpochCheckpointFile.Open(Database, null);
        (next.Largest("rec-1"), next.Largest("rec-2"), next.Largest("rec-3")).ShouldBe((4, 12, 0));
        (next.AtStart("rec-1"), next.AtStart("rec-4")).ShouldBe((new NotedEpoch(4, null), new NotedEpoch(7, "run-1/42")));
    }

    [Fact]
    public void Epochs_OfOtherNodes_AreFollowedAndOlderOnesAreNot()
    {
        using (var file = EpochCheckpointFile.Open(Database, null))
        {
            file.Note("rec-1", 5, "run-1/5");
            file.Follow([new Duty("rec-1", "rec-1", 4, "other/4", 0), new Duty("rec-2", "rec-2", 7, "other/7", 0)]);
            (file.Largest("rec-1"), file.Largest("rec-2")).ShouldBe((5, 7));
        }

        File.ReadAllText(EpochsFile).ShouldBe("rec-1\t5\trun-1/5\nrec-2\t7\tother/7\n");
        using var next = EpochCheckpointFile.Open(Database, null);
        next.AtStart("rec-2").ShouldBe(new NotedEpoch(7, "other/7"));
    }

    // "rec-1 TAB 12" was to become "rec-1 TAB 123": half a line was never relied on.
    [Fact]
    public void Line_TornByAPowerFailure_IsCutOffAndTheNextOneIsWhole()
    {
        File.WriteAllText(EpochsFile, "rec-1\t4\nrec-1\t12");

        using (var file = EpochCheckpointFile.Open(Database, null))
        {
            file.Largest("rec-1").ShouldBe(4);
            file.Note("rec-1", 5, null);
        }

        File.ReadAllText(EpochsFile).ShouldBe("rec-1\t4\nrec-1\t5\n");
    }

    [Fact]
    public void File_Damaged_IsNotTakenForAnEmptyOne()
    {
        File.WriteAllText(EpochsFile, "rec-1\t4\n\0\0\0\0\n");

        Should.Throw<DatabaseNotOpenedException>(() => EpochCheckpointFile.Open(Database, null)).Message.ShouldContain(EpochsFile);
    }

    [Fact]
    public async Task File_InAFolderOfItsOwn_IsMadeThereAndGrantsAreNoted()
    {
        var elsewhere = Path.Combine(_folder, "another", "disk");
        await using var services = new ServiceCollection().AddPersistence(Database, elsewhere).BuildServiceProvider();
        await services.GetRequiredService<IDatabase>().MigrateAsync(default);

        await services.GetRequiredService<FailbackWorkflows.Failback.IDomainWriter>().ApplyAsync([new GrantEpoch("rec-1", "rec-1", 1, "seed")], default);

        services.GetRequiredService<IEpochCheckpoint>().Largest("rec-1").ShouldBe(1);
        using var read = new StreamReader(new FileStream(Path.Combine(elsewhere, "failback.db.epochs"), FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        (await read.ReadToEndAsync()).ShouldBe("rec-1\t1\tseed\n");
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
