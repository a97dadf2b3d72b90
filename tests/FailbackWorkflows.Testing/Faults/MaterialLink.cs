using System.Globalization;
using FailbackWorkflows.Testing.Processes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Testing.Faults;

/// <summary>A request for material that passes over a link.</summary>
/// <param name="Path">As it was asked for, without the query.</param>
/// <param name="Query">The query's values by name; of several under one name the first.</param>
/// <param name="Offset">First byte asked for.</param>
public sealed record MaterialRequest(string Path, IReadOnlyDictionary<string, string> Query, long Offset)
{
    /// <summary>The segment whose bytes are asked for; null: something else is.</summary>
    public string? SegmentId => Path.StartsWith("/v1/segments/", StringComparison.Ordinal) ? Uri.UnescapeDataString(Path["/v1/segments/".Length..]) : null;

    /// <summary>Kind and channel of the records asked for (channel empty: all of them); null: something else is.</summary>
    public (string Kind, string Channel)? Records =>
        Path.StartsWith("/v1/records/", StringComparison.Ordinal) && Path["/v1/records/".Length..] is var kind && !kind.Contains('/', StringComparison.Ordinal)
            ? (kind, Query.GetValueOrDefault("channelId", ""))
            : null;
}

/// <summary>
/// The link between a source of material and whoever copies from it. Unlike <see cref="FaultyLink"/> it knows what passes, so it counts what
/// is sent again, and a test may hold or break any answer exactly in its middle. Everything else passes as it is.
/// It outlives kills on either side, which makes its counts those of the whole copy.
/// </summary>
public sealed class MaterialLink : IAsyncDisposable
{
    /// <summary>A connection that is aborted takes with it what has not left the process; half of an answer must arrive to be half an answer.</summary>
    private static readonly TimeSpan TimeToLeave = TimeSpan.FromMilliseconds(50);

    private static readonly TimeSpan TimeToSettle = TimeSpan.FromMilliseconds(100);

    private static readonly HashSet<string> OwnOfAConnection = new(StringComparer.OrdinalIgnoreCase) { "Connection", "Host", "Transfer-Encoding", "Keep-Alive", "Content-Length" };

    private readonly HttpClient _http;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, List<Passage>> _passages = new(StringComparer.Ordinal);
    private readonly Dictionary<int, Passage> _lastOfConnection = [];
    private volatile bool _isClosing;
    private WebApplication? _app;
    private int _open;

