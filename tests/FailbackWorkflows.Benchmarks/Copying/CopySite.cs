using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Http;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.Settings;
using FailbackWorkflows.Testing.Processes;

namespace FailbackWorkflows.Benchmarks.Copying;

/// <summary>What a copy cost.</summary>
/// <param name="PeakTargetBytes">Largest resident set of the target so far.</param>
/// <param name="PeakSourceBytes">The source's, over all copies from it.</param>
internal sealed record CopyCost(TimeSpan Wall, TimeSpan SourceProcessor, TimeSpan TargetProcessor, long PeakTargetBytes, long PeakSourceBytes, CopyTask Task)
{
    /// <summary>Both recorders together.</summary>
    public TimeSpan Processor => SourceProcessor + TargetProcessor;
}

/// <summary>Two real recorders on loopback: a source filled once, and a fresh target for every copy. Neither records meanwhile.</summary>
internal sealed class CopySite : IAsyncDisposable
{
    private const string Identity = "vms-1";

    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    private readonly string _folder;
    private readonly int _channels;
    private readonly DateTimeOffset _from;
    private int _targets;

    private CopySite(Options options, int channels)
    {
        _folder = Directory.CreateDirectory(Path.Combine(Path.GetFullPath(options.Text("folder", Path.GetTempPath())), $"copying-{Guid.NewGuid():N}")).FullName;
        _channels = channels;
        Source = new RecorderProcess(Identity, Path.Combine(_folder, "source"));

        // Yesterday: retention keeps it, and what the recorders record before they are stopped is not of the period.
        var now = TimeProvider.System.GetUtcNow();
        _from = new DateTimeOffset(now.Ticks - (now.Ticks % TimeSpan.TicksPerHour), TimeSpan.Zero) - TimeSpan.FromHours(30);
    }

    public RecorderProcess Source { get; }

    public string SourceSegments => Path.Combine(Source.Folder, "segments", Identity);

    /// <summary>Where another copier may put its files.</summary>
    public string FolderOf(string copier) => Path.Combine(_folder, copier);

    /// <summary>Fills a source and starts it; prints how long that took.</summary>
    public static async Task<CopySite> StartAsync(Options options, int channels, Func<StoredSupply, Task> fill)
    {
        var site = new CopySite(options, channels);
        try
        {
            var since = TimeProvider.System.GetTimestamp();
            using (var supply = new StoredSupply(site.Source.Folder, Identity, channels, site._from))
            {
                await fill(supply);
            }

            var filled = TimeProvider.System.GetElapsedTime(since);
            await site.Source.StartAsync(QuietOptions(channels));
            Console.WriteLine(FormattableString.Invariant($"  setup                   {filled.TotalSeconds,7:N1} s to fill the source, {(TimeProvider.System.GetElapsedTime(since) - filled).TotalSeconds:N1} s to start it (not counted below)"));
            return site;
        }
        catch
        {
            await site.DisposeAsync();
            throw;
        }
    }

    /// <summary>A recorder that has the duty, the settings, and nothing else.</summary>
    public async Task<RecorderProcess> NewTargetAsync()
    {
        var target = new RecorderProcess(Identity, Path.Combine(_folder, $"target-{++_targets}"));
        await target.StartAsync(QuietOptions(_channels));
        var answer = await target.SendAsync(
            HttpMethod.Post, "v1/recording:stop", new JsonObject { ["identity"] = Identity }, (RecorderHeaders.DutyEpoch, "1"), (RecorderHeaders.DutyFence, "1"), (RecorderHeaders.IdempotencyKey, "quiet"));
        return (int)answer.Status == 200 ? target : throw new InvalidOperationException(answer.ToString());
    }

    /// <summary>Starts a target again after it was killed, and confirms its role, as the management server does: without the duty it copies nothing.</summary>
    public async Task StartAgainAsync(RecorderProcess target)
    {
        await target.StartAsync(QuietOptions(_channels));
        await SendAsync<DutyState>(target, HttpMethod.Put, $"v1/duties/{Identity}", new DutyAssignment(DutyRole.Recorder, 1, SeedSettings.AllocationId, 1), $"confirm-{Guid.NewGuid():N}");
    }

    /// <summary>Ends a target and removes what it has.</summary>
    public static async Task RemoveAsync(RecorderProcess target)
    {
        await target.DisposeAsync();
        Directory.Delete(target.Folder, recursive: true);
    }

    /// <summary>Copies the whole period; returns when the task has ended and is verified.</summary>
    /// <param name="meanwhile">Called with each state seen, e.g. to kill somebody; after a kill the costs are those of the last process.</param>
    /// <param name="address">Where the target finds the source, when not there itself.</param>
    public async Task<CopyCost> CopyAsync(RecorderProcess target, string taskId = "bench", Func<CopyTask, Task>? meanwhile = null, Uri? address = null)
    {
        var to = _from + TimeSpan.FromHours(26);
        var token = await SendAsync<ReadToken>(Source, HttpMethod.Put, $"v1/read-tokens/{taskId}", new ReadTokenRequest(Identity, _from, to, 1, "Benchmark"), taskId);
        var sourceBefore = ProcessCost.ProcessorTime(Source.ProcessId);
        var targetBefore = ProcessCost.ProcessorTime(target.ProcessId);
        var since = TimeProvider.System.GetTimestamp();
        await SendAsync<CopyTask>(
            target,
            HttpMethod.Post,
            "v1/copy-tasks",
            new StartDataCopy(taskId, "entry", Identity, (await Source.GetStatusAsync()).Id, new CopyPeriod(null, _from, to), [], new CopyLimits(), WithDisputed: false, "Benchmark"),
            $"{taskId}-start");
        await SendAsync<CopyTask>(target, HttpMethod.Put, $"v1/copy-tasks/{taskId}/source", new UpdateClientInfo(address ?? Source.BaseUrl, token.Token), $"{taskId}-source");
        using var ticks = new PeriodicTimer(TimeSpan.FromMilliseconds(100), TimeProvider.System);
        long? pausedSince = null;
        CopyTask task;
        do
        {
            await ticks.WaitForNextTickAsync();
            task = await Eventually.GetAsync("the target answers", () => ReadAsync<CopyTask>(target, $"v1/copy-tasks/{taskId}"), _ => true);
            pausedSince = task.State == CopyTaskState.Paused ? pausedSince ?? TimeProvider.System.GetTimestamp() : null;
            if (pausedSince is { } paused && TimeProvider.System.GetElapsedTime(paused) > LongestPause)
            {
                throw new InvalidOperationException($"The copy waits in vain: {task.PauseReason}. {task.LastError}");
            }

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
            ProcessCost.ProcessorTime(Source.ProcessId) - sourceBefore,
            ProcessCost.ProcessorTime(target.ProcessId) - targetBefore,
            target.PeakResidentBytes(),
            Source.PeakResidentBytes(),
            task);
    }

    public async ValueTask DisposeAsync()
    {
        await Source.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private static Dictionary<string, string> QuietOptions(int channels) => new() { ["seedChannels"] = channels.ToString(CultureInfo.InvariantCulture), ["bootConfirm"] = "1.00:00:00" };

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
