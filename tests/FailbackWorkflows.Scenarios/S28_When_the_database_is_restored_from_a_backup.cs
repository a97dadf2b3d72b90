using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// Scenario 28: the management server's database is put back to a backup of during the first failover. Meanwhile that one was failed back, its material
/// came home, and main failed again. The recorders' word counts, they are told nothing for it, and the second failover is failed back like any other.
/// </summary>
public sealed class S28_When_the_database_is_restored_from_a_backup
{
    private static readonly string[] Files = ["failback.db", "failback.db-wal", "failback.db-shm"];

    [Fact]
    public async Task The_recorders_word_counts_and_nothing_is_run_again()
    {
        var (site, first) = await Site.StartFailedOverAsync();
        await using var _ = site;
        await site.Server.KillAsync();
        var backup = Read(site.Server.Folder);
        await site.Server.StartAsync();
        (await site.FailBackAsync(first)).Result.ShouldBe("done");
        (await CopiedAsync(site, first)).MaterialCopy.ShouldBe(MaterialCopyState.Copied);
        var second = await site.FailOverAsync();
        await site.ReturnMainAsync();
        var (standby, main) = (await site.Standby.FindDutyAsync(Site.MainId), await site.Main.FindDutyAsync(Site.MainId));
        standby.ShouldNotBeNull().Role.ShouldBe(DutyRole.Recorder);
        var told = await ToldAsync(site);

        await site.Server.KillAsync();
        Write(site.Server.Folder, backup);
        await site.Server.StartAsync();
        var list = await Eventually.GetAsync(
            "the duty is reconciled",
            async () => (await site.Server.GetAsync($"api/v1/reconciliations?server={Site.MainId}")).Json!.AsObject(),
            l => l["done"]!.AsArray().Count > 0 && l["open"]!.AsArray().Count == 0);

        var done = list["done"]!.AsArray().ShouldHaveSingleItem()!;
        ((string?)done["holderServerId"], (long)done["epoch"]!).ShouldBe((Site.StandbyId, standby.Epoch));
        (await site.Standby.FindDutyAsync(Site.MainId))!.ShouldBe(standby);
        (await site.Main.FindDutyAsync(Site.MainId))!.ShouldBe(main);
        (await ToldAsync(site)).Except(told).ShouldBeEmpty("reconciling tells nobody anything");
        var closed = await site.Server.GetEntryAsync(first);
        (closed.Failback, closed.MaterialCopy).ShouldBe((FailbackState.Done, MaterialCopyState.Copied));
        var open = await site.Server.GetEntryAsync(second);
        (open.Failover, open.Failback, open.FailoverServerId).ShouldBe((FailoverState.Done, FailbackState.NotStarted, Site.StandbyId));
        (await site.Standby.GetHoldAsync(second)).ToUtc.ShouldBeNull();

        var back = await site.FailBackAsync(second);
        back.Result.ShouldBe("done", back.Message);
        (await CopiedAsync(site, second)).MaterialCopy.ShouldBe(MaterialCopyState.Copied);
        await Invariants.AssertAsync(site, back.RunId);
        foreach (var recorder in site.Recorders)
        {
            (await recorder.ListCommandsAsync()).Where(c => c.EffectCount > 1).ShouldBeEmpty($"a command that took effect twice at {recorder.Id}");
        }
    }

    private static Task<FailoverLogEntry> CopiedAsync(Site site, string entryId) => Eventually.GetAsync(
        $"the copy of {entryId} ends",
        () => site.Server.GetEntryAsync(entryId),
        e => e.MaterialCopy is MaterialCopyState.Copied or MaterialCopyState.CopiedWithLosses or MaterialCopyState.Failed or MaterialCopyState.NothingToCopy,
        TimeSpan.FromMinutes(3));

    /// <summary>Every command that any recorder keeps.</summary>
    private static async Task<IReadOnlyList<string>> ToldAsync(Site site)
    {
        var told = new List<string>();
        foreach (var recorder in site.Recorders)
        {
            told.AddRange((await recorder.ListCommandsAsync()).Select(c => $"{recorder.Id} {c.Method} {c.Path} {c.Key}"));
        }

        return told;
    }

    /// <summary>The database as the process left it when it was killed: with what is still in its log.</summary>
    private static Dictionary<string, byte[]> Read(string folder) =>
        Files.Select(name => Path.Combine(folder, name)).Where(File.Exists).ToDictionary(path => Path.GetFileName(path), File.ReadAllBytes);

    private static void Write(string folder, Dictionary<string, byte[]> backup)
    {
        foreach (var name in Files)
        {
            File.Delete(Path.Combine(folder, name));
        }

        foreach (var (name, bytes) in backup)
        {
            File.WriteAllBytes(Path.Combine(folder, name), bytes);
        }
    }
}
