using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing.Faults;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// Scenario 21: the network between manager and failover server splits after the failed server was told to record. The failover server records on under its old epoch; when it
/// hears of the higher one it stops, and what it recorded since the failed server's first frames is disputed.
/// </summary>
public sealed class S21_When_the_failover_server_never_hears_the_stop
{
    [Fact]
    public async Task It_records_on_without_authority_and_reports_that_as_disputed()
    {
        await using var site = await Site.StartAsync(isRegistered: false);
        await using var link = FaultyLink.To(site.Standby.BaseUrl);
        await site.RegisterAsync(site.Main);
        await site.RegisterAsync(site.Standby, link.BaseUrl);
        var entryId = await site.FailOverAsync();
        await site.ReturnMainAsync();
        await site.SetPolicyAsync(TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(5));
        var stop = new CommitStop(site.Server.Folder);
        stop.WhenStarts("Failback.StopFailoverServer", CommitStop.AWhile);
        var runId = await site.StartFailbackAsync(entryId);
        await Eventually.HoldsAsync(
            "the point of no return is being committed",
            async () => (await site.Server.GetRunAsync(runId)).Steps.SelectMany(s => s.Parts).Any(p => p.ActivityType == "Failback.PointOfNoReturn" && p.State == FailbackWorkflows.Failback.Runs.RunStepState.Running));
        link.Down();

        var run = await site.WaitForEndAsync(runId);

        run.Result.ShouldBe("done", $"{run.Message} {string.Join(' ', run.Incidents.Select(i => i.Fault.Message))} {string.Join(", ", run.Steps.Select(s => $"{s.Number} {s.State} {s.Outcome}"))}");
        var (main, standby) = ((await site.Main.FindDutyAsync(Site.MainId))!, (await site.Standby.FindDutyAsync(Site.MainId))!);
        (main.Role, main.Recording, standby.Role, standby.Recording).ShouldBe((DutyRole.Recorder, true, DutyRole.Recorder, true));
        standby.Epoch.ShouldBeLessThan(main.Epoch, "I2: only one of them has the current epoch");
        var switched = (await site.Server.GetEntryAsync(entryId)).AuthorityEnds!["video-1"];
        await Eventually.HoldsAsync(
            "it has recorded well beyond the end of its authority",
            async () => (await site.Standby.GetRecordingAsync(Site.MainId)).Channels.Single(c => c.ChannelId == "video-1").LastFrameAt > switched + TimeSpan.FromSeconds(4));

        link.Up();
        await Eventually.GetAsync("it has stopped", () => site.Standby.FindDutyAsync(Site.MainId), d => d is { Role: DutyRole.FailoverServer, Recording: false } && d.Epoch == main.Epoch);
        var entry = await Eventually.GetAsync("its last times are known", () => site.Server.GetEntryAsync(entryId), e => e.LastTimes is not null);
        (await Eventually.GetAsync("its hold has its end", () => site.Standby.GetHoldAsync(entryId), h => h.ToUtc is not null)).ToUtc!.Value.ShouldBeGreaterThanOrEqualTo(entry.LastTimes!["video-1"], "what is disputed is held, too");
        var segments = (await site.Standby.ListSegmentsAsync(Site.MainId, "video-1")).Select(s => s!).ToList();
        segments.Where(s => (DateTimeOffset)s["from"]! > switched + TimeSpan.FromSeconds(1)).ShouldAllBe(s => (string?)s["disputed"] == "disputed");
        segments.ShouldContain(s => (DateTimeOffset)s["from"]! > switched + TimeSpan.FromSeconds(1));
        segments.Where(s => (DateTimeOffset)s["to"]! <= switched).ShouldAllBe(s => (string?)s["disputed"] == "none");
        (await site.Main.FindDutyAsync(Site.MainId))!.Recording.ShouldBeTrue();
        await Eventually.GetAsync("what is ordinary comes home", () => site.Server.GetEntryAsync(entryId), e => e.MaterialCopy == MaterialCopyState.Copied, TimeSpan.FromMinutes(3));
        (await site.Standby.ListSegmentsAsync(Site.MainId, "video-1")).ShouldContain(s => (string?)s!["disputed"] == "disputed", "what is disputed is kept");
        await Invariants.AssertAsync(site, runId);
    }
}
