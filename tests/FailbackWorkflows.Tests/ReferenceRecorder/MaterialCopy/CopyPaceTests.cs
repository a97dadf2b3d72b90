using System.Collections.Concurrent;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.Segments;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder.MaterialCopy;

/// <summary>A copy keeps to its limits, and recording goes on beside it.</summary>
public sealed class CopyPaceTests
{
    // Scenario 52.
    [Fact]
    public async Task ALimit_HoldsOverTenSeconds_FollowsAChange_AndNoFrameIsLost()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 800, bytes: 5_000);
        var recordedFrom = host.Target.Time.GetUtcNow();
        var definition = CopyHost.Definition(length: TimeSpan.FromSeconds(1_600));
        await host.StartCopyAsync(definition with { Limits = new CopyLimits(200_000) });
        await host.UntilAsync(t => t.BytesDone > 0, step: TimeSpan.FromMilliseconds(10));

        (await RateAsync(host, 200_000)).ShouldBe(200_000, 20_000);
        await host.SendAsync<CopyTask>(HttpMethod.Put, "v1/copy-tasks/task-1/limits", new CopyLimits(100_000));
        await PassAsync(host, TimeSpan.FromSeconds(1), 100_000);
        (await RateAsync(host, 100_000)).ShouldBe(100_000, 10_000);
        await host.SendAsync<CopyTask>(HttpMethod.Put, "v1/copy-tasks/task-1/limits", new CopyLimits());

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        var own = host.Target.Store.Read(sql => SegmentStore.Overlapping(sql, "vms-1~video-1", recordedFrom, null, 1_000));
        own.Count.ShouldBeGreaterThan(10);
        own.Zip(own.Skip(1)).ShouldAllBe(pair => pair.First.To == pair.Second.From);
        host.ShouldBeSound();
    }

    // Scenario 52: the window closes.
    [Fact]
    public async Task WhenTheWindowCloses_ItPausesAtTheEdgeOfASegment()
    {
        const int segmentBytes = 50_000;
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 60, segmentBytes);
        var ranges = new ConcurrentQueue<string>();
        host.Source.Instead = context =>
        {
            ranges.Enqueue(context.Request.Headers.Range.ToString());
            return Task.FromResult(false);
        };
        var closes = TimeOnly.FromDateTime(host.Target.Time.GetUtcNow().UtcDateTime + TimeSpan.FromSeconds(10));
        await host.StartCopyAsync(CopyHost.Definition(length: TimeSpan.FromMinutes(2)) with { Limits = new CopyLimits(150_000, closes.AddHours(-2), closes) });

        var paused = await host.UntilAsync(t => t.State == CopyTaskState.Paused || t.EndedAt is not null);
        paused.PauseReason.ShouldBe(CopyPauseReason.Window);
        paused.SegmentsDone.ShouldBeInRange(1, 45);
        paused.BytesDone.ShouldBe(paused.SegmentsDone * segmentBytes);
        Directory.EnumerateFiles(Path.Combine(host.Target.Folder, "incoming")).ShouldBeEmpty("what had begun was received to its end");

        await host.SendAsync<CopyTask>(HttpMethod.Put, "v1/copy-tasks/task-1/limits", new CopyLimits());
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        host.Source.ReadIds.ShouldBeUnique();
        ranges.ShouldAllBe(r => r.Length == 0);
    }

    /// <summary>Bytes stored in 10 s of the clock, each second.</summary>
    private static async Task<double> RateAsync(CopyHost host, long limit)
    {
        var before = (await host.TaskAsync()).BytesDone;
        await PassAsync(host, TimeSpan.FromSeconds(10), limit);
        return ((await host.TaskAsync()).BytesDone - before) / 10.0;
    }

    /// <summary>
    /// Lets the clock run, which stands still whenever the copier has not done yet what the limit allows it: how fast this machine is must
    /// not be what is measured. A copier that may not go on for as long as the patience lasts shows in the rate.
    /// </summary>
    private static async Task PassAsync(CopyHost host, TimeSpan length, long limit)
    {
        var (began, before) = (host.Target.Time.GetUtcNow(), (await host.TaskAsync()).BytesDone);
        while (host.Target.Time.GetUtcNow() - began is var passed && passed < length)
        {
            var due = before + (limit * (passed.TotalSeconds - 0.3));
            for (var looks = 0; looks < 400 && (await host.TaskAsync()).BytesDone < due; looks++)
            {
                await host.Service.Changed.WaitAsync(TimeSpan.FromMilliseconds(5));
            }

            host.Target.Time.Advance(TimeSpan.FromMilliseconds(20));
        }
    }
}
