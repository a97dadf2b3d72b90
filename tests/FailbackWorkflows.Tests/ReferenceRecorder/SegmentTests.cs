using System.Net;
using System.Security.Cryptography;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Material;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder;

public sealed class SegmentTests
{
    private static readonly byte[] Bytes = [1, 2, 3, 4];

    [Fact]
    public async Task Recording_OfTwoRecorders_GivesTheSameBytesForTheSameTime()
    {
        await using var one = await RecorderHost.StartSeededAsync();
        await using var two = await RecorderHost.StartSeededAsync();
        await one.PassAsync(TimeSpan.FromSeconds(6));
        await two.PassAsync(TimeSpan.FromSeconds(6));

        var first = (await one.SegmentsAsync()).Where(s => !s.Growing).Select(s => (s.From, s.To, s.Sha256)).ToList();

        first.Count.ShouldBeGreaterThan(1);
        (await two.SegmentsAsync()).Where(s => !s.Growing).Select(s => (s.From, s.To, s.Sha256)).ShouldBe(first);
    }

    // Scenario 45: far back, and only so far that the same times come again.
    [Theory]
    [InlineData(3600)]
    [InlineData(15)]
    public async Task Recording_WhenTheClockIsSetBack_GoesOn_AndKeepsTimesThatComeTwice(int seconds)
    {
        await using var host = await RecorderHost.StartSeededAsync();
        await host.PassAsync(TimeSpan.FromSeconds(20));
        var former = (await host.SegmentsAsync()).Select(s => s.Id).ToHashSet();
        host.Time.SetBack(TimeSpan.FromSeconds(seconds));
        var from = host.Time.GetUtcNow();
        await host.PassAsync(TimeSpan.FromSeconds(10));
        await host.StopRecordingAsync(1);

        var segments = await host.SegmentsAsync();

        var again = segments.Where(s => !former.Contains(s.Id)).ToList();
        former.ShouldBeSubsetOf(segments.Select(s => s.Id));
        again[0].From.ShouldBeInRange(from, from.AddSeconds(1.2));
        again[^1].To.ShouldBeInRange(from.AddSeconds(9.8), from.AddSeconds(10.4));
        again.Zip(again.Skip(1)).ShouldAllBe(pair => pair.First.To == pair.Second.From);
        foreach (var segment in segments)
        {
            var bytes = await host.Raw.GetByteArrayAsync($"v1/segments/{segment.Id}");
            Convert.ToHexStringLower(SHA256.HashData(bytes)).ShouldBe(segment.Sha256);
        }

        host.Store.Read(sql => FailbackWorkflows.ReferenceRecorder.Storage.RecorderJournal.List(sql, 0)).ShouldNotContain(e => e.Kind == "segmentLost");
    }

    [Fact]
    public async Task Recording_Goes_OnWithoutAGap()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        await host.PassAsync(TimeSpan.FromSeconds(5));
        await host.AssignAsync(DutyRole.Recorder, 2, "run-2");
        await host.PassAsync(TimeSpan.FromSeconds(5));

        var segments = await host.SegmentsAsync();

