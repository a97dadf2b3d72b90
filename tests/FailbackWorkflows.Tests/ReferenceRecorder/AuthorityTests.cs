using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.ReferenceRecorder.Recording;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder;

public sealed class AuthorityTests
{
    // Known at the recorder: epoch 5, allocation "a", fence 3, role recorder.
    [Theory]
    [InlineData(DutyRole.Recorder, 4, "a", 3, "stale-authority")]
    [InlineData(DutyRole.Recorder, 5, "a", 2, "stale-authority")]
    [InlineData(DutyRole.Recorder, 6, "b", 2, "stale-authority")]
    [InlineData(DutyRole.Recorder, 5, "a", 3, "")]
    [InlineData(DutyRole.Recorder, 5, "a", 9, "")]
    [InlineData(DutyRole.Recorder, 5, "b", 3, "duty-conflict")]
    [InlineData(DutyRole.Standby, 5, "a", 3, "duty-conflict")]
    [InlineData(DutyRole.Recorder, 6, "a", 3, "")]
    [InlineData(DutyRole.Standby, 6, "b", 3, "")]
    [InlineData(DutyRole.FailoverServer, 6, "b", 4, "")]
    public async Task Assignment_AgainstKnownDuty_IsJudgedByEpochFenceAndContent(DutyRole role, long epoch, string allocation, long fence, string refusedAs)
    {
        await using var host = await RecorderHost.StartAsync();
        var before = await host.AssignAsync(DutyRole.Recorder, 5, "a", 3);

        if (refusedAs.Length > 0)
        {
            var error = await Should.ThrowAsync<RecorderException>(() => host.AssignAsync(role, epoch, allocation, fence));
            error.ProblemType.ShouldBe(RecorderProblems.Prefix + refusedAs);
            (await host.DutyAsync()).ShouldBe(before with { Fence = (await host.DutyAsync()).Fence });
        }
        else
        {
            (await host.AssignAsync(role, epoch, allocation, fence)).ShouldBe(new DutyState(RecorderHost.Identity, role, role, epoch, allocation, fence, false, false));
        }
    }

    [Fact]
    public async Task Fence_Raised_ShutsOutLowerCallsAndChangesNothingElse()
    {
        await using var host = await RecorderHost.StartSeededAsync();

        var duty = await host.Client.RaiseFenceAsync(host.Endpoint, RecorderHost.Identity, 8, default);
        var again = await host.Client.RaiseFenceAsync(host.Endpoint, RecorderHost.Identity, 8, default);
        var stale = await Should.ThrowAsync<RecorderException>(() => host.StopRecordingAsync(1, 7));

        duty.ShouldBe(new DutyState(RecorderHost.Identity, DutyRole.Recorder, DutyRole.Recorder, 1, "seed", 8, true, false));
        again.ShouldBe(duty);
        stale.Kind.ShouldBe(RecorderErrorKind.StaleAuthority);
        (await Should.ThrowAsync<RecorderException>(() => host.Client.RaiseFenceAsync(host.Endpoint, RecorderHost.Identity, 7, default))).Kind.ShouldBe(RecorderErrorKind.StaleAuthority);
    }

    [Fact]
    public async Task Fence_OfUnknownIdentity_MakesADutyOfRoleNone()
    {
        await using var host = await RecorderHost.StartAsync();

        (await host.Client.RaiseFenceAsync(host.Endpoint, "vms-9", 2, default)).ShouldBe(new DutyState("vms-9", DutyRole.None, DutyRole.None, 0, null, 2, false, false));
    }

    [Fact]
    public async Task Command_UnderALargerEpoch_StopsTheDutyHereAndIsThenJudged()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        await host.PassAsync(TimeSpan.FromSeconds(1));

        (await Should.ThrowAsync<RecorderException>(() => host.StartRecordingAsync(4))).ProblemType.ShouldBe(RecorderProblems.NotRecorder);

        (await host.DutyAsync()).ShouldBe(new DutyState(RecorderHost.Identity, DutyRole.Standby, DutyRole.Standby, 4, null, 0, false, false));
        (await host.SegmentsAsync()).ShouldAllBe(s => !s.Growing);

