using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Server.Pages.FailoverLog;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server;

/// <summary>The line that answers whether there was a gap: it claims nothing that the report and the entry do not prove.</summary>
public sealed class CoverageLineTests
{
    private static readonly DateTimeOffset Start = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset HandOver = Start.AddMinutes(20);
    private static readonly Amount Nothing = new(0, 0);

    [Fact]
    public void Of_AHandOverWithOverlap_SaysThatNothingIsMissing()
    {
        var line = CoverageLine.Of(Entry(lastAfterHandOver: 1.1), Report(Track(Copied(0, 1200), Disputed(1200, 1201.1))));

        line.Text.ShouldStartWith("Nothing is missing: the hand-over left no gap");
        line.Tone.ShouldBe("ok");
    }

    [Theory]
    [InlineData(-0.5, 1200)]
    [InlineData(null, 1200)]
    [InlineData(1.1, 900)]
    public void Of_AHandOverThatIsNotProven_DoesNotSpeakOfGaps(double? lastAfterHandOver, double disputedFrom)
    {
        var line = CoverageLine.Of(Entry(lastAfterHandOver), Report(Track(Copied(0, disputedFrom), Disputed(disputedFrom, disputedFrom + 1))));

        line.Text.ShouldBe("Nothing is missing of what was recorded in the failover period: it is home and verified.");
        line.Tone.ShouldBe("ok");
    }

    [Fact]
    public void Of_WhatNobodyRecorded_NamesIt_ButNotAChannelThatWasNotConfigured()
    {
        var gap = Track(new(Start, Start.AddSeconds(4.2), CoverageState.NotRecorded, null), Copied(4.2, 1200));
        var unknown = Track(new CoverageStretch(Start, HandOver, CoverageState.NotRecorded, "notConfigured")) with { ChannelId = "video-3" };

        var one = CoverageLine.Of(Entry(1.1), Report(gap, unknown));
        one.Text.ShouldBe("Nothing that was recorded is missing. Nobody recorded video-1 for 4.2 s.");
        one.Tone.ShouldBeEmpty();
        CoverageLine.Of(Entry(1.1), Report(gap, gap with { ChannelId = "video-2" })).Text.ShouldEndWith("Nobody recorded 2 channels, the longest for 4.2 s.");
        CoverageLine.Of(Entry(1.1), Report(unknown)).Text.ShouldNotContain("Nobody");
    }

    [Fact]
    public void Of_WhatIsMissing_SaysHowMuch()
    {
        var track = Track(Copied(0, 1200)) with { Missing = new(2, 3_000_000), OutsideRetention = new(1, 1_000_000), IsVerified = false };

        var line = CoverageLine.Of(Entry(1.1), Report(track) with { IsVerified = false });

        line.Text.ShouldBe("Missing: 3 MB (2 segments, 0 records). Older than is kept, so not copied: 1 MB (1 segment, 0 records).");
        line.Tone.ShouldBe("warn");
    }

    [Fact]
    public void Of_WhatIsNotVerified_DoesNotClaimThatItIsThere()
    {
        var line = CoverageLine.Of(Entry(1.1), Report(Track(Copied(0, 1200)) with { IsVerified = false }));

        line.Text.ShouldBe("Not everything could be verified.");
        line.Tone.ShouldBe("warn");
    }

    [Theory]
    [InlineData(1200, true)]
    [InlineData(1200.5, true)]
    [InlineData(1199, false)]
    public void IsDisputedFromTheHandOverOn_IsWhatBeginsAfterTheFirstFrameOfItsChannel(double from, bool expected)
    {
        var report = Report(Track(Copied(0, from), Disputed(from, 1201.1)));

        CoverageLine.IsDisputedFromTheHandOverOn(Entry(1.1), report).ShouldBe(expected);
        CoverageLine.IsDisputedFromTheHandOverOn(Entry(1.1) with { AuthorityEnds = null }, report).ShouldBeFalse();
        CoverageLine.IsDisputedFromTheHandOverOn(Entry(1.1), Report(Track(Copied(0, 1200)))).ShouldBeFalse();
    }

    private static FailoverLogEntry Entry(double? lastAfterHandOver) => new()
    {
        Id = "entry",
        FailedServerId = "vms-1",
        FailoverServerId = "vms-2",
        Failover = FailoverState.Done,
        Failback = FailbackState.Done,
        MaterialCopy = MaterialCopyState.Copied,
        FailoverStartedAt = Start,
        FailbackEndedAt = HandOver.AddSeconds(2),
        StartedBy = "Administrator",
        LastTimes = lastAfterHandOver is { } seconds ? Times(HandOver.AddSeconds(seconds)) : null,
        AuthorityEnds = Times(HandOver),
    };

    private static Dictionary<string, DateTimeOffset> Times(DateTimeOffset at) => new() { ["video-1"] = at };

    private static CoverageReport Report(params TrackCoverage[] tracks) => new(
        "task", "entry", "vms-1", "machine-2", "machine-1", new CopyPeriod(null, Start, HandOver.AddSeconds(2)), true, true, null, null, HandOver.AddHours(1), tracks, [], [], "digest");

    private static TrackCoverage Track(params CoverageStretch[] stretches) => new(
        "vms-1~video-1", "video-1", "video", Start, HandOver.AddSeconds(2), new(600, 6_000_000), new(600, 6_000_000), Nothing, Nothing, Nothing, Nothing, new(600, 6_000_000), true, stretches);

    private static CoverageStretch Copied(double from, double to) => new(Start.AddSeconds(from), Start.AddSeconds(to), CoverageState.Copied, null);

    private static CoverageStretch Disputed(double from, double to) => new(Start.AddSeconds(from), Start.AddSeconds(to), CoverageState.Disputed, null);
}
