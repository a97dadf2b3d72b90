using System.Security.Cryptography;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy.Coverage;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder.MaterialCopy;

/// <summary>Scenario 57: a peer that is not ours. Whole seconds, neighbours that overlap by one, no digests.</summary>
public sealed class CopyFromOthersTests
{
    [Fact]
    public async Task APeerWithWholeSeconds_IsComparedWithinOneSecond()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.TimeResolution = TimeSpan.FromSeconds(1);
        for (var i = 0; i < 6; i++)
        {
            // Times cut to seconds: neighbours overlap by one.
            host.Source.Add("video-1", FakeSource.Start + TimeSpan.FromSeconds(10 * i), TimeSpan.FromSeconds(11));
        }

        await CopyHost.FeedAsync(host.Target, "own", FakeSource.Start + TimeSpan.FromSeconds(0.7), FakeSource.Start + TimeSpan.FromSeconds(20.4));
        await host.StartCopyAsync();

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        host.Source.ReadIds.Count.ShouldBe(4, "the first two are here, within a second");
        host.Marked().ShouldBeEmpty("a second is what the peer's clock can tell");
        (await host.CoverageAsync()).Tracks.Single(t => t.ChannelId == "video-1").Stretches.Count.ShouldBe(2);
        await host.AgainNothingMovesAsync();
    }

    // A peer that does not say that it has no digests owes one for each whole segment.
    [Fact]
    public async Task APeerWithoutDigests_IsNeverTakenAtItsWord()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 2);
        var bare = host.Source.Add("video-1", FakeSource.Start + TimeSpan.FromSeconds(4), TimeSpan.FromSeconds(2), alter: s => s with { Sha256 = null });
        await host.StartCopyAsync(CopyHost.Definition(length: TimeSpan.FromSeconds(6)));
        await host.UntilAsync(t => t.EndedAt is not null, step: TimeSpan.FromSeconds(1));

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.CopiedWithLosses);
        host.Source.ReadIds.ShouldNotContain(bare.Id);
        (await host.CoverageAsync()).Losses.ShouldHaveSingleItem().ItemId.ShouldBe(bare.Id);
    }

    [Fact]
    public async Task APeerThatHasNoDigests_IsReadTwiceAndKeptUnderOurs()
    {
        await using var host = await StartAsync();
        await CopyHost.FeedAsync(host.Target, "own", FakeSource.Start + TimeSpan.FromSeconds(0.7), FakeSource.Start + TimeSpan.FromSeconds(20.4));
        await host.StartCopyAsync();

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        var missing = host.Source.SegmentsOf("video-1").Skip(2).Select(s => s.Id).ToList();
        host.Source.ReadIds.GroupBy(id => id).ToDictionary(g => g.Key, g => g.Count()).ShouldBe(missing.ToDictionary(id => id, _ => 2), ignoreOrder: true, "what is here within a second is not fetched, the rest is read twice");
        var copied = host.Rows().Where(r => r.TaskId is not null).ToList();
        copied.Select(r => r.SegmentId).ShouldBe(missing, "under the ids of the source's list");
        copied.ShouldAllBe(r => r.Sha256 == DigestOf(host, r.SegmentId));
        host.Marked().ShouldBeEmpty();
        var report = await host.CoverageAsync();
        report.IsVerified.ShouldBeTrue();
        report.Tracks.Single(t => t.ChannelId == "video-1").DigestBy.ShouldBe("copier");
        report.Tracks.Where(t => t.ChannelId != "video-1").ShouldAllBe(t => t.DigestBy == null);
        CoverageReports.ToCsv(report).ShouldContain(",copier");
        await host.AgainNothingMovesAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task TwoReadingsThatDiffer_AreNeverKept(bool inLength)
    {
        await using var host = await StartAsync();
        var bad = host.Source.SegmentsOf("video-1")[3];
        var readings = 0;
        host.Source.Instead = async context =>
        {
            if (context.Request.Path != $"/v1/segments/{bad.Id}")
            {
                return false;
            }

            var reading = ++readings;
            var bytes = new byte[bad.Bytes - (inLength && reading % 2 == 0 ? 1 : 0)];
            bytes.AsSpan().Fill((byte)reading);
            await FakeSource.SendAsync(context, null, bytes);
            return true;
        };
        await host.StartCopyAsync();
        await host.UntilAsync(t => t.EndedAt is not null, step: TimeSpan.FromSeconds(1));

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.CopiedWithLosses);
        var loss = (await host.CoverageAsync()).Losses.ShouldHaveSingleItem();
        (loss.ItemId, loss.Reason).ShouldBe((bad.Id, "corruptAtSource"));
        host.Rows().Count.ShouldBe(5);
        host.Rows().ShouldNotContain(r => r.SegmentId == bad.Id);
    }

    [Fact]
    public async Task TheSecondReading_BreaksOff_IsReadOnceMore()
    {
        await using var host = await StartAsync();
        var broken = host.Source.SegmentsOf("video-1")[0];
        var readings = 0;
        host.Source.Instead = async context =>
        {
            if (context.Request.Path != $"/v1/segments/{broken.Id}" || ++readings != 2)
            {
                return false;
            }

            await FakeSource.SendAsync(context, null, host.Source.BytesOf($"/{broken.Id}"), cutAfter: 100);
            return true;
        };
        await host.StartCopyAsync();
        await host.UntilAsync(t => t.EndedAt is not null, step: TimeSpan.FromSeconds(1));

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        readings.ShouldBe(3);
        host.Rows().Single(r => r.SegmentId == broken.Id).Sha256.ShouldBe(DigestOf(host, broken.Id));
        await host.AgainNothingMovesAsync();
    }

    // Its events were imported anew over there: the same times and bytes, other ids.
    [Fact]
    public async Task WhatIsHereUnderAnotherId_IsFoundByItsTimes()
    {
        await using var host = await StartAsync();
        await host.StartCopyAsync();
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        var reads = host.Source.SegmentReads;
        foreach (var segment in host.Source.SegmentsOf("video-1"))
        {
            host.Source.Remove(segment.Id);
            host.Source.Add("video-1", segment.From, segment.To - segment.From, alter: s => s with { Sha256 = null, Id = segment.Id + "-again" });
        }

        await host.AgainNothingMovesAsync();
        host.Source.SegmentReads.ShouldBe(reads);
        host.Rows().Count.ShouldBe(6);
    }

    private static async Task<CopyHost> StartAsync()
    {
        var host = await CopyHost.StartAsync();
        (host.Source.TimeResolution, host.Source.Digest) = (TimeSpan.FromSeconds(1), DigestOrigin.ComputedByCopier);
        for (var i = 0; i < 6; i++)
        {
            host.Source.Add("video-1", FakeSource.Start + TimeSpan.FromSeconds(10 * i), TimeSpan.FromSeconds(11), alter: s => s with { Sha256 = null });
        }

        return host;
    }

    private static string DigestOf(CopyHost host, string segmentId) => Convert.ToHexStringLower(SHA256.HashData(host.Source.BytesOf($"/{segmentId}")));
}
