using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Recording;
using FailbackWorkflows.Recorders.Settings;
using Microsoft.Extensions.Logging;
using RestEase;

namespace FailbackWorkflows.Recorders.Http;

/// <summary>
/// <see cref="IRecorderClient"/> over HTTP; the only place that speaks HTTP to recorders. One instance serves all recorders and is safe
/// for concurrent use. Redirects are not followed, answers are limited in size, plain HTTP is refused off loopback before anything is
/// sent. A connection that breaks before the answer is complete is repeated once, at once: every call either only reads, carries an
/// idempotency key or may be repeated by its nature.
/// </summary>
public sealed partial class HttpRecorderClient : IRecorderClient, IDisposable
{
    private readonly RecorderClientOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<HttpRecorderClient> _logger;
    private readonly SocketsHttpHandler _handler;
    private readonly ConcurrentDictionary<Uri, IRecorderHttpApi> _apis = new();

    public HttpRecorderClient(RecorderClientOptions options, TimeProvider time, ILogger<HttpRecorderClient> logger)
    {
        options.Validate();
        _options = options;
        _time = time;
        _logger = logger;
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
        };
    }

    public Task<RecorderStatus> GetStatusAsync(RecorderEndpoint recorder, CancellationToken cancellationToken) =>
        CallAsync<RecorderStatus>(recorder, "read status", (api, auth, ct) => api.GetStatusAsync(auth, ct), cancellationToken);

    public Task<ProbeResult> ProbeAsync(RecorderEndpoint recorder, CancellationToken cancellationToken) =>
        CallAsync<ProbeResult>(recorder, "probe storage", (api, auth, ct) => api.ProbeAsync(auth, ct), cancellationToken);

    public Task<DutyState> RaiseFenceAsync(RecorderEndpoint recorder, string identity, long fence, CancellationToken cancellationToken) =>
        CallAsync<DutyState>(recorder, "raise fence", (api, auth, ct) => api.RaiseFenceAsync(auth, identity, new FenceBody(fence), ct), cancellationToken);

    public Task<DutyState> AssignDutyAsync(RecorderEndpoint recorder, string identity, DutyAssignment assignment, string idempotencyKey, CancellationToken cancellationToken) =>
        CallAsync<DutyState>(recorder, "assign duty", (api, auth, ct) => api.AssignDutyAsync(auth, idempotencyKey, identity, assignment, ct), cancellationToken);

    public Task<RecordingState> GetRecordingAsync(RecorderEndpoint recorder, string identity, CancellationToken cancellationToken) =>
        CallAsync<RecordingState>(recorder, "read recording", (api, auth, ct) => api.GetRecordingAsync(auth, identity, ct), cancellationToken);

    public Task<RecordingState> StartRecordingAsync(RecorderEndpoint recorder, RecordingCommand command, string idempotencyKey, CancellationToken cancellationToken) =>
        CallAsync<RecordingState>(
            recorder,
            "start recording",
            (api, auth, ct) => api.StartRecordingAsync(auth, idempotencyKey, command.Authority.Epoch, command.Authority.Fence, new RecordingBody(command.Identity, command.AuthorityEnds), ct),
            cancellationToken);

    public Task<RecordingState> StopRecordingAsync(RecorderEndpoint recorder, RecordingCommand command, string idempotencyKey, CancellationToken cancellationToken) =>
        CallAsync<RecordingState>(
            recorder,
            "stop recording",
            (api, auth, ct) => api.StopRecordingAsync(auth, idempotencyKey, command.Authority.Epoch, command.Authority.Fence, new RecordingBody(command.Identity, command.AuthorityEnds), ct),
            cancellationToken);

    public Task<SettingsBundle> GetSettingsAsync(RecorderEndpoint recorder, string identity, CancellationToken cancellationToken) =>
        CallAsync<SettingsBundle>(recorder, "read settings", (api, auth, ct) => api.GetSettingsAsync(auth, identity, ct), cancellationToken);

    public Task<SettingsValidation> ValidateSettingsAsync(RecorderEndpoint recorder, string identity, SettingsContent content, CancellationToken cancellationToken) =>
        CallAsync<SettingsValidation>(recorder, "validate settings", (api, auth, ct) => api.ValidateSettingsAsync(auth, identity, new SettingsBody(content), ct), cancellationToken);

    public Task<StagedSettings> StageSettingsAsync(RecorderEndpoint recorder, StageSettingsCommand command, string idempotencyKey, CancellationToken cancellationToken) =>
        CallAsync<StagedSettings>(
            recorder,
            "stage settings",
            (api, auth, ct) => api.StageSettingsAsync(auth, idempotencyKey, command.Authority.Epoch, command.Authority.Fence, command.Identity, new StageSettingsBody(command.Content, command.Sha256), ct),
            cancellationToken);

    public Task<SettingsRevision> ActivateSettingsAsync(RecorderEndpoint recorder, ActivateSettingsCommand command, string idempotencyKey, CancellationToken cancellationToken)
    {
        var expected = string.Create(CultureInfo.InvariantCulture, $"\"{command.ExpectedRevision}\"");
        return CallAsync<SettingsRevision>(
            recorder,
            "activate settings",
            (api, auth, ct) => api.ActivateSettingsAsync(auth, idempotencyKey, command.Authority.Epoch, command.Authority.Fence, expected, command.Identity, command.StagedId, ct),
            cancellationToken);
    }

    public Task<SettingsRevision> RollBackSettingsAsync(RecorderEndpoint recorder, RollBackSettingsCommand command, string idempotencyKey, CancellationToken cancellationToken) =>
        CallAsync<SettingsRevision>(
            recorder,
            "roll back settings",
            (api, auth, ct) => api.RollBackSettingsAsync(auth, idempotencyKey, command.Authority.Epoch, command.Authority.Fence, command.Identity, new RollBackBody(command.ToRevision), ct),
            cancellationToken);

    public Task<SettingsRevision> FreezeSettingsAsync(RecorderEndpoint recorder, FreezeSettingsCommand command, string idempotencyKey, CancellationToken cancellationToken) =>
        CallAsync<SettingsRevision>(
            recorder,
            command.Frozen ? "freeze settings" : "unfreeze settings",
            (api, auth, ct) => command.Frozen
                ? api.FreezeSettingsAsync(auth, idempotencyKey, command.Authority.Epoch, command.Authority.Fence, command.Identity, ct)
                : api.UnfreezeSettingsAsync(auth, idempotencyKey, command.Authority.Epoch, command.Authority.Fence, command.Identity, ct),
            cancellationToken);

    public Task<RetentionHoldState> PutRetentionHoldAsync(RecorderEndpoint recorder, RetentionHoldCommand command, string idempotencyKey, CancellationToken cancellationToken) =>
        CallAsync<RetentionHoldState>(
            recorder,
            "put retention hold",
            (api, auth, ct) => api.PutRetentionHoldAsync(
                auth,
                idempotencyKey,
                command.Authority.Epoch,
                command.Authority.Fence,
                command.EntryId,
                new RetentionHoldBody(command.Identity, command.FromUtc, command.ToUtc, command.Reason),
                ct),
            cancellationToken);

    public void Dispose() => _handler.Dispose();

    private async Task<T> CallAsync<T>(
        RecorderEndpoint recorder,
        string call,
        Func<IRecorderHttpApi, string, CancellationToken, Task<HttpResponseMessage>> send,
        CancellationToken cancellationToken)
        where T : class
    {
        var isHttps = recorder.BaseUrl.IsAbsoluteUri && recorder.BaseUrl.Scheme == Uri.UriSchemeHttps;
        if (!isHttps && !(recorder.BaseUrl.IsAbsoluteUri && recorder.BaseUrl.Scheme == Uri.UriSchemeHttp && recorder.BaseUrl.IsLoopback))
        {
            throw RecorderErrors.PlainHttp(recorder);
        }

        using var timeout = new CancellationTokenSource(_options.CallTimeout, _time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        var startedAt = _time.GetTimestamp();
        try
        {
            var answer = await SendAsync<T>(recorder, call, send, linked.Token).ConfigureAwait(false);
            LogAnswered(call, recorder.ServerId, _time.GetElapsedTime(startedAt).TotalMilliseconds);
            return answer;
        }
        catch (RecorderException error)
        {
            LogFailed(call, recorder.ServerId, error.Kind, error.ProblemType, error.Message);
            throw;
        }
        catch (Exception error) when (error is OperationCanceledException or HttpRequestException or IOException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var failure = error switch
            {
                _ when timeout.IsCancellationRequested => RecorderErrors.TimedOut(recorder, _options.CallTimeout, error),
                OperationCanceledException => RecorderErrors.TimedOut(recorder, _options.ConnectTimeout, error),
                _ => RecorderErrors.FromTransport(recorder, error),
            };
            LogFailed(call, recorder.ServerId, failure.Kind, failure.ProblemType, failure.Message);
            throw failure;
        }
    }

    private async Task<T> SendAsync<T>(
        RecorderEndpoint recorder,
        string call,
        Func<IRecorderHttpApi, string, CancellationToken, Task<HttpResponseMessage>> send,
        CancellationToken cancellationToken)
        where T : class
    {
        var api = _apis.GetOrAdd(recorder.BaseUrl, CreateApi);
        var authorization = "Bearer " + recorder.Credential;
        for (var isRepeat = false; ; isRepeat = true)
        {
            try
            {
                using var response = await send(api, authorization, cancellationToken).ConfigureAwait(false);
                var body = await ReadBodyAsync(recorder, response, cancellationToken).ConfigureAwait(false);
                if (!response.IsSuccessStatusCode)
                {
                    throw RecorderErrors.FromAnswer(recorder, response.StatusCode, body.Span);
                }

                return JsonSerializer.Deserialize<T>(body.Span, RecorderJson.Options) ?? throw RecorderErrors.NotUnderstood(recorder, null);
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

        return buffer.GetBuffer().AsMemory(0, (int)buffer.Length);
    }

    private IRecorderHttpApi CreateApi(Uri baseUrl)
    {
        var root = baseUrl.AbsoluteUri.EndsWith('/') ? baseUrl : new Uri(baseUrl.AbsoluteUri + "/");
        var http = new HttpClient(_handler, disposeHandler: false) { BaseAddress = root, Timeout = Timeout.InfiniteTimeSpan };
        return new RestClient(http) { RequestBodySerializer = new WireBodySerializer() }.For<IRecorderHttpApi>();
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