    private MaterialLink(Uri target)
    {
        _http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false, UseCookies = false }) { BaseAddress = target, Timeout = TimeSpan.FromMinutes(10) };
        BaseUrl = new Uri($"http://127.0.0.1:{FreePort.Next()}/");
    }

    public Uri BaseUrl { get; }

    /// <summary>
    /// Called for every answer with material (segments, records, lists, manifests) when half of its body has passed, which waits meanwhile.
    /// True: the connection is cut there.
    /// </summary>
    public Func<MaterialRequest, Task<bool>>? Middle { get; set; }

    /// <summary>Answers with material that are on their way.</summary>
    public int Open => Volatile.Read(ref _open);

    /// <summary>
    /// How often a segment was sent as a whole, from its first byte on, although whoever copies had taken all of it before. What had passed
    /// and was not taken from the socket when the copier died (<see cref="MeasureUnreadAsync"/>) had never been received by anybody.
    /// </summary>
    public int WholeAgain => Sum(p => p.Offset == 0 && p.TakenBefore == p.Size ? 1 : 0);

    /// <summary>Segments that were asked for from a point on that lies before the end of what had been taken of them.</summary>
    public int PartlyAgain => Sum(p => p.Offset < p.TakenBefore && !(p.Offset == 0 && p.TakenBefore == p.Size) ? 1 : 0);

    /// <summary>Bytes of segments that were sent although whoever copies had taken them before.</summary>
    public long BytesAgain => Sum(p => Math.Max(0, Math.Min(p.TakenBefore, p.Offset + p.Passed) - p.Offset));

    /// <summary>Bytes of segments that passed and were not taken by a copier that died.</summary>
    public long BytesUnread => Sum(p => p.Unread);

    public long SegmentBytes => Sum(p => p.Passed);

    public static async Task<MaterialLink> StartAsync(Uri target)
    {
        var link = new MaterialLink(target);
        await link.UpAsync();
        return link;
    }

    /// <summary>
    /// To be called while the copier is stopped (SIGSTOP) and before it is killed: what it has not taken from its sockets until now, it never
    /// will. Reads the kernel's queues, so it needs Linux.
    /// </summary>
    public async Task MeasureUnreadAsync()
    {
        for (string? former = null; ;)
        {
            await Task.Delay(TimeToSettle, TimeProvider.System);
            var queued = SocketQueues.BytesUnder(BaseUrl.Port);
            lock (_lock)
            {
                foreach (var (port, passage) in _lastOfConnection)
                {
                    // At the end of the queue lies what was sent last, before it perhaps the head of the answer.
                    passage.Unread = Math.Min(passage.Passed, queued.GetValueOrDefault(port));
                }
            }

            var state = $"{SegmentBytes} {BytesUnread}";
            if (state == former)
            {
                lock (_lock)
                {
                    _lastOfConnection.Clear();
                }

                return;
            }

            former = state;
        }
    }

    /// <summary>Cuts every connection and refuses new ones, as the machine behind it does when its program is dead. What has passed arrives before.</summary>
    public async Task DownAsync()
    {
        if (_app is { } app)
        {
            _app = null;
            _isClosing = true;
            await Task.Delay(TimeToSettle, TimeProvider.System);
            await app.StopAsync(new CancellationToken(canceled: true));
            await app.DisposeAsync();
        }
    }

    public async Task UpAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls(BaseUrl.ToString());
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MaxRequestBodySize = null);
        var app = builder.Build();
        app.Run(PassOnAsync);
        _isClosing = false;
        await app.StartAsync();
        _app = app;
    }

    public async ValueTask DisposeAsync()
    {
        await DownAsync();
        _http.Dispose();
    }

    private static bool IsMaterial(HttpRequest request) =>
        HttpMethods.IsGet(request.Method)
        && (request.Path.StartsWithSegments("/v1/segments", StringComparison.Ordinal)
            || request.Path.StartsWithSegments("/v1/records", StringComparison.Ordinal)
            || request.Path.StartsWithSegments("/v1/tracks", StringComparison.Ordinal));

    private static HttpRequestMessage Copy(HttpRequest original)
    {
        var request = new HttpRequestMessage(new HttpMethod(original.Method), original.Path.ToUriComponent() + original.QueryString.ToUriComponent());
        if (original.ContentLength > 0 || original.Headers.TransferEncoding.Count > 0)
        {
            request.Content = new StreamContent(original.Body);
        }

        foreach (var header in original.Headers.Where(h => !OwnOfAConnection.Contains(h.Key)))
        {
            if (!request.Headers.TryAddWithoutValidation(header.Key, header.Value.ToArray()))
            {
                request.Content?.Headers.TryAddWithoutValidation(header.Key, header.Value.ToArray());
            }
        }

        return request;
    }

    private async Task PassOnAsync(HttpContext context)
    {
        var material = IsMaterial(context.Request)
            ? new MaterialRequest(context.Request.Path.Value!, context.Request.Query.ToDictionary(q => q.Key, q => q.Value.ToString()), OffsetOf(context.Request))
            : null;
        if (material is not null)
        {
            Interlocked.Increment(ref _open);
        }

        lock (_lock)
        {
            // Who asks for the next thing on a connection has taken the last one from it.
            _lastOfConnection.Remove(context.Connection.RemotePort);
        }

        try
        {
            using var request = Copy(context.Request);
            using var answer = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, context.RequestAborted);
            var (body, isWhole) = await ReadAsync(answer, context.RequestAborted);
            context.Response.StatusCode = (int)answer.StatusCode;
            foreach (var header in answer.Headers.Concat(answer.Content.Headers).Where(h => !OwnOfAConnection.Contains(h.Key)))
            {
                context.Response.Headers[header.Key] = header.Value.ToArray();
            }

            context.Response.ContentLength = answer.Content.Headers.ContentLength ?? (isWhole ? body.Length : null);
            if (body.Length == 0)
            {
                return;
            }

            if (!await SendAsync(context, material, answer.IsSuccessStatusCode, body) || !isWhole)
            {
                await Task.Delay(TimeToLeave, TimeProvider.System, context.RequestAborted);
                context.Abort();
            }
        }
        catch (Exception error) when (error is HttpRequestException or IOException or OperationCanceledException or ObjectDisposedException)
        {
            // One side is gone; the other learns it by the broken connection.
            context.Abort();
        }
        finally
        {
            if (material is not null)
            {
                Interlocked.Decrement(ref _open);
            }
        }
    }

    /// <summary>False: to be cut here.</summary>
    private async Task<bool> SendAsync(HttpContext context, MaterialRequest? material, bool isSuccess, byte[] body)
    {
        var passage = isSuccess && material?.SegmentId is { } segment ? Begin(segment, material.Offset, context) : null;
        var half = material is null ? 0 : body.Length / 2;
        await PassAsync(context, passage, body.AsMemory(0, half));
        if (material is not null && Middle is { } middle && await middle(material))
        {
            return false;
        }

        await PassAsync(context, passage, body.AsMemory(half));
        return true;
    }

    private async Task PassAsync(HttpContext context, Passage? passage, ReadOnlyMemory<byte> bytes)
    {
        if (_isClosing)
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
        }

        if (bytes.Length > 0)
        {
            await context.Response.Body.WriteAsync(bytes, context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
        }

        lock (_lock)
        {
            if (passage is not null)
            {
                passage.Passed += bytes.Length;
            }
        }
    }

    private Passage Begin(string segmentId, long offset, HttpContext context)
    {
        lock (_lock)
        {
            if (!_passages.TryGetValue(segmentId, out var former))
            {
                _passages.Add(segmentId, former = []);
            }

            var passage = new Passage(offset, offset + (context.Response.ContentLength ?? 0), former.Count == 0 ? 0 : former.Max(p => p.TakenTo));
            former.Add(passage);
            _lastOfConnection[context.Connection.RemotePort] = passage;
            return passage;
        }
    }

    private long Sum(Func<Passage, long> count)
    {
        lock (_lock)
        {
            return _passages.Values.Sum(p => p.Sum(count));
        }
    }

    private int Sum(Func<Passage, int> count) => (int)Sum(p => (long)count(p));

    /// <summary>What came of an answer. A body whose sender died is passed on as far as it came, and then broken off as well.</summary>
    private static async Task<(byte[] Body, bool IsWhole)> ReadAsync(HttpResponseMessage answer, CancellationToken cancellationToken)
    {
        using var received = new MemoryStream();
        try
        {
            await answer.Content.CopyToAsync(received, cancellationToken);
            return (received.ToArray(), true);
        }
        catch (Exception error) when (error is HttpRequestException or IOException)
        {
            return (received.ToArray(), false);
        }
    }

    private static long OffsetOf(HttpRequest request)
    {
        var range = request.Headers.Range.ToString();
        return range.StartsWith("bytes=", StringComparison.Ordinal) && long.TryParse(range["bytes=".Length..].Split('-')[0], NumberStyles.None, CultureInfo.InvariantCulture, out var offset) ? offset : 0;
    }

    /// <summary>A segment, or the rest of one, on its way.</summary>
    private sealed class Passage(long offset, long size, long takenBefore)
    {
        public long Offset { get; } = offset;

        public long Size { get; } = size;

        /// <summary>Up to where whoever copies had the segment when this began.</summary>
        public long TakenBefore { get; } = takenBefore;

        public long Passed { get; set; }

        public long Unread { get; set; }

        public long TakenTo => Offset + Passed - Unread;
    }
}
