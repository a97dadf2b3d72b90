using System.Net;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>Scenario 5: checked in step 4 and again right before the switch; past the point of no return the run finishes.</summary>
public sealed class S05_When_the_licence_does_not_cover_failover
{
    [Fact]
    public async Task Check_4_refuses_a_licence_without_failover()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        (await site.InstallLicenseAsync(feature: "playback")).Status.ShouldBe(HttpStatusCode.OK);
        var before = await Touch.LookAsync(site, entryId);

        var run = await site.FailBackAsync(entryId);

        run.Result.ShouldBe("refused");
        run.RefusedCheck.ShouldBe(4);
        (await Touch.LookAsync(site, entryId)).ShouldBe(before);
        await Invariants.AssertStandbyRecordsOnAsync(site, entryId);
    }

    [Fact]
    public async Task Lost_between_step_4_and_the_switch_the_failback_is_undone()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        await site.Standby.HoldAnswerAsync("POST", "/v1/duties/vms-1/config:freeze", TimeSpan.FromSeconds(6));
        var runId = await site.StartFailbackAsync(entryId);
        await CommandArrivedAsync(site.Standby, runId, ":freeze");
        (await site.InstallLicenseAsync(feature: "playback")).Status.ShouldBe(HttpStatusCode.OK);

        var run = await site.WaitForEndAsync(runId);

        run.Result.ShouldBe("undone");
        (await site.Server.GetEntryAsync(entryId)).Failback.ShouldBe(FailbackState.Failed);
        await Invariants.AssertStandbyRecordsOnAsync(site, entryId);
        await Invariants.AssertAsync(site, runId);
    }

    [Fact]
    public async Task Lost_after_the_point_of_no_return_the_failback_is_finished()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        var settings = await site.Standby.GetSettingsAsync(Site.MainId);
        await site.Standby.HoldAnswerAsync("POST", "/v1/recording:stop", TimeSpan.FromSeconds(6));
        var runId = await site.StartFailbackAsync(entryId);
        await CommandArrivedAsync(site.Standby, runId, ":stop");
        (await site.InstallLicenseAsync(feature: "playback")).Status.ShouldBe(HttpStatusCode.OK);

        var run = await site.WaitForEndAsync(runId);

        run.Alarms.ShouldContain(a => a.Text.Contains("was finished although the licence does not cover it any more", StringComparison.Ordinal));
        await Invariants.AssertFailedBackAsync(site, entryId, runId, settings.Sha256);
    }

    private static Task CommandArrivedAsync(RecorderProcess recorder, string runId, string pathEnd) =>
        Eventually.HoldsAsync($"{pathEnd} took effect", async () => (await recorder.ListCommandsAsync(runId)).Any(c => c.Path.EndsWith(pathEnd, StringComparison.Ordinal)));
}
