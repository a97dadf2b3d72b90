using System.Net;
using System.Text.Json.Nodes;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>Scenario 8: a recorder that comes and goes is not failed back before it was there for the stability delay; how often it was lost is shown.</summary>
public sealed class S08_When_the_failed_server_flaps
{
    private const int Flaps = 3;
    private static readonly TimeSpan Delay = TimeSpan.FromSeconds(12);

    [Fact]
    public async Task Nothing_is_failed_back_until_it_is_steady()
    {
        await using var site = await Site.StartAsync();
        var settings = new JsonObject { ["isFailoverEnabled"] = true, ["isAutomaticFailbackEnabled"] = true, ["pollInterval"] = "00:00:01", ["stabilityDelay"] = Delay.ToString("c") };
        (await site.Server.PutAsync($"api/v1/servers/{Site.MainId}/general-settings", settings)).Status.ShouldBe(HttpStatusCode.OK);
        var entryId = await site.FailOverAsync();
        await LostAsync(site, 1);

        for (var flap = 1; flap <= Flaps; flap++)
        {
            await site.Main.StartAsync();
            await Eventually.GetAsync("it is seen to be there", () => ServerAsync(site), s => (string?)s["connection"] is "connected" or "unstable");
            await site.Main.KillAsync();
            (await site.Server.GetEntryAsync(entryId)).Failback.ShouldBe(FailbackState.NotStarted, $"flap {flap}");
            await LostAsync(site, flap + 1);
        }

        await Invariants.AssertStandbyRecordsOnAsync(site, entryId);
        await site.Main.StartAsync();
        var steady = await Eventually.GetAsync("it is there for good, and called unstable", () => ServerAsync(site), s => (string?)s["connection"] == "unstable");
        ((int)steady["lossesWithinTheHour"]!).ShouldBeGreaterThanOrEqualTo(Flaps + 1);
        var entry = await Eventually.GetAsync("the failback is done by itself", () => site.Server.GetEntryAsync(entryId), e => e.Failback == FailbackState.Done);
        var run = await site.WaitForEndAsync(entry.FailbackRunId!);

        (run.Result, run.StartedBy.Name).ShouldBe(("done", "Automatic failback"));
        run.StartedAt.ShouldBeGreaterThanOrEqualTo((DateTimeOffset)steady["connectedSince"]! + Delay);
        await Invariants.AssertAsync(site, run.RunId, reason: null);
    }

    private static async Task<JsonObject> ServerAsync(Site site) => (await site.Server.GetAsync($"api/v1/servers/{Site.MainId}")).Json!.AsObject();

    private static Task LostAsync(Site site, int times) =>
        Eventually.GetAsync($"loss {times} is counted", () => ServerAsync(site), s => (string?)s["connection"] == "disconnected" && (int)s["lossesWithinTheHour"]! >= times);
}
