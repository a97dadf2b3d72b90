using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>Step 9 channel by channel: who records what while the duty changes hands.</summary>
public sealed class SwitchTests
{
    // Scenario 18: an overlap, with an end; the failover server stops after the last channel, and what is copied ends where the failed server began.
    [Fact]
    public async Task Overlap_OneChannelIsLate_FailoverServerRecordsUntilEveryChannelHasFrames()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedRecorder.TakeChannels("video-2");
        var start = world.Time.GetUtcNow();
        var recordedMeanwhile = new List<bool>();
        world.Recorders.Before(
            FailbackWorld.Failed,
            "GetRecording",
            () =>
            {
                recordedMeanwhile.Add(world.FailoverDuty.IsRecording);
                if (world.Time.GetUtcNow() - start >= TimeSpan.FromSeconds(10))
                {
                    world.FailedRecorder.FreeChannel("video-2");
                }
            },
            times: int.MaxValue);

        // It cannot let go of single cameras.
        world.Recorders.Fail(FailbackWorld.Failover, "ReleaseChannels", RecorderErrorKind.NotFound, times: int.MaxValue);

        var run = await world.FailBackAsync();

        await world.ShouldBeDoneAsync(run);
        var entry = await world.EntryAsync();
        var policy = new FailbackPolicy();
        foreach (var channel in FakeSettings.Channels)
        {
            var overlap = entry.LastTimes![channel] - entry.AuthorityEnds![channel];
            overlap.ShouldBeInRange(TimeSpan.Zero, policy.ConfirmTimeout + policy.HandOverTimeout, channel);
        }

        (entry.LastTimes!["video-1"] - entry.AuthorityEnds!["video-1"]).ShouldBeGreaterThanOrEqualTo(TimeSpan.FromSeconds(10));
        var stop = world.Recorders.Calls.ToList().FindIndex(c => c.Name == "StopRecording");
        world.Recorders.Calls.Skip(stop).Count(c => c.Name == "GetRecording" && c.ServerId == FailbackWorld.Failed).ShouldBe(1, "only to mark it ok");
        recordedMeanwhile.SkipLast(1).ShouldAllBe(r => r);

