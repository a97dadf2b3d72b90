using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Http;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.MaterialCopy;
using FailbackWorkflows.ReferenceRecorder.Records;
using FailbackWorkflows.ReferenceRecorder.Segments;
using FailbackWorkflows.Testing.Material;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;

namespace FailbackWorkflows.Tests.ReferenceRecorder.MaterialCopy;

/// <summary>A target recorder with authority for the identity, and a source to copy from.</summary>
internal sealed class CopyHost(RecorderHost target, FakeSource source) : IAsyncDisposable
{
    private static readonly TimeSpan Day = TimeSpan.FromDays(1);

    private readonly Dictionary<string, ILookup<string, Segment>> _before = new(StringComparer.Ordinal);
    private long _fence = 1;

    public RecorderHost Target { get; private set; } = target;

    public FakeSource Source { get; } = source;

    /// <summary>Where the invariants look.</summary>
    public CopyPeriod Watched { get; set; } = new(null, FakeSource.Start - Day, FakeSource.Start + Day);

    public CopyService Service => Target.App.Services.GetRequiredService<CopyService>();

    public static async Task<CopyHost> StartAsync(params string[] more)
    {
        var target = await RecorderHost.StartSeededAsync(null, more);
        return new CopyHost(target, await FakeSource.StartAsync(target.Time));
    }

    public static StartDataCopy Definition(string taskId = "task-1", TimeSpan? length = null, bool withDisputed = false) => new(
        taskId, "entry-1", FakeSource.Identity, FakeSource.MachineId,
        new CopyPeriod(null, FakeSource.Start, FakeSource.Start + (length ?? TimeSpan.FromMinutes(1))), [], new CopyLimits(), withDisputed, "test");

    /// <summary>Queues a task and says where its source is.</summary>
    public async Task<CopyTask> StartCopyAsync(StartDataCopy? definition = null)
    {
        var task = await SendAsync<CopyTask>(HttpMethod.Post, "v1/copy-tasks", definition ?? Definition());
        _before.TryAdd(task.TaskId, AtTarget());
        return await SetSourceAsync(task.TaskId);
    }

    public Task<CopyTask> SetSourceAsync(string taskId = "task-1", string? token = null, Uri? url = null) =>
        SendAsync<CopyTask>(HttpMethod.Put, $"v1/copy-tasks/{taskId}/source", new { url = url ?? Source.Url, token = token ?? Source.Token });

    public Task<CopyTask> OrderAsync(CopyOrder order, string taskId = "task-1") =>
        SendAsync<CopyTask>(HttpMethod.Post, $"v1/copy-tasks/{taskId}:{order.ToString().ToLowerInvariant()}", null);

    public async Task<T> SendAsync<T>(HttpMethod method, string path, object? body)
    {
        using var answer = await SendRawAsync(method, path, body);
        var text = await answer.Content.ReadAsStringAsync();
        answer.IsSuccessStatusCode.ShouldBeTrue(text);
        return JsonSerializer.Deserialize<T>(text, RecorderJson.Options)!;
    }

    public async Task<HttpResponseMessage> SendRawAsync(HttpMethod method, string path, object? body, long epoch = 1, long? fence = null, string? key = null)
    {
        var request = new HttpRequestMessage(method, path);
        request.Headers.Add(RecorderHeaders.DutyEpoch, epoch.ToString(System.Globalization.CultureInfo.InvariantCulture));
        request.Headers.Add(RecorderHeaders.CopyFence, (fence ?? _fence).ToString(System.Globalization.CultureInfo.InvariantCulture));
        request.Headers.Add(RecorderHeaders.IdempotencyKey, key ?? Guid.NewGuid().ToString());
        request.Content = body is null ? null : JsonContent.Create(body, body.GetType(), options: RecorderJson.Options);
        return await Target.Raw.SendAsync(request);
    }

    public Task<CopyTask> TaskAsync(string taskId = "task-1") => Target.Raw.GetFromJsonAsync<CopyTask>($"v1/copy-tasks/{taskId}", RecorderJson.Options)!;

    public Task<CoverageReport> CoverageAsync(string taskId = "task-1") => Target.Raw.GetFromJsonAsync<CoverageReport>($"v1/copy-tasks/{taskId}/coverage", RecorderJson.Options)!;

    /// <summary>Waits until a task has ended; the invariants of the failure scenarios hold then, however it ended.</summary>
    public async Task<CopyTask> EndAsync(string taskId = "task-1")
    {
        var task = await UntilAsync(t => t.EndedAt is not null, taskId);
        await InvariantsHoldAsync(task);
        return task;
    }

    /// <summary>I3 and I4; and I6: the whole copy once more, as another task, brings nothing.</summary>
    public async Task AgainNothingMovesAsync(StartDataCopy? definition = null)
    {
        var bytes = Rows().Concat(Rows("audio-1")).Select(r => (r.SegmentId, r.Sha256, r.TaskId)).ToList();
        await StartCopyAsync((definition ?? Definition()) with { TaskId = "again" });
        var again = await EndAsync("again");
        (again.SegmentsDone, again.RecordsDone, again.BytesDone).ShouldBe((0, 0, 0), $"{again.State} {again.LastError}");
        Rows().Concat(Rows("audio-1")).Select(r => (r.SegmentId, r.Sha256, r.TaskId)).ShouldBe(bytes);
    }

