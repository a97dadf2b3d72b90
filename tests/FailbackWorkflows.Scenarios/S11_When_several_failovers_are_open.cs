using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// Scenario 11: the failover server of a failed recorder fails too, and a third one takes over. The newest failover is failed back with its settings and ends the older one,
/// which is finalized with "material owed" until its own copy is verified.
/// </summary>
public sealed class S11_When_several_failovers_are_open
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    [Fact]
    public async Task The_newest_is_failed_back_and_each_period_comes_home()
    {
        await using var site = await Site.StartAsync(recorders: 3);
        var older = await site.FailOverAsync();
        await RecordsAsync(site.Standby);
        await site.Standby.KillAsync();
        var started = await site.StartFailoverAsync(Site.MainId, Site.ThirdId);
        (await site.WaitForEndAsync((string)started.Json!["runId"]!)).Result.ShouldBe("done");
        var newer = (string)started.Json!["entryId"]!;
        await site.ReturnMainAsync();
        await RecordsAsync(site.Third);
        var wanted = await site.Third.ChangeSettingsAsync(Site.MainId, content => content["retention"]!["maximumRetentionTime"] = "P9D");

        var refused = await site.FailBackAsync(older);
        var run = await site.FailBackAsync(newer);

        (refused.Result, refused.RefusedCheck).ShouldBe(("refused", 1));
        refused.Message!.ShouldContain(newer);
        run.Result.ShouldBe("done", run.Message);
        (await site.Main.GetSettingsAsync(Site.MainId)).Sha256.ShouldBe(wanted.Sha256, "the newest drives the settings");
        var ended = await site.Server.GetEntryAsync(older);
        (ended.Failback, ended.ClosedByEntryId, ended.IsActive, ended.OwesMaterial).ShouldBe((FailbackState.Done, newer, false, true));
        (await ListAsync(site, "finalized")).ShouldContain(older);
        (await ListAsync(site, "active")).ShouldNotContain(older);
        ((bool)(await site.Server.GetAsync($"api/v1/failover-log/{older}/material-copy")).Json!["owesMaterial"]!).ShouldBeTrue();
        await HomeAsync(site, newer);
        (await site.Server.GetEntryAsync(older)).OwesMaterial.ShouldBeTrue("its failover server is away");

        await site.Standby.StartAsync();
        await HomeAsync(site, older);
        (await site.Server.GetEntryAsync(older)).OwesMaterial.ShouldBeFalse();
        foreach (var (recorder, entryId) in new[] { (site.Standby, older), (site.Third, newer) })
        {
            await Eventually.HoldsAsync($"the hold of {entryId} is released", async () => (await recorder.GetHoldAsync(entryId)).Release is not null);
        }

        await Invariants.AssertAsync(site, run.RunId);
    }

    private static Task RecordsAsync(RecorderProcess recorder) => Eventually.HoldsAsync(
        $"{recorder.Id} has something that will be owed", async () => (await recorder.ListSegmentsAsync(Site.MainId, "video-1")).Any(s => !(bool)s!["growing"]!));

    private static Task HomeAsync(Site site, string entryId) => Eventually.GetAsync(
        $"the material of {entryId} is home and verified", () => site.Server.GetEntryAsync(entryId), e => e.MaterialCopy == MaterialCopyState.Copied, Patience);

    private static async Task<IReadOnlyList<string>> ListAsync(Site site, string view) =>
        [.. (await site.Server.GetAsync($"api/v1/failover-log?view={view}")).Json!["items"]!.AsArray().Select(e => (string)e!["id"]!)];
}
