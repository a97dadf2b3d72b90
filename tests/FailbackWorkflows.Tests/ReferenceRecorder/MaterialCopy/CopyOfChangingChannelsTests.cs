using System.Net.Http.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.Recording;
using FailbackWorkflows.ReferenceRecorder.Recording.Video;
using FailbackWorkflows.Testing;
using FailbackWorkflows.Tests.ReferenceRecorder.Recording.Video;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder.MaterialCopy;

/// <summary>Channels that are not the same from the beginning of the period to its end.</summary>
public sealed class CopyOfChangingChannelsTests : IDisposable
{
    private const string AllChannels = """[{"id":"video-1","slot":1,"kind":"video"},{"id":"video-2","slot":2,"kind":"video"},{"id":"audio-1","slot":3,"kind":"audio","required":false}]""";
    private const string Fewer = """[{"id":"video-1","slot":1,"kind":"video"},{"id":"video-2","slot":2,"kind":"video","enabled":false},{"id":"audio-1","slot":3,"kind":"audio","required":false,"enabled":false}]""";

    private readonly string _folder = Directory.CreateTempSubdirectory("recorder-video-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    // Scenario 48.
    [Fact]
    public async Task CodecAndChannelsThatChangeMeanwhile_ComeHomeAsSpansOfTheirOwn_AndPlay()
    {
        var time = new FakeTimeProvider();
        var first = await RecorderHost.StartAsync(time, null, "--ffmpeg", TinyClip.WriteProgram(_folder, 50));
        await first.AssignAsync(FailbackWorkflows.Recorders.Duties.DutyRole.Recorder, 1, "run-1");
        await first.ConfigureAsync(With(Fewer), 1);
        var from = time.GetUtcNow();
        await first.StartRecordingAsync(1);
        await first.PassAsync(TimeSpan.FromSeconds(10));

        // Audio starts, the second camera is switched on; then the encoder is gone, and from the next segment on the codec is another.
        await first.ConfigureAsync(With(AllChannels), 1, 1);
        await first.PassAsync(TimeSpan.FromSeconds(10));
        await using var source = await first.RestartAsync();
        await source.AssignAsync(FailbackWorkflows.Recorders.Duties.DutyRole.Recorder, 1, "run-1");
        await source.PassAsync(TimeSpan.FromSeconds(10));
        await source.StopRecordingAsync(1);
        var to = time.GetUtcNow();

        await using var host = new CopyHost(await RecorderHost.StartSeededAsync(time, "--bootConfirm", "1.00:00:00"), await FakeSource.StartAsync(time));
        var token = await source.IssueAsync(from, to);
        await host.SendAsync<CopyTask>(HttpMethod.Post, "v1/copy-tasks", new StartDataCopy("task-1", "entry-1", RecorderHost.Identity, source.Store.MachineId, new CopyPeriod(null, from, to), [], new CopyLimits(), false, "test"));
        await host.SetSourceAsync(token: token.Token, url: source.Endpoint.BaseUrl);
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);

        foreach (var channel in new[] { "video-1", "video-2", "audio-1" })
        {
            var there = (await source.SegmentsAsync(channel)).Where(s => s.From < to).ToList();
            var here = (await host.Target.SegmentsAsync(channel)).Where(s => s.Origin.RecorderId == source.Store.MachineId).ToList();
            here.Select(s => (s.Id, s.From, s.To, s.Sha256, s.ContentType)).ShouldBe(there.Select(s => (s.Id, s.From, s.To, s.Sha256, s.ContentType)));
            (await SpansAsync(host.Target, channel, from, to)).ShouldBe(await SpansAsync(source, channel, from, to));
        }

        // One span of video, one of the other codec, although nothing is missing between the two but the restart.
        var video = await host.Target.SegmentsAsync();
        video.Select(s => s.ContentType).Distinct().ShouldContain(VideoSegmentFile.ContentType);
        video.Select(s => s.ContentType).Distinct().ShouldContain(SegmentFile.ContentType);
        (await SpansAsync(host.Target, "video-1", from, to)).Count.ShouldBeGreaterThanOrEqualTo(2);
        (await SpansAsync(host.Target, "audio-1", from, to))[0].From.ShouldBeGreaterThanOrEqualTo(from + TimeSpan.FromSeconds(10));

        // Each segment brings what a player needs to begin with it, and every frame it had.
        foreach (var segment in video.Where(s => s.ContentType == VideoSegmentFile.ContentType && s.Origin.RecorderId == source.Store.MachineId))
        {
            var bytes = await host.Target.Raw.GetByteArrayAsync($"v1/segments/{segment.Id}");
            (Mp4Box.Read(bytes)!.Value.Type, Mp4Box.Read(bytes.AsSpan(Mp4Box.Read(bytes)!.Value.Length))!.Value.Type).ShouldBe(("ftyp", "moov"));
            var (whole, begins, ends) = VideoSegmentFile.Inspect(bytes);
            (whole, begins).ShouldBe((bytes.Length, segment.From));
            ends!.Value.ShouldBeLessThan(segment.To);
        }

        var report = await host.CoverageAsync();
        report.IsVerified.ShouldBeTrue();
        report.Tracks.Single(t => t.ChannelId == "video-2").Stretches[0].State.ShouldBe(CoverageState.NotRecorded, "it was off for the first third, and the report does not hide it");
    }

