using FailbackWorkflows.Recorders.Recording;
using FailbackWorkflows.ReferenceRecorder;
using FailbackWorkflows.ReferenceRecorder.Recording;
using FailbackWorkflows.ReferenceRecorder.Recording.Video;
using FailbackWorkflows.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder.Recording.Video;

public sealed class VideoClipsTests : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    private readonly string _folder = Directory.CreateTempSubdirectory("recorder-video-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Recording_WithAnEncoder_GivesVideo_TheSameOnEveryRecorder()
    {
        await using var one = await StartAsync(TinyClip.WriteProgram(_folder, 50));
        await using var two = await StartAsync(TinyClip.WriteProgram(_folder, 50));
        await one.PassAsync(TimeSpan.FromSeconds(8));
        await two.PassAsync(TimeSpan.FromSeconds(8));

        // What had begun before there was a clip is synthetic to its end, and says so.
        var videos = (await one.SegmentsAsync()).Where(s => s is { Growing: false, ContentType: VideoSegmentFile.ContentType }).ToList();

        videos.Count.ShouldBeGreaterThan(1);
        videos.Select(s => s.Sha256).ShouldBeUnique();
        (await two.SegmentsAsync()).Where(s => s is { Growing: false, ContentType: VideoSegmentFile.ContentType }).Select(s => (s.From, s.Sha256)).ShouldBe(videos.Select(s => (s.From, s.Sha256)));
        (await one.SegmentsAsync("audio-1")).ShouldAllBe(s => s.ContentType == SegmentFile.ContentType);
        var served = await one.Raw.GetAsync($"v1/segments/{videos[0].Id}");
        served.Content.Headers.ContentType!.MediaType.ShouldBe("video/mp4");
        VideoSegmentFile.Inspect(await served.Content.ReadAsByteArrayAsync()).ShouldBe(((int)videos[0].Bytes, videos[0].From, videos[0].To - Interval));
    }

    [Fact]
    public async Task Kill_WhileRecordingVideo_LeavesAWholeSegment()
    {
        await using var first = await StartAsync(TinyClip.WriteProgram(_folder, 50));
        await first.PassAsync(TimeSpan.FromSeconds(7));
        var before = (await first.RecordingAsync()).Channels[0].LastFrameAt;
        await using var host = await first.StartAfterKillAsync(folder =>
        {
            foreach (var path in Directory.EnumerateFiles(folder, "*.tmp", SearchOption.AllDirectories))
            {
                File.AppendAllBytes(path, [0, 0, 0, 99, .. "moof"u8]);
            }
        });

        var last = (await host.SegmentsAsync())[^1];

        (last.Growing, last.ContentType).ShouldBe((false, VideoSegmentFile.ContentType));
        (last.To - Interval).ShouldBeGreaterThanOrEqualTo(before!.Value);
        var bytes = await host.Raw.GetByteArrayAsync($"v1/segments/{last.Id}");
        VideoSegmentFile.Inspect(bytes).WholeBytes.ShouldBe(bytes.Length);
    }

    [Theory]
    [InlineData("missing")]
    [InlineData("exit 3")]
    [InlineData("echo this is not a video")]
    public async Task Recording_WhenTheEncoderIsOfNoUse_IsSyntheticAndSaysSo(string command)
    {
        await using var host = await StartAsync(command == "missing" ? Path.Combine(_folder, "missing") : TinyClip.WriteScript(_folder, command));
        await host.PassAsync(TimeSpan.FromSeconds(5));

        var segments = await host.SegmentsAsync();

        segments.Count.ShouldBeGreaterThan(1);
        segments.ShouldAllBe(s => s.ContentType == SegmentFile.ContentType);
    }

    [Fact]
    public async Task Encode_ThatHangs_IsStoppedAfterItsTime()
    {
        var time = new FakeTimeProvider();
        var encoding = new FfmpegEncoder(TinyClip.WriteScript(_folder, "exec sleep 600"), Interval, time).EncodeAsync(VideoRecipe.All[0], null, default);

        time.Advance(TimeSpan.FromSeconds(31));

        (await Should.ThrowAsync<VideoEncodingException>(encoding)).Message.ShouldContain("did not end within 30 s");
    }

    [Fact]
    public async Task Encode_WithTheFfmpegOfThisMachine_GivesAClipOfSeveralGroups()
    {
        var path = VideoClips.Locate(null);
        var encoder = new FfmpegEncoder(path ?? Path.Combine(_folder, "ffmpeg"), Interval, TimeProvider.System);
        if (path is null)
        {
            (await Should.ThrowAsync<VideoEncodingException>(encoder.EncodeAsync(VideoRecipe.All[0], null, default))).Message.ShouldContain("cannot be started");
            return;
        }

        var clips = Clips(encoder);
        using var stop = new CancellationTokenSource();
        var encoding = clips.EncodeAllAsync(stop.Token);
        await clips.Settled;

        var clip = clips.Find("video-1", ChannelKind.Video).ShouldNotBeNull();
        var from = new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
        byte[] segment = [.. clip.Header, .. Enumerable.Range(0, 10).SelectMany(index => clip.Frame("video-1", from, index, Interval))];
        VideoSegmentFile.Inspect(segment).ShouldBe((segment.Length, from, from + (9 * Interval)));
        await stop.CancelAsync();
        await encoding.ContinueWith(_ => { }, TaskScheduler.Default);
    }

    [Fact]
    public async Task Find_OfMoreChannelsThanAreNamed_GivesTheClipOfAll()
    {
        var encoder = new CountingEncoder();
        var clips = Clips(encoder);
        using var stop = new CancellationTokenSource();
        clips.Find("video-0", ChannelKind.Video).ShouldBeNull("there is none yet");
        clips.Find("audio-0", ChannelKind.Audio).ShouldBeNull();
        var encoding = clips.EncodeAllAsync(stop.Token);
        await clips.Settled;
        var found = Enumerable.Range(0, 100).Select(n => clips.Find($"video-{n}", ChannelKind.Video)).ToList();
        await encoder.Done;

        found.ShouldAllBe(clip => clip != null);
        encoder.Texts.ShouldBe([null, .. Enumerable.Range(0, VideoClips.MostNamed).Select(n => $"video-{n}")]);
        await stop.CancelAsync();
        await encoding.ContinueWith(_ => { }, TaskScheduler.Default);
    }

    private static VideoClips Clips(IVideoEncoder encoder) =>
        new(encoder, RecorderOptions.Parse(["--token", RecorderHost.Token]), NullLogger<VideoClips>.Instance);

    private static async Task<RecorderHost> StartAsync(string ffmpeg)
    {
        var host = await RecorderHost.StartSeededAsync(null, "--ffmpeg", ffmpeg);
        await host.App.Services.GetRequiredService<VideoClips>().Settled;
        return host;
    }

    private sealed class CountingEncoder : IVideoEncoder
    {
        private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public List<string?> Texts { get; } = [];

        public Task Done => _done.Task;

        public Task<byte[]> EncodeAsync(VideoRecipe recipe, string? text, CancellationToken cancellationToken)
        {
            Texts.Add(text);
            if (Texts.Count == VideoClips.MostNamed + 1)
            {
                _done.SetResult();
            }

            return Task.FromResult(TinyClip.Bytes(20));
        }
    }
}
