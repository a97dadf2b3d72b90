using System.Security.Cryptography;

namespace FailbackWorkflows.Recorders.Http;

/// <summary>What is noted of one call on its way through the transport, for an observer.</summary>
internal sealed class CallNote
{
    private static readonly AsyncLocal<CallNote?> Current = new();

    private string? _request;
    private string? _requestSha256;
    private int? _status;
    private string? _responseSha256;
    private ObservedClock? _clock;

    /// <summary>Null: nobody wants to know.</summary>
    public static CallNote? Begin(IRecorderCallObserver? observer) => Current.Value = observer?.IsObserving == true ? new CallNote() : null;

    /// <summary>The body of an answer was read.</summary>
    public static void Answered(ReadOnlySpan<byte> body)
    {
        if (Current.Value is { } note && body.Length > 0)
        {
            note._responseSha256 = Convert.ToHexStringLower(SHA256.HashData(body));
        }
    }

    public void Tell(IRecorderCallObserver observer, string serverId, string call, TimeSpan took) =>
        observer.Observed(new(serverId, call, _request, _requestSha256, _status, _responseSha256, took, _clock));

    /// <summary>Notes what goes out and whether something came back; of a call that is repeated, the last.</summary>
    internal sealed class Handler(HttpMessageHandler inner, TimeProvider time) : DelegatingHandler(inner)
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (Current.Value is not { } note)
            {
                return await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
            }

            (note._request, note._status, note._responseSha256, note._clock) = ($"{request.Method.Method} {request.RequestUri?.AbsolutePath}", null, null, null);
            note._requestSha256 = request.Content is null
                ? null
                : Convert.ToHexStringLower(SHA256.HashData(await request.Content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false)));
            var (sent, started) = (time.GetUtcNow(), time.GetTimestamp());
            var response = await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
            note._status = (int)response.StatusCode;
            note._clock = ClockOf(response, sent, time.GetElapsedTime(started) / 2);
            return response;
        }

        private static ObservedClock? ClockOf(HttpResponseMessage response, DateTimeOffset sent, TimeSpan half) =>
            response.Headers.TryGetValues(RecorderHeaders.RecorderTime, out var values) && RecorderJson.TryParseInstant(values.FirstOrDefault(), out var theirs)
                ? new(theirs - (sent + half), half)
                : null;
    }
}