    /// <summary>Lets time pass, as far as the copier waits for it, until a task is as wanted.</summary>
    public async Task<CopyTask> UntilAsync(Func<CopyTask, bool> isSo, string taskId = "task-1", TimeSpan? step = null)
    {
        CopyTask task = null!;
        for (var i = 0; i < 6_000; i++)
        {
            task = await TaskAsync(taskId);
            if (isSo(task))
            {
                return task;
            }

            Target.Time.Advance(step ?? TimeSpan.FromMilliseconds(50));
            await Service.Changed.WaitAsync(TimeSpan.FromMilliseconds(5));
        }

        throw new ShouldAssertException($"Copy task {taskId} is {task.State} {task.PauseReason} {task.Phase}: {task.LastError}; requests: {string.Join(" | ", Source.Requests.TakeLast(5))}");
    }

    /// <summary>The recorder is killed; another starts over what it left, and its role is confirmed.</summary>
    public async Task KillAsync(params string[] more)
    {
        var next = await Target.StartAfterKillAsync(null, more);
        var former = Target;
        Target = next;
        await former.DisposeAsync();
        await Target.AssignAsync(DutyRole.Recorder, 1, "seed");
    }

    public List<SegmentRow> Rows(string channel = "video-1") => Target.Store.Read(sql =>
        SegmentStore.Overlapping(sql, $"{FakeSource.Identity}~{channel}", FakeSource.Start, FakeSource.Start + TimeSpan.FromHours(1), 10_000));

    public List<RecordRow> Records(RecordKind kind) => Target.Store.Read(sql => RecordStore.Page(sql, new RecordQuery(kind, FakeSource.Identity), null, 10_000));

    private async Task InvariantsHoldAsync(CopyTask task)
    {
        var isOver = task.State is CopyTaskState.Copied or CopyTaskState.CopiedWithLosses or CopyTaskState.NothingToCopy;
        var report = await CoverageAsync(task.TaskId);
        var (before, after) = (_before.GetValueOrDefault(task.TaskId), AtTarget());
        foreach (var channel in Source.Channels.Concat(after.Select(t => t.Key)).Distinct(StringComparer.Ordinal))
        {
            // A copy that failed or was cancelled owes nothing yet, and may have taken nothing away.
            MaterialInvariants.Uncovered(channel, isOver ? Source.SegmentsOf(channel) : [], before?[channel] ?? [], after[channel], report, Source.TimeResolution).ShouldBeEmpty("I3");
            var marked = Marked();
            MaterialInvariants.UnmarkedOverlaps(after[channel], s => marked.Contains(s.Id), Source.TimeResolution).ShouldBeEmpty("I4");
        }
    }

    /// <summary>Ids of the segments that are marked as overlapping others.</summary>
    public HashSet<string> Marked() =>
        Target.Store.Read(sql => sql.Query("SELECT segment_id FROM segments WHERE overlaps = 1", r => r.GetString(0))).ToHashSet(StringComparer.Ordinal);

    /// <summary>The target's segments where the invariants look, by channel.</summary>
    private ILookup<string, Segment> AtTarget() => Target.Store.Read(sql =>
        sql.Query("SELECT DISTINCT channel_id FROM segments WHERE identity = $identity", r => r.GetString(0), ("$identity", FakeSource.Identity))
            .SelectMany(c => SegmentStore.OverlappingOfChannel(sql, FakeSource.Identity, c, Watched.FromUtc, Watched.ToUtc, 100_000).Select(r => (Channel: c, Segment: r.ToSegment())))
            .ToLookup(s => s.Channel, s => s.Segment, StringComparer.Ordinal));

    /// <summary>Material of a recorder's own, on its first video channel.</summary>
    public static async Task FeedAsync(RecorderHost recorder, string id, DateTimeOffset from, DateTimeOffset to, byte[]? bytes = null, string channel = "video-1")
    {
        using var content = new ByteArrayContent(bytes ??= "own material"u8.ToArray());
        content.Headers.ContentType = new("application/octet-stream");
        content.Headers.Add("Repr-Digest", $"sha-256=:{Convert.ToBase64String(System.Security.Cryptography.SHA256.HashData(bytes))}:");
        using var answer = await recorder.Raw.PutAsync($"v1/tracks/vms-1~{channel}/segments/{id}?from={RecorderJson.FormatInstant(from)}&to={RecorderJson.FormatInstant(to)}", content);
        answer.StatusCode.ShouldBe(HttpStatusCode.Created, await answer.Content.ReadAsStringAsync());
    }

    /// <summary>Every row has its bytes, and no file lies about that no row knows.</summary>
    public void ShouldBeSound()
    {
        var rows = Rows().Concat(Rows("audio-1")).ToList();
        foreach (var row in rows.Where(r => r.Sha256 is not null))
        {
            var bytes = File.ReadAllBytes(Path.Combine(Target.Folder, "segments", row.File));
            Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(bytes)).ShouldBe(row.Sha256);
        }

        var known = Target.Store.Read(SegmentStore.Files);
        Directory.EnumerateFiles(Path.Combine(Target.Folder, "segments"), "copied-*", SearchOption.AllDirectories)
            .Select(f => Path.GetRelativePath(Path.Combine(Target.Folder, "segments"), f)).Except(known).ShouldBeEmpty();
    }

    public async ValueTask DisposeAsync()
    {
        await Target.DisposeAsync();
        await Source.DisposeAsync();
    }
}
