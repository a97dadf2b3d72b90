using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.ReferenceRecorder.Commands;
using FailbackWorkflows.ReferenceRecorder.Records;
using FailbackWorkflows.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Tests.ReferenceRecorder.MaterialCopy;

/// <summary>A source on loopback that does exactly what a test wants, also what no recorder should.</summary>
internal sealed class FakeSource : IAsyncDisposable
{
    public const string Identity = RecorderHost.Identity;
    public const string MachineId = "source-1";

    private readonly WebApplication _app;
    private readonly FakeTimeProvider _time;
    private readonly Dictionary<string, List<(Segment Segment, byte[] Bytes)>> _tracks = [];
    private readonly List<(MaterialRecord Record, long Sequence)> _records = [];
    private long _sequence;

    private FakeSource(WebApplication app, FakeTimeProvider time)
    {
        _app = app;
        _time = time;
        app.Run(HandleAsync);
    }

    public static DateTimeOffset Start { get; } = new(2026, 3, 1, 10, 0, 0, TimeSpan.Zero);

    public string Token { get; set; } = "read-token-1";

    public TimeSpan ClockOffset { get; set; }

    public TimeSpan TimeResolution { get; set; } = TimeSpan.FromMilliseconds(1);

    /// <summary>Whether its list states digests.</summary>
    public DigestOrigin Digest { get; set; }

    /// <summary>False: it cannot keep what is owed from its retention.</summary>
    public bool HoldsMaterial { get; set; } = true;

    /// <summary>Items on a page, whatever is asked for.</summary>
    public int PageItems { get; set; } = 1_000;

    public List<GoneSegment> Gone { get; } = [];

    /// <summary>Answers in place of the source; false: the source answers.</summary>
    public Func<HttpContext, Task<bool>>? Instead { get; set; }

    public ConcurrentQueue<string> Requests { get; } = [];

    public Uri Url => new(_app.Urls.Single());

