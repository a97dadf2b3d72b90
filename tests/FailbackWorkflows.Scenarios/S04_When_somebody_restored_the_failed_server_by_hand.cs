using System.Net;
using System.Text.Json.Nodes;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>Scenario 4: the failed server records already, under an epoch nobody here granted; check 3 refuses and raises the alarm, and it can be adopted.</summary>
public sealed class S04_When_somebody_restored_the_failed_server_by_hand
{
    [Fact]
    public async Task Check_3_refuses_and_the_split_brain_alarm_is_raised()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        var duty = await site.Main.FindDutyAsync(Site.MainId);
        var granted = await site.Main.SendAsync(
            HttpMethod.Put,
            "v1/duties/vms-1",
            new JsonObject { ["role"] = "recorder", ["epoch"] = duty!.Epoch + 10, ["allocationId"] = "by-hand", ["fence"] = duty.Fence },
            ("Idempotency-Key", "by-hand-1"));
        granted.Status.ShouldBe(HttpStatusCode.OK);
        var recording = await site.Main.SendAsync(
            HttpMethod.Post,
            "v1/recording:start",
            new JsonObject { ["identity"] = "vms-1" },
            ("Idempotency-Key", "by-hand-2"),
            ("X-Duty-Epoch", $"{duty.Epoch + 10}"),
            ("X-Duty-Fence", $"{duty.Fence}"));
        recording.Status.ShouldBe(HttpStatusCode.OK);
        var before = await Touch.LookAsync(site, entryId);

        var run = await site.FailBackAsync(entryId);

        run.Result.ShouldBe("refused");
        run.RefusedCheck.ShouldBe(3);
        (await site.Server.ListChangesAsync()).ShouldContain(c => (string?)c["kind"] == "alarm" && (string?)c["subject"] == Site.MainId);
        (await Touch.LookAsync(site, entryId)).ShouldBe(before);
        await Invariants.AssertAsync(site, run.RunId);

        run.Offer.ShouldBe("adopt");
        var adopting = await site.Server.PostAsync($"api/v1/failover-log/{entryId}/adopt", new JsonObject { ["requestId"] = "adopt-1", ["reason"] = "scenario" });
        adopting.Status.ShouldBe(HttpStatusCode.Accepted);
        var adoption = await site.WaitForEndAsync((string)adopting.Json!["runId"]!);
        adoption.Result.ShouldBe("done", adoption.Message);
        await Eventually.HoldsAsync(
            "the failover server has stopped, and its hold has its end",
            async () => (await site.Standby.FindDutyAsync(Site.MainId))!.Recording == false && (await site.Standby.GetHoldAsync(entryId)).ToUtc is not null);
        (await site.Main.FindDutyAsync(Site.MainId))!.Recording.ShouldBeTrue();
        await Invariants.AssertAsync(site, adoption.RunId);
    }
}