        // The rule for what both have: the failed server's own from its first frame on.
        MaterialCopyPeriods.Of(entry).Channels.ShouldAllBe(c => c.ToUtc <= world.FailoverDuty.AuthorityEnds![c.ChannelId!] + MaterialCopyPeriods.Margin);
    }

    // Scenario 19: one session only. The failover server lets go of that camera and of no other; the time nobody had it is told.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Camera_AllowsOneSession_IsLetGoOfAndItsGapIsListed(bool isAnswerLost)
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedRecorder.TakeChannels("video-2");
        DateTimeOffset? releasedAt = null;
        var released = new List<string>();
        world.Recorders.After(FailbackWorld.Failover, "ReleaseChannels", () =>
        {
            released.AddRange(world.FailoverDuty.Released);
            releasedAt = world.Time.GetUtcNow();
        });
        if (isAnswerLost)
        {
            world.Recorders.LoseAnswer(FailbackWorld.Failover, "ReleaseChannels");
        }

        // It tries again with pauses of its own.
        world.Recorders.Before(
            FailbackWorld.Failed,
            "GetRecording",
            () =>
            {
                if (world.Time.GetUtcNow() - releasedAt >= TimeSpan.FromSeconds(2))
                {
                    world.FailedRecorder.FreeChannel("video-2");
                }
            },
            times: int.MaxValue);

        var run = await world.FailBackAsync();

        await world.ShouldBeDoneAsync(run);
        released.ShouldBe(["video-2"]);
        world.Recorders.Effects.Where(e => e.Name == "ReleaseChannels").Select(e => e.Key).Distinct().Count().ShouldBe(1);
        var entry = await world.EntryAsync();
        entry.AuthorityEnds!.Keys.ShouldBe(FakeSettings.Channels, ignoreOrder: true);
        var gap = entry.AuthorityEnds["video-2"] - releasedAt!.Value;
        gap.ShouldBeInRange(TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(5));
        var alarm = run.Report.Alarms.Single().Text;
        alarm.ShouldContain(FormattableString.Invariant($"nobody recorded them for a moment: video-2 {gap.TotalSeconds:0.0} s."));
        (await world.AlarmsAsync()).Single().ShouldBe(alarm);
        (entry.LastTimes!["video-1"] - entry.AuthorityEnds["video-1"]).ShouldBeGreaterThanOrEqualTo(TimeSpan.Zero, "the other cameras were recorded throughout");
    }

    // Scenario 19: when the camera is not to be had all the same, the failover server takes it back.
    [Fact]
    public async Task Camera_LetGoOfInVain_IsRecordedByTheFailoverServerAgain()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedRecorder.TakeChannels("video-2");

        var run = await world.FailBackAsync();

        await world.ShouldBeUndoneAsync(run, FailbackWorld.FailoverEpoch + 2);
        run.Message!.ShouldContain("video-2");
        world.Recorders.Effects.Count(e => e.Name == "ReleaseChannels").ShouldBe(1);
        world.FailoverDuty.Released.ShouldBeEmpty();
        var last = world.FailoverDuty.ToRecording().Channels.Single(c => c.ChannelId == "video-2").LastFrameAt;
        last.ShouldBe(world.Time.GetUtcNow());
    }

    // Scenario 19 with a failover server that is away just then: the command is repeated under its key, and the switch goes by the policy.
    [Fact]
    public async Task Camera_FailoverServerIsAwayWhenItShouldLetGo_IsAskedAgain()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedRecorder.TakeChannels("video-2");
        world.Recorders.Fail(FailbackWorld.Failover, "ReleaseChannels", times: 3);
        world.Recorders.After(FailbackWorld.Failover, "ReleaseChannels", () => world.FailedRecorder.FreeChannel("video-2"), nth: 4);

        var run = await world.FailBackAsync();

        await world.ShouldBeDoneAsync(run);
        world.Recorders.Calls.Where(c => c.Name == "ReleaseChannels").Select(c => c.Key).Distinct().Count().ShouldBe(1);
    }

    // Scenario 20: until the confirm timeout the failback is running, and says what each dark channel is waited for.
    [Fact]
    public async Task DarkChannels_WhileTheyAreWaitedFor_AreNamedWithTheStep()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.SetPolicyAsync(new() { DarkChannels = DarkChannelPolicy.ContinueAndAlarm });
        world.FailedRecorder.DarkChannels.Add("video-1");
        world.FailedRecorder.TakeChannels("video-2");
        world.Recorders.Fail(FailbackWorld.Failover, "ReleaseChannels", RecorderErrorKind.NotFound, times: int.MaxValue);
        var seen = new List<(string Result, FailbackState Failback, RunStepState State, string? Message)>();
        var start = world.Time.GetUtcNow();
        string? runId = null;
        world.Store.Waiting = async _ =>
        {
            if (runId is not null && await world.Node.Get<IRunReports>().FindAsync(runId, default) is { } report)
            {
                var part = report.Steps.Single(s => s.Number == 9).Parts.Single(p => p.ActivityType == "Failback.ConfirmRecording");
                if (part.State == RunStepState.Waiting)
                {
                    seen.Add((report.Result, (await world.EntryAsync()).Failback, part.State, part.Message));
                }
            }
        };

        runId = (await world.StartFailbackAsync()).RunId;
        var run = await world.EndAsync(runId!);

        await world.ShouldBeDoneAsync(run);
        seen.Count.ShouldBeGreaterThan(3);
        seen.ShouldAllBe(s => s.Result == "running" && s.Failback == FailbackState.Running);
        seen.ShouldContain(s => s.Message == "Recorder 1 has frames of 1 of 3 required channels; still dark: video-1 (no frames yet), video-2 (its camera is taken).");
        (world.Time.GetUtcNow() - start).ShouldBeGreaterThanOrEqualTo(new FailbackPolicy().ConfirmTimeout);
        run.Report.Alarms.Single().Text.ShouldContain("these channels stay dark: video-1, video-2");
        run.Journal.OfType<ActivitySuspended>().Where(s => s.NodeId.EndsWith(":confirm", StringComparison.Ordinal)).ShouldAllBe(s => s.Notes == null, "a wait is no alarm");
    }

    // Scenario 21: the failover server never hears "stop". It records on, without authority, and what it recorded then is disputed once it hears of it.
    [Fact]
    public async Task FailoverServer_CutOffAfterMainWasToldToRecord_RecordsOnAndReportsItWhenItIsSeenAgain()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.Before(FailbackWorld.Failover, "StopRecording", () => world.FailoverRecorder.IsCutOff = true);

        var run = await world.FailBackAsync();
        var atTheSwitch = (await world.EntryAsync()).AuthorityEnds!;
        world.Time.Advance(TimeSpan.FromHours(3));
        await world.PollAsync();
        var cutOff = (world.FailoverDuty.IsRecording, world.FailoverDuty.Epoch, world.FailoverDuty.AuthorityEnds);
        var home = (world.FailedDuty.IsRecording, world.FailedDuty.Epoch, (await world.DutyAsync()).HolderServerId);
        var (hold, owed) = (world.FailoverRecorder.Holds[FailbackWorld.Entry].ToUtc, await world.OwedAsync());
        world.FailoverRecorder.IsCutOff = false;
        await world.PollAsync();

        run.Result.ShouldBe("done", run.Message);
        (cutOff.IsRecording, cutOff.Epoch).ShouldBe((true, FailbackWorld.FailoverEpoch), "nobody tells a recorder that is cut off to stop");
        cutOff.AuthorityEnds.ShouldBeNull();
        home.ShouldBe((true, FailbackWorld.FailoverEpoch + 1, FailbackWorld.Failed));
        hold.ShouldBeNull();
        owed.Count.ShouldBe(5);
        (world.FailoverDuty.ToState().Role, world.FailoverDuty.IsRecording, world.FailoverDuty.Epoch).ShouldBe((DutyRole.FailoverServer, false, FailbackWorld.FailoverEpoch + 1));
        (await world.OwedAsync()).ShouldBeEmpty();

        // What it wrote after the failed server's first frames is disputed, held to its end, and no part of what is copied.
        var entry = await world.EntryAsync();
        world.FailoverDuty.AuthorityEnds!.Keys.ShouldBe(FakeSettings.Channels, ignoreOrder: true);
        entry.AuthorityEnds.ShouldBe(atTheSwitch, ignoreOrder: true);
        foreach (var channel in FakeSettings.Channels)
        {
            (entry.LastTimes![channel] - world.FailoverDuty.AuthorityEnds[channel]).ShouldBeGreaterThan(TimeSpan.FromHours(2.9));
        }

        world.FailoverRecorder.Holds[FailbackWorld.Entry].ToUtc.ShouldBe(entry.LastTimes!.Values.Max());
        MaterialCopyPeriods.Of(entry).Channels.ShouldAllBe(c => c.ToUtc <= world.FailoverDuty.AuthorityEnds[c.ChannelId!] + MaterialCopyPeriods.Margin);
        MaterialCopyPeriods.OfDisputed(entry).Whole.ToUtc.ShouldBe(entry.LastTimes.Values.Max());
        world.ShouldHaveCommandedOnce();
    }

    // Scenario 25: a client that is not there, or goes away in the middle, keeps nobody waiting and finds everything when it is back, each change once and in order.
    [Fact]
    public async Task Client_AwayDuringTheFailback_ReadsOnFromItsCursor()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var feed = world.Get<FailbackWorkflows.Failback.Changes.IChangeFeed>();
        var before = await feed.GetLatestCursorAsync(default);
        var waiting = feed.WaitAsync(default);

        await world.ShouldBeDoneAsync(await world.FailBackAsync());

        await waiting.WaitAsync(TimeSpan.FromSeconds(30));
        var whole = await feed.ReadAsync(before, 1_000, default);
        whole.ShouldContain(i => i.Change.Kind == "systemChange");
        whole.Count.ShouldBeGreaterThan(3);

        // It is told two at a time and lost after each; what it has not confirmed by its cursor it is told again.
        var (cursor, heard) = (before, new List<long>());
        while (await feed.ReadAsync(cursor, 2, default) is { Count: > 0 } page)
        {
            (await feed.ReadAsync(cursor, 2, default)).ShouldBe(page);
            heard.AddRange(page.Select(i => i.Cursor));
            cursor = page[^1].Cursor;
        }

        heard.ShouldBe(whole.Select(i => i.Cursor));
    }
}