    public static async Task<FakeSource> StartAsync(FakeTimeProvider time)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        var source = new FakeSource(builder.Build(), time);
        await source._app.StartAsync();
        return source;
    }

    /// <summary>Segments of 2 s, one after the other.</summary>
    public void AddTrack(string channel, int segments, int bytes = 1_000, DateTimeOffset? from = null)
    {
        for (var i = 0; i < segments; i++)
        {
            Add(channel, (from ?? Start) + TimeSpan.FromSeconds(2 * i), TimeSpan.FromSeconds(2), bytes);
        }
    }

    public Segment Add(string channel, DateTimeOffset from, TimeSpan length, int bytes = 1_000, Func<Segment, Segment>? alter = null)
    {
        var content = new byte[bytes];
        new Random((int)(from.UtcTicks % int.MaxValue) ^ channel.Length).NextBytes(content);
        return Add(channel, from, length, content, alter);
    }

    public Segment Add(string channel, DateTimeOffset from, TimeSpan length, byte[] content, Func<Segment, Segment>? alter = null)
    {
        var trackId = $"{Identity}~{channel}";
        var segment = new Segment(
            $"{trackId}~{from.UtcTicks}~src", trackId, from, from + length, content.Length, Convert.ToHexStringLower(SHA256.HashData(content)), false, DisputeState.None, null, 2,
            new MaterialOrigin(MachineId, 2), "application/vnd.failback.synthetic", from + length);
        segment = alter?.Invoke(segment) ?? segment;
        lock (_tracks)
        {
            if (!_tracks.TryGetValue(trackId, out var list))
            {
                _tracks.Add(trackId, list = []);
            }

            list.RemoveAll(s => s.Segment.Id == segment.Id);
            list.Add((segment, content));
            list.Sort((a, b) => (a.Segment.From, a.Segment.Id).CompareTo((b.Segment.From, b.Segment.Id)));
        }

        return segment;
    }

    public void Remove(string segmentId)
    {
        lock (_tracks)
        {
            foreach (var list in _tracks.Values)
            {
                list.RemoveAll(s => s.Segment.Id == segmentId);
            }
        }
    }

    public void AddRecord(RecordKind kind, string id, DateTimeOffset time, string? channel = "video-1", string body = "{}", long revision = 1, DateTimeOffset? to = null, DisputeState disputed = DisputeState.None)
    {
        using var document = JsonDocument.Parse(body);
        var row = RecordRow.Make(id, kind, Identity, channel, time, to, revision, disputed, new MaterialOrigin(MachineId, 2), CanonicalJson.Text(document.RootElement));
        lock (_tracks)
        {
            _records.RemoveAll(r => r.Record.Id == id && r.Record.Kind == kind);
            _records.Add((row.ToRecord(), ++_sequence));
        }
    }

    /// <summary>What the segment at a path has.</summary>
    public byte[] BytesOf(string path)
    {
        lock (_tracks)
        {
            return _tracks.Values.SelectMany(t => t).Single(s => path.EndsWith($"/{s.Segment.Id}", StringComparison.Ordinal)).Bytes;
        }
    }

    /// <summary>Channels with a track.</summary>
    public IReadOnlyList<string> Channels
    {
        get
        {
            lock (_tracks)
            {
                return [.. _tracks.Keys.Select(t => t[(Identity.Length + 1)..])];
            }
        }
    }

    public IReadOnlyList<Segment> SegmentsOf(string channel)
    {
        lock (_tracks)
        {
            return _tracks.TryGetValue($"{Identity}~{channel}", out var track) ? [.. track.Select(s => s.Segment)] : [];
        }
    }

    /// <summary>Ids of the segments whose bytes were asked for, in order.</summary>
    public IReadOnlyList<string> ReadIds => [.. Requests.Where(r => r.StartsWith("/v1/segments/", StringComparison.Ordinal)).Select(r => r["/v1/segments/".Length..])];

    public int SegmentReads => Requests.Count(r => r.StartsWith("/v1/segments/", StringComparison.Ordinal));

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();

    /// <summary>As a recorder says it.</summary>
    public static Task ProblemAsync(HttpContext context, int status) => Answer.Problem(
        status,
        status switch { 401 => RecorderProblems.Unauthorized, 404 => RecorderProblems.UnknownResource, 410 => RecorderProblems.PageTokenExpired, 503 => RecorderProblems.Busy, _ => RecorderProblems.InternalError },
        "The source of this test was told to say so.").WriteAsync(context);

    public static async Task JsonAsync<T>(HttpContext context, T value)
    {
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(JsonSerializer.Serialize(value, RecorderJson.Options));
    }

    private async Task HandleAsync(HttpContext context)
    {
        Requests.Enqueue(context.Request.Path + context.Request.QueryString.ToString());
        if (Instead is { } instead && await instead(context))
        {
            return;
        }

        if (context.Request.Headers.Authorization != $"Bearer {Token}")
        {
            await ProblemAsync(context, 401);
            return;
        }

        switch (context.Request.Path.Value!.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            case ["v1", "recorder"]:
                await JsonAsync(context, new RecorderStatus(MachineId, "boot", "1.0.0", "1", _time.GetUtcNow() + ClockOffset, TimeResolution, [], [], new RecorderCapabilities(HoldsMaterial, 64, 4, Digest: Digest)));
                break;
            case ["v1", "tracks"]:
                await JsonAsync(context, Tracks());
                break;
            case ["v1", "tracks", _, "segments"] when Range(context.Request.Query) is var (from, to) && to <= from:
                // As recorders do: an empty range is a mistake of whoever asks.
                await ProblemAsync(context, 400);
                break;
            case ["v1", "tracks", var trackId, "segments"]:
                await JsonAsync(context, Page(trackId, context.Request.Query));
                break;
            case ["v1", "segments", var id]:
                await SegmentAsync(context, id);
                break;
            case ["v1", "records", var kind, "manifest"]:
                await JsonAsync(context, Manifest(kind, context.Request.Query));
                break;
            case ["v1", "records", var kind]:
                await context.Response.WriteAsync(Lines(kind, context.Request.Query));
                break;
            default:
                await ProblemAsync(context, 404);
                break;
        }
    }

    private TrackList Tracks()
    {
        lock (_tracks)
        {
            return new TrackList([.. _tracks.Select(t => new Track(
                t.Key, Identity, t.Key[(Identity.Length + 1)..], t.Key.Contains("audio", StringComparison.Ordinal) ? "audio" : "video", true, null, null, t.Value.Count, 0))]);
        }
    }

    private SegmentPage Page(string trackId, IQueryCollection query)
    {
        var (from, to) = Range(query);
        var skip = query["pageToken"] is [{ Length: > 0 } token] ? long.Parse(token, CultureInfo.InvariantCulture) : 0;
        lock (_tracks)
        {
            var all = _tracks[trackId].Select(s => s.Segment).Where(s => s.To > from && s.From < to && s.From.UtcTicks > skip).ToList();
            var items = all.Take(PageItems).ToList();
            var next = items.Count < all.Count ? items[^1].From.UtcTicks.ToString(CultureInfo.InvariantCulture) : null;
            return new SegmentPage(items, next, next is null, _time.GetUtcNow(), Gone.FindAll(g => g.Id.StartsWith(trackId + "~", StringComparison.Ordinal)));
        }
    }

    private async Task SegmentAsync(HttpContext context, string id)
    {
        (Segment Segment, byte[] Bytes) found;
        lock (_tracks)
        {
            found = _tracks.Values.SelectMany(t => t).FirstOrDefault(s => s.Segment.Id == id);
        }

        if (found.Bytes is null)
        {
            await ProblemAsync(context, 404);
            return;
        }

        await SendAsync(context, found.Segment.Sha256, found.Bytes);
    }

    /// <summary>Bytes with range and tag, as the contract has it.</summary>
    public static async Task SendAsync(HttpContext context, string? tag, ReadOnlyMemory<byte> bytes, int? cutAfter = null)
    {
        var etag = tag is null ? null : $"\"{tag}\"";
        context.Response.Headers.ETag = etag;
        var range = context.Request.Headers.Range.ToString();
        if (etag is not null && range.Length > 0 && context.Request.Headers.IfRange == etag)
        {
            var start = (int)RangeHeaderValue.Parse(range).Ranges.Single().From!.Value;
            context.Response.StatusCode = 206;
            context.Response.Headers.ContentRange = $"bytes {start}-{bytes.Length - 1}/{bytes.Length}";
            bytes = bytes[start..];
        }

        context.Response.ContentLength = bytes.Length;
        if (cutAfter is { } most && most < bytes.Length)
        {
            await context.Response.Body.WriteAsync(bytes[..most]);
            await context.Response.Body.FlushAsync();
            context.Abort();
            return;
        }

        await context.Response.Body.WriteAsync(bytes);
    }

    private List<(MaterialRecord Record, long Sequence)> Records(string kind, IQueryCollection query)
    {
        var (from, to) = Range(query);
        var channel = query["channelId"].ToString();
        return [.. _records
            .Where(r => RecordDigest.Name(r.Record.Kind) == kind && r.Record.TimeUtc < to && (r.Record.ToUtc ?? r.Record.TimeUtc) >= from)
            .Where(r => channel.Length == 0 || (r.Record.ChannelId ?? "-") == channel)
            .OrderBy(r => r.Record.TimeUtc).ThenBy(r => r.Record.Id, StringComparer.Ordinal)];
    }

    private string Lines(string kind, IQueryCollection query)
    {
        lock (_tracks)
        {
            var skip = query["pageToken"] is [{ Length: > 0 } token] ? int.Parse(token, CultureInfo.InvariantCulture) : 0;
            var after = query["changedAfter"] is [{ Length: > 0 } sequence] ? long.Parse(sequence, CultureInfo.InvariantCulture) : 0;
            var all = Records(kind, query).FindAll(r => r.Sequence > after);
            var items = all.Skip(skip).Take(PageItems).ToList();
            var next = skip + items.Count < all.Count ? (skip + items.Count).ToString(CultureInfo.InvariantCulture) : null;
            var text = new StringBuilder();
            items.ForEach(r => text.Append(JsonSerializer.Serialize(r.Record, RecorderJson.Options)).Append('\n'));
            return text.Append(JsonSerializer.Serialize(new RecordPageEnd(true, items.Count, next, next is null, _sequence), RecorderJson.Options)).Append('\n').ToString();
        }
    }

    private RecordManifest Manifest(string kind, IQueryCollection query)
    {
        lock (_tracks)
        {
            var (from, to) = Range(query);
            var all = Records(kind, query).ConvertAll(r => r.Record);
            var lines = all.Where(r => r.Disputed == DisputeState.None).OrderBy(r => r.Id, StringComparer.Ordinal).Select(r => string.Create(CultureInfo.InvariantCulture, $"{r.Id} {r.Revision} {r.Sha256}\n")).ToList();
            return new RecordManifest(
                Enum.Parse<RecordKind>(kind, ignoreCase: true), Identity, null, from, to, lines.Count, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Concat(lines)))), _time.GetUtcNow(),
                all.Count - lines.Count);
        }
    }

    private static (DateTimeOffset From, DateTimeOffset To) Range(IQueryCollection query) =>
        (DateTimeOffset.Parse(query["from"].ToString(), CultureInfo.InvariantCulture), DateTimeOffset.Parse(query["to"].ToString(), CultureInfo.InvariantCulture));
}
