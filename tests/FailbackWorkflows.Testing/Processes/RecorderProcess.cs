using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Recording;
using FailbackWorkflows.Recorders.Settings;

namespace FailbackWorkflows.Testing.Processes;

/// <summary>A command as the recorder itself remembers it.</summary>
public sealed record RememberedCommand(string Key, string Method, string Path, int Status, int EffectCount, int Replays);

/// <summary>A real reference recorder with its own folder and port, which it keeps over kills and restarts.</summary>
public sealed class RecorderProcess : IAsyncDisposable
{
    private readonly string _folder;
    private readonly IReadOnlyDictionary<string, string> _options;
    private readonly HttpClient _http;
    private RunningProgram? _program;

    /// <param name="options">Further options as on the command line, for every start.</param>
    public RecorderProcess(string id, string folder, string? token = null, IReadOnlyDictionary<string, string>? options = null)
    {
        _options = options ?? new Dictionary<string, string>();
        Id = id;
        Token = token ?? $"token-of-{id}-0123456789";
        _folder = folder;
        BaseUrl = new Uri($"http://127.0.0.1:{FreePort.Next()}/");
        _http = new HttpClient { BaseAddress = BaseUrl, Timeout = TimeSpan.FromSeconds(20) };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Token);
    }

    public string Id { get; }

    public string Token { get; }

    public Uri BaseUrl { get; }

    public string Output => _program?.Output ?? "";

    /// <summary>0 before the first start.</summary>
    public int ProcessId => _program?.Id ?? 0;

    /// <summary>Its data folder.</summary>
    public string Folder => _folder;

    /// <summary>Starts it, for the first time or again. Further options as on the command line; <paramref name="folder"/> puts another machine at the same address.</summary>
    public async Task StartAsync(IReadOnlyDictionary<string, string>? options = null, string? folder = null)
    {
        var all = new Dictionary<string, string>
        {
            ["urls"] = BaseUrl.ToString().TrimEnd('/'),
            ["data"] = folder ?? _folder,
            ["seedIdentity"] = Id,
            ["frameInterval"] = "00:00:00.100",
            ["segmentLength"] = "00:00:01",
            ["test-faults"] = "true",
            // Fast, and the same on every machine; a test that is about video says otherwise.
            ["ffmpeg"] = "none",
        };
        foreach (var (name, value) in _options.Concat(options ?? new Dictionary<string, string>()))
        {
            all[name] = value;
        }

        _program = RunningProgram.Start(
            ProgramFiles.Recorder,
            all.SelectMany(o => new[] { $"--{o.Key}", o.Value }),
            new Dictionary<string, string> { ["FAILBACK_RECORDER_TOKEN"] = Token },
            "recorder ready");
        await _program.WaitUntilReadyAsync();
    }

    /// <summary>SIGSTOP: it does nothing more until it is killed.</summary>
    public Task StopAsync() => _program?.StopAsync() ?? Task.CompletedTask;

    /// <summary>SIGKILL. The folder stays.</summary>
    public async Task KillAsync()
    {
        if (_program is { } program)
        {
            await program.DisposeAsync();
        }
    }

    /// <summary>Largest resident set of the running process so far, by the kernel's own account (Linux).</summary>
    public long PeakResidentBytes()
    {
        var line = File.ReadLines($"/proc/{ProcessId}/status").First(l => l.StartsWith("VmHWM:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;
    }

    public Task<RecorderStatus> GetStatusAsync() => ReadAsync<RecorderStatus>("v1/recorder");

    /// <summary>The duty, or null when the recorder never heard of it.</summary>
    public async Task<DutyState?> FindDutyAsync(string identity) => (await GetStatusAsync()).Duties.FirstOrDefault(d => d.Identity == identity);

    public Task<SettingsBundle> GetSettingsAsync(string identity) => ReadAsync<SettingsBundle>($"v1/duties/{identity}/config");

    public Task<RecordingState> GetRecordingAsync(string identity) => ReadAsync<RecordingState>($"v1/duties/{identity}/recording");

    public Task<RetentionHoldState> GetHoldAsync(string entryId) => ReadAsync<RetentionHoldState>($"v1/retention-holds/{entryId}");

    /// <summary>The hold on material of the identity, or null when there is none.</summary>
    public async Task<RetentionHoldState?> FindHoldAsync(string identity) => (await ReadAsync<HoldList>("v1/retention-holds")).Items.FirstOrDefault(h => h.Identity == identity);

    /// <summary>Segments of a track as the recorder lists them.</summary>
    public async Task<JsonArray> ListSegmentsAsync(string identity, string channelId) =>
        (await ReadAsync<JsonObject>($"v1/tracks/{identity}~{channelId}/segments"))["items"]!.AsArray();

    /// <summary>Records of a channel, oldest first; a page that was cut short is an error.</summary>
    public async Task<IReadOnlyList<JsonObject>> ListRecordsAsync(string kind, string identity, string channelId)
    {
        var records = new List<JsonObject>();
        for (string? token = ""; token is not null;)
        {
            var page = await SendAsync(HttpMethod.Get, $"v1/records/{kind}?identity={identity}&channelId={channelId}&limit=10000&pageToken={token}");
            var lines = page.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonNode.Parse(l)!.AsObject()).ToList();
            if (lines is not [.., var end] || end["_end"] is null)
            {
                throw new InvalidOperationException($"The page of {kind} was cut short: {page}");
            }

            records.AddRange(lines[..^1]);
            token = (string?)end["nextPageToken"];
        }

        return records;
    }

    /// <summary>Every command it has answered definitively, optionally of one run.</summary>
    public async Task<IReadOnlyList<RememberedCommand>> ListCommandsAsync(string runId = "") =>
        (await ReadAsync<CommandList>($"v1/idempotency-keys?prefix={Uri.EscapeDataString(runId.Length == 0 ? "" : runId + "/")}")).Items;

    /// <summary>A request of somebody who has the token and is not our management server.</summary>
    public async Task<Answer> SendAsync(HttpMethod method, string path, JsonNode? body = null, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is not null)
        {
            request.Content = JsonContent.Create(body);
        }

        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        using var response = await _http.SendAsync(request);
        return new Answer(response.StatusCode, response.Content.Headers.ContentType?.MediaType, await response.Content.ReadAsStringAsync());
    }

    /// <summary>Changes settings at the recorder itself, as its administrator would.</summary>
    public async Task<SettingsBundle> ChangeSettingsAsync(string identity, Action<JsonObject> change)
    {
        var config = await ReadAsync<JsonObject>($"v1/duties/{identity}/config");
        var content = config["content"]!.DeepClone().AsObject();
        change(content);
        var answer = await SendAsync(HttpMethod.Put, $"v1/duties/{identity}/config", new JsonObject { ["content"] = content });
        if (answer.Status != HttpStatusCode.OK)
        {
            throw new InvalidOperationException($"The settings were not accepted: {answer}");
        }

        return await GetSettingsAsync(identity);
    }

    /// <summary>The next request to the path is carried out, but its answer is held back: whoever asked does not know that it was.</summary>
    public Task HoldAnswerAsync(string method, string path, TimeSpan length, int times = 1) =>
        OrderFaultAsync(new JsonObject { ["path"] = path, ["method"] = method, ["times"] = times, ["action"] = "delayBeforeAnswer", ["delayMs"] = (int)length.TotalMilliseconds });

    /// <summary>The next requests to the path are not carried out and answered with an error.</summary>
    public Task RefuseAsync(string method, string path, int status, int times) =>
        OrderFaultAsync(new JsonObject { ["path"] = path, ["method"] = method, ["times"] = times, ["action"] = "status", ["status"] = status });

    /// <summary>The next requests to the path are carried out, then the connection is cut.</summary>
    public Task DropAnswerAsync(string method, string path, int times) =>
        OrderFaultAsync(new JsonObject { ["path"] = path, ["method"] = method, ["times"] = times, ["action"] = "dropAfterEffect" });

    public Task ForgetFaultsAsync() => _http.DeleteAsync("test/faults");

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        _http.Dispose();
    }

    private async Task OrderFaultAsync(JsonObject order)
    {
        var answer = await SendAsync(HttpMethod.Post, "test/faults", order);
        if (answer.Status != HttpStatusCode.OK)
        {
            throw new InvalidOperationException($"The fault was not accepted: {answer}");
        }
    }

    private async Task<T> ReadAsync<T>(string path) =>
        await _http.GetFromJsonAsync<T>(path, RecorderJson.Options) ?? throw new InvalidDataException($"{path} answered nothing.");

    private sealed record HoldList(IReadOnlyList<RetentionHoldState> Items);

    private sealed record CommandList(IReadOnlyList<RememberedCommand> Items);
}
