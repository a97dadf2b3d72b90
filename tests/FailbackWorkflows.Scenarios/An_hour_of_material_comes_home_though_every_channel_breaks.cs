using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Testing.Faults;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;
using Xunit.Abstractions;

namespace FailbackWorkflows.Scenarios;

/// <summary>
/// The counts of one hour of the reference site, with small bytes: 64 tracks of 60 segments, 12,800 alarms, 40,000 plates, 360,000 lines of
/// text. The link breaks once in the middle of every channel. <c>FAILBACK_HOUR_SCALE</c> takes a part of the counts (default 0.05; 1 is the
/// whole hour). The manager is left out: the failed server copies by itself.
/// </summary>
public sealed class An_hour_of_material_comes_home_though_every_channel_breaks(ITestOutputHelper output)
{
    private const string Identity = DirectCopy.Identity;
    private const int Tracks = 64;
    private const int SegmentBytes = 64_000;
    private static readonly TimeSpan SegmentLength = TimeSpan.FromSeconds(60);

    private static readonly double Scale =
        double.TryParse(Environment.GetEnvironmentVariable("FAILBACK_HOUR_SCALE"), CultureInfo.InvariantCulture, out var scale) ? scale : 0.05;

    private static readonly IReadOnlyList<string> Videos = [.. Enumerable.Range(1, Tracks).Select(n => $"video-{n}")];

    private static readonly IReadOnlyList<(string Kind, IReadOnlyList<string> Channels, int Count)> Records =
    [
        ("alarms", Videos, Of(12_800)),
        ("anpr", [.. Videos.Take(8)], Of(40_000)),
        ("text", [.. Enumerable.Range(1, 48).Select(n => $"text-{n}")], Of(360_000)),
    ];

    [Fact]
    public async Task Without_a_hole_and_without_a_double()
    {
        var segments = Math.Max(3, Of(60));
        var folder = Directory.CreateTempSubdirectory("failback-hour-").FullName;
        await using var source = new RecorderProcess(Identity, Path.Combine(folder, "source"));
        await using var target = new RecorderProcess(Identity, Path.Combine(folder, "target"));
        await Task.WhenAll(StartQuietAsync(source), StartQuietAsync(target));

        var from = await DirectCopy.YesterdayAsync(source);
        var to = from + (SegmentLength * segments);
        using (var supply = new MaterialSupply(source, Identity))
        {
            await supply.PutSegmentsAsync(Videos, segments, SegmentBytes, from, SegmentLength);
            foreach (var (kind, channels, count) in Records)
            {
                await supply.PutRecordsAsync(kind, channels, count, from, to - from);
            }
        }

        await using var link = await MaterialLink.StartAsync(source.BaseUrl);
        var broken = new ConcurrentDictionary<string, int>();
        link.Middle = request => Task.FromResult(ChannelToBreak(request, segments / 2) is { } channel && broken.AddOrUpdate(channel, 1, (_, n) => n + 1) == 1);
        var began = Stopwatch.GetTimestamp();
        var task = await DirectCopy.RunAsync(source, target, link.BaseUrl, "hour", from, to);
        var wall = Stopwatch.GetElapsedTime(began);
        output.WriteLine(FormattableString.Invariant(
            $"{task.SegmentsDone} segments, {task.RecordsDone} records in {wall.TotalSeconds:0.0} s, {broken.Count} breaks, {link.WholeAgain} segments sent again, {link.BytesAgain} bytes"));

        broken.Keys.Order(StringComparer.Ordinal).ShouldBe(
            Videos.Concat(Records.SelectMany(r => r.Channels.Select(c => $"{r.Kind} {c}"))).Order(StringComparer.Ordinal), ignoreOrder: false, "each channel broke once");
        task.State.ShouldBe(CopyTaskState.Copied, task.LastError);
        (task.SegmentsDone, task.RecordsDone, task.BytesDone).ShouldBe((Tracks * segments, Records.Sum(r => r.Count), (long)Tracks * segments * SegmentBytes));
        link.WholeAgain.ShouldBe(0, "what had come before a break is kept");
        await SameOnBothAsync(source, target, from, to, segments);
        await CoverageHasNoGapAsync(target, from, to, segments);
        await AgainNothingMovesAsync(source, target, link, from, to);

        await source.KillAsync();
        await target.KillAsync();
        Directory.Delete(folder, recursive: true);
    }

    private static int Of(int count) => (int)Math.Round(count * Scale);

