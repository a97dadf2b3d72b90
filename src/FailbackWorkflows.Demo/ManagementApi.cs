using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FailbackWorkflows.Demo;

/// <summary>What the demo needs of the management server's HTTP API; its own small records, as any client would have them.</summary>
internal sealed class ManagementApi : IDisposable
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    private readonly HttpClient _http;

    public ManagementApi(Uri address, string apiKey)
    {
        _http = new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromSeconds(30) };
        _http.DefaultRequestHeaders.Add("X-Api-Key", apiKey);
        _http.DefaultRequestHeaders.Accept.ParseAdd("application/json");
    }

    public async Task<IReadOnlyList<Server>> ListServersAsync(CancellationToken cancellationToken) =>
        (await ReadAsync<ServerList>("api/v1/servers", cancellationToken)).Items;

    public Task AddServerAsync(NewServer server, CancellationToken cancellationToken) =>
        SendAsync<JsonElement>(HttpMethod.Post, "api/v1/servers", server, cancellationToken);

    public Task InstallLicenseAsync(string document, string signature, CancellationToken cancellationToken) =>
        SendAsync<JsonElement>(HttpMethod.Put, "api/v1/license", new { document, signature }, cancellationToken);

    /// <summary>Sets the bandwidth limit that material copies begin with; the other rules of the site stay.</summary>
    public async Task LimitCopiesAsync(long bytesPerSecond, CancellationToken cancellationToken)
    {
        var policy = await ReadAsync<JsonObject>("api/v1/settings/failback-policy", cancellationToken);
        policy["materialCopyBytesPerSecond"] = bytesPerSecond;
        await SendAsync<JsonElement>(HttpMethod.Put, "api/v1/settings/failback-policy", policy, cancellationToken);
    }

    /// <summary>Whether a server's duty is taken over and comes home by itself. The same again changes nothing.</summary>
    public async Task SetAutomaticAsync(string serverId, string group, bool isAutomatic, CancellationToken cancellationToken)
    {
        await SendAsync<JsonElement>(
            HttpMethod.Put,
            $"api/v1/servers/{serverId}/general-settings",
            new { isFailoverEnabled = true, isAutomaticFailbackEnabled = isAutomatic, pollInterval = (string?)null, stabilityDelay = "00:00:00" },
            cancellationToken);
        await SendAsync<JsonElement>(HttpMethod.Put, $"api/v1/servers/{serverId}/failover-settings", new { group, isAutomatic, roomPerDutyBytes = 100_000_000 }, cancellationToken);
    }

    /// <summary>The newest failover of a server, or null.</summary>
    public async Task<LogEntry?> FindNewestEntryAsync(string serverId, CancellationToken cancellationToken) =>
        (await ReadAsync<LogPage>($"api/v1/failover-log?server={serverId}&take=10", cancellationToken)).Items.FirstOrDefault(entry => entry.FailedServerId == serverId);

    public Task<StartedRun> StartFailoverAsync(string serverId, string failoverServerId, string requestId, string reason, CancellationToken cancellationToken) =>
        SendAsync<StartedRun>(HttpMethod.Post, $"api/v1/servers/{serverId}/failover", new { failoverServerId, requestId, reason }, cancellationToken);

    public Task<StartedRun> StartFailbackAsync(string entryId, string requestId, string reason, CancellationToken cancellationToken) =>
        SendAsync<StartedRun>(HttpMethod.Post, $"api/v1/failover-log/{Uri.EscapeDataString(entryId)}/failback", new { requestId, reason }, cancellationToken);

    public Task RedriveAsync(string runId, string reason, CancellationToken cancellationToken) =>
        SendAsync<JsonElement>(HttpMethod.Post, $"api/v1/runs/{Uri.EscapeDataString(runId)}/redrive", new { reason }, cancellationToken);

    public Task<RunReport> GetRunAsync(string runId, CancellationToken cancellationToken) =>
        ReadAsync<RunReport>($"api/v1/runs/{Uri.EscapeDataString(runId)}", cancellationToken);

    public Task<LogEntry> GetEntryAsync(string entryId, CancellationToken cancellationToken) =>
        ReadAsync<LogEntry>($"api/v1/failover-log/{Uri.EscapeDataString(entryId)}", cancellationToken);

    public Task<MaterialCopy> GetCopyAsync(string entryId, CancellationToken cancellationToken) =>
        ReadAsync<MaterialCopy>($"api/v1/failover-log/{Uri.EscapeDataString(entryId)}/material-copy", cancellationToken);

    public Task<StartedRun> StartCopyAsync(string entryId, string requestId, string reason, CancellationToken cancellationToken) =>
        SendAsync<StartedRun>(HttpMethod.Post, $"api/v1/failover-log/{Uri.EscapeDataString(entryId)}/material-copy", new { requestId, reason }, cancellationToken);

    public Task<Coverage> GetCoverageAsync(string entryId, CancellationToken cancellationToken) =>
        ReadAsync<Coverage>($"api/v1/failover-log/{Uri.EscapeDataString(entryId)}/material-copy/coverage", cancellationToken);

    /// <summary>Cursor of the newest change.</summary>
    public async Task<long> GetCursorAsync(CancellationToken cancellationToken)
    {
        var cursor = 0L;
        while (await ReadAsync<ChangePage>($"api/v1/changes?after={cursor}&take=1000", cancellationToken) is { Items.Count: > 0 } page)
        {
            cursor = page.NextAfter;
        }

        return cursor;
    }

    /// <summary>The change feed as server-sent events: what a client application listens to. Ends when the connection does.</summary>
    public async IAsyncEnumerable<Change> ListenAsync(long after, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "api/v1/changes");
        request.Headers.Accept.ParseAdd("text/event-stream");
        request.Headers.Add("Last-Event-ID", after.ToString(System.Globalization.CultureInfo.InvariantCulture));
        using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        response.EnsureSuccessStatusCode();
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        await foreach (var item in System.Net.ServerSentEvents.SseParser.Create(stream).EnumerateAsync(cancellationToken))
        {
            if (item.EventType == "change" && JsonSerializer.Deserialize<Change>(item.Data, Json) is { } change)
            {
                yield return change;
            }
        }
    }

    public void Dispose() => _http.Dispose();

    private async Task<T> ReadAsync<T>(string path, CancellationToken cancellationToken)
    {
        using var response = await _http.GetAsync(path, cancellationToken);
        return await UnderstandAsync<T>(response, cancellationToken);
    }

    private async Task<T> SendAsync<T>(HttpMethod method, string path, object body, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, path) { Content = JsonContent.Create(body, options: Json) };
        using var response = await _http.SendAsync(request, cancellationToken);
        return await UnderstandAsync<T>(response, cancellationToken);
    }

    private static async Task<T> UnderstandAsync<T>(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var text = await response.Content.ReadAsStringAsync(cancellationToken);
        if (!response.IsSuccessStatusCode)
        {
            throw new AnswerException(response.RequestMessage?.RequestUri?.AbsolutePath ?? "", response.StatusCode, text);
        }

        return JsonSerializer.Deserialize<T>(text, Json) ?? throw new InvalidDataException($"An empty answer came from {response.RequestMessage?.RequestUri}.");
    }
}

