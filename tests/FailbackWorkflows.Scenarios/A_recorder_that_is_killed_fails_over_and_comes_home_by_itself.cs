using System.Text.Json.Nodes;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>Nobody touches anything: a recorder is killed and started again; failover, failback and material copy happen by themselves.</summary>
public sealed class A_recorder_that_is_killed_fails_over_and_comes_home_by_itself
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    [Fact]
    public async Task With_its_material()
    {
        await using var site = await Site.StartAsync();
        await PutAsync(site, "general-settings", new JsonObject { ["isFailoverEnabled"] = true, ["isAutomaticFailbackEnabled"] = true, ["pollInterval"] = null, ["stabilityDelay"] = "00:00:00" });
        await PutAsync(site, "failover-settings", new JsonObject { ["group"] = "hall", ["isAutomatic"] = true, ["afterPolls"] = 3, ["roomPerDutyBytes"] = 10_000_000 });

        await site.Main.KillAsync();
        var entry = await Eventually.GetAsync(
            "the duty is taken over by itself",
            async () => (await site.Server.GetAsync($"api/v1/failover-log?server={Site.MainId}")).As<Page>().Items.FirstOrDefault(),
            e => e is { Failover: FailoverState.Done },
            Patience);
        (entry!.StartedBy, entry.FailoverServerId).ShouldBe(("Automatic failover", Site.StandbyId));
        (await site.Standby.FindDutyAsync(Site.MainId)).ShouldSatisfyAllConditions(d => d!.Role.ShouldBe(DutyRole.Recorder), d => d!.Recording.ShouldBeTrue());

        await site.Main.StartAsync();
        var home = await Eventually.GetAsync("the duty comes home by itself", () => site.Server.GetEntryAsync(entry.Id), e => e.Failback == FailbackState.Done, Patience);
        var (held, before) = (await CopyInvariants.ListAsync(site.Standby, Site.MainId), await CopyInvariants.ListAsync(site.Main, Site.MainId));
        var run = await site.Server.GetRunAsync(home.FailbackRunId!);
        (run.StartedBy.Name, run.Result).ShouldBe(("Automatic failback", "done"));

        var copied = await Eventually.GetAsync(
            "the material comes home by itself",
            () => site.Server.GetEntryAsync(entry.Id),
            e => e.MaterialCopy is MaterialCopyState.Copied or MaterialCopyState.CopiedWithLosses or MaterialCopyState.Failed,
            Patience);
        copied.MaterialCopy.ShouldBe(MaterialCopyState.Copied, copied.Message);
        copied.IsActive.ShouldBeFalse();
        await CopyInvariants.AssertAsync(site, entry.Id, site.Standby, site.Main, held, before);
        await Invariants.AssertAsync(site, run.RunId, $"Recorder {Site.MainId} is connected again.");
        (await site.Server.GetAsync($"api/v1/servers/{Site.MainId}")).Json!["state"]!.GetValue<string>().ShouldBe("ok");
        var automatic = (await site.Server.GetAsync($"api/v1/servers/{Site.MainId}/automatic-failover")).Json!;
        ((int)automatic["attempts"]!, (int)automatic["failedPolls"]!).ShouldBe((1, 0));
    }

    private static async Task PutAsync(Site site, string what, JsonObject settings) =>
        (await site.Server.PutAsync($"api/v1/servers/{Site.MainId}/{what}", settings)).Status.ShouldBe(System.Net.HttpStatusCode.OK);

    private sealed record Page(IReadOnlyList<FailoverLogEntry> Items);
}
