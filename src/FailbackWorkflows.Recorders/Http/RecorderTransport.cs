using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json;
using FailbackWorkflows.Recorders.Material;
using Microsoft.Extensions.Logging;
using RestEase;

namespace FailbackWorkflows.Recorders.Http;

/// <summary>
/// How a call gets to a recorder and its answer back, whatever it is about. One instance serves all recorders and is safe for concurrent
/// use. Redirects are not followed, answers are limited in size, plain HTTP is refused off loopback before anything is sent. A connection
/// that breaks before the answer is complete is repeated once, at once: every call either only reads, carries an idempotency key or may be
/// repeated by its nature.
/// </summary>
public sealed partial class RecorderTransport : IDisposable
{
    private readonly RecorderClientOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly SocketsHttpHandler _handler;
    private readonly RecorderTracing.Handler _traced;
    private readonly IRecorderCallObserver? _observer;
    private readonly ConcurrentDictionary<(Uri BaseUrl, Type Api), object> _apis = new();

    /// <param name="observer">Told of every call while it wants to be; null: nobody is.</param>
    public RecorderTransport(RecorderClientOptions options, TimeProvider time, ILogger logger, IRecorderCallObserver? observer = null)
    {
        options.Validate();
        _options = options;
        _time = time;
        _logger = logger;
        _observer = observer;
        _handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectTimeout = options.ConnectTimeout,
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
            MaxResponseDrainSize = 64 * 1024,
            // The trace is put in by ours, below: this one would put itself between, unseen, and name a span that nobody exports.
            ActivityHeadersPropagator = null,
        };
        _traced = new RecorderTracing.Handler(new CallNote.Handler(_handler, time));
    }

    public void Dispose() => _traced.Dispose();

    /// <summary>Makes a call and reads its answer, which must not be empty. Throws <see cref="RecorderException"/>.</summary>
    internal Task<T> CallAsync<TApi, T>(
        RecorderEndpoint recorder,
        string call,
        Func<TApi, string, CancellationToken, Task<HttpResponseMessage>> send,
        CancellationToken cancellationToken)
        where TApi : class
        where T : class => CallAsync(
            recorder,
            call,
            send,
            body => JsonSerializer.Deserialize<T>(body.Span, RecorderJson.Options) ?? throw RecorderErrors.NotUnderstood(recorder, null),
            cancellationToken);

    /// <summary>Makes a call whose success is all there is to know.</summary>
    internal Task CallAsync<TApi>(
        RecorderEndpoint recorder,
        string call,
        Func<TApi, string, CancellationToken, Task<HttpResponseMessage>> send,
        CancellationToken cancellationToken)
        where TApi : class => CallAsync(recorder, call, send, _ => true, cancellationToken);

    /// <summary>Makes a conditional read: null when the recorder says that what the caller knows is still so (304).</summary>
    internal Task<T?> FindChangedAsync<TApi, T>(
        RecorderEndpoint recorder,
        string call,
        Func<TApi, string, CancellationToken, Task<HttpResponseMessage>> send,
        CancellationToken cancellationToken)
        where TApi : class
        where T : class => WithinTimeAsync(
            recorder,
            call,
            ct => SendAsync<TApi, T?>(
                recorder,
                call,
                send,
                async response =>
                {
                    using (response)
                    {
                        if (response.StatusCode == HttpStatusCode.NotModified)
                        {
                            return null;
                        }

                        var body = await ReadBodyAsync(recorder, response, ct).ConfigureAwait(false);
                        Require(recorder, response, body.Span);
                        return JsonSerializer.Deserialize<T>(body.Span, RecorderJson.Options) ?? throw RecorderErrors.NotUnderstood(recorder, null);
                    }
                },
                ct),
            cancellationToken);

    /// <summary>Makes a call whose answer is bytes of any amount: returns when its head is there. The call's time ends with the head; then each read has as much.</summary>
    internal Task<SegmentBytes> OpenAsync<TApi>(
        RecorderEndpoint recorder,
        string call,
        Func<TApi, string, CancellationToken, Task<HttpResponseMessage>> send,
        CancellationToken cancellationToken)
        where TApi : class => WithinTimeAsync(
            recorder,
            call,
            ct => SendAsync<TApi, SegmentBytes>(recorder, call, send, response => OpenAsync(recorder, response, ct), ct),
            cancellationToken);

    private Task<T> CallAsync<TApi, T>(
        RecorderEndpoint recorder,
        string call,
        Func<TApi, string, CancellationToken, Task<HttpResponseMessage>> send,
        Func<ReadOnlyMemory<byte>, T> read,
        CancellationToken cancellationToken)
        where TApi : class => WithinTimeAsync(
            recorder,
            call,
            ct => SendAsync<TApi, T>(
                recorder,
                call,
                send,
                async response =>
                {
                    using (response)
                    {
                        var body = await ReadBodyAsync(recorder, response, ct).ConfigureAwait(false);
                        Require(recorder, response, body.Span);
                        return read(body);
                    }
                },
                ct),
            cancellationToken);

    /// <summary>A success, and nothing in it that nobody could write down.</summary>
    private static void Require(RecorderEndpoint recorder, HttpResponseMessage response, ReadOnlySpan<byte> body)
    {
        if (!response.IsSuccessStatusCode)
        {
            throw RecorderErrors.FromAnswer(recorder, response.StatusCode, body);
        }

        if (AnswerText.HasNul(body))
        {
            throw RecorderErrors.NotText(recorder);
        }
    }

    private async Task<T> WithinTimeAsync<T>(RecorderEndpoint recorder, string call, Func<CancellationToken, Task<T>> send, CancellationToken cancellationToken)
    {
        var isHttps = recorder.BaseUrl.IsAbsoluteUri && recorder.BaseUrl.Scheme == Uri.UriSchemeHttps;
        if (!isHttps && !(recorder.BaseUrl.IsAbsoluteUri && recorder.BaseUrl.Scheme == Uri.UriSchemeHttp && recorder.BaseUrl.IsLoopback))
        {
            throw RecorderErrors.PlainHttp(recorder);
        }

        using var span = RecorderTracing.Begin(call, recorder);
        using var timeout = new CancellationTokenSource(_options.CallTimeout, _time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        var startedAt = _time.GetTimestamp();
        var note = CallNote.Begin(_observer);
        try
        {
            var answer = await send(linked.Token).ConfigureAwait(false);
            LogAnswered(call, recorder.ServerId, _time.GetElapsedTime(startedAt).TotalMilliseconds);
            return answer;
        }
        catch (RecorderException error)
        {
            RecorderTracing.Failed(span, error.Kind);
            LogFailed(call, recorder.ServerId, error.Kind, error.ProblemType, error.Message);
            throw;
        }
        catch (Exception error) when (error is OperationCanceledException or HttpRequestException or IOException or SocketException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var failure = error switch
            {
                _ when timeout.IsCancellationRequested => RecorderErrors.TimedOut(recorder, _options.CallTimeout, error),
                OperationCanceledException => RecorderErrors.TimedOut(recorder, _options.ConnectTimeout, error),
                _ => RecorderErrors.FromTransport(recorder, error),
            };
            RecorderTracing.Failed(span, failure.Kind);
            LogFailed(call, recorder.ServerId, failure.Kind, failure.ProblemType, failure.Message);
            throw failure;
        }
        finally
        {
            note?.Tell(_observer!, recorder.ServerId, call, _time.GetElapsedTime(startedAt));
        }
    }

    private async Task<T> SendAsync<TApi, T>(
        RecorderEndpoint recorder,
        string call,
        Func<TApi, string, CancellationToken, Task<HttpResponseMessage>> send,
        Func<HttpResponseMessage, Task<T>> read,
        CancellationToken cancellationToken)
        where TApi : class
    {
        var api = (TApi)_apis.GetOrAdd((recorder.BaseUrl, typeof(TApi)), key => CreateApi<TApi>(key.BaseUrl));
        var authorization = "Bearer " + recorder.Credential;
        for (var isRepeat = false; ; isRepeat = true)
        {
            try
            {
                return await read(await send(api, authorization, cancellationToken).ConfigureAwait(false)).ConfigureAwait(false);
            }
            catch (JsonException error)
            {
                throw RecorderErrors.NotUnderstood(recorder, error);
            }
            catch (Exception error) when (!isRepeat && !cancellationToken.IsCancellationRequested && RecorderErrors.IsBrokenConnection(error))
            {
                LogRepeating(call, recorder.ServerId);
            }
        }
    }

    /// <summary>Takes the answer over: whoever gets the bytes disposes it.</summary>
    private async Task<SegmentBytes> OpenAsync(RecorderEndpoint recorder, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        try
        {
            if (!response.IsSuccessStatusCode)
            {
                var body = await ReadBodyAsync(recorder, response, cancellationToken).ConfigureAwait(false);
                throw RecorderErrors.FromAnswer(recorder, response.StatusCode, body.Span);
            }

            var isPart = response.StatusCode == HttpStatusCode.PartialContent;
            var range = response.Content.Headers.ContentRange;
            if (response.Content.Headers.ContentLength is not { } length || isPart != (range is not null))
            {
                throw RecorderErrors.NotUnderstood(recorder, null);
            }

            var bytes = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            return new SegmentBytes(bytes, length, range?.ToString(), response.Headers.ETag?.ToString(), _options.CallTimeout, _time, response);
        }
        catch
        {
            response.Dispose();
            throw;
        }
    }

    private async Task<ReadOnlyMemory<byte>> ReadBodyAsync(RecorderEndpoint recorder, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (response.Content.Headers.ContentLength > _options.MaxAnswerBytes)
        {
            throw RecorderErrors.TooLarge(recorder, _options.MaxAnswerBytes);
        }

        using var stream = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        var buffer = new MemoryStream();
        var chunk = new byte[16 * 1024];
        int read;
        while ((read = await stream.ReadAsync(chunk, cancellationToken).ConfigureAwait(false)) > 0)
        {
            if (buffer.Length + read > _options.MaxAnswerBytes)
            {
                throw RecorderErrors.TooLarge(recorder, _options.MaxAnswerBytes);
            }

            buffer.Write(chunk, 0, read);
        }

        var body = buffer.GetBuffer().AsMemory(0, (int)buffer.Length);
        CallNote.Answered(body.Span);
        return body;
    }

    private TApi CreateApi<TApi>(Uri baseUrl)
        where TApi : class
    {
        var root = baseUrl.AbsoluteUri.EndsWith('/') ? baseUrl : new Uri(baseUrl.AbsoluteUri + "/");
        var http = new HttpClient(_traced, disposeHandler: false) { BaseAddress = root, Timeout = Timeout.InfiniteTimeSpan };
        return new RestClient(http) { RequestBodySerializer = new WireBodySerializer() }.For<TApi>();
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "Recorder {Recorder} answered '{Call}' in {ElapsedMilliseconds} ms")]
    private partial void LogAnswered(string call, string recorder, double elapsedMilliseconds);

    [LoggerMessage(Level = LogLevel.Information, Message = "Recorder {Recorder}: the connection broke during '{Call}'; repeating once with the same key")]
    private partial void LogRepeating(string call, string recorder);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Recorder {Recorder} failed '{Call}': {Kind} {ProblemType} {Reason}")]
    private partial void LogFailed(string call, string recorder, RecorderErrorKind kind, string? problemType, string reason);

    private sealed class WireBodySerializer : RequestBodySerializer
    {
        public override HttpContent? SerializeBody<T>(T body, RequestBodySerializerInfo info)
        {
            var content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(body, RecorderJson.Options));
            content.Headers.ContentType = new MediaTypeHeaderValue("application/json") { CharSet = "utf-8" };
            return content;
        }
    }
}
