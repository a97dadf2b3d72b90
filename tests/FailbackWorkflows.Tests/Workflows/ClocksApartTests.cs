using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>
/// Scenario 45 at the manager: recorders whose clocks are off. Ours is taken for the true one here, so what the failover server must be told
/// and asked follows from the true instants and its offset.
/// </summary>
public sealed class ClocksApartTests
{
    /// <summary>What the fakes' time resolution of 1 ms leaves uncertain, of two recorders measured twice.</summary>
    private static readonly TimeSpan Resolution = TimeSpan.FromMilliseconds(4);

    private static readonly double[] Offsets = [-3600, -60, -2, -0.2, 0.2, 2, 60, 3600];

    public static TheoryData<double, double> Clocks()
    {
        var data = new TheoryData<double, double> { { 0, 0 } };
        foreach (var offset in Offsets)
        {
            data.Add(offset, 0);
            data.Add(0, offset);
            data.Add(offset, -offset);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Clocks))]
    public async Task FailoverFailbackAndCopy_ClocksApart_LoseNothingAndDisputeNothingOrdinary(double failoverServer, double failedServer)
    {
        await using var world = await FailbackWorld.CreateAsync();
        (await world.FailBackAsync("before")).Result.ShouldBe("done");
        (world.FailoverRecorder.ClockOffset, world.FailedRecorder.ClockOffset) = (TimeSpan.FromSeconds(failoverServer), TimeSpan.FromSeconds(failedServer));
        world.Time.Advance(TimeSpan.FromHours(3));

        var entryId = await FailOverAsync(world);
        world.Time.Advance(TimeSpan.FromMinutes(10));
        await FailBackAsync(world, entryId);

        var entry = await world.EntryAsync(entryId);
        await ShouldHaveToldTheFailoverServerItsTimesAsync(world, entry, Resolution);
        var play = new MaterialCopyPlay(world, entryId);
        (await play.CopyAsync("copy", entryId)).Result.ShouldBe("copied");
        await ShouldCopyAllOrdinaryMaterialAsync(play, entry, Resolution);
        var clocks = (await world.EntryAsync(entryId)).Clocks.ShouldNotBeNull();
        (clocks.FailoverServerAtStart!.Offset, clocks.FailoverServerAtEnd!.Offset, clocks.FailedServerAtEnd!.Offset).ShouldBe(
            (world.FailoverRecorder.ClockOffset, world.FailoverRecorder.ClockOffset, world.FailedRecorder.ClockOffset));
    }

    // The answer takes its time on one way only, so that the middle of the round trip is as wrong as it can be.
    [Theory]
    [InlineData(true, 2)]
    [InlineData(false, 2)]
    [InlineData(true, -60)]
    [InlineData(false, -60)]
    public async Task Clocks_MeasuredOverASlowLink_AreWidenedByWhatIsUncertain(bool isSlowOut, double seconds)
    {
        await using var world = await FailbackWorld.CreateAsync();
        (await world.FailBackAsync("before")).Result.ShouldBe("done");
        world.FailoverRecorder.ClockOffset = TimeSpan.FromSeconds(seconds);
        world.Time.Advance(TimeSpan.FromHours(1));
        foreach (var server in new[] { FailbackWorld.Failed, FailbackWorld.Failover })
        {
            if (isSlowOut)
            {
                world.Recorders.Before(server, "GetStatus", () => world.Time.Advance(TimeSpan.FromMilliseconds(300)), times: int.MaxValue);
            }
            else
            {
                world.Recorders.After(server, "GetStatus", () => world.Time.Advance(TimeSpan.FromMilliseconds(300)), times: int.MaxValue);
            }
        }

        var entryId = await FailOverAsync(world);
        world.Time.Advance(TimeSpan.FromMinutes(10));
        await FailBackAsync(world, entryId);

        // Both are asked at the same time, so one call may see the delay of the other as well.
        await ShouldHaveToldTheFailoverServerItsTimesAsync(world, await world.EntryAsync(entryId), Resolution + TimeSpan.FromMilliseconds(1200));
    }

    // The clock of the failover server is set back while it records: what it wrote before bears times after its last ones.
    [Theory]
    [InlineData(0, -60)]
    [InlineData(3600, 0)]
    [InlineData(30, -3600)]
    public async Task FailoverServersClock_SetBackDuringTheFailover_WhatItWroteBeforeIsNeitherDisputedNorCutOff(double before, double after)
    {
        await using var world = await FailbackWorld.CreateAsync();
        (await world.FailBackAsync("before")).Result.ShouldBe("done");
        world.FailoverRecorder.ClockOffset = TimeSpan.FromSeconds(before);
        world.Time.Advance(TimeSpan.FromHours(3));
        var entryId = await FailOverAsync(world);
        world.Time.Advance(TimeSpan.FromMinutes(10));
        world.FailoverRecorder.ClockOffset = TimeSpan.FromSeconds(after);
        var latestWritten = world.Time.GetUtcNow() + TimeSpan.FromSeconds(before);
        world.Time.Advance(TimeSpan.FromSeconds(20));

        await FailBackAsync(world, entryId);

        var entry = await world.EntryAsync(entryId);
        var hold = world.FailoverRecorder.Holds[entryId];
        hold.FromUtc.ShouldBeLessThanOrEqualTo(entry.FailoverStartedAt + TimeSpan.FromSeconds(Math.Min(before, after)));
        hold.ToUtc!.Value.ShouldBeGreaterThanOrEqualTo(latestWritten);
        world.FailoverDuty.AuthorityEnds!.Values.ShouldAllBe(end => end >= latestWritten);
        var play = new MaterialCopyPlay(world, entryId);
        (await play.CopyAsync("copy", entryId)).Result.ShouldBe("copied");
        var definition = (await play.TaskAsync()).Definition!;
        definition.Channels.ShouldAllBe(c => c.FromUtc <= hold.FromUtc && c.ToUtc >= latestWritten);
    }

    // Nobody measured at the start of this failover, and the failover server did not answer when the epoch was drawn.
    [Fact]
    public async Task HandOver_ClocksNotMeasuredYet_IsMeasuredBeforeTheStop()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailoverRecorder.ClockOffset = TimeSpan.FromSeconds(60);
        world.Recorders.Fail(FailbackWorld.Failover, "GetStatus", nth: 2);
        world.Recorders.Fail(FailbackWorld.Failover, "GetStatus", nth: 1);

        var run = await world.FailBackAsync();

        run.Result.ShouldBe("done", run.Message);
        var entry = await world.EntryAsync();
        entry.Clocks!.FailoverServerAtEnd!.Offset.ShouldBe(TimeSpan.FromSeconds(60));
        world.FailoverDuty.AuthorityEnds!.ShouldAllBe(e => e.Value >= entry.AuthorityEnds![e.Key] + TimeSpan.FromSeconds(60));
        world.FailoverRecorder.Holds[FailbackWorld.Entry].ToUtc.ShouldBe(entry.LastTimes!.Values.Max(), "the hold that was opened without a measurement gets its end all the same");
    }

    private static async Task<string> FailOverAsync(FailbackWorld world)
    {
        world.FailedRecorder.Die();
        var started = await world.StartFailoverAsync("failover");
        (await world.EndAsync(started.RunId!)).Result.ShouldBe("done");
        world.FailedRecorder.Boot();
        await world.Node.Get<PollRecorders>().ExecuteAsync(CancellationToken.None);
        return StartFailover.EntryIdOf(started.RunId!);
    }

    private static async Task FailBackAsync(FailbackWorld world, string entryId)
    {
        var run = await world.FailBackAsync("after", entryId);
        run.Result.ShouldBe("done", run.Message);
    }

    private static async Task ShouldHaveToldTheFailoverServerItsTimesAsync(FailbackWorld world, FailoverLogEntry entry, TimeSpan uncertain)
    {
        var ends = world.FailoverDuty.AuthorityEnds.ShouldNotBeNull();
        ends.Keys.ShouldBe(FakeSettings.Channels, ignoreOrder: true);
        foreach (var (channel, end) in ends)
        {
            var seam = Seam(world, entry, channel);
            end.ShouldBeInRange(seam, seam + uncertain, $"{channel}: earlier would dispute ordinary material, much later would pass over disputed");
        }

        // What a recorder says of its own frames is evidence and stays as it was said.
        entry.AuthorityEnds!.ShouldBe(world.FailedDuty.ToFirstFrames(), ignoreOrder: true);
        var hold = world.FailoverRecorder.Holds[entry.Id];
        var start = entry.FailoverStartedAt + world.FailoverRecorder.ClockOffset;
        hold.FromUtc.ShouldBeInRange(start - uncertain, start);
        hold.ToUtc.ShouldBe(entry.LastTimes!.Values.Max());
        (await world.Get<IMaterialCopies>().FindHoldAsync(entry.Id, FailbackWorld.Failover, CancellationToken.None))!.FromUtc.ShouldBe(hold.FromUtc);
    }

    private static async Task ShouldCopyAllOrdinaryMaterialAsync(MaterialCopyPlay play, FailoverLogEntry entry, TimeSpan uncertain)
    {
        var world = play.World;
        var definition = (await play.TaskAsync()).Definition!;
        definition.Channels.Select(c => c.ChannelId).ShouldBe(FakeSettings.Channels, ignoreOrder: true);
        var start = entry.FailoverStartedAt + world.FailoverRecorder.ClockOffset;
        foreach (var channel in definition.Channels)
        {
            var last = entry.LastTimes![channel.ChannelId!];
            var seam = Seam(world, entry, channel.ChannelId!);
            channel.FromUtc.ShouldBeInRange(start - uncertain, start);
            channel.ToUtc.ShouldBeInRange(last < seam ? last : seam, seam + uncertain + MaterialCopyPeriods.Margin, channel.ChannelId);
        }

        definition.Period.ShouldBe(new CopyPeriod(null, definition.Channels.Min(c => c.FromUtc), definition.Channels.Max(c => c.ToUtc)));
        play.Source.Tokens.ShouldBeEmpty("the copy has ended");
    }

    /// <summary>The failed server's first frame, as the failover server's clock showed it.</summary>
    private static DateTimeOffset Seam(FailbackWorld world, FailoverLogEntry entry, string channel) =>
        entry.AuthorityEnds![channel] - world.FailedRecorder.ClockOffset + world.FailoverRecorder.ClockOffset;
}
