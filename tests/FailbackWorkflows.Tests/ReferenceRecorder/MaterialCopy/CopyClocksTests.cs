using FailbackWorkflows.Recorders.MaterialCopy;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder.MaterialCopy;

/// <summary>Clocks that differ, jump, or are coarse: times are evidence and are never rewritten; rather an overlap than a hole.</summary>
public sealed class CopyClocksTests
{
    // Scenario 45.
    [Theory]
    [InlineData(0.2)]
    [InlineData(-0.2)]
    [InlineData(2)]
    [InlineData(-2)]
    [InlineData(60)]
    [InlineData(-60)]
    [InlineData(3600)]
    [InlineData(-3600)]
    public async Task WithClocksApart_TheOffsetIsToldBeforeAndAfter_AndTimesStayAsRecorded(double seconds)
    {
        await using var host = await CopyHost.StartAsync();
        var offset = TimeSpan.FromSeconds(seconds);
        host.Source.ClockOffset = offset;
        host.Source.AddTrack("video-1", 30);

        // Its own material of the beginning; on the source's clock it stands elsewhere, so it proves less than it seems to.
        await CopyHost.FeedAsync(host.Target, "own", FakeSource.Start, FakeSource.Start + TimeSpan.FromSeconds(10));
        host.Source.Instead = context =>
        {
            if (context.Request.Path.Value!.StartsWith("/v1/segments/", StringComparison.Ordinal))
            {
                host.Source.ClockOffset = offset + TimeSpan.FromSeconds(0.5);
            }

            return Task.FromResult(false);
        };
        await host.StartCopyAsync();

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        var report = await host.CoverageAsync();
        report.ClockOffsetBefore!.Value.TotalSeconds.ShouldBe(seconds, 0.15);
        report.ClockOffsetAfter!.Value.TotalSeconds.ShouldBe(seconds + 0.5, 0.15);
        var source = host.Source.SegmentsOf("video-1").ToDictionary(s => s.Id);
        var copied = host.Rows().Where(r => r.TaskId is not null).ToList();
        copied.ShouldAllBe(r => source[r.SegmentId].From == r.From && source[r.SegmentId].To == r.To);
        copied.Count.ShouldBeInRange(25, 30);
        host.Rows().Single(r => r.SegmentId == "own").From.ShouldBe(FakeSource.Start);
        copied.Where(r => r.From < FakeSource.Start + TimeSpan.FromSeconds(10)).ShouldAllBe(r => host.Marked().Contains(r.SegmentId));
    }

    // Scenario 45: the clock of the source was set back during the failover, so it recorded the same times twice.
    [Theory]
    [InlineData(1_000)]
    [InlineData(2)]
    public async Task AClockThatWasSetBack_BothSpansAreKeptAndMarked(int pageItems)
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.PageItems = pageItems;
        host.Source.AddTrack("video-1", 30);
        for (var i = 0; i < 10; i++)
        {
            // The second time around, a little off the grid of the first.
            host.Source.Add("video-1", FakeSource.Start + TimeSpan.FromSeconds(20.4 + (2 * i)), TimeSpan.FromSeconds(2));
        }

        await host.StartCopyAsync();

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        host.Rows().Select(r => r.SegmentId).ShouldBe(host.Source.SegmentsOf("video-1").Select(s => s.Id), "what was recorded twice is two things");
        (await host.CoverageAsync()).IsVerified.ShouldBeTrue();
        host.Marked().Count.ShouldBeGreaterThanOrEqualTo(10);
        host.ShouldBeSound();
        await host.AgainNothingMovesAsync();
    }

    // Scenario 45: neither daylight saving nor a leap second is seen in UTC; the night in which it happens is copied as any other.
    [Theory]
    [InlineData("2026-03-29T00:59:30Z")]
    [InlineData("2026-10-25T00:59:30Z")]
    [InlineData("2016-12-31T23:59:30Z")]
    public async Task TheNightTheClocksChange_HasNoHoleAndNoDouble(string begin)
    {
        await using var host = await CopyHost.StartAsync();
        var from = DateTimeOffset.Parse(begin, System.Globalization.CultureInfo.InvariantCulture);
        host.Watched = new CopyPeriod(null, from, from + TimeSpan.FromMinutes(1));
        host.Source.AddTrack("video-1", 30, from: from);
        var definition = CopyHost.Definition() with { Period = new CopyPeriod(null, from, from + TimeSpan.FromMinutes(1)) };
        await host.Target.ConfigureAsync(RecorderHost.Content() with { Retention = RecorderHost.Json("{}") }, 1, 1);
        await host.StartCopyAsync(definition);

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        (await host.CoverageAsync()).Tracks.Single(t => t.ChannelId == "video-1").Stretches.ShouldBe([new CoverageStretch(from, from + TimeSpan.FromMinutes(1), CoverageState.Copied, null)]);
        host.Source.SegmentReads.ShouldBe(30);
        await host.AgainNothingMovesAsync(definition);
    }

    // Scenario 43.
    [Fact]
    public async Task OwnMaterialThatEndsWithinTheResolution_LeavesNoGap()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 10);
        var bit = TimeSpan.FromTicks(9_000);
        await CopyHost.FeedAsync(host.Target, "own-1", FakeSource.Start + bit, FakeSource.Start + TimeSpan.FromSeconds(4) - bit);
        await CopyHost.FeedAsync(host.Target, "own-2", FakeSource.Start + TimeSpan.FromSeconds(4), FakeSource.Start + TimeSpan.FromSeconds(10) + bit);
        await host.StartCopyAsync(CopyHost.Definition(length: TimeSpan.FromSeconds(20)));

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        host.Source.ReadIds.Count.ShouldBe(5, "only what it did not record before it died");
        host.Marked().ShouldBeEmpty();
        (await host.CoverageAsync()).Tracks.Single(t => t.ChannelId == "video-1").Stretches.Select(s => s.State).ShouldBe([CoverageState.AlreadyThere, CoverageState.Copied]);
        await host.AgainNothingMovesAsync(CopyHost.Definition(length: TimeSpan.FromSeconds(20)));
    }
}
