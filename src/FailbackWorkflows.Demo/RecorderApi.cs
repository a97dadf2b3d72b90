using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace FailbackWorkflows.Demo;

/// <summary>What the demo asks recorders directly, to see for itself instead of believing the management server.</summary>
internal sealed class RecorderApi : IDisposable
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    private readonly HttpClient _http;

    public RecorderApi(Uri address, string token)
    {
        _http = new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromSeconds(10) };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
    }

    /// <summary>The duty, or null when the recorder never heard of the identity.</summary>
    public Task<RecorderDuty?> FindDutyAsync(string identity, CancellationToken cancellationToken) =>
        FindAsync<RecorderDuty>($"v1/duties/{identity}", cancellationToken);

    public Task<RecorderSettings?> FindSettingsAsync(string identity, CancellationToken cancellationToken) =>
        FindAsync<RecorderSettings>($"v1/duties/{identity}/config", cancellationToken);

    public Task<RecorderHold?> FindHoldAsync(string entryId, CancellationToken cancellationToken) =>
        FindAsync<RecorderHold>($"v1/retention-holds/{Uri.EscapeDataString(entryId)}", cancellationToken);

    public async Task<IReadOnlyList<RecorderChannel>> GetRecordingAsync(string identity, CancellationToken cancellationToken) =>
        (await FindAsync<RecorderRecording>($"v1/duties/{identity}/recording", cancellationToken))?.Channels ?? [];

    /// <summary>What the recorder did under the keys of a run.</summary>
    public async Task<IReadOnlyList<RecorderKey>> ListKeysAsync(string runId, CancellationToken cancellationToken) =>
        (await FindAsync<RecorderKeys>($"v1/idempotency-keys?prefix={Uri.EscapeDataString(runId + "/")}", cancellationToken))?.Items ?? [];

    /// <summary>Every segment of a track that overlaps the range.</summary>
    public async Task<IReadOnlyList<RecorderSegment>> ListSegmentsAsync(string trackId, DateTimeOffset from, DateTimeOffset to, CancellationToken cancellationToken)
    {
        var all = new List<RecorderSegment>();
        var path = $"v1/tracks/{trackId}/segments?from={from.UtcDateTime:O}&to={to.UtcDateTime:O}";
        for (var page = await FindAsync<RecorderSegments>(path, cancellationToken); page is not null; page = await FindAsync<RecorderSegments>($"{path}&pageToken={Uri.EscapeDataString(page.NextPageToken)}", cancellationToken))
        {
            all.AddRange(page.Items);
            if (page.NextPageToken is null)
            {
                break;
            }
        }

        return all;
    }

    /// <summary>
    /// Kinds of material of an identity that were recorded since a moment and are whole: video, audio, and those of
    /// <see cref="MaterialKinds.OfRecords"/>. An alarm is whole when it is closed: of one that is open across the switch the other server takes
    /// down the rest, and has it by itself.
    /// </summary>
    public async Task<IReadOnlySet<string>> ListRecordedKindsAsync(string identity, DateTimeOffset since, CancellationToken cancellationToken)
    {
        var kinds = new HashSet<string>(StringComparer.Ordinal);
        foreach (var track in (await FindAsync<RecorderTracks>($"v1/tracks?identity={identity}", cancellationToken))?.Items ?? [])
        {
            if (!kinds.Contains(track.Kind) && (await ListSegmentsAsync(track.Id, since, since.AddDays(1), cancellationToken)).Any(s => s.Sha256 is not null && s.From >= since))
            {
                kinds.Add(track.Kind);
            }
        }

        foreach (var kind in MaterialKinds.OfRecords)
        {
            var isThere = kind == MaterialKinds.Alarms
                ? (await ListRecordsAsync(identity, kind, null, since, since.AddDays(1), cancellationToken)).Any(a => a.Body.GetProperty("state").GetString() == "closed")
                : await FindAsync<RecorderManifest>($"v1/records/{kind}/manifest?identity={identity}&from={since.UtcDateTime:O}", cancellationToken) is { Count: > 0 };
            if (isThere)
            {
                kinds.Add(kind);
            }
        }

        return kinds;
    }

    /// <summary>Every record of a kind and channel in the range.</summary>
    public async Task<IReadOnlyList<RecorderRecord>> ListRecordsAsync(string identity, string kind, string? channelId, DateTimeOffset from, DateTimeOffset to, CancellationToken cancellationToken)
    {
        var all = new List<RecorderRecord>();
        var path = $"v1/records/{kind}?identity={identity}{(channelId is null ? "" : $"&channelId={channelId}")}&from={from.UtcDateTime:O}&to={to.UtcDateTime:O}";
        var next = path;
        while (next is not null)
        {
            using var response = await _http.GetAsync(next, cancellationToken);
            await RequireAsync(response, cancellationToken);
            var lines = (await response.Content.ReadAsStringAsync(cancellationToken)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
            var end = JsonSerializer.Deserialize<RecorderPageEnd>(lines[^1], Json);
            if (end is not { End: true })
            {
                throw new IOException($"{path} was cut short.");
            }

            all.AddRange(lines[..^1].Select(line => JsonSerializer.Deserialize<RecorderRecord>(line, Json)!));
            next = end.NextPageToken is { } token ? $"{path}&pageToken={Uri.EscapeDataString(token)}" : null;
        }

        return all;
    }

    /// <summary>Changes settings at the recorder itself, as its administrator would.</summary>
    public async Task PutSettingsAsync(string identity, JsonObject content, CancellationToken cancellationToken)
    {
        using var response = await _http.PutAsJsonAsync($"v1/duties/{identity}/config", new JsonObject { ["content"] = content.DeepClone() }, Json, cancellationToken);
        await RequireAsync(response, cancellationToken);
    }

    public void Dispose() => _http.Dispose();

    private async Task<T?> FindAsync<T>(string path, CancellationToken cancellationToken)
        where T : class
    {
        using var response = await _http.GetAsync(path, cancellationToken);
        if (response.StatusCode == HttpStatusCode.NotFound)
        {
            return null;
        }

        await RequireAsync(response, cancellationToken);
        return await response.Content.ReadFromJsonAsync<T>(Json, cancellationToken);
    }

    private static async Task RequireAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (!response.IsSuccessStatusCode)
        {
            throw new AnswerException(response.RequestMessage?.RequestUri?.AbsolutePath ?? "", response.StatusCode, await response.Content.ReadAsStringAsync(cancellationToken));
        }
    }
}