        // Only the number was learned: whoever allocated it may fill in the rest.
        (await host.AssignAsync(DutyRole.Recorder, 4, "run-4")).AllocationId.ShouldBe("run-4");
        (await host.StartRecordingAsync(4)).Channels.ShouldAllBe(c => c.Recording);
    }

    [Fact]
    public async Task Settings_StagedUnderALargerEpoch_AreTaken()
    {
        await using var host = await RecorderHost.StartSeededAsync();

        (await host.ConfigureAsync(RecorderHost.Content(2), epoch: 2, expectedRevision: 1)).Revision.ShouldBe(2);

        (await host.DutyAsync()).Role.ShouldBe(DutyRole.Standby);
    }

    [Fact]
    public async Task Assignment_WithHold_OpensItWithTheDuty()
    {
        await using var host = await RecorderHost.StartAsync();
        var from = host.Time.GetUtcNow();
        var hold = new HoldRequest("entry-1", from, "Failover of vms-1.");

        await host.AssignAsync(DutyRole.Recorder, 2, "run-1", hold: hold);
        await host.AssignAsync(DutyRole.Recorder, 2, "run-1", hold: hold);
        await host.AssignAsync(DutyRole.Recorder, 2, "run-1");

        var ended = await host.Client.PutRetentionHoldAsync(
            host.Endpoint, new RetentionHoldCommand("entry-1", RecorderHost.Identity, new DutyAuthority(2, 0), from, from.AddHours(1), "Over."), "end", default);
        ended.ToUtc.ShouldBe(from.AddHours(1));
        (await Should.ThrowAsync<RecorderException>(() => host.AssignAsync(DutyRole.Recorder, 2, "run-1", hold: hold with { EntryId = "entry-2" }))).ProblemType.ShouldBe(RecorderProblems.DutyConflict);
        (await Should.ThrowAsync<RecorderException>(() => host.Client.PutRetentionHoldAsync(
            host.Endpoint, new RetentionHoldCommand("entry-1", RecorderHost.Identity, new DutyAuthority(2, 0), from, from.AddMinutes(1), "Less."), "shrink", default)))
            .ProblemType.ShouldBe(RecorderProblems.HoldConflict);
    }

    [Fact]
    public async Task Restart_RoleConfirmed_ResumesRecordingAsOrdinary()
    {
        var first = await RecorderHost.StartSeededAsync();
        await first.PassAsync(TimeSpan.FromSeconds(3));
        await using var host = await first.RestartAsync();

        var waiting = await host.DutyAsync();
        var written = (await host.SegmentsAsync()).Count;
        await host.PassAsync(TimeSpan.FromSeconds(5));
        (await host.SegmentsAsync()).Count.ShouldBe(written);
        var confirmed = await host.AssignAsync(DutyRole.Recorder, 1, "seed");
        await host.PassAsync(TimeSpan.FromSeconds(3));

        waiting.ShouldBe(new DutyState(RecorderHost.Identity, DutyRole.AwaitingRole, DutyRole.Recorder, 1, "seed", 0, false, false));
        confirmed.ShouldBe(waiting with { Role = DutyRole.Recorder, Recording = true });
        (await host.SegmentsAsync()).Count.ShouldBeGreaterThan(written);
        (await host.SegmentsAsync()).ShouldAllBe(s => s.Disputed == DisputeState.None);
    }

    [Fact]
    public async Task Restart_Unanswered_RecordsProvisionallyUntilItsEpochIsConfirmed()
    {
        var first = await RecorderHost.StartSeededAsync();
        await first.PassAsync(TimeSpan.FromSeconds(3));
        await using var host = await first.RestartAsync("--bootConfirm", "00:00:10");

        (await Should.ThrowAsync<RecorderException>(() => host.StartRecordingAsync(1))).ProblemType.ShouldBe(RecorderProblems.NotRecorder);
        await host.PassAsync(TimeSpan.FromSeconds(14));
        var unanswered = await host.DutyAsync();
        var disputed = (await host.SegmentsAsync()).Count(s => s.Disputed == DisputeState.Provisional);
        var confirmed = await host.AssignAsync(DutyRole.Recorder, 1, "seed");

        unanswered.ShouldBe(new DutyState(RecorderHost.Identity, DutyRole.AwaitingRole, DutyRole.Recorder, 1, "seed", 0, true, true));
        disputed.ShouldBeGreaterThan(0);
        confirmed.ShouldBe(unanswered with { Role = DutyRole.Recorder, Disputed = false });
        (await host.SegmentsAsync()).ShouldAllBe(s => s.Disputed == DisputeState.None);
    }

    // The clock was wrong when the recorder came up, and was set right by an hour.
    [Fact]
    public async Task Restart_UnansweredAndTheClockSetBack_RecordsAfterAsLong()
    {
        var first = await RecorderHost.StartSeededAsync();
        await first.PassAsync(TimeSpan.FromSeconds(3));
        await using var host = await first.RestartAsync("--bootConfirm", "00:00:10");
        await host.PassAsync(TimeSpan.FromSeconds(2));
        host.Time.SetBack(TimeSpan.FromHours(1));

        await host.PassAsync(TimeSpan.FromSeconds(8));
        (await host.DutyAsync()).Recording.ShouldBeFalse();
        await host.PassAsync(TimeSpan.FromSeconds(4));

        (await host.DutyAsync()).ShouldSatisfyAllConditions(d => d.Recording.ShouldBeTrue(), d => d.Disputed.ShouldBeTrue());
    }

    // What was written and not indexed yet when the answer came is as ordinary as the rest.
    [Fact]
    public async Task Restart_ConfirmedBetweenTwoCommits_LeavesNoRecordDisputed()
    {
        var first = await RecorderHost.StartSeededAsync();
        await first.PassAsync(TimeSpan.FromSeconds(3));
        await using var host = await first.RestartAsync("--bootConfirm", "00:00:10");
        var engine = host.App.Services.GetRequiredService<RecordingEngine>();
        await engine.StopAsync(default);
        await host.PassAsync(TimeSpan.FromSeconds(14));

        // Confirmed at half past, so that the next whole second waits for its turn.
        host.Time.Advance(TimeSpan.FromSeconds(1.5));
        await engine.TickAsync(default);
        host.Time.Advance(TimeSpan.FromSeconds(0.6));
        await engine.TickAsync(default);
        var before = (await host.RecordsAsync("text")).Items;
        await host.AssignAsync(DutyRole.Recorder, 1, "seed");
        await host.PassAsync(TimeSpan.FromSeconds(3));

        before.ShouldContain(r => r.Disputed == DisputeState.Provisional);
        before[^1].TimeUtc.ShouldBeLessThan(host.Time.GetUtcNow() - TimeSpan.FromSeconds(3.5), "a line was waiting when the role was confirmed");
        (await host.RecordsAsync("text")).Items.ShouldAllBe(r => r.Disputed == DisputeState.None);
        (await host.SegmentsAsync()).ShouldAllBe(s => s.Disputed == DisputeState.None);
    }

    [Fact]
    public async Task Restart_DutyTakenAwayMeanwhile_StaysSilentAndAuthorityEndSettlesWhatIsDisputed()
    {
        var first = await RecorderHost.StartSeededAsync();
        await first.PassAsync(TimeSpan.FromSeconds(3));
        await using var host = await first.RestartAsync("--bootConfirm", "00:00:01");
        await host.PassAsync(TimeSpan.FromSeconds(10));
        var end = host.Time.GetUtcNow().AddSeconds(-3);

        await host.StopRecordingAsync(2, ends: new Dictionary<string, DateTimeOffset> { ["video-1"] = end });

        var segments = await host.SegmentsAsync();
        segments.Where(s => s.To <= end).ShouldAllBe(s => s.Disputed == DisputeState.None);
        segments.Where(s => s.To > end).ShouldNotBeEmpty();
        segments.Where(s => s.To > end).ShouldAllBe(s => s.Disputed == DisputeState.Disputed && s.DisputedFrom >= end);
        (await host.DutyAsync()).Role.ShouldBe(DutyRole.Standby);
    }
}
