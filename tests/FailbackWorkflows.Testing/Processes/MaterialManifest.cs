using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Material;

namespace FailbackWorkflows.Testing.Processes;

/// <summary>What recorders have of a period, and what lies on their disks. Read by nobody but tests, and by another way than copies are verified.</summary>
public static class MaterialManifest
{
    /// <summary>Every ordinary segment of the tracks and every record of the kinds: counts and digests, one line each.</summary>
    public static async Task<IReadOnlyList<string>> ReadAsync(
        RecorderProcess recorder, string identity, IEnumerable<string> trackChannels, IEnumerable<(string Kind, string Channel)> records, DateTimeOffset from, DateTimeOffset to)
    {
        var range = $"from={RecorderJson.FormatInstant(from)}&to={RecorderJson.FormatInstant(to)}";
        var lines = new List<string>();
        foreach (var channel in trackChannels)
        {
            var manifest = await GetAsync<TrackManifest>(recorder, $"v1/tracks/{identity}~{channel}/manifest?{range}");
            lines.Add($"{channel}: {manifest.Segments} segments, {manifest.Bytes} bytes, {manifest.Sha256}");
        }

        foreach (var (kind, channel) in records)
        {
            var manifest = await GetAsync<RecordManifest>(recorder, $"v1/records/{kind}/manifest?identity={identity}&channelId={channel}&{range}");
            lines.Add($"{kind} of {channel}: {manifest.Count} records, {manifest.RootSha256}");
        }

        return lines;
    }

    /// <summary>Ids of every segment of a track, disputed ones included, in the order of the list.</summary>
    public static async Task<IReadOnlyList<Segment>> ListSegmentsAsync(RecorderProcess recorder, string identity, string channel, DateTimeOffset from, DateTimeOffset to)
    {
        var segments = new List<Segment>();
        for (string? token = ""; token is not null;)
        {
            var page = await GetAsync<SegmentPage>(
                recorder, $"v1/tracks/{identity}~{channel}/segments?from={RecorderJson.FormatInstant(from)}&to={RecorderJson.FormatInstant(to)}&limit=1000&pageToken={Uri.EscapeDataString(token)}");
            segments.AddRange(page.Items);
            token = page.NextPageToken;
        }

        return segments;
    }

    /// <summary>Ids of every record of a kind on any channel, disputed ones included, in the order of the list.</summary>
    public static async Task<IReadOnlyList<string>> ListRecordIdsAsync(RecorderProcess recorder, string identity, string kind, DateTimeOffset from, DateTimeOffset to)
    {
        var ids = new List<string>();
        for (string? token = ""; token is not null;)
        {
            var page = await recorder.SendAsync(
                HttpMethod.Get,
                $"v1/records/{kind}?identity={identity}&from={RecorderJson.FormatInstant(from)}&to={RecorderJson.FormatInstant(to)}&limit=10000&pageToken={Uri.EscapeDataString(token)}");
            var lines = page.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
            var end = lines is [.., var last] ? JsonNode.Parse(last)! : null;
            if (end?["_end"] is null)
            {
                throw new InvalidOperationException($"The page of {kind} was cut short: {page}");
            }

            ids.AddRange(lines[..^1].Select(l => (string)JsonNode.Parse(l)!["id"]!));
            token = (string?)end["nextPageToken"];
        }

        return ids;
    }

    /// <summary>
    /// Copied files that lie under their final name and do not have the digest that this name states. Also true of a recorder that is dead:
    /// only its folder is read.
    /// </summary>
    public static IReadOnlyList<string> TornFiles(RecorderProcess recorder)
    {
        var torn = new List<string>();
        var folder = Path.Combine(recorder.Folder, "segments");
        foreach (var path in Directory.EnumerateFiles(folder, "copied-*", SearchOption.AllDirectories))
        {
            var name = Path.GetFileName(path);
            using var file = File.OpenRead(path);
            if (!name.EndsWith($"-{Convert.ToHexStringLower(SHA256.HashData(file))[..16]}.seg", StringComparison.Ordinal))
            {
                torn.Add($"{name}, {file.Length} bytes");
            }
        }

        return torn;
    }

    /// <summary>Digests of the copied files under their final names, sorted.</summary>
    public static IReadOnlyList<string> CopiedFiles(RecorderProcess recorder) =>
    [
        .. Directory.EnumerateFiles(Path.Combine(recorder.Folder, "segments"), "copied-*", SearchOption.AllDirectories)
            .Select(p =>
            {
                using var file = File.OpenRead(p);
                return Convert.ToHexStringLower(SHA256.HashData(file));
            })
            .Order(StringComparer.Ordinal),
    ];

    /// <summary>What lies where segments are received.</summary>
    public static IReadOnlyList<string> Beginnings(RecorderProcess recorder) =>
        Path.Combine(recorder.Folder, "incoming") is var folder && Directory.Exists(folder) ? [.. Directory.EnumerateFiles(folder).Select(f => Path.GetFileName(f)!)] : [];

    /// <summary>How much of a segment lies where segments are received; 0: there is no beginning of it.</summary>
    public static long BeginningOf(RecorderProcess recorder, string segmentId)
    {
        var folder = new DirectoryInfo(Path.Combine(recorder.Folder, "incoming"));
        var name = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(segmentId)).AsSpan(0, 16));
        return folder.Exists ? folder.EnumerateFiles($"copied-{name}-*").Sum(f => f.Length) : 0;
    }

    private static async Task<T> GetAsync<T>(RecorderProcess recorder, string path)
    {
        var answer = await recorder.SendAsync(HttpMethod.Get, path);
        return (int)answer.Status == 200 ? JsonSerializer.Deserialize<T>(answer.Text, RecorderJson.Options)! : throw new InvalidOperationException($"{path}: {answer}");
    }
}
