using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>Scenario 17: the failover server records to a folder that the failed server does not have. The dry run finds it, before anything is changed.</summary>
public sealed class S17_When_a_storage_path_is_missing_at_the_failed_server
{
    [Fact]
    public async Task The_failback_stops_before_the_switch_and_names_channel_and_folder()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        // Both run on this machine: the folder is there when the failover server is asked, and not any more when the failed server is.
        var folder = Directory.CreateDirectory(site.NewFolder("drive-e")).FullName;
        await site.Standby.ChangeSettingsAsync(Site.MainId, content => content["channels"]![0]!["storagePath"] = folder);
        Directory.Delete(folder);
        var before = await site.Main.GetSettingsAsync(Site.MainId);

        var run = await site.FailBackAsync(entryId);

        run.Result.ShouldBe("undone");
        run.Message!.ShouldContain("vms-1 does not accept the settings: channel 1 'Camera 1' (storagePath): This folder does not exist on this recorder.");
        (await site.Main.GetSettingsAsync(Site.MainId)).Revision.ShouldBe(before.Revision);
        (await site.Server.GetEntryAsync(entryId)).Failback.ShouldBe(FailbackState.Failed);
        await Invariants.AssertStandbyRecordsOnAsync(site, entryId);
        await Invariants.AssertAsync(site, run.RunId);
    }
}
