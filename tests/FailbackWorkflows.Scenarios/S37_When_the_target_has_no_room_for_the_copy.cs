using System.Globalization;
using System.Text.Json.Nodes;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Testing.Material;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// Scenario 37: the disk of the failed server (a quota stands in for it) is nearly full when its material comes home. The copy pauses before the
/// reserve, recording goes on, nothing that is there gives way; with more room the copy goes on where it was.
/// </summary>
public sealed class S37_When_the_target_has_no_room_for_the_copy
{
    private const long Mebi = 1024 * 1024;
    private const int SegmentBytes = 500_000;
    private const int Segments = 40;
    private const string Channel = "video-1";

    [Fact]
    public async Task The_copy_waits_and_recording_does_not()
    {
        var folder = Directory.CreateTempSubdirectory("failback-room-").FullName;
        await using var source = new RecorderProcess(DirectCopy.Identity, Path.Combine(folder, "source"));
        await using var target = new RecorderProcess(DirectCopy.Identity, Path.Combine(folder, "target"));

        // Reserve 4 MiB, 0.4 MiB at which older material gives way, 32 MiB that a copy leaves to recording, and some 10 MB for the copy of 20.
        await Task.WhenAll(
            DirectCopy.StartQuietAsync(source, 1),
            target.StartAsync(new Dictionary<string, string> { ["seedChannels"] = "1", ["reserveBytes"] = Text(4 * Mebi), ["capacityBytes"] = Text((46 * Mebi) + (4 * SegmentBytes)) }));
        var from = await DirectCopy.YesterdayAsync(source);
        var to = from + TimeSpan.FromMinutes(Segments);
        using (var supply = new MaterialSupply(source, DirectCopy.Identity))
        {
            await supply.PutSegmentsAsync([Channel], Segments, SegmentBytes, from, TimeSpan.FromMinutes(1));
        }

        using (var own = new MaterialSupply(target, DirectCopy.Identity))
        {
            // Newer than what comes home, so it would be the last to go by age; and older, which would be the first.
            await own.PutSegmentsAsync([Channel], 2, SegmentBytes, to + TimeSpan.FromHours(1), TimeSpan.FromMinutes(1), "own-newer");
            await own.PutSegmentsAsync([Channel], 2, SegmentBytes, from - TimeSpan.FromHours(1), TimeSpan.FromMinutes(1), "own-older");
        }

        await DirectCopy.BeginAsync(source, target, source.BaseUrl, "room", from, to);
        var paused = await DirectCopy.UntilAsync(target, "room", t => t.State == CopyTaskState.Paused || t.EndedAt is not null);
        (paused.State, paused.PauseReason).ShouldBe((CopyTaskState.Paused, CopyPauseReason.Reserve), paused.LastError);
        paused.LastError.ShouldNotBeNull().ShouldContain("reserve");
        paused.SegmentsDone.ShouldBeInRange(1, Segments - 1);
        await RecordsOnAsync(target);
        (await target.GetStatusAsync()).Storage.Single().ShouldSatisfyAllConditions(s => s.FreeBytes.ShouldBeGreaterThan(s.ReserveBytes + (s.ReserveBytes / 10)));
        (await OwnAsync(target)).ShouldBe(["own-newer-0", "own-newer-1", "own-older-0", "own-older-1"]);
        (await DirectCopy.ReadAsync<CopyTask>(target, "v1/copy-tasks/room")).SegmentsDone.ShouldBe(paused.SegmentsDone);

        // A larger disk.
        await target.KillAsync();
        await target.StartAsync(new Dictionary<string, string> { ["reserveBytes"] = Text(4 * Mebi), ["capacityBytes"] = Text(100 * Mebi), ["bootConfirm"] = "00:00:00" });
        await ConfirmAsync(target);
        var ended = await DirectCopy.UntilAsync(target, "room", t => t.EndedAt is not null);
        ended.State.ShouldBe(CopyTaskState.Copied, ended.LastError);
        ended.SegmentsDone.ShouldBe(Segments);

        var there = await MaterialManifest.ListSegmentsAsync(source, DirectCopy.Identity, Channel, from, to);
        var here = await MaterialManifest.ListSegmentsAsync(target, DirectCopy.Identity, Channel, from, to);
        var report = await DirectCopy.ReadAsync<CoverageReport>(target, "v1/copy-tasks/room/coverage");
        here.Select(s => (s.Id, s.Sha256)).ShouldBe(there.Select(s => (s.Id, s.Sha256)));
        MaterialInvariants.Uncovered(Channel, there, [], here, report, TimeSpan.FromMilliseconds(1)).ShouldBeEmpty("I3");
        MaterialInvariants.UnmarkedOverlaps(here, _ => false, TimeSpan.FromMilliseconds(1)).ShouldBeEmpty("I4");
        (await OwnAsync(target)).Count.ShouldBe(4);

        await source.KillAsync();
        await target.KillAsync();
        Directory.Delete(folder, recursive: true);
    }

    /// <summary>Frames go on being written, and none is missing between them.</summary>
    private static async Task RecordsOnAsync(RecorderProcess target)
    {
        var since = (await target.GetStatusAsync()).TimeUtc;
        await Eventually.GetAsync(
            "three seconds more are recorded", () => target.GetRecordingAsync(DirectCopy.Identity), r => r.Channels.Single(c => c.ChannelId == Channel).LastFrameAt > since.AddSeconds(3));
        var own = (await MaterialManifest.ListSegmentsAsync(target, DirectCopy.Identity, Channel, since, since.AddDays(1))).ToList();
        own.Zip(own.Skip(1)).ShouldAllBe(pair => pair.First.To == pair.Second.From);
    }

    private static async Task<IReadOnlyList<string>> OwnAsync(RecorderProcess target) =>
        [.. (await target.ListSegmentsAsync(DirectCopy.Identity, Channel)).Select(s => (string)s!["id"]!).Where(id => id.StartsWith("own-", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    /// <summary>It came up with the duty, and is told that it still has it.</summary>
    private static async Task ConfirmAsync(RecorderProcess target)
    {
        var answer = await target.SendAsync(
            HttpMethod.Put,
            $"v1/duties/{DirectCopy.Identity}",
            new JsonObject { ["role"] = "recorder", ["epoch"] = 1, ["allocationId"] = "seed", ["fence"] = 1 },
            (FailbackWorkflows.Recorders.Http.RecorderHeaders.IdempotencyKey, "confirm"));
        ((int)answer.Status).ShouldBe(200, answer.Text);
    }

    private static string Text(long bytes) => bytes.ToString(CultureInfo.InvariantCulture);
}
