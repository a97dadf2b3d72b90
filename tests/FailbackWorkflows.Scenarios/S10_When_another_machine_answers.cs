using System.Net;
using System.Text.Json.Nodes;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>Scenario 10: another machine at the same address, or older software; check 3 refuses.</summary>
public sealed class S10_When_another_machine_answers
{
    [Fact]
    public async Task Check_3_refuses_another_machine_at_the_same_address()
    {
        await using var site = await Site.StartAsync();
        var entryId = await site.FailOverAsync();
        await site.Main.StartAsync(folder: site.NewFolder("another-machine"));

        var run = await site.FailBackAsync(entryId);

        run.Result.ShouldBe("refused");
        run.RefusedCheck.ShouldBe(3);
        run.Message!.ShouldContain((await site.Main.GetStatusAsync()).Id);
        var standby = await site.Standby.FindDutyAsync(Site.MainId);
        standby!.Recording.ShouldBeTrue();
        (await site.Main.ListCommandsAsync()).ShouldBeEmpty("a machine that nobody knows is told nothing");
    }

    [Fact]
    public async Task The_new_machine_is_bound_to_the_server_and_gets_its_duty()
    {
        await using var site = await Site.StartAsync();
        var entryId = await site.FailOverAsync();
        await using var exchanged = new RecorderProcess(Site.MainId, site.NewFolder("another-machine"), "token-of-the-new-machine-0123");
        await exchanged.StartAsync();
        var (old, wanted) = ((string)(await site.Server.GetAsync($"api/v1/servers/{Site.MainId}")).Json!["machineId"]!, await site.Standby.GetSettingsAsync(Site.MainId));
        var order = new JsonObject
        {
            ["oldMachineId"] = old,
            ["newMachineId"] = (await exchanged.GetStatusAsync()).Id,
            ["credential"] = exchanged.Token,
            ["baseUrl"] = exchanged.BaseUrl.ToString(),
        };

        (await site.Server.PostAsync($"api/v1/servers/{Site.MainId}/replace-machine", order)).Status.ShouldBe(HttpStatusCode.BadRequest, "without a reason");
        order["reason"] = "scenario";
        var replaced = await site.Server.PostAsync($"api/v1/servers/{Site.MainId}/replace-machine", order);

        replaced.Status.ShouldBe(HttpStatusCode.OK);
        ((string)replaced.Json!["machineId"]!).ShouldBe((string)order["newMachineId"]!);
        await Eventually.GetAsync("the new machine is told to stand by", () => exchanged.FindDutyAsync(Site.MainId), d => d is { Recording: false, Epoch: > 1 });
        var run = await site.FailBackAsync(entryId);
        run.Result.ShouldBe("done", run.Message);
        var duty = await exchanged.FindDutyAsync(Site.MainId);
        (duty!.Role, duty.Recording).ShouldBe((FailbackWorkflows.Recorders.Duties.DutyRole.Recorder, true));
        (await exchanged.GetSettingsAsync(Site.MainId)).Sha256.ShouldBe(wanted.Sha256);
        (await site.Standby.FindDutyAsync(Site.MainId))!.Recording.ShouldBeFalse();
        (await site.Server.ListAuditAsync()).ShouldContain(r => r.Action.EndsWith("/replace-machine", StringComparison.Ordinal) && (r.Reason ?? "").EndsWith(": scenario", StringComparison.Ordinal) && r.Result == "done");
        await Invariants.AssertAsync(site, run.RunId);
    }

    [Fact]
    public async Task Check_3_refuses_older_software()
    {
        await using var site = await Site.StartAsync();
        var entryId = await site.FailOverAsync();
        await site.Main.StartAsync(new Dictionary<string, string> { ["softwareVersion"] = "0.9.0" });
        var before = await Touch.LookAsync(site, entryId);

        var run = await site.FailBackAsync(entryId);

        run.Result.ShouldBe("refused");
        run.RefusedCheck.ShouldBe(3);
        run.Message!.ShouldContain("0.9.0");
        await Invariants.AssertStandbyRecordsOnAsync(site, entryId);
    }
}
