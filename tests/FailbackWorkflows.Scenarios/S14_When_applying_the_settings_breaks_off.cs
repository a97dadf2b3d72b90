using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>Scenario 14: a break-off between staging and activation leaves the old revision, and nothing is recorded without its masks.</summary>
public sealed class S14_When_applying_the_settings_breaks_off
{
    [Fact]
    public async Task Killed_after_staging_the_failed_server_comes_up_on_its_old_revision()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        await site.Standby.ChangeSettingsAsync(Site.MainId, content => content["retention"]!["maximumRetentionTime"] = "P14D");
        var before = await site.Main.GetSettingsAsync(Site.MainId);
        await site.Main.HoldAnswerAsync("POST", "/v1/duties/vms-1/config/staged", TimeSpan.FromMinutes(5));
        var runId = await site.StartFailbackAsync(entryId);
        await Eventually.HoldsAsync("the settings are staged", async () => (await site.Main.ListCommandsAsync(runId)).Any(c => c.Path.EndsWith("/staged", StringComparison.Ordinal)));
        await site.Main.KillAsync();

        var run = await site.WaitForEndAsync(runId);

        run.Result.ShouldBe("undone");
        (await site.Server.GetEntryAsync(entryId)).Failback.ShouldBe(FailbackState.Failed);
        await Invariants.AssertStandbyRecordsOnAsync(site, entryId);
        await site.Main.StartAsync();
        var after = await site.Main.GetSettingsAsync(Site.MainId);
        after.Revision.ShouldBe(before.Revision);
        after.Sha256.ShouldBe(before.Sha256);
        (await site.Main.FindDutyAsync(Site.MainId))!.Recording.ShouldBeFalse();

        // And once it is well again, a new failback brings the duty home.
        var again = await site.FailBackAsync(entryId);
        again.Result.ShouldBe("done", again.Message);
        var settings = await site.Standby.GetSettingsAsync(Site.MainId);
        await Invariants.AssertFailedBackAsync(site, entryId, again.RunId, settings.Sha256);
    }
}
