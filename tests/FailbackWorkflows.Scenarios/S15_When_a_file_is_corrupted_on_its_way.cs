using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>Scenario 15: a configuration file arrives changed; staging refuses its digest, the run stops before the switch.</summary>
public sealed class S15_When_a_file_is_corrupted_on_its_way
{
    [Fact]
    public async Task The_failback_is_undone_and_the_failover_server_records_on()
    {
        await using var site = await Site.StartAsync(isRegistered: false);
        await using var wire = await TamperingProxy.StartAsync(site.Main.BaseUrl);
        await site.RegisterAsync(site.Main, wire.BaseUrl);
        await site.RegisterAsync(site.Standby);
        var entryId = await site.FailOverAsync();
        await site.ReturnMainAsync();
        var before = await site.Main.GetSettingsAsync(Site.MainId);
        wire.Change("/v1/duties/vms-1/config/staged", "\"contentBase64\":\"", "\"contentBase64\":\"AAAA");

        var run = await site.FailBackAsync(entryId);

        wire.Changed.ShouldBeGreaterThan(0);
        run.Result.ShouldBe("undone");
        (await site.Server.GetEntryAsync(entryId)).Failback.ShouldBe(FailbackState.Failed);
        (await site.Main.GetSettingsAsync(Site.MainId)).Revision.ShouldBe(before.Revision);
        (await site.Main.FindDutyAsync(Site.MainId))!.Recording.ShouldBeFalse();
        await Invariants.AssertStandbyRecordsOnAsync(site, entryId);
    }
}
