using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>Scenario 2: an entry that is failed back already, or whose failover failed, is refused by check 1; nothing is touched.</summary>
public sealed class S02_When_there_is_nothing_to_fail_back
{
    [Fact]
    public async Task A_second_failback_of_the_same_entry_is_refused_by_check_1()
    {
        var (site, entryId) = await Site.StartFailedOverAsync();
        await using var _ = site;
        (await site.FailBackAsync(entryId)).Result.ShouldBe("done");
        var before = await Touch.LookAsync(site, entryId);

        var run = await site.FailBackAsync(entryId);

        run.Result.ShouldBe("refused");
        run.RefusedCheck.ShouldBe(1);
        run.Message.ShouldNotBeNullOrWhiteSpace();
        (await Touch.LookAsync(site, entryId)).ShouldBe(before);
        await Invariants.AssertAsync(site, run.RunId);
    }

    [Fact]
    public async Task A_failover_that_failed_is_refused_by_check_1()
    {
        await using var site = await Site.StartAsync();
        await site.Main.KillAsync();
        // The failover server does not take the settings, so the failover fails before it has the duty.
        await site.Standby.RefuseAsync("POST", "/v1/duties/vms-1/config:validate", 400, 100);
        var started = await site.StartFailoverAsync();
        var failover = await site.WaitForEndAsync((string)started.Json!["runId"]!);
        var entryId = (string)started.Json!["entryId"]!;
        failover.Result.ShouldBe("failed", failover.Message);
        (await site.Server.GetEntryAsync(entryId)).Failover.ShouldBe(FailoverState.Failed);
        await site.Main.StartAsync();
        await Eventually.GetAsync("main records on", () => site.Main.FindDutyAsync(Site.MainId), d => d is { Role: FailbackWorkflows.Recorders.Duties.DutyRole.Recorder, Recording: true });

        var run = await site.FailBackAsync(entryId);

        run.Result.ShouldBe("refused");
        run.RefusedCheck.ShouldBe(1);
        await Invariants.AssertAsync(site, run.RunId);
    }
}