    /// <summary>The channel in whose middle the link is now: its middle segment, or the middle of its records of a kind.</summary>
    private static string? ChannelToBreak(MaterialRequest request, int middle) =>
        request.SegmentId?.Split('-') is ["fed", var kind, var number, var segment] && int.Parse(segment, CultureInfo.InvariantCulture) == middle ? $"{kind}-{number}"
        : request.Records is ("alarms" or "anpr" or "text", { Length: > 0 } channel) records && Records.Any(r => r.Kind == records.Kind && r.Channels.Contains(channel)) ? $"{records.Kind} {channel}"
        : null;

    private static async Task SameOnBothAsync(RecorderProcess source, RecorderProcess target, DateTimeOffset from, DateTimeOffset to, int segments)
    {
        var records = Records.SelectMany(r => r.Channels.Select(c => (r.Kind, c))).ToList();
        var here = await MaterialManifest.ReadAsync(target, Identity, Videos, records, from, to);
        here.ShouldBe(await MaterialManifest.ReadAsync(source, Identity, Videos, records, from, to));
        here.Take(Tracks).ShouldAllBe(l => l.Contains($" {segments} segments, {(long)segments * SegmentBytes} bytes"));
        foreach (var (kind, _, count) in Records)
        {
            var ids = await MaterialManifest.ListRecordIdsAsync(target, Identity, kind, from, to);
            (kind, ids.Count, ids.Distinct().Count()).ShouldBe((kind, count, count));
        }

        var listed = new List<string>();
        foreach (var video in Videos)
        {
            var track = await MaterialManifest.ListSegmentsAsync(target, Identity, video, from, to);
            track.Select(s => s.Id).ShouldBeUnique();
            listed.AddRange(track.Select(s => s.Sha256!));
        }

        MaterialManifest.CopiedFiles(target).ShouldBe(listed.Order(StringComparer.Ordinal), ignoreOrder: false, "every file has its row, and every row its file");
        await Eventually.HoldsAsync("no beginning is left", () => Task.FromResult(MaterialManifest.Beginnings(target).Count == 0));
    }

    private static async Task CoverageHasNoGapAsync(RecorderProcess target, DateTimeOffset from, DateTimeOffset to, int segments)
    {
        var report = await DirectCopy.ReadAsync<CoverageReport>(target, "v1/copy-tasks/hour/coverage");
        CoverageDigest.Compute(report).ShouldBe(report.Sha256);
        (report.IsComplete, report.IsVerified, report.Losses.Count).ShouldBe((true, true, 0));
        foreach (var track in report.Tracks.Where(t => t.Kind == "video"))
        {
            track.Stretches.ShouldBe([new CoverageStretch(from, to, CoverageState.Copied, null)], ignoreOrder: false, track.TrackId);
            (track.Expected, track.Copied, track.Verified).ShouldBe((Whole(segments), Whole(segments), Whole(segments)));
        }

        report.Tracks.Count(t => t.Kind == "video").ShouldBe(Tracks);
        foreach (var (kind, channels, count) in Records)
        {
            var coverage = report.Records.Where(r => RecordDigest.Name(r.Kind) == kind && r.Expected > 0).ToList();
            (kind, coverage.Count, coverage.Sum(r => r.Copied), coverage.Sum(r => r.Missing)).ShouldBe((kind, channels.Count, count, 0));
            coverage.ShouldAllBe(r => r.IsVerified && r.SourceRootSha256 == r.TargetRootSha256);
        }
    }

    private static Amount Whole(int segments) => new(segments, (long)segments * SegmentBytes);

    private static async Task AgainNothingMovesAsync(RecorderProcess source, RecorderProcess target, MaterialLink link, DateTimeOffset from, DateTimeOffset to)
    {
        var before = link.SegmentBytes;
        var again = await DirectCopy.RunAsync(source, target, link.BaseUrl, "again", from, to);
        (again.State, again.SegmentsDone, again.RecordsDone, again.BytesDone).ShouldBe((CopyTaskState.NothingToCopy, 0, 0, 0));
        link.SegmentBytes.ShouldBe(before);
    }

    private static async Task StartQuietAsync(RecorderProcess recorder)
    {
        await DirectCopy.StartQuietAsync(recorder, Tracks);
        await recorder.ChangeSettingsAsync(Identity, content =>
        {
            var channels = content["channels"]!.AsArray();
            foreach (var id in Records[^1].Channels.Where(id => channels.All(c => (string)c!["id"]! != id)))
            {
                channels.Add(new JsonObject { ["id"] = id, ["slot"] = channels.Count + 1, ["kind"] = "text", ["name"] = id, ["sourceId"] = $"urn:{id}", ["enabled"] = true, ["required"] = false });
            }
        });
    }
}
