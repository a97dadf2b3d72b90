using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Http;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Testing.Processes;

namespace FailbackWorkflows.Benchmarks.Copying;

/// <summary>What a copy cost, both recorders together.</summary>
internal sealed record CopyCost(TimeSpan Wall, TimeSpan Processor, long PeakTargetBytes, CopyTask Task);

/// <summary>Two real recorders on loopback: a source filled once, and a fresh target for every copy. Neither records meanwhile.</summary>
internal sealed class CopySite : IAsyncDisposable
{
    private const string Identity = "vms-1";
    private const int AtOnce = 8;
    private const int RecordsPerRequest = 10_000;

    private readonly string _folder;
    private readonly DateTimeOffset _from;
    private int _targets;

    private CopySite(string folder)
    {
        _folder = folder;
        Source = new RecorderProcess(Identity, Path.Combine(folder, "source"));

        // Yesterday: retention keeps it, and what the recorders record before they are stopped is not of the period.
        var now = TimeProvider.System.GetUtcNow();
        _from = new DateTimeOffset(now.Ticks - (now.Ticks % TimeSpan.TicksPerHour), TimeSpan.Zero) - TimeSpan.FromHours(30);
    }

    public RecorderProcess Source { get; }

    public string LastTargetFolder => Path.Combine(_folder, $"target-{_targets}");

    public string SourceSegments => Path.Combine(Source.Folder, "segments", Identity);

    public static async Task<CopySite> StartAsync(string folder, int channels)
    {
        var site = new CopySite(folder);
        await StartQuietAsync(site.Source, channels);
        site.Channels = channels;
        return site;
    }

    private int Channels { get; set; }

