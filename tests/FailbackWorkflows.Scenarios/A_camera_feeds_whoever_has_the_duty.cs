using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using FailbackWorkflows.Recorders.Http;
using FailbackWorkflows.Testing.Processes;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Scenarios;

/// <summary>The feeder of the compose file, outside of its container: what ffmpeg makes arrives at the recorder that has the duty, and at another one when the duty moves there.</summary>
public sealed class A_camera_feeds_whoever_has_the_duty : IAsyncLifetime
{
    private const string Identity = "vms-1";
    private const string Channel = "camera-1";
    private const string Token = "token-of-both-recorders";

    private readonly string _folder = Directory.CreateTempSubdirectory("failback-camera-").FullName;
    private RecorderProcess _first = null!;
    private RecorderProcess _second = null!;

    public async Task InitializeAsync()
    {
        var options = new Dictionary<string, string> { ["seedCameras"] = "1" };
        _first = new RecorderProcess(Identity, Path.Combine(_folder, "first"), Token, options);
        _second = new RecorderProcess("vms-2", Path.Combine(_folder, "second"), Token, options);
        await Task.WhenAll(_first.StartAsync(), _second.StartAsync());
    }

    public async Task DisposeAsync()
    {
        await _first.DisposeAsync();
        await _second.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Segments_that_play_arrive_without_a_gap_where_the_duty_is()
    {
        var work = Directory.CreateDirectory(Path.Combine(_folder, "work")).FullName;
        using var camera = StartCamera(work, out var said);
        try
        {
            var atFirst = await SegmentsAsync(_first, 3);
            atFirst.Zip(atFirst.Skip(1)).ShouldAllBe(pair => Instant(pair.First, "to") == Instant(pair.Second, "from"));
            atFirst.ShouldAllBe(s => (string)s["contentType"]! == "video/mp4" && s["init"] != null);
            (Instant(atFirst[^1], "to") - Instant(atFirst[0], "from")).ShouldBeInRange(TimeSpan.FromSeconds(2.5), TimeSpan.FromSeconds(60));
            await PlaysAsync(_first, (string)atFirst[1]["id"]!);
            var recording = (await _first.GetRecordingAsync(Identity)).Channels.Single(c => c.ChannelId == Channel);
            recording.FirstFrameAt.ShouldNotBeNull("what the feeder puts are frames of the channel");

            await MoveDutyAsync();

            (await SegmentsAsync(_second, 2)).ShouldNotBeEmpty();
            var ended = (await _first.ListSegmentsAsync(Identity, Channel)).Max(s => Instant(s!, "to"));
            var atSecond = await SegmentsAsync(_second, 3);
            (await _first.ListSegmentsAsync(Identity, Channel)).Max(s => Instant(s!, "to")).ShouldBe(ended, "it gets no more");
            Instant(atSecond[0], "from").ShouldBeGreaterThan(Instant(atFirst[0], "from"));
        }
        catch (Exception exception) when (exception is TimeoutException or ShouldAssertException)
        {
            throw new InvalidOperationException($"{exception.Message}{Environment.NewLine}The feeder said: {said}", exception);
        }
        finally
        {
            using var kill = Process.Start("kill", ["-TERM", camera.Id.ToString(CultureInfo.InvariantCulture)]);
            await kill.WaitForExitAsync();
            await camera.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(30));
        }

        camera.ExitCode.ShouldBe(0, said.ToString());
        Directory.EnumerateFileSystemEntries(work).ShouldBeEmpty("it leaves nothing behind");
        said.ToString().ShouldNotContain(Token);
    }

    [Theory]
    [InlineData("CAMERA_IDENTITY")]
    [InlineData("FAILBACK_RECORDER_TOKEN")]
    public async Task Without_what_it_needs_the_feeder_says_so(string missing)
    {
        using var camera = StartCamera(_folder, out var said, missing);
        await camera.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(30));