        segments.Zip(segments.Skip(1)).ShouldAllBe(pair => pair.First.To == pair.Second.From);
        segments.Select(s => s.Epoch).Distinct().ShouldBe([1, 2]);
        var channel = (await host.RecordingAsync()).Channels[0];
        channel.FirstFrameAt.ShouldBe(segments.First(s => s.Epoch == 2).From);
        channel.LastFrameAt!.Value.ShouldBeLessThan(segments[^1].To);
    }

    [Fact]
    public async Task DarkChannel_NeverGivesAFrame()
    {
        await using var host = await RecorderHost.StartAsync();
        await host.AssignAsync(DutyRole.Recorder, 1, "run-1");
        await host.ConfigureAsync(RecorderHost.Content() with { Channels = RecorderHost.Json("[{\"id\":\"video-1\",\"kind\":\"video\",\"generator\":\"dark\"},{\"id\":\"audio-1\",\"kind\":\"audio\",\"required\":false},{\"id\":\"text-1\",\"kind\":\"text\",\"enabled\":false}]") }, 1);
        await host.StartRecordingAsync(1);
        await host.PassAsync(TimeSpan.FromSeconds(2));

        var channels = (await host.RecordingAsync()).Channels;

        channels.Select(c => (c.ChannelId, c.Enabled, c.Required, c.Recording, HasFrames: c.FirstFrameAt is not null)).ShouldBe(
            [("video-1", true, true, true, false), ("audio-1", true, false, true, true), ("text-1", false, false, false, false)]);
    }

    [Fact]
    public async Task Kill_WhileRecording_LeavesEveryConfirmedFrame()
    {
        await using var first = await RecorderHost.StartSeededAsync();
        await first.PassAsync(TimeSpan.FromSeconds(5));
        var before = (await first.RecordingAsync()).Channels[0].LastFrameAt;
        await using var host = await first.StartAfterKillAsync();

        var segments = await host.SegmentsAsync();

        segments.ShouldAllBe(s => !s.Growing && s.Sha256 != null);
        (await host.RecordingAsync()).Channels[0].LastFrameAt!.Value.ShouldBeGreaterThanOrEqualTo(before!.Value);
        FilesAreAsIndexed(host, segments);
    }

    [Fact]
    public async Task Kill_InTheMiddleOfAFrame_KeepsWhatIsWholeAndRemovesStrayFiles()
    {
        await using var first = await RecorderHost.StartSeededAsync();
        await first.PassAsync(TimeSpan.FromSeconds(5));
        await using var host = await first.StartAfterKillAsync(folder =>
        {
            var growing = Directory.EnumerateFiles(folder, "*.tmp", SearchOption.AllDirectories).ToList();
            growing.ShouldNotBeEmpty();
            foreach (var path in growing)
            {
                File.AppendAllBytes(path, [16, 0, 0, 0, 1, 2, 3]);
            }

            File.WriteAllText(Path.Combine(folder, "segments", "vms-1", "video-1", "stray.seg"), "never indexed");
        });

        FilesAreAsIndexed(host, await host.SegmentsAsync());
        Directory.EnumerateFiles(Path.Combine(host.Folder, "segments"), "*", SearchOption.AllDirectories).ShouldAllBe(p => !p.EndsWith(".tmp", StringComparison.Ordinal) && !p.Contains("stray"));
    }

    [Fact]
    public async Task Retention_SparesWhatIsHeld()
    {
        await using var host = await RecorderHost.StartSeededAsync();
        await host.PassAsync(TimeSpan.FromSeconds(6));
        var from = (await host.SegmentsAsync())[1].From;
        await host.StopRecordingAsync(1);
        await host.Client.PutRetentionHoldAsync(host.Endpoint, new RetentionHoldCommand("entry-1", RecorderHost.Identity, new DutyAuthority(1, 0), from, null, "Owed."), "hold", default);
        await host.ConfigureAsync(RecorderHost.Content() with { Retention = RecorderHost.Json("{\"maximumRetentionTime\":\"PT1H\"}") }, 1, 1);

        host.Time.Advance(TimeSpan.FromHours(2));
        await host.Housekeeping.SweepRetentionAsync(default);

        var left = await host.SegmentsAsync();
        left.ShouldNotBeEmpty();
        left.ShouldAllBe(s => s.To > from);
        FilesAreAsIndexed(host, left);
    }

    [Fact]
    public async Task Feeder_PutTwice_StoresOnce()
    {
        await using var host = await StoppedAsync();

        (await PutAsync(host, "seg-1", "12:00:00", "12:00:10", Bytes)).ShouldBe((HttpStatusCode.Created, null));
        (await PutAsync(host, "seg-1", "12:00:00", "12:00:10", Bytes)).ShouldBe((HttpStatusCode.OK, null));

        (await host.SegmentsAsync()).Single().Bytes.ShouldBe(4);
    }

    [Fact]
    public async Task Feeder_PutThatDoesNotFit_IsRefusedByReason()
    {
        await using var host = await StoppedAsync();
        await PutAsync(host, "seg-1", "12:00:00", "12:00:10", Bytes);

        (await PutAsync(host, "seg-1", "12:00:00", "12:00:10", [9])).ShouldBe((HttpStatusCode.Conflict, RecorderProblems.SegmentConflict));
        (await PutAsync(host, "seg-2", "12:00:09", "12:00:19", Bytes)).ShouldBe((HttpStatusCode.Conflict, RecorderProblems.SegmentOverlap));
        (await PutAsync(host, "seg-3", "12:00:10", "12:00:20", Bytes, digestOf: [7])).ShouldBe((HttpStatusCode.UnprocessableEntity, RecorderProblems.DigestMismatch));
        (await PutAsync(host, "seg-3", "12:00:10", "12:00:20", Bytes, track: "vms-1~nobody")).ShouldBe((HttpStatusCode.NotFound, RecorderProblems.UnknownResource));
        (await PutAsync(host, "seg-3", "12:00:20", "12:00:10", Bytes)).ShouldBe((HttpStatusCode.BadRequest, RecorderProblems.MalformedRequest));
        (await PutAsync(host, "seg-3", "12:00:10", "12:00:20", Bytes)).ShouldBe((HttpStatusCode.Created, null));
        Directory.EnumerateFiles(host.Folder, ".incoming*", SearchOption.AllDirectories).ShouldBeEmpty();
    }

    // ftyp and moov, then a fragment: what a player needs to know stands before it.
    [Theory]
    [InlineData("video/mp4", "video/mp4", 16L)]
    [InlineData("video/mp4; codecs=avc1", "video/mp4", 16L)]
    [InlineData("application/octet-stream", "application/vnd.failback.synthetic", null)]
    [InlineData(null, "application/vnd.failback.synthetic", null)]
    public async Task Feeder_SaysWhatItIs_AndThatIsKept(string? contentType, string kept, long? init)
    {
        await using var host = await StoppedAsync();
        byte[] bytes = [0, 0, 0, 8, .. "ftyp"u8, 0, 0, 0, 8, .. "moov"u8, 0, 0, 0, 8, .. "moof"u8];
        using var request = new HttpRequestMessage(HttpMethod.Put, "v1/tracks/vms-1~video-1/segments/seg-1?from=2026-02-01T12:00:00Z&to=2026-02-01T12:00:02Z") { Content = new ByteArrayContent(bytes) };
        request.Content.Headers.ContentType = contentType is null ? null : System.Net.Http.Headers.MediaTypeHeaderValue.Parse(contentType);
        request.Headers.Add("Repr-Digest", $"sha-256=:{Convert.ToBase64String(SHA256.HashData(bytes))}:");

        using var response = await host.Raw.SendAsync(request);

        response.StatusCode.ShouldBe(HttpStatusCode.Created);
        var segment = (await host.SegmentsAsync()).Single();
        (segment.ContentType, segment.Init?.Bytes).ShouldBe((kept, init));
    }

    [Fact]
    public async Task SeedCamera_RecordsWhatAFeederPuts_AndNothingElse()
    {
        await using var host = await RecorderHost.StartSeededAsync(null, "--seedCameras", "1");
        await host.PassAsync(TimeSpan.FromSeconds(5));
        (await CameraAsync()).ShouldBe((true, false, null));

        (await PutAsync(host, "seg-1", "12:00:00", "12:00:10", Bytes, track: "vms-1~camera-1")).Status.ShouldBe(HttpStatusCode.Created);

        (await CameraAsync()).Last.ShouldBe(new DateTimeOffset(2026, 2, 1, 12, 0, 10, TimeSpan.Zero));

        async Task<(bool IsRecording, bool IsRequired, DateTimeOffset? Last)> CameraAsync()
        {
            var camera = (await host.RecordingAsync()).Channels.Single(c => c.ChannelId == "camera-1");
            return (camera.Recording, camera.Required, camera.LastFrameAt);
        }
    }

    private static async Task<RecorderHost> StoppedAsync()
    {
        var host = await RecorderHost.StartAsync();
        await host.AssignAsync(DutyRole.Recorder, 1, "run-1");
        await host.ConfigureAsync(RecorderHost.Content(), 1);
        return host;
    }

    internal static async Task<(HttpStatusCode Status, string? Type)> PutAsync(RecorderHost host, string id, string from, string to, byte[] bytes, byte[]? digestOf = null, string track = "vms-1~video-1")
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, $"v1/tracks/{track}/segments/{id}?from=2026-02-01T{from}Z&to=2026-02-01T{to}Z") { Content = new ByteArrayContent(bytes) };
        request.Headers.Add("Repr-Digest", $"sha-256=:{Convert.ToBase64String(SHA256.HashData(digestOf ?? bytes))}:");
        using var response = await host.Raw.SendAsync(request);
        var body = RecorderHost.Json(await response.Content.ReadAsStringAsync());
        return (response.StatusCode, body.TryGetProperty("type", out var type) ? type.GetString() : null);
    }

    private static void FilesAreAsIndexed(RecorderHost host, IReadOnlyList<Segment> segments)
    {
        var files = Directory.EnumerateFiles(Path.Combine(host.Folder, "segments", RecorderHost.Identity, "video-1"))
            .Where(p => !p.EndsWith(".tmp", StringComparison.Ordinal))
            .Select(p => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(p))));
        files.Order().ShouldBe(segments.Where(s => s.Sha256 != null).Select(s => s.Sha256!).Order());
    }
}
