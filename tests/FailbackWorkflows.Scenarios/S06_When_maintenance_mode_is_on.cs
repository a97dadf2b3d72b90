using System.Net;
using System.Text.Json.Nodes;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>Scenario 6, and what it holds back: a recorder that returns is failed back by itself, but not while maintenance mode is on.</summary>
public sealed class S06_When_maintenance_mode_is_on
{
    [Fact]
    public async Task The_recorder_waits_for_its_duty_until_it_is_turned_off()
    {
        var (site, entryId) = await StartAsync();
        await using var _ = site;
        (await site.Server.PutAsync("api/v1/maintenance", new JsonObject { ["reason"] = "New switches" })).Status.ShouldBe(HttpStatusCode.OK);

        await site.ReturnMainAsync();
        await Eventually.GetAsync(
            "the refusal is logged",
            () => site.Server.GetAsync($"api/v1/failover-log/{entryId}/automatic-failback"),
            answer => (string?)answer.Json?["verdict"] == "refused" && answer.Json["refusedAt"] is not null);
        (await site.TryStartFailbackAsync(entryId)).Status.ShouldBe(HttpStatusCode.Conflict);
        (await site.Server.GetEntryAsync(entryId)).Failback.ShouldBe(FailbackState.NotStarted);
        await Invariants.AssertStandbyRecordsOnAsync(site, entryId);

        (await site.Server.SendAsync(HttpMethod.Delete, "api/v1/maintenance", (HttpContent?)null)).Status.ShouldBe(HttpStatusCode.OK);
        await AssertFailedBackAsync(site, entryId);
    }

    [Fact]
    public async Task Without_it_a_recorder_that_returns_is_failed_back_by_itself()
    {
        var (site, entryId) = await StartAsync();
        await using var _ = site;

        await site.Main.StartAsync();

        await AssertFailedBackAsync(site, entryId);
    }

    private static async Task<(Site Site, string EntryId)> StartAsync()
    {
        var site = await Site.StartAsync();
        try
        {
            var settings = new JsonObject { ["isFailoverEnabled"] = true, ["isAutomaticFailbackEnabled"] = true, ["pollInterval"] = "00:00:01", ["stabilityDelay"] = "00:00:00" };
            (await site.Server.PutAsync($"api/v1/servers/{Site.MainId}/general-settings", settings)).Status.ShouldBe(HttpStatusCode.OK);
            return (site, await site.FailOverAsync());
        }
        catch
        {
            await site.DisposeAsync();
            throw;
        }
    }

    private static async Task AssertFailedBackAsync(Site site, string entryId)
    {
        var entry = await Eventually.GetAsync("the failback is done by itself", () => site.Server.GetEntryAsync(entryId), e => e.Failback == FailbackState.Done);
        var run = await site.WaitForEndAsync(entry.FailbackRunId!);
        (run.Result, run.StartedBy.Name).ShouldBe(("done", "Automatic failback"));
        await Invariants.AssertAsync(site);
    }
}