        camera.ExitCode.ShouldBe(2);
        said.ToString().ShouldContain($"Set {missing} to");
    }

    private Process StartCamera(string work, out System.Text.StringBuilder said, string? without = null)
    {
        var start = new ProcessStartInfo("bash", [Path.Combine(ProgramFiles.Root, "eng", "camera", "feed.sh")]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["CAMERA_IDENTITY"] = Identity;
        start.Environment["CAMERA_CHANNEL"] = Channel;
        start.Environment["CAMERA_RECORDERS"] = $"{_first.BaseUrl} {_second.BaseUrl}";
        start.Environment["CAMERA_SECONDS"] = "1";
        start.Environment["CAMERA_WORK"] = work;
        start.Environment["FAILBACK_RECORDER_TOKEN"] = Token;
        if (without is not null)
        {
            start.Environment.Remove(without);
        }

        var lines = said = new System.Text.StringBuilder();
        void Note(object sender, DataReceivedEventArgs line)
        {
            lock (lines)
            {
                lines.AppendLine(line.Data);
            }
        }

        var camera = Process.Start(start)!;
        camera.OutputDataReceived += Note;
        camera.ErrorDataReceived += Note;
        camera.BeginOutputReadLine();
        camera.BeginErrorReadLine();
        return camera;
    }

    /// <summary>As a failover does, told by hand: the second recorder gets settings and duty of the first one, which stands by.</summary>
    private async Task MoveDutyAsync()
    {
        var settings = (await _first.SendAsync(HttpMethod.Get, $"v1/duties/{Identity}/config")).Json!["content"]!.DeepClone();
        await RequireAsync(_first.SendAsync(HttpMethod.Put, $"v1/duties/{Identity}", Assignment("standby"), (RecorderHeaders.IdempotencyKey, "stand-by")));
        await RequireAsync(_second.SendAsync(HttpMethod.Put, $"v1/duties/{Identity}", Assignment("recorder"), (RecorderHeaders.IdempotencyKey, "take-over")));
        await RequireAsync(_second.SendAsync(HttpMethod.Put, $"v1/duties/{Identity}/config", new JsonObject { ["content"] = settings }));
        await RequireAsync(_second.SendAsync(
            HttpMethod.Post,
            "v1/recording:start",
            new JsonObject { ["identity"] = Identity },
            (RecorderHeaders.DutyEpoch, "2"),
            (RecorderHeaders.DutyFence, "1"),
            (RecorderHeaders.IdempotencyKey, "record")));

        static JsonObject Assignment(string role) => new() { ["role"] = role, ["epoch"] = 2, ["allocationId"] = "by hand", ["fence"] = 1 };
    }

    private static async Task RequireAsync(Task<Answer> call)
    {
        var answer = await call;
        answer.Status.ShouldBe(HttpStatusCode.OK, answer.ToString());
    }

    private static async Task<IReadOnlyList<JsonNode>> SegmentsAsync(RecorderProcess recorder, int atLeast) => await Eventually.GetAsync(
        $"{atLeast} segments of the camera at {recorder.Id}",
        async () => (IReadOnlyList<JsonNode>)[.. (await recorder.ListSegmentsAsync(Identity, Channel)).Select(s => s!)],
        segments => segments.Count >= atLeast);

    private static DateTimeOffset Instant(JsonNode segment, string member) => DateTimeOffset.Parse((string)segment[member]!, CultureInfo.InvariantCulture);

    private async Task PlaysAsync(RecorderProcess recorder, string segmentId)
    {
        var file = Path.Combine(_folder, "segment.mp4");
        using var http = new HttpClient { BaseAddress = recorder.BaseUrl };
        http.DefaultRequestHeaders.Authorization = new("Bearer", Token);
        await File.WriteAllBytesAsync(file, await http.GetByteArrayAsync($"v1/segments/{segmentId}"));
        using var probe = Process.Start(new ProcessStartInfo("ffprobe", ["-v", "error", "-count_frames", "-show_entries", "stream=codec_name,nb_read_frames", "-of", "csv=p=0", file]) { RedirectStandardOutput = true })!;
        var stream = (await probe.StandardOutput.ReadToEndAsync()).Trim();
        await probe.WaitForExitAsync();
        stream.ShouldBe("h264,10", "a second of ten frames, by itself");
    }
}
