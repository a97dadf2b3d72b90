using System.Net;
using System.Text.Json.Nodes;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>Scenarios 21 and 23: the failback goes on with consent, or after the hand-over timeout; what the failover server missed is owed, and told when it is back.</summary>
public sealed class S23_When_the_failover_server_dies_before_it_hands_over
{
    [Fact]
    public async Task Main_takes_over_with_consent_and_the_failover_server_hears_of_it_when_it_is_back()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        await site.SetPolicyAsync(TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(2));
        await site.Standby.KillAsync();

        var refused = await site.FailBackAsync(entryId);
        var started = await site.Server.PostAsync(
            $"api/v1/failover-log/{entryId}/failback",
            new JsonObject { ["requestId"] = site.NewRequestId(), ["reason"] = "scenario", ["withoutFailoverServer"] = true });
        started.Status.ShouldBe(HttpStatusCode.Accepted);
        var run = await site.WaitForEndAsync((string)started.Json!["runId"]!);

        (refused.RefusedCheck, refused.Offer).ShouldBe((2, RunOffers.WithoutFailoverServer));
        run.Result.ShouldBe("done", run.Message);
        (await OwedAsync(site, entryId)).ShouldBe(["stop", "lastTimes", "holdEnd", "standBy", "unfreeze"]);
        (await site.Main.FindDutyAsync(Site.MainId))!.Recording.ShouldBeTrue();

        await site.Standby.StartAsync();
        await Eventually.HoldsAsync("the failover server was told everything", async () => (await OwedAsync(site, entryId)).Count == 0);
        await AssertHandedOverAsync(site, entryId);
        await Invariants.AssertAsync(site, run.RunId);
    }

    [Fact]
    public async Task Frozen_at_the_stop_it_is_owed_and_stops_when_it_is_back()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        await site.SetPolicyAsync(TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(2));
        var stop = new CommitStop(site.Server.Folder);
        stop.WhenStarts("Failback.StopFailoverServer", CommitStop.AWhile);
        var runId = await site.StartFailbackAsync(entryId);
        await Eventually.HoldsAsync(
            "the point of no return is being committed",
            async () => (await site.Server.GetRunAsync(runId)).Steps.SelectMany(s => s.Parts).Any(p => p.ActivityType == "Failback.PointOfNoReturn" && p.State == FailbackWorkflows.Failback.Runs.RunStepState.Running));
        await site.Standby.KillAsync();

        var run = await site.WaitForEndAsync(runId);
        var entry = await site.Server.GetAsync($"api/v1/failover-log/{entryId}");
        await site.Standby.StartAsync();

        run.Result.ShouldBe("done", run.Message);
        ((int)entry.Json!["openObligations"]!).ShouldBe(5);
        await Eventually.HoldsAsync("the failover server was told everything", async () => (await OwedAsync(site, entryId)).Count == 0);
        await AssertHandedOverAsync(site, entryId);
        await Invariants.AssertAsync(site, runId);
    }

    private static async Task<IReadOnlyList<string>> OwedAsync(Site site, string entryId) =>
        [.. (await site.Server.GetAsync($"api/v1/obligations?entry={entryId}")).Json!["items"]!.AsArray().Where(o => o!["settledAt"] is null).Select(o => (string)o!["kind"]!)];

    private static async Task AssertHandedOverAsync(Site site, string entryId)
    {
        var standby = await site.Standby.FindDutyAsync(Site.MainId);
        (standby!.Role, standby.Recording).ShouldBe((DutyRole.FailoverServer, false));
        (await site.Standby.GetSettingsAsync(Site.MainId)).Frozen.ShouldBeFalse();
        (await site.Standby.GetHoldAsync(entryId)).ToUtc.ShouldNotBeNull();
        var entry = await site.Server.GetEntryAsync(entryId);
        entry.Failback.ShouldBe(FailbackState.Done);
        entry.LastTimes!.Keys.ShouldBe((await site.Standby.GetRecordingAsync(Site.MainId)).Channels.Select(c => c.ChannelId), ignoreOrder: true);
    }
}
