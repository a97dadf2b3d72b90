using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Material;

namespace FailbackWorkflows.ReferenceRecorder.MaterialCopy.Source;

/// <summary>
/// Reads the source's material. The peer may be broken or hostile: no redirect is followed, nothing is decompressed, sizes are bounded,
/// and an answer counts only when it says itself that it is whole.
/// </summary>
internal sealed class SourceConnection(HttpClient http, Uri baseUrl, string token, CopyTuning tuning, TimeProvider time)
{
    private const int MostProblemBytes = 64 * 1024;

    private readonly AuthenticationHeaderValue _authorization = new("Bearer", token);
    private readonly string _base = baseUrl.AbsoluteUri.TrimEnd('/') + "/v1/";

    public static HttpClient CreateHttp(CopyTuning tuning)
    {
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            UseCookies = false,
            UseProxy = false,
            ConnectTimeout = tuning.ConnectTimeout,
            MaxConnectionsPerServer = 32,
            MaxResponseHeadersLength = 64,
            PooledConnectionLifetime = TimeSpan.FromMinutes(10),
            InitialHttp2StreamWindowSize = 1024 * 1024,
        };
        return new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan, MaxResponseContentBufferSize = tuning.MaxPageBytes };
    }

    /// <summary>The source's status, and its clock minus ours with half the round trip taken off, which is also as wrong as that can be.</summary>
    public async Task<(RecorderStatus Status, TimeSpan ClockOffset, TimeSpan Uncertainty)> GetStatusAsync(CancellationToken cancellationToken)
    {
        var sent = time.GetUtcNow();
        var started = time.GetTimestamp();
        var status = await ReadStatusAsync(cancellationToken).ConfigureAwait(false);
        var half = time.GetElapsedTime(started) / 2;
        return (status, status.TimeUtc - (sent + half), half);
    }

    public async Task<IReadOnlyList<Track>> GetTracksAsync(string identity, CancellationToken cancellationToken)
    {
        var tracks = (await GetJsonAsync<TrackList>($"tracks?identity={Uri.EscapeDataString(identity)}", cancellationToken).ConfigureAwait(false)).Items;
        return tracks.FirstOrDefault(t => t.Identity != identity || !Names.IsValid(t.ChannelId) || t.Id != $"{t.Identity}~{t.ChannelId}") is null
            ? tracks
            : throw new SourceException(SourceFault.Refused, $"The source lists tracks that are none of '{identity}'. Check what answers at its address.");
    }

    /// <summary>One page of a track's segments, checked for being whole and in order.</summary>
    public async Task<SegmentPage> GetSegmentsAsync(string trackId, DateTimeOffset from, DateTimeOffset to, string? pageToken, CancellationToken cancellationToken)
    {
        var page = await GetJsonAsync<SegmentPage>(
            $"tracks/{Uri.EscapeDataString(trackId)}/segments?from={Instant(from)}&to={Instant(to)}&limit={tuning.PageItems}{TokenQuery(pageToken)}",
            cancellationToken).ConfigureAwait(false);
        // A page may name nothing but what is gone: what was dropped in a stretch may be more than fits on one.
        var isEmpty = page.Items.Count == 0 && page.Gone.Count == 0;
        if (page.Complete != page.NextPageToken is null || (page.NextPageToken is { } next && (next == pageToken || isEmpty)))
        {
            throw new SourceException(SourceFault.Broken, $"The list of track '{trackId}' was cut short: it neither is complete nor says how it goes on.");
        }

        for (var i = 1; i < page.Items.Count; i++)
        {
            var (former, item) = (page.Items[i - 1], page.Items[i]);
            if (item.From < former.From || (item.From == former.From && string.CompareOrdinal(item.Id, former.Id) <= 0))
            {
                throw new SourceException(SourceFault.Refused, $"The list of track '{trackId}' is not in order at segment '{Short(item.Id)}'.");
            }
        }

        return page;
    }

    public Task<RecordManifest> GetRecordManifestAsync(RecordKind kind, string identity, string channel, DateTimeOffset from, DateTimeOffset to, CancellationToken cancellationToken) =>
        GetJsonAsync<RecordManifest>(
            $"records/{RecordDigest.Name(kind)}/manifest?identity={Uri.EscapeDataString(identity)}{ChannelQuery(channel)}&from={Instant(from)}&to={Instant(to)}",
            cancellationToken);

    /// <summary>
    /// One page of records, line by line as they come. The last element carries the end mark; when there is none the page was cut short, which
    /// is told by an exception after the whole lines were given.
    /// </summary>
    /// <param name="channel">Channel id, <c>-</c> for what belongs to none, empty for every channel.</param>
    public async IAsyncEnumerable<RecordLine> GetRecordsAsync(
        RecordKind kind,
        string identity,
        string channel,
        DateTimeOffset from,
        DateTimeOffset to,
        long? changedAfter,
        string? pageToken,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var changed = changedAfter is { } sequence ? string.Create(CultureInfo.InvariantCulture, $"&changedAfter={sequence}") : "";
        var path = $"records/{RecordDigest.Name(kind)}?identity={Uri.EscapeDataString(identity)}{ChannelQuery(channel)}&from={Instant(from)}&to={Instant(to)}&limit={tuning.RecordPageItems}{changed}{TokenQuery(pageToken)}";
        using var idle = new IdleTimer(tuning.IdleTimeout, time, cancellationToken);
        using var answer = await AskAsync(Request(path), idle, cancellationToken).ConfigureAwait(false);
        var body = await answer.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        var reader = PipeReader.Create(body, new StreamPipeReaderOptions(bufferSize: 64 * 1024));
        long count = 0;
        try
        {
            while (true)
            {
                var read = await GuardAsync(() => reader.ReadAsync(idle.Token), idle, cancellationToken).ConfigureAwait(false);
                idle.Restart();
                var buffer = read.Buffer;
                while (TakeLine(ref buffer, out var line))
                {
                    if (ReadLine(line, kind) is not { } item)
                    {
                        throw new SourceException(SourceFault.Broken, $"A line of records of kind {RecordDigest.Name(kind)} was not understood.");
                    }

                    if (item.End is { } end && (end.Count != count || end.Complete != end.NextPageToken is null || (end.NextPageToken is { } next && (next == pageToken || count == 0))))
                    {
                        throw new SourceException(SourceFault.Broken, $"A page of records of kind {RecordDigest.Name(kind)} was cut short: {count} lines came, its end mark says {end.Count}.");
                    }

                    count++;
                    yield return item;
                    if (item.End is not null)
                    {
                        yield break;
                    }
                }

                if (buffer.Length > tuning.MaxLineBytes)
                {
                    throw new SourceException(SourceFault.TooLarge, $"A record of kind {RecordDigest.Name(kind)} is longer than the {tuning.MaxLineBytes} bytes that are accepted.");
                }

                reader.AdvanceTo(buffer.Start, buffer.End);
                if (read.IsCompleted)
                {
                    throw new SourceException(SourceFault.Broken, $"A page of records of kind {RecordDigest.Name(kind)} was cut short after {count} lines.");
                }
            }
        }
        finally
        {
            await reader.CompleteAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Opens a segment's bytes from an offset on. The caller reads the body and disposes the answer.</summary>
    public async Task<HttpResponseMessage> OpenSegmentAsync(string segmentId, long offset, EntityTagHeaderValue? etag, IdleTimer idle, CancellationToken cancellationToken)
    {
        var request = Request($"segments/{Uri.EscapeDataString(segmentId)}");
        if (offset > 0)
        {
            request.Headers.Range = new RangeHeaderValue(offset, null);
            request.Headers.IfRange = etag is null ? null : new RangeConditionHeaderValue(etag);
        }

        return await AskAsync(request, idle, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Turns what goes wrong while bytes come into a <see cref="SourceException"/>.</summary>
    public static async ValueTask<T> GuardAsync<T>(Func<ValueTask<T>> read, IdleTimer idle, CancellationToken cancellationToken)
    {
        try
        {
            return await read().ConfigureAwait(false);
        }
        catch (OperationCanceledException error) when (!cancellationToken.IsCancellationRequested)
        {
            throw Stalled(idle, error);
        }
        catch (Exception error) when (error is IOException or HttpRequestException)
        {
            throw new SourceException(SourceFault.Broken, "The connection to the source broke before its answer was complete.", inner: error);
        }
    }

    private async Task<T> GetJsonAsync<T>(string path, CancellationToken cancellationToken)
        where T : class
    {
        using var idle = new IdleTimer(tuning.IdleTimeout, time, cancellationToken);
        using var answer = await AskAsync(Request(path), idle, cancellationToken).ConfigureAwait(false);
        return await ReadJsonAsync<T>(answer, idle, cancellationToken).ConfigureAwait(false);
    }

    private async Task<RecorderStatus> ReadStatusAsync(CancellationToken cancellationToken)
    {
        using var idle = new IdleTimer(tuning.IdleTimeout, time, cancellationToken);
        using var answer = await AnswerAsync(Request("recorder"), idle, cancellationToken).ConfigureAwait(false);
        return await ReadJsonAsync<RecorderStatus>(answer, idle, cancellationToken).ConfigureAwait(false);
    }

    private async Task<T> ReadJsonAsync<T>(HttpResponseMessage answer, IdleTimer idle, CancellationToken cancellationToken)
        where T : class
    {
        var body = await ReadBoundedAsync(answer, tuning.MaxPageBytes, idle, cancellationToken).ConfigureAwait(false);
        try
        {
            return JsonSerializer.Deserialize<T>(body.Span, RecorderJson.Options) ?? throw new JsonException("null");
        }
        catch (JsonException error)
        {
            throw new SourceException(SourceFault.Broken, "The source's answer was not understood: it was cut short, or what answers there is no recorder of this version.", inner: error);
        }
    }

    private HttpRequestMessage Request(string path)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, _base + path);
        request.Headers.Authorization = _authorization;
        return request;
    }

    /// <summary>
    /// An answer that is no refusal. When nothing of the recorder's own comes back, the recorder is asked how it is before this one thing gets
    /// the blame: a proxy in front of a source that is away resets connections or answers in its place.
    /// </summary>
    private async Task<HttpResponseMessage> AskAsync(HttpRequestMessage request, IdleTimer idle, CancellationToken cancellationToken)
    {
        try
        {
            return await AnswerAsync(request, idle, cancellationToken).ConfigureAwait(false);
        }
        catch (SourceException error) when (error.IsUnanswered)
        {
            try
            {
                _ = await ReadStatusAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (SourceException away)
            {
                throw away.ConcernsAll ? away : new SourceException(
                    SourceFault.Unreachable, $"{error.Message} It does not say how it is either. Check that the source runs, and the proxy and network before it.", away.RetryAfter, error);
            }

            throw;
        }
    }

    private async Task<HttpResponseMessage> AnswerAsync(HttpRequestMessage request, IdleTimer idle, CancellationToken cancellationToken)
    {
        var answer = await SendAsync(request, idle, cancellationToken).ConfigureAwait(false);
        try
        {
            await RefuseProblemAsync(answer, idle, cancellationToken).ConfigureAwait(false);
            return answer;
        }
        catch
        {
            answer.Dispose();
            throw;
        }
    }

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, IdleTimer idle, CancellationToken cancellationToken)
    {
        try
        {
            var answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, idle.Token).ConfigureAwait(false);
            idle.Restart();
            return answer;
        }
        catch (OperationCanceledException error) when (!cancellationToken.IsCancellationRequested)
        {
            throw idle.HasFired ? Stalled(idle, error, isUnanswered: true) : Unreachable(error);
        }
        catch (HttpRequestException error)
        {
            throw error.HttpRequestError is HttpRequestError.ResponseEnded or HttpRequestError.Unknown or HttpRequestError.InvalidResponse
                ? new SourceException(SourceFault.Broken, "The source closed the connection without a whole answer.", inner: error) { IsUnanswered = true }
                : error.HttpRequestError is HttpRequestError.ConfigurationLimitExceeded
                    ? new SourceException(SourceFault.Refused, "The source's answer exceeds what is accepted.", inner: error)
                    : Unreachable(error);
        }
        catch (SocketException error)
        {
            // A connection reset between its beginning and its first byte: the framework lets out what the socket says.
            throw Unreachable(error);
        }
    }

    private async Task RefuseProblemAsync(HttpResponseMessage answer, IdleTimer idle, CancellationToken cancellationToken)
    {
        if (answer.IsSuccessStatusCode)
        {
            if (answer.Content.Headers.ContentEncoding.Count > 0)
            {
                throw new SourceException(SourceFault.Refused, "The source sent compressed bytes, which nobody asked for and which are not accepted.");
            }

            return;
        }

        var status = (int)answer.StatusCode;
        if (status is 404 or >= 500 && !await IsOfRecorderAsync(answer, idle, cancellationToken).ConfigureAwait(false))
        {
            throw new SourceException(
                status == 404 ? SourceFault.Gone : SourceFault.Broken, $"Something else than a recorder answers in the source's place, with status {status}.", RetryAfter(answer)) { IsUnanswered = true };
        }

        switch (status)
        {
            case >= 300 and < 400:
                throw new SourceException(SourceFault.Refused, "The source answered with a redirect, which is never followed. Check its address.");
            case 401 or 403:
                throw new SourceException(SourceFault.Unauthorized, "The source refuses the read credential. It is not used again; issue a new one and send it with UpdateClientInfo.");
            case 404:
                throw new SourceException(SourceFault.Gone, "The source does not have it any more.");
            case 409:
                throw new SourceException(SourceFault.Growing, "The source is still recording this segment.");
            case 410:
                throw new SourceException(SourceFault.PageExpired, "The source does not know the page any more.");
            case 429 or 503:
                throw new SourceException(SourceFault.Busy, "The source asks to wait.", RetryAfter(answer));
            case 416:
                throw new SourceException(SourceFault.Broken, "The source has fewer bytes than were received before.");
            default:
                throw new SourceException(status >= 500 ? SourceFault.Broken : SourceFault.Refused, $"The source answered with status {status}.");
        }
    }

    /// <summary>A recorder says what is wrong as a problem of a type of its own (RFC 9457); a gateway that stands for it does not.</summary>
    private static async Task<bool> IsOfRecorderAsync(HttpResponseMessage answer, IdleTimer idle, CancellationToken cancellationToken)
    {
        if (answer.Content.Headers.ContentType?.MediaType != "application/problem+json")
        {
            return false;
        }

        try
        {
            var body = await ReadBoundedAsync(answer, MostProblemBytes, idle, cancellationToken).ConfigureAwait(false);
            using var document = JsonDocument.Parse(body);
            return document.RootElement.TryGetProperty("type", out var type) && type.GetString()?.StartsWith(RecorderProblems.Prefix, StringComparison.Ordinal) == true;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or SourceException)
        {
            return false;
        }
    }

    private TimeSpan? RetryAfter(HttpResponseMessage answer) => answer.Headers.RetryAfter switch
    {
        { Delta: { } delta } => delta,
        { Date: { } date } => date - time.GetUtcNow(),
        _ => null,
    };

    private static async Task<ReadOnlyMemory<byte>> ReadBoundedAsync(HttpResponseMessage answer, int most, IdleTimer idle, CancellationToken cancellationToken)
    {
        if (answer.Content.Headers.ContentLength > most)
        {
            throw new SourceException(SourceFault.TooLarge, $"The source's answer is larger than the {most} bytes that are accepted.");
        }

        using var body = await answer.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        var buffer = new ArrayBufferWriter<byte>((int)(answer.Content.Headers.ContentLength ?? 16 * 1024) + 1);
        while (true)
        {
            var read = await GuardAsync(() => body.ReadAsync(buffer.GetMemory(16 * 1024), idle.Token), idle, cancellationToken).ConfigureAwait(false);
            if (read == 0)
            {
                return buffer.WrittenMemory;
            }

            idle.Restart();
            buffer.Advance(read);
            if (buffer.WrittenCount > most)
            {
                throw new SourceException(SourceFault.TooLarge, $"The source's answer is larger than the {most} bytes that are accepted.");
            }
        }
    }

    private static bool TakeLine(ref ReadOnlySequence<byte> buffer, out ReadOnlySequence<byte> line)
    {
        if (buffer.PositionOf((byte)'\n') is not { } end)
        {
            line = default;
            return false;
        }

        line = buffer.Slice(0, end);
        buffer = buffer.Slice(buffer.GetPosition(1, end));
        return true;
    }

    private static RecordLine? ReadLine(ReadOnlySequence<byte> line, RecordKind kind)
    {
        try
        {
            var reader = new Utf8JsonReader(line);
            if (IsEndMark(line))
            {
                return JsonSerializer.Deserialize<RecordPageEnd>(ref reader, RecorderJson.Options) is { } end ? new RecordLine(null, end) : null;
            }

            return JsonSerializer.Deserialize<MaterialRecord>(ref reader, RecorderJson.Options) is { } record && record.Kind == kind ? new RecordLine(record, null) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static bool IsEndMark(ReadOnlySequence<byte> line)
    {
        var reader = new Utf8JsonReader(line);
        return reader.Read() && reader.TokenType == JsonTokenType.StartObject && reader.Read() && reader.TokenType == JsonTokenType.PropertyName && reader.ValueTextEquals("_end"u8);
    }

    private static SourceException Stalled(IdleTimer idle, Exception error, bool isUnanswered = false) =>
        new(SourceFault.Stalled, $"The source sent nothing for {idle.Length.TotalSeconds:0.###} s.", inner: error) { IsUnanswered = isUnanswered };

    private static SourceException Unreachable(Exception error) =>
        new(SourceFault.Unreachable, "The source cannot be reached. Check that it runs, its address and the network between the two servers.", inner: error);

    private static string Instant(DateTimeOffset instant) => RecorderJson.FormatInstant(instant);

    private static string ChannelQuery(string channel) => channel.Length == 0 ? "" : $"&channelId={Uri.EscapeDataString(channel)}";

    private static string TokenQuery(string? pageToken) => pageToken is null ? "" : $"&pageToken={Uri.EscapeDataString(pageToken)}";

    private static string Short(string text) => text.Length <= 80 ? text : text[..80];
}

/// <summary>A line of a page of records: a record, or the end mark.</summary>
internal readonly record struct RecordLine(MaterialRecord? Record, RecordPageEnd? End);

/// <summary>Cancels when nothing comes for a while. Restarted by whoever receives.</summary>
internal sealed class IdleTimer : IDisposable
{
    private readonly CancellationTokenSource _idle;
    private readonly CancellationTokenSource _linked;

    public IdleTimer(TimeSpan length, TimeProvider time, CancellationToken cancellationToken)
    {
        Length = length;
        _idle = new CancellationTokenSource(length, time);
        _linked = CancellationTokenSource.CreateLinkedTokenSource(_idle.Token, cancellationToken);
    }

    public TimeSpan Length { get; }

    public CancellationToken Token => _linked.Token;

    public bool HasFired => _idle.IsCancellationRequested;

    public void Restart() => _idle.CancelAfter(Length);

    public void Pause() => _idle.CancelAfter(Timeout.InfiniteTimeSpan);

    public void Dispose()
    {
        _linked.Dispose();
        _idle.Dispose();
    }
}
