using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Http;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Testing.Processes;

namespace FailbackWorkflows.Scenarios;

/// <summary>Copies between two recorders with no management server: the failed server copies by itself, and what is fed is all there is.</summary>
internal static class DirectCopy
{
    /// <summary>The identity that both recorders are set up with.</summary>
    public const string Identity = "vms-1";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    /// <summary>Starts a recorder with so many video channels; it has the duty and records nothing.</summary>
    public static async Task StartQuietAsync(RecorderProcess recorder, int channels)
    {
        await recorder.StartAsync(new Dictionary<string, string> { ["seedChannels"] = channels.ToString(CultureInfo.InvariantCulture), ["bootConfirm"] = "1.00:00:00" });
        var stopped = await recorder.SendAsync(
            HttpMethod.Post, "v1/recording:stop", new JsonObject { ["identity"] = Identity }, (RecorderHeaders.DutyEpoch, "1"), (RecorderHeaders.DutyFence, "1"), (RecorderHeaders.IdempotencyKey, "quiet"));
        if ((int)stopped.Status != 200)
        {
            throw new InvalidOperationException($"The recorder was not stopped: {stopped}");
        }
    }

    /// <summary>The full hour before yesterday's this hour: what recorders record now is not of it, and nothing is too old to be kept.</summary>
    public static async Task<DateTimeOffset> YesterdayAsync(RecorderProcess recorder)
    {
        var now = (await recorder.GetStatusAsync()).TimeUtc;
        return new DateTimeOffset(now.Ticks - (now.Ticks % TimeSpan.TicksPerHour), TimeSpan.Zero) - TimeSpan.FromHours(30);
    }

    /// <summary>Has the target start a copy of a period.</summary>
    /// <param name="address">Where the target finds the source.</param>
    public static async Task BeginAsync(RecorderProcess source, RecorderProcess target, Uri address, string taskId, DateTimeOffset from, DateTimeOffset to) =>
        await BeginAsync(
            source, target, address, new StartDataCopy(taskId, "entry", Identity, (await source.GetStatusAsync()).Id, new CopyPeriod(null, from, to), [], new CopyLimits(), WithDisputed: false, "scenario"), 1);

    /// <param name="epoch">Current one of the duty.</param>
    public static async Task BeginAsync(RecorderProcess source, RecorderProcess target, Uri address, StartDataCopy definition, long epoch)
    {
        var (taskId, periods) = (definition.TaskId, definition.Channels.Append(definition.Period).ToList());
        var request = new ReadTokenRequest(definition.Identity, periods.Min(p => p.FromUtc), periods.Max(p => p.ToUtc), 1, "scenario");
        var token = await SendAsync<ReadToken>(source, HttpMethod.Put, $"v1/read-tokens/{taskId}", request, taskId, epoch);
        await SendAsync<CopyTask>(target, HttpMethod.Post, "v1/copy-tasks", definition, $"{taskId}-start", epoch);
        await SendAsync<CopyTask>(target, HttpMethod.Put, $"v1/copy-tasks/{taskId}/source", new UpdateClientInfo(address, token.Token), $"{taskId}-source", epoch);
    }

    /// <summary>A copy from its start to its end.</summary>
    public static async Task<CopyTask> RunAsync(RecorderProcess source, RecorderProcess target, Uri address, string taskId, DateTimeOffset from, DateTimeOffset to)
    {
        await BeginAsync(source, target, address, taskId, from, to);
        return await UntilAsync(target, taskId, t => t.EndedAt is not null);
    }

    public static Task<CopyTask> UntilAsync(RecorderProcess target, string taskId, Func<CopyTask, bool> isSo) =>
        Eventually.GetAsync($"{taskId} is as wanted", () => ReadAsync<CopyTask>(target, $"v1/copy-tasks/{taskId}"), isSo, Patience);

    public static async Task<T> ReadAsync<T>(RecorderProcess recorder, string path)
    {
        var answer = await recorder.SendAsync(HttpMethod.Get, path);
        return (int)answer.Status == 200 ? JsonSerializer.Deserialize<T>(answer.Text, RecorderJson.Options)! : throw new InvalidOperationException($"{path}: {answer}");
    }

    private static async Task<T> SendAsync<T>(RecorderProcess recorder, HttpMethod method, string path, object body, string key, long epoch)
    {
        var answer = await recorder.SendAsync(
            method, path, JsonSerializer.SerializeToNode(body, body.GetType(), RecorderJson.Options), (RecorderHeaders.DutyEpoch, epoch.ToString(CultureInfo.InvariantCulture)), (RecorderHeaders.CopyFence, "1"), (RecorderHeaders.IdempotencyKey, key));
        return (int)answer.Status is 200 or 201 ? JsonSerializer.Deserialize<T>(answer.Text, RecorderJson.Options)! : throw new InvalidOperationException($"{method} {path}: {answer}");
    }
}