    // Scenario 48: a codec changes from one segment to the next.
    [Fact]
    public async Task ACodecThatChangesWithoutAGap_BeginsANewSpan()
    {
        await using var host = await CopyHost.StartAsync();
        for (var i = 0; i < 10; i++)
        {
            var type = i < 4 ? "video/mp4" : "video/webm";
            host.Source.Add("video-1", FakeSource.Start + TimeSpan.FromSeconds(2 * i), TimeSpan.FromSeconds(2), alter: s => s with { ContentType = type });
        }

        await host.StartCopyAsync(CopyHost.Definition(length: TimeSpan.FromSeconds(20)));

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        (await SpansAsync(host.Target, "video-1", FakeSource.Start, FakeSource.Start + TimeSpan.FromSeconds(20))).Select(s => (s.From, s.To, s.Segments)).ShouldBe(
            [(FakeSource.Start, FakeSource.Start + TimeSpan.FromSeconds(8), 4), (FakeSource.Start + TimeSpan.FromSeconds(8), FakeSource.Start + TimeSpan.FromSeconds(20), 6)]);
        (await host.CoverageAsync()).Tracks.Single(t => t.ChannelId == "video-1").Stretches.ShouldHaveSingleItem("it is no gap");
    }

    // Scenario 48: the media type stays, but the picture gets another size, then another codec, without a gap.
    [Fact]
    public async Task AResolutionOrCodecThatChangesWithinAMediaType_BeginsANewSpan_WithItsInitSegment()
    {
        await using var host = await CopyHost.StartAsync();
        var contents = new[] { TinyClip.Bytes(3), TinyClip.Bytes(3, width: 640), TinyClip.Bytes(3, width: 640, codec: "hvc1") };
        for (var i = 0; i < 9; i++)
        {
            host.Source.Add("video-1", FakeSource.Start + TimeSpan.FromSeconds(2 * i), TimeSpan.FromSeconds(2), contents[i / 3], s => s with { ContentType = "video/mp4" });
        }

        await host.StartCopyAsync(CopyHost.Definition(length: TimeSpan.FromSeconds(18)));

        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        var spans = await SpansAsync(host.Target, "video-1", FakeSource.Start, FakeSource.Start + TimeSpan.FromSeconds(18));
        spans.Select(s => (s.From, s.Segments, s.ContentType)).ShouldBe(Enumerable.Range(0, 3).Select(i => (FakeSource.Start + TimeSpan.FromSeconds(6 * i), 3L, (string?)"video/mp4")));
        spans.Select(s => s.Init!.Sha256).Distinct().Count().ShouldBe(3);
        (await host.CoverageAsync()).Tracks.Single(t => t.ChannelId == "video-1").Stretches.ShouldHaveSingleItem("it is no gap");

        // What a player needs before the first frame of each span is stored with it: the beginning of the span's first segment, and no more.
        var segments = await host.Target.SegmentsAsync();
        foreach (var span in spans)
        {
            var first = segments.Single(s => s.From == span.From);
            first.Init.ShouldBe(span.Init);
            using var request = new HttpRequestMessage(HttpMethod.Get, $"v1/segments/{first.Id}");
            request.Headers.Range = new System.Net.Http.Headers.RangeHeaderValue(0, span.Init!.Bytes - 1);
            var init = await (await host.Target.Raw.SendAsync(request)).Content.ReadAsByteArrayAsync();
            Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(init)).ShouldBe(span.Init.Sha256);
            var ftyp = Mp4Box.Read(init)!.Value;
            (ftyp.Type, Mp4Box.Read(init.AsSpan(ftyp.Length))!.Value).ShouldBe(("ftyp", new Mp4Box(init.Length - ftyp.Length, "moov")));
        }
    }

    private static FailbackWorkflows.Recorders.Settings.SettingsContent With(string channels) =>
        RecorderHost.Content() with { Channels = RecorderHost.Json(channels), Masks = RecorderHost.Json("[]"), Schedules = RecorderHost.Json("[]"), Alarms = RecorderHost.Json("[]") };

    private static async Task<IReadOnlyList<Span>> SpansAsync(RecorderHost host, string channel, DateTimeOffset from, DateTimeOffset to) =>
        (await host.Raw.GetFromJsonAsync<SpanList>($"v1/tracks/vms-1~{channel}/spans?from={RecorderJson.FormatInstant(from)}&to={RecorderJson.FormatInstant(to)}", RecorderJson.Options))!.Items;
}