    /// <summary>Fills every track with segments of one length, of bytes that do not compress.</summary>
    public async Task PutSegmentsAsync(int tracks, int segments, int bytes, TimeSpan length)
    {
        using var http = new HttpClient { BaseAddress = Source.BaseUrl };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Source.Token);
        var jobs = Enumerable.Range(0, segments).SelectMany(s => Enumerable.Range(1, tracks).Select(t => (Track: t, Segment: s)));
        await Parallel.ForEachAsync(jobs, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (job, cancellationToken) =>
        {
            var content = new byte[bytes];
            new Random((job.Track * 1_000_003) + job.Segment).NextBytes(content);
            var from = _from + (length * job.Segment);
            var path = $"v1/tracks/{Identity}~video-{job.Track}/segments/bench-{job.Track}-{job.Segment}?from={RecorderJson.FormatInstant(from)}&to={RecorderJson.FormatInstant(from + length)}";
            using var request = new HttpRequestMessage(HttpMethod.Put, path) { Content = new ByteArrayContent(content) };
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
            request.Headers.TryAddWithoutValidation("Repr-Digest", $"sha-256=:{Convert.ToBase64String(SHA256.HashData(content))}:");
            using var response = await http.SendAsync(request, cancellationToken);
            if (!response.IsSuccessStatusCode)
            {
                throw new InvalidOperationException($"{path}: {(int)response.StatusCode} {await response.Content.ReadAsStringAsync(cancellationToken)}");
            }
        });
    }

    /// <summary>Plates read on the first channels, one every few milliseconds.</summary>
    public async Task PutRecordsAsync(int count, int channels)
    {
        using var http = new HttpClient { BaseAddress = Source.BaseUrl, Timeout = TimeSpan.FromMinutes(5) };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Source.Token);
        for (var done = 0; done < count; done += RecordsPerRequest)
        {
            var lines = new StringBuilder();
            for (var i = done; i < Math.Min(done + RecordsPerRequest, count); i++)
            {
                lines.Append(new JsonObject
                {
                    ["id"] = string.Create(CultureInfo.InvariantCulture, $"plate-{i:D8}"),
                    ["kind"] = "anpr",
                    ["identity"] = Identity,
                    ["channelId"] = $"video-{(i % channels) + 1}",
                    ["timeUtc"] = RecorderJson.FormatInstant(_from + TimeSpan.FromMilliseconds(3.6 * i)),
                    ["revision"] = 1,
                    ["body"] = new JsonObject { ["plate"] = $"B FW {i % 9973}", ["plateLikelihood"] = 0.97, ["country"] = "DE", ["lane"] = i % 3, ["direction"] = "in" },
                }.ToJsonString()).Append('\n');
            }

            using var content = new StringContent(lines.ToString(), Encoding.UTF8, "application/x-ndjson");
            using var response = await http.PostAsync($"v1/records/anpr:import?identity={Identity}", content);
            var answer = await response.Content.ReadAsStringAsync();
            if (!response.IsSuccessStatusCode || answer.Contains("rejected", StringComparison.Ordinal))
            {
                throw new InvalidOperationException($"{(int)response.StatusCode} {answer[..Math.Min(answer.Length, 500)]}");
            }
        }
    }

    /// <summary>A recorder that has the duty, the settings, and nothing else.</summary>
    public async Task<RecorderProcess> NewTargetAsync()
    {
        var target = new RecorderProcess(Identity, Path.Combine(_folder, $"target-{++_targets}"));
        await StartQuietAsync(target, Channels);
        return target;
    }

    /// <summary>Copies the whole period; returns when the task has ended and is verified.</summary>
    /// <param name="meanwhile">Called with each state seen, e.g. to kill somebody.</param>
    public async Task<CopyCost> CopyAsync(RecorderProcess target, string taskId = "bench", Func<CopyTask, Task>? meanwhile = null)
    {
        var to = _from + TimeSpan.FromHours(26);
        var token = await SendAsync<ReadToken>(Source, HttpMethod.Put, $"v1/read-tokens/{taskId}", new ReadTokenRequest(Identity, _from, to, 1, "Benchmark"), taskId);
        var before = ProcessCost.ProcessorTime(Source.ProcessId) + ProcessCost.ProcessorTime(target.ProcessId);
        var since = TimeProvider.System.GetTimestamp();
        await SendAsync<CopyTask>(
            target,
            HttpMethod.Post,
            "v1/copy-tasks",
            new StartDataCopy(taskId, "entry", Identity, (await Source.GetStatusAsync()).Id, new CopyPeriod(null, _from, to), [], new CopyLimits(), WithDisputed: false, "Benchmark"),
            $"{taskId}-start");
        await SendAsync<CopyTask>(target, HttpMethod.Put, $"v1/copy-tasks/{taskId}/source", new UpdateClientInfo(Source.BaseUrl, token.Token), $"{taskId}-source");
        using var ticks = new PeriodicTimer(TimeSpan.FromMilliseconds(100), TimeProvider.System);
        CopyTask task;
        do
        {
            await ticks.WaitForNextTickAsync();
            task = await Eventually.GetAsync("the target answers", () => ReadAsync<CopyTask>(target, $"v1/copy-tasks/{taskId}"), _ => true);
            if (meanwhile is not null)
            {
                await meanwhile(task);
            }
        }
        while (task.State is CopyTaskState.Queued or CopyTaskState.WaitingForSource or CopyTaskState.Running or CopyTaskState.Verifying or CopyTaskState.Paused);
        var wall = TimeProvider.System.GetElapsedTime(since);
        if (task.State is not (CopyTaskState.Copied or CopyTaskState.NothingToCopy))
        {
            throw new InvalidOperationException($"The copy ended {task.State}: {task.LastError}");
        }

        return new CopyCost(
            wall,
            ProcessCost.ProcessorTime(Source.ProcessId) + ProcessCost.ProcessorTime(target.ProcessId) - before,
            target.PeakResidentBytes(),
            task);
    }

    public async ValueTask DisposeAsync()
    {
        await Source.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private static async Task StartQuietAsync(RecorderProcess recorder, int channels)
    {
        await recorder.StartAsync(new Dictionary<string, string> { ["seedChannels"] = channels.ToString(CultureInfo.InvariantCulture), ["bootConfirm"] = "1.00:00:00" });
        var answer = await recorder.SendAsync(
            HttpMethod.Post, "v1/recording:stop", new JsonObject { ["identity"] = Identity }, (RecorderHeaders.DutyEpoch, "1"), (RecorderHeaders.DutyFence, "1"), (RecorderHeaders.IdempotencyKey, "quiet"));
        if ((int)answer.Status != 200)
        {
            throw new InvalidOperationException(answer.ToString());
        }
    }

    private static async Task<T> SendAsync<T>(RecorderProcess recorder, HttpMethod method, string path, object body, string key)
    {
        var answer = await recorder.SendAsync(
            method, path, JsonSerializer.SerializeToNode(body, body.GetType(), RecorderJson.Options), (RecorderHeaders.DutyEpoch, "1"), (RecorderHeaders.CopyFence, "1"), (RecorderHeaders.IdempotencyKey, key));
        return (int)answer.Status is 200 or 201
            ? JsonSerializer.Deserialize<T>(answer.Text, RecorderJson.Options)!
            : throw new InvalidOperationException($"{method} {path}: {answer}");
    }

    private static async Task<T> ReadAsync<T>(RecorderProcess recorder, string path)
    {
        var answer = await recorder.SendAsync(HttpMethod.Get, path);
        return (int)answer.Status == 200 ? JsonSerializer.Deserialize<T>(answer.Text, RecorderJson.Options)! : throw new InvalidOperationException($"{path}: {answer}");
    }
}
