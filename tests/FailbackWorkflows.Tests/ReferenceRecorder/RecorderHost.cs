using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Http;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.Recording;
using FailbackWorkflows.Recorders.Settings;
using FailbackWorkflows.ReferenceRecorder;
using FailbackWorkflows.ReferenceRecorder.Recording;
using FailbackWorkflows.ReferenceRecorder.Retention;
using FailbackWorkflows.ReferenceRecorder.Settings;
using FailbackWorkflows.ReferenceRecorder.Storage;
using FailbackWorkflows.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;
using RecorderProgram = FailbackWorkflows.ReferenceRecorder.Program;

namespace FailbackWorkflows.Tests.ReferenceRecorder;

/// <summary>A reference recorder in this process, on a free loopback port and a folder of its own, with a clock that tests move.</summary>
internal sealed class RecorderHost : IAsyncDisposable
{
    public const string Identity = "vms-1";
    public const string Token = "test-token-of-the-recorder";

    private int _keys;

    private RecorderHost(WebApplication app, FakeTimeProvider time, string folder)
    {
        App = app;
        Time = time;
        Folder = folder;
        Client = new HttpRecorderClient(new RecorderTransport(new RecorderClientOptions(), TimeProvider.System, NullLogger.Instance, new FailbackWorkflows.Failback.Runs.JournaledCalls()));
        Endpoint = new RecorderEndpoint("recorder", new Uri(app.Urls.Single()), Token);
        // A refusal of a body that is never sent is waited for, however busy the machine is.
        Raw = new HttpClient(new SocketsHttpHandler { Expect100ContinueTimeout = TimeSpan.FromSeconds(30) }) { BaseAddress = Endpoint.BaseUrl };
        Raw.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Token);
    }

    public WebApplication App { get; }

    public FakeTimeProvider Time { get; }

    public string Folder { get; }

    public HttpRecorderClient Client { get; }

    public RecorderEndpoint Endpoint { get; }

    public HttpClient Raw { get; }

    public RecorderStore Store => App.Services.GetRequiredService<RecorderStore>();

    public Housekeeping Housekeeping => App.Services.GetServices<IHostedService>().OfType<Housekeeping>().Single();

    public static async Task<RecorderHost> StartAsync(FakeTimeProvider? time = null, string? folder = null, params string[] more)
    {
        time ??= new FakeTimeProvider();
        folder ??= Directory.CreateTempSubdirectory("recorder-").FullName;
        var app = RecorderProgram.Build(["--urls", "http://127.0.0.1:0", "--data", folder, "--token", Token, "--ffmpeg", RecorderOptions.NoFfmpeg, .. more], time);
        await RecorderProgram.StartAsync(app);
        return new RecorderHost(app, time, folder);
    }

    /// <summary>With a seeded identity that records.</summary>
    public static Task<RecorderHost> StartSeededAsync(FakeTimeProvider? time = null, params string[] more) =>
        StartAsync(time, null, ["--seedIdentity", Identity, "--seedChannels", "1", .. more]);

    /// <summary>Stops this recorder in good order and starts another over its folder.</summary>
    public async Task<RecorderHost> RestartAsync(params string[] more)
    {
        Client.Dispose();
        Raw.Dispose();
        await App.StopAsync();
        await App.DisposeAsync();
        return await StartNextAsync(Folder, more);
    }

    /// <summary>Starts another recorder over the files as they are at this moment: what a killed process would leave.</summary>
    public async Task<RecorderHost> StartAfterKillAsync(Action<string>? spoil = null, params string[] more)
    {
        var copy = Directory.CreateTempSubdirectory("recorder-").FullName;
        await Store.ExclusiveAsync(
            () =>
            {
                foreach (var path in Directory.EnumerateFiles(Folder, "*", SearchOption.AllDirectories).Where(p => !p.EndsWith(".lock", StringComparison.Ordinal)))
                {
                    var target = Path.Combine(copy, Path.GetRelativePath(Folder, path));
                    Directory.CreateDirectory(Path.GetDirectoryName(target)!);
                    try
                    {
                        File.Copy(path, target);
                    }
                    catch (FileNotFoundException)
                    {
                        // Renamed since it was listed. No row names it yet, the store is ours: a kill may leave it so.
                    }
                }

                return true;
            },
            default);
        spoil?.Invoke(copy);
        return await StartNextAsync(copy, more);
    }

    /// <summary>The recorder remembers the keys of its former life, so they go on counting.</summary>
    private async Task<RecorderHost> StartNextAsync(string folder, params string[] more)
    {
        var next = await StartAsync(Time, folder, more);
        next._keys = _keys;
        return next;
    }

    /// <summary>Lets time pass; what is due in it has been recorded and confirmed when this returns.</summary>
    public async Task PassAsync(TimeSpan time)
    {
        for (var end = Time.GetUtcNow() + time; Time.GetUtcNow() < end;)
        {
            var rest = end - Time.GetUtcNow();
            Time.Advance(rest < TimeSpan.FromSeconds(1) ? rest : TimeSpan.FromSeconds(1));
            await App.Services.GetRequiredService<RecordingEngine>().TickAsync(default);
        }
    }

    public string NewKey() => $"key-{Interlocked.Increment(ref _keys)}";

    public Task<DutyState> AssignAsync(DutyRole role, long epoch, string allocation, long fence = 0, HoldRequest? hold = null, string? key = null) =>
        Client.AssignDutyAsync(Endpoint, Identity, new DutyAssignment(role, epoch, allocation, fence, hold), key ?? NewKey(), default);

    public Task<RecordingState> StartRecordingAsync(long epoch, long fence = 0, string? key = null) =>
        Client.StartRecordingAsync(Endpoint, new RecordingCommand(Identity, new DutyAuthority(epoch, fence)), key ?? NewKey(), default);

    public Task<RecordingState> StopRecordingAsync(long epoch, long fence = 0, string? key = null, IReadOnlyDictionary<string, DateTimeOffset>? ends = null) =>
        Client.StopRecordingAsync(Endpoint, new RecordingCommand(Identity, new DutyAuthority(epoch, fence), ends), key ?? NewKey(), default);

    public Task<SettingsBundle> SettingsAsync() => Client.GetSettingsAsync(Endpoint, Identity, default);

    public async Task<SettingsRevision> ConfigureAsync(SettingsContent content, long epoch, long expectedRevision = 0)
    {
        var authority = new DutyAuthority(epoch, 0);
        var staged = await Client.StageSettingsAsync(Endpoint, new StageSettingsCommand(Identity, authority, content, SettingsDigest.Compute(content)), NewKey(), default);
        return await Client.ActivateSettingsAsync(Endpoint, new ActivateSettingsCommand(Identity, authority, staged.StagedId, expectedRevision), NewKey(), default);
    }

    public async Task<DutyState> DutyAsync() => (await Client.GetStatusAsync(Endpoint, default)).Duties.Single(d => d.Identity == Identity);

    public Task<RecordingState> RecordingAsync() => Client.GetRecordingAsync(Endpoint, Identity, default);

    public async Task<IReadOnlyList<Segment>> SegmentsAsync(string channel = "video-1") =>
        (await Raw.GetFromJsonAsync<SegmentPage>($"v1/tracks/{Identity}~{channel}/segments", RecorderJson.Options))!.Items;

    /// <summary>A call as somebody else makes it: another credential, other headers.</summary>
    public Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, HttpContent? content = null, string? credential = null, params (string Name, string Value)[] headers)
    {
        var request = new HttpRequestMessage(method, path) { Content = content };
        if (credential is not null)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", credential);
        }

        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return Raw.SendAsync(request);
    }

    public async Task<(System.Net.HttpStatusCode Status, JsonElement Body)> CallAsync(HttpMethod method, string path, object? body = null, string? credential = null, params (string Name, string Value)[] headers)
    {
        using var response = await SendAsync(method, path, body is null ? null : JsonContent.Create(body, options: RecorderJson.Options), credential, headers);
        var text = await response.Content.ReadAsStringAsync();
        return (response.StatusCode, text.Length == 0 ? default : Json(text));
    }

    /// <summary>Headers of a command for a copy task or a read token.</summary>
    public (string Name, string Value)[] TaskHeaders(long epoch = 1, long fence = 1, string? key = null) =>
        [("X-Duty-Epoch", $"{epoch}"), ("X-Copy-Fence", $"{fence}"), ("Idempotency-Key", key ?? NewKey())];

    public async Task<ReadToken> IssueAsync(DateTimeOffset from, DateTimeOffset to, string tokenId = "token-1", int generation = 1)
    {
        var (_, body) = await CallAsync(HttpMethod.Put, $"v1/read-tokens/{tokenId}", new ReadTokenRequest(Identity, from, to, generation, "Copy."), null, TaskHeaders());
        return body.Deserialize<ReadToken>(RecorderJson.Options)!;
    }

    /// <summary>Lines of a page of records, and its end mark.</summary>
    public async Task<(IReadOnlyList<MaterialRecord> Items, RecordPageEnd? End)> RecordsAsync(string kind, string query = "", string? credential = null)
    {
        using var response = await SendAsync(HttpMethod.Get, $"v1/records/{kind}?identity={Identity}{query}", null, credential);
        var text = await response.Content.ReadAsStringAsync();
        response.StatusCode.ShouldBe(System.Net.HttpStatusCode.OK, text);
        var lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        return ([.. lines[..^1].Select(l => JsonSerializer.Deserialize<MaterialRecord>(l, RecorderJson.Options)!)], JsonSerializer.Deserialize<RecordPageEnd>(lines[^1], RecorderJson.Options));
    }

    public static SettingsContent Content(int channels = 1) => SeedSettings.Content(Identity, channels);

    public static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement.Clone();

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        Raw.Dispose();
        await App.StopAsync();
        await App.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
    }
}
