using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Http;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.Recording;
using FailbackWorkflows.Recorders.Settings;
using FailbackWorkflows.ReferenceRecorder.Recording;
using FailbackWorkflows.ReferenceRecorder.Retention;
using FailbackWorkflows.ReferenceRecorder.Settings;
using FailbackWorkflows.ReferenceRecorder.Storage;
using FailbackWorkflows.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
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
        Client = new HttpRecorderClient(new RecorderClientOptions(), TimeProvider.System, NullLogger<HttpRecorderClient>.Instance);
        Endpoint = new RecorderEndpoint("recorder", new Uri(app.Urls.Single()), Token);
        Raw = new HttpClient { BaseAddress = Endpoint.BaseUrl };
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
        var app = RecorderProgram.Build(["--urls", "http://127.0.0.1:0", "--data", folder, "--token", Token, .. more], time);
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
        return await StartAsync(Time, Folder, more);
    }

    /// <summary>Starts another recorder over the files as they are at this moment: what a killed process would leave.</summary>
    public async Task<RecorderHost> StartAfterKillAsync(Action<string>? spoil = null)
    {
        var copy = Directory.CreateTempSubdirectory("recorder-").FullName;
        await Store.ExclusiveAsync(
            () =>
            {
                foreach (var path in Directory.EnumerateFiles(Folder, "*", SearchOption.AllDirectories).Where(p => !p.EndsWith(".lock", StringComparison.Ordinal)))
                {
                    var target = Path.Combine(copy, Path.GetRelativePath(Folder, path));
                    Directory.CreateDirectory(Path.GetDirectoryName(target)!);
                    File.Copy(path, target);
                }

                return true;
            },
            default);
        spoil?.Invoke(copy);
        return await StartAsync(Time, copy);
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