internal sealed record RecorderDuty(string Identity, string Role, string AssignedRole, long Epoch, bool Recording, bool Disputed);

internal sealed record RecorderSettings(long Revision, string Sha256, bool Frozen, JsonObject Content)
{
    /// <summary>Ids of channels that may not be recorded without a privacy mask and have none.</summary>
    public IReadOnlyList<string> UnmaskedChannels()
    {
        var masked = (Content["masks"] as JsonArray ?? []).Where(m => (string?)m?["type"] == "privacy").Select(m => (string?)m?["channelId"]).ToHashSet();
        return [.. (Content["channels"] as JsonArray ?? []).Where(c => (bool?)c?["masksRequired"] == true).Select(c => (string)c!["id"]!).Where(id => !masked.Contains(id))];
    }

    public int MaskCount => (Content["masks"] as JsonArray)?.Count ?? 0;
}

internal sealed record RecorderHold(string EntryId, string Identity, DateTimeOffset FromUtc, DateTimeOffset? ToUtc, string? Release);

internal sealed record RecorderRecording(IReadOnlyList<RecorderChannel> Channels);

internal sealed record RecorderChannel(string ChannelId, bool Enabled, bool Required, bool Recording, DateTimeOffset? FirstFrameAt, DateTimeOffset? LastFrameAt);

internal sealed record RecorderSegments(IReadOnlyList<RecorderSegment> Items, string? NextPageToken);

internal sealed record RecorderSegment(string Id, DateTimeOffset From, DateTimeOffset To, long Bytes, string? Sha256, string Disputed);

internal sealed record RecorderTracks(IReadOnlyList<RecorderTrack> Items);

internal sealed record RecorderTrack(string Id, string Kind);

internal sealed record RecorderManifest(long Count);

internal sealed record RecorderRecord(string Id, long Revision, string Sha256, string Disputed, DateTimeOffset TimeUtc, JsonElement Body);

internal sealed record RecorderPageEnd([property: JsonPropertyName("_end")] bool End, string? NextPageToken);

/// <summary>What a copy has to bring home, as recorders and management server name it.</summary>
internal static class MaterialKinds
{
    public const string Text = "text";

    public const string Alarms = "alarms";

    public static IReadOnlyList<string> OfRecords { get; } = [Text, "metadata", "anpr", Alarms];

    /// <summary>All six.</summary>
    public static IReadOnlyList<string> All { get; } = ["video", "audio", .. OfRecords];
}

internal sealed record RecorderKeys(IReadOnlyList<RecorderKey> Items);

internal sealed record RecorderKey(string Key, string Method, string Path, int Status, int EffectCount, int Replays);