/// <summary>An answer that is an error, as problem+json has it.</summary>
internal sealed class AnswerException : Exception
{
    public AnswerException(string path, HttpStatusCode status, string body)
        : base($"{path} answered {(int)status}: {Member(body, "detail") ?? body}")
    {
        Status = status;
        Type = Member(body, "type");
        RunId = Member(body, "runId");
    }

    public HttpStatusCode Status { get; }

    public string? Type { get; }

    /// <summary>The run in the way, when one is.</summary>
    public string? RunId { get; }

    /// <summary>Not the request's fault; sending it again may help.</summary>
    public bool IsTransient => (int)Status >= 500 || Status is HttpStatusCode.TooManyRequests or HttpStatusCode.RequestTimeout;

    private static string? Member(string body, string name)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            return document.RootElement.ValueKind == JsonValueKind.Object
                && document.RootElement.TryGetProperty(name, out var value)
                && value.ValueKind == JsonValueKind.String
                    ? value.GetString()
                    : null;
        }
        catch (JsonException)
        {
            // Not a problem document: the caller shows the text as it is.
            return null;
        }
    }
}

internal sealed record ServerList(IReadOnlyList<Server> Items);

internal sealed record Server(string Id, string Name, string State, string Connection, IReadOnlyList<HeldDuty> ActsAs);

internal sealed record HeldDuty(string Identity, long Epoch);

internal sealed record NewServer(string Id, string Name, string BaseUrl, string Credential, string FailoverGroup, bool IsFailoverEnabled, bool IsAutomaticFailbackEnabled);

internal sealed record StartedRun(string RunId, string? EntryId);

internal sealed record RunReport(
    string RunId,
    string Result,
    string? Message,
    int? RefusedCheck,
    bool CanRedrive,
    DateTimeOffset StartedAt,
    DateTimeOffset? FinishedAt,
    RunStarter StartedBy,
    IReadOnlyList<RunStep> Steps);

internal sealed record RunStarter(string Kind, string Id, string Name);

internal sealed record RunStep(int? Number, string Name, string State, int Times, DateTimeOffset? StartedAt, DateTimeOffset? EndedAt, string? Outcome, string? Message);

internal sealed record LogPage(IReadOnlyList<LogEntry> Items);

internal sealed record LogEntry(
    string Id,
    string FailedServerId,
    string FailoverServerId,
    string Failover,
    string Failback,
    string MaterialCopy,
    DateTimeOffset FailoverStartedAt,
    DateTimeOffset? FailoverEndedAt,
    string? FailoverRunId,
    DateTimeOffset? FailbackStartedAt,
    DateTimeOffset? FailbackEndedAt,
    string? FailbackRunId,
    IReadOnlyDictionary<string, DateTimeOffset>? LastTimes,
    IReadOnlyDictionary<string, DateTimeOffset>? AuthorityEnds);

internal sealed record MaterialCopy(string State, string? Message, CopyTask? Task);

internal sealed record CopyTask(
    string? ReportedState,
    string? Phase,
    string? LastError,
    long SegmentsDone,
    long RecordsDone,
    long BytesDone,
    long? BytesTotal,
    long BytesVerified,
    long BytesPerSecond,
    long? SecondsLeft,
    IReadOnlyList<CopyChannel> Channels,
    DateTimeOffset CreatedAt,
    DateTimeOffset? EndedAt);

internal sealed record CopyChannel(string Kind, string? ChannelId, long Done, long? Total, long BytesDone, long? BytesTotal);

internal sealed record Coverage(bool IsVerified, IReadOnlyList<TrackCoverage> Tracks, IReadOnlyList<RecordCoverage> Records, IReadOnlyList<JsonElement> Losses);

internal sealed record TrackCoverage(string TrackId, string Kind, DateTimeOffset From, DateTimeOffset To, Amount Expected, Amount Copied, Amount Verified, bool IsVerified);

internal sealed record Amount(long Segments, long Bytes);

internal sealed record RecordCoverage(string Kind, string? ChannelId, DateTimeOffset From, DateTimeOffset To, long Expected, long Copied, bool IsVerified);

internal sealed record ChangePage(IReadOnlyList<Change> Items, long NextAfter);

internal sealed record Change(long Cursor, string Kind, string? Subject, string? Text);
