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
