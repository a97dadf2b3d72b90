using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// Scenario 13: settings come from the live failover server, whatever the cache holds. When it is gone, the cache is not applied without
/// consent: the run says since when it is stale, and nothing is switched.
/// </summary>
public sealed class S13_When_the_cached_settings_may_be_out_of_date
{
    [Fact]
    public async Task The_failover_server_dies_before_they_are_read()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        var before = await site.Main.GetSettingsAsync(Site.MainId);
        await site.Main.HoldAnswerAsync("POST", "/v1/recorder:probe", TimeSpan.FromSeconds(3));
        var runId = await site.StartFailbackAsync(entryId);
        await Eventually.HoldsAsync("the run is at check 3", async () => (await site.Server.GetRunAsync(runId)).Steps.Any(s => s is { Number: 3, StartedAt: not null }));
        await site.Standby.KillAsync();
        // The duty goes back only when the failover server can be told.
        await Eventually.HoldsAsync("the run is being undone", async () => (await site.Server.GetRunAsync(runId)).Steps.Any(s => s is { Number: null, StartedAt: not null }), TimeSpan.FromMinutes(2));
        await site.Standby.StartAsync();

        var run = await site.WaitForEndAsync(runId);

        run.Result.ShouldBe("undone");
        run.Message!.ShouldContain("are stale since ");
        run.Message!.ShouldContain("Bring vms-2 back on the network, then start again.");
        (await site.Main.GetSettingsAsync(Site.MainId)).Revision.ShouldBe(before.Revision);
        (await site.Server.GetEntryAsync(entryId)).Failback.ShouldBe(FailbackState.Failed);
        await Invariants.AssertStandbyRecordsOnAsync(site, entryId);

        // Once it is back, its live settings are taken, though the cache has not looked since they were changed.
        var wanted = await site.Standby.ChangeSettingsAsync(Site.MainId, content => content["retention"]!["maximumRetentionTime"] = "P7D");
        var again = await site.FailBackAsync(entryId);
        await Invariants.AssertFailedBackAsync(site, entryId, again.RunId, wanted.Sha256);
    }
}
