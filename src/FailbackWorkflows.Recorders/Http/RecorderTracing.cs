using System.Diagnostics;

namespace FailbackWorkflows.Recorders.Http;

/// <summary>
/// A call of a recorder as part of the trace of whatever it is made for; the recorder is told by <c>traceparent</c> and may go on with it. A call
/// outside a trace (a poll) is none of its own: there are thousands a minute.
/// </summary>
public static class RecorderTracing
{
    /// <summary>Name of the source.</summary>
    public const string SourceName = "FailbackWorkflows.Recorders";

    private static readonly ActivitySource Source = new(SourceName);

    /// <summary>Null when nobody listens or the call belongs to no trace.</summary>
    internal static Activity? Begin(string call, RecorderEndpoint recorder) => Activity.Current is not { Recorded: true }
        ? null
        : Source.StartActivity(call, ActivityKind.Client)
            ?.SetTag("failback.recorder.id", recorder.ServerId)
            .SetTag("server.address", recorder.BaseUrl.Host)
            .SetTag("server.port", recorder.BaseUrl.Port);

    internal static void Failed(Activity? span, RecorderErrorKind kind) => span?.SetTag("error.type", kind.ToString()).SetStatus(ActivityStatusCode.Error);

    /// <summary>Puts the trace into each request, the repeated one included, and notes what was asked and answered. Neither the query nor a body is: they can carry secrets.</summary>
    internal sealed class Handler(HttpMessageHandler inner) : DelegatingHandler(inner)
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (Activity.Current is not { } span || span.Source != Source)
            {
                return await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
            }

            DistributedContextPropagator.Current.Inject(span, request, static (carrier, name, value) => ((HttpRequestMessage)carrier!).Headers.TryAddWithoutValidation(name, value));
            span.SetTag("http.request.method", request.Method.Method).SetTag("url.path", request.RequestUri?.AbsolutePath);
            var response = await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
            span.SetTag("http.response.status_code", (int)response.StatusCode);
            return response;
        }
    }
}
