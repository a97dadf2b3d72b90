using System.Net;
using System.Text.Json.Nodes;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>Scenario 3: somebody gave the failover server another role; check 2 refuses, nothing is touched.</summary>
public sealed class S03_When_the_failover_server_does_not_act_any_more
{
    [Fact]
    public async Task Check_2_refuses_when_it_was_told_to_stand_by()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        var duty = await site.Standby.FindDutyAsync(Site.MainId);
        var answer = await site.Standby.SendAsync(
            HttpMethod.Put,
            "v1/duties/vms-1",
            new JsonObject { ["role"] = "standby", ["epoch"] = duty!.Epoch + 10, ["allocationId"] = "somebody-else", ["fence"] = duty.Fence },
            ("Idempotency-Key", "somebody-else-1"));
        answer.Status.ShouldBe(HttpStatusCode.OK);
        var before = await Touch.LookAsync(site, entryId);

        var run = await site.FailBackAsync(entryId);

        run.Result.ShouldBe("refused");
        run.RefusedCheck.ShouldBe(2);
        (await Touch.LookAsync(site, entryId)).ShouldBe(before);
        await Invariants.AssertAsync(site, run.RunId);

        // What is offered instead: the failed server keeps its duty as it stands, and what was recorded comes home from whoever holds it.
        run.Offer.ShouldBe("adopt");
        var adopting = await site.Server.PostAsync($"api/v1/failover-log/{entryId}/adopt", new JsonObject { ["requestId"] = "adopt-1", ["reason"] = "scenario" });
        adopting.Status.ShouldBe(HttpStatusCode.Accepted);
        var adoption = await site.WaitForEndAsync((string)adopting.Json!["runId"]!);
        adoption.Result.ShouldBe("done", adoption.Message);
        await Eventually.GetAsync("main records", () => site.Main.FindDutyAsync(Site.MainId), d => d is { Role: FailbackWorkflows.Recorders.Duties.DutyRole.Recorder, Recording: true });
        await Eventually.GetAsync("the material is home", () => site.Server.GetEntryAsync(entryId), e => e.MaterialCopy == FailbackWorkflows.Failback.FailoverLog.MaterialCopyState.Copied, TimeSpan.FromMinutes(3));
        await Invariants.AssertAsync(site, adoption.RunId);
    }

    [Fact]
    public async Task Check_2_refuses_when_it_cannot_be_reached()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        await site.Standby.KillAsync();

        var run = await site.FailBackAsync(entryId);

        run.Result.ShouldBe("refused");
        run.RefusedCheck.ShouldBe(2);
        await site.Standby.StartAsync();
        await Eventually.GetAsync("the failover server records on", () => site.Standby.FindDutyAsync(Site.MainId), d => d is { Role: FailbackWorkflows.Recorders.Duties.DutyRole.Recorder, Recording: true, Disputed: false });
        await Invariants.AssertStandbyRecordsOnAsync(site, entryId);
    }
}
