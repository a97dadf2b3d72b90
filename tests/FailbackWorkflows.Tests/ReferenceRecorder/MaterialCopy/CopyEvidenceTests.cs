using System.Globalization;
using System.Text.Json;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder.MaterialCopy;

/// <summary>What matters most comes first, and what somebody decided about it stays.</summary>
public sealed class CopyEvidenceTests
{
    // Scenario 51.
    [Theory]
    [InlineData("locks")]
    [InlineData("bookmarks")]
    public async Task ALockOrABookmark_ComesFirst_AndThenItsRange(string kind)
    {
        await using var host = await CopyHost.StartAsync();
        var (from, to) = (FakeSource.Start + TimeSpan.FromMinutes(9), FakeSource.Start + TimeSpan.FromMinutes(10));
        host.Source.AddTrack("video-1", 400);
        host.Source.AddTrack("audio-1", 400);
        var recordKind = Enum.Parse<RecordKind>(kind, ignoreCase: true);
        host.Source.AddRecord(recordKind, "evidence-1", from, body: """{"reason":"Theft","trackIds":["vms-1~video-1"],"expiresUtc":null}""", to: to);
        var wasThere = new TaskCompletionSource<bool>();
        var asked = 0;
        host.Source.Instead = context =>
        {
            if (context.Request.Path.Value!.StartsWith("/v1/segments/", StringComparison.Ordinal) && Interlocked.Increment(ref asked) == 1)
            {
                wasThere.SetResult(host.Records(recordKind).Count == 1);
            }

            return Task.FromResult(false);
        };
        await host.StartCopyAsync(CopyHost.Definition(length: TimeSpan.FromMinutes(14)));

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        (await wasThere.Task).ShouldBeTrue("the record itself before any byte of its range");
        var first = host.Source.ReadIds.Take(30).Select(TimeOf).ToList();
        host.Source.ReadIds.Take(30).ShouldAllBe(id => id.Contains("~video-1~"));
        first.ShouldAllBe(t => t >= from - TimeSpan.FromSeconds(62) && t < to + TimeSpan.FromMinutes(1));
        if (recordKind == RecordKind.Locks)
        {
            // In force here before the source may forget: the range is kept from whatever makes room.
            host.Target.Store.Read(sql => sql.Query("SELECT from_ticks, to_ticks FROM locked_ranges", r => (r.GetInt64(0), r.GetInt64(1)))).ShouldBe([(from.UtcTicks, to.UtcTicks)]);
        }
    }

    [Fact]
    public async Task WhatTheEvidencePassStores_CountsForItsChannel()
    {
        await using var host = await CopyHost.StartAsync();
        host.Source.AddTrack("video-1", 60);
        host.Source.AddRecord(RecordKind.Locks, "lock-1", FakeSource.Start, body: """{"reason":"Theft","trackIds":["vms-1~video-1"],"expiresUtc":null}""", to: FakeSource.Start + TimeSpan.FromMinutes(1));
        var open = new TaskCompletionSource();
        var asked = 0;
        host.Source.Instead = async context =>
        {
            if (context.Request.Path.Value!.StartsWith("/v1/segments/", StringComparison.Ordinal) && Interlocked.Increment(ref asked) > 25)
            {
                await open.Task;
            }

            return false;
        };
        await host.StartCopyAsync(CopyHost.Definition(length: TimeSpan.FromMinutes(2)));

        var during = await host.UntilAsync(t => t is { Phase: "evidence", SegmentsDone: >= 10 });
        var channel = during.Channels.Single(c => c.ChannelId == "video-1" && c.Kind == "video");
        (channel.Done, channel.BytesDone, channel.Total, channel.BytesTotal).ShouldBe((during.SegmentsDone, during.BytesDone, 60L, 60_000L));

        open.SetResult();
        var after = (await host.EndAsync()).Channels.Single(c => c.ChannelId == "video-1" && c.Kind == "video");
        (after.Done, after.BytesDone, after.Total, after.BytesTotal).ShouldBe((60, 60_000, 60, 60_000));
    }

    // Scenario 50.
    [Theory]
    [InlineData(1, "new", "acknowledged")]
    [InlineData(2, "new", "acknowledged")]
    [InlineData(5, "new", "acknowledged")]
    [InlineData(5, "closed", "closed")]
    public async Task AnAlarmAcknowledgedHere_IsOneAlarmAndStaysAcknowledged(long revisionThere, string stateThere, string expected)
    {
        await using var host = await CopyHost.StartAsync();
        var at = FakeSource.Start + TimeSpan.FromSeconds(30);
        (await MaterialReadingTests.ImportAsync(
            host.Target,
            "alarms",
            $$"""{"id":"alarm-1","channelId":"video-1","timeUtc":"{{at:yyyy-MM-ddTHH:mm:ss.fffZ}}","revision":2,"body":{"alarmId":"a","state":"acknowledged","ackBy":"anna","ackUtc":"2026-03-01T11:00:00Z"} }""")).Items.Single().Outcome.ShouldBe(ImportOutcome.Created);
        host.Source.AddRecord(RecordKind.Alarms, "alarm-1", at, body: $$"""{"alarmId":"a","state":"{{stateThere}}","text":"Door"}""", revision: revisionThere);
        await host.StartCopyAsync();

        (await host.EndAsync()).State.ShouldBeOneOf(CopyTaskState.Copied, CopyTaskState.NothingToCopy);
        using var body = JsonDocument.Parse(host.Records(RecordKind.Alarms).ShouldHaveSingleItem().Body);
        (body.RootElement.GetProperty("state").GetString(), body.RootElement.GetProperty("ackBy").GetString()).ShouldBe((expected, "anna"));
        await host.AgainNothingMovesAsync();
    }

    private static DateTimeOffset TimeOf(string id) => new(long.Parse(id.Split('~')[2], CultureInfo.InvariantCulture), TimeSpan.Zero);
}
