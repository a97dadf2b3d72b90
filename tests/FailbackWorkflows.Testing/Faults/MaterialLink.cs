using System.Collections.Concurrent;
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

/// <summary>Bytes of a segment that went over the link in one answer.</summary>
public readonly record struct SegmentFetch(long Offset, long Bytes);

/// <summary>
/// The link between a source of material and whoever copies from it. Unlike <see cref="FaultyLink"/> it knows what passes, so it counts how
/// often each segment is sent, and a test may hold or break any answer exactly in its middle. Everything else passes as it is.
/// It outlives kills on either side, which makes its counts those of the whole copy.
/// </summary>
public sealed class MaterialLink : IAsyncDisposable
{
    /// <summary>A connection that is aborted takes with it what has not left the process; half of an answer must arrive to be half an answer.</summary>
    private static readonly TimeSpan TimeToLeave = TimeSpan.FromMilliseconds(50);

    private static readonly HashSet<string> OwnOfAConnection = new(StringComparer.OrdinalIgnoreCase) { "Connection", "Host", "Transfer-Encoding", "Keep-Alive", "Content-Length" };

    private readonly HttpClient _http;
    private readonly ConcurrentDictionary<string, ConcurrentQueue<SegmentFetch>> _fetches = new(StringComparer.Ordinal);
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

    /// <summary>Every answer with bytes of a segment, by segment.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<SegmentFetch>> Fetches => _fetches.ToDictionary(f => f.Key, f => (IReadOnlyList<SegmentFetch>)[.. f.Value]);

    /// <summary>How often a segment's bytes were sent from their start although that had been done before.</summary>
    public int FetchedAgain => _fetches.Values.Sum(f => Math.Max(0, f.Count(s => s.Offset == 0) - 1));

    public long SegmentBytes => _fetches.Values.Sum(f => f.Sum(s => s.Bytes));

    public static async Task<MaterialLink> StartAsync(Uri target)
    {
        var link = new MaterialLink(target);
        await link.UpAsync();
        return link;
    }

    /// <summary>Cuts every connection and refuses new ones, as the machine behind it does when its program is dead.</summary>
    public async Task DownAsync()
    {
        if (_app is { } app)
        {
            _app = null;
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
        long passed = 0;
        try
        {
            var half = material is null ? 0 : body.Length / 2;
            if (half > 0)
            {
                await context.Response.Body.WriteAsync(body.AsMemory(0, half), context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
                passed = half;
            }

            if (material is not null && Middle is { } middle && await middle(material))
            {
                await Task.Delay(TimeToLeave, TimeProvider.System, context.RequestAborted);
                return false;
            }

            await context.Response.Body.WriteAsync(body.AsMemory(half), context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            passed = body.Length;
            return true;
        }
        finally
        {
            if (isSuccess && passed > 0 && material?.SegmentId is { } segment)
            {
                _fetches.GetOrAdd(segment, _ => []).Enqueue(new SegmentFetch(material.Offset, passed));
            }
        }
    }

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
}
