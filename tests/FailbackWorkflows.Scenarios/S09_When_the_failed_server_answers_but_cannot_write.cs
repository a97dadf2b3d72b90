using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>Scenario 9: health is a probe write with free space, not a connection; check 3 refuses before any change.</summary>
public sealed class S09_When_the_failed_server_answers_but_cannot_write
{
    [Fact]
    public async Task Check_3_refuses()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        await site.Main.KillAsync();
        await site.Main.StartAsync(new Dictionary<string, string> { ["reserveBytes"] = long.MaxValue.ToString(System.Globalization.CultureInfo.InvariantCulture) });
        var before = await Touch.LookAsync(site, entryId);

        var run = await site.FailBackAsync(entryId);

        run.Result.ShouldBe("refused");
        run.RefusedCheck.ShouldBe(3);
        run.Message!.ShouldContain("cannot write");
        (await Touch.LookAsync(site, entryId)).ShouldBe(before);
        await Invariants.AssertStandbyRecordsOnAsync(site, entryId);
    }
}
