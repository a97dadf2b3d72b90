using System.Globalization;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Http;
using FailbackWorkflows.Engine.Values;

namespace FailbackWorkflows.Engine.BuiltIn;

/// <summary>
/// Sends an HTTP request. It is sent at least once: after a crash between the answer and the commit it is sent again, with the same
/// Idempotency-Key header, by which the receiver can tell.
/// </summary>
internal abstract class HttpActivity(IOutboundHttp http) : CodeActivity
{
    protected const string FailedToConnect = "Failed to connect";
    protected const string Timeout = "Timeout";

    [Input(DisplayName = "URL", Description = "Where to. The host has to be on the server's list (setting Http:AllowedHosts).")]
    public required Input<string> Url { get; init; }

    [Input(Description = "HTTP method.", UIHint = "dropdown", DefaultValue = "GET", Options = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])]
    public Input<string>? Method { get; init; }

    [Input(Description = "What to send: text, or an object that is sent as JSON.", UIHint = "multiline")]
    public Input<object>? Content { get; init; }

    [Input(DisplayName = "Content type", Description = "Default: application/json.", UIHint = "dropdown", Options = ["application/json", "text/plain", "text/html", "application/xml", "application/x-www-form-urlencoded"])]
    public Input<string>? ContentType { get; init; }

    [Input(Description = "Authorization header. Write secret:NAME for a secret of the server's configuration; it is not shown anywhere.", Category = "Security", IsSensitive = true)]
    public Input<string>? Authorization { get; init; }

    [Input(DisplayName = "Request headers", Description = "Further headers as an object. A value may be secret:NAME.", UIHint = "json-editor", Category = "Advanced", IsSensitive = true)]
    public Input<object>? RequestHeaders { get; init; }

    [Output(DisplayName = "Status code", Description = "Status code of the answer.")]
    public Output<int?>? StatusCode { get; init; }

    [Output(DisplayName = "Parsed content", Description = "The answer: what the JSON says, else its text.")]
    public Output<object?>? ParsedContent { get; init; }

    [Output(DisplayName = "Response headers", Description = "Headers of the answer.")]
    public Output<object?>? ResponseHeaders { get; init; }

    protected internal override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        OutboundResponse response;
        try
        {
            response = await http.SendAsync(RequestOf(context), cancellationToken);
        }
        catch (OutboundRefusedException exception)
        {
            throw new ActivityFaultException("http.refused", exception.Message, false, exception);
        }
        catch (OutboundFailedException exception)
        {
            return NotAnswered(context, FailedToConnect) ?? throw new ActivityFaultException("http.unreachable", exception.Message, true, exception);
        }
        catch (TimeoutException exception)
        {
            return NotAnswered(context, Timeout) ?? throw new ActivityFaultException("http.timeout", exception.Message, true, exception);
        }

        return Answered(context, response)
            .With(StatusCode, response.StatusCode)
            .With(ParsedContent, Parse(response))
            .With(ResponseHeaders, response.Headers.ToDictionary(h => h.Key, h => (object?)h.Value));
    }

    /// <summary>Where the run goes on with an answer.</summary>
    protected abstract ActivityResult Answered(ActivityExecutionContext context, OutboundResponse response);

    /// <summary>Where the run goes on without an answer; null: the definition says nothing of it, so it is a fault, and tried again by its retry policy.</summary>
    protected abstract ActivityResult? NotAnswered(ActivityExecutionContext context, string outcome);

    private OutboundRequest RequestOf(ActivityExecutionContext context)
    {
        var text = context.Get(Url);
        if (!Uri.TryCreate(text, UriKind.Absolute, out var url))
        {
            throw new ActivityFaultException("input.invalid", $"'{text}' is no URL.", false);
        }

        var content = context.GetOrDefault(Content);
        return new(
            url,
            context.GetOrDefault(Method) ?? "GET",
            content is null ? null : PlainValue.ToText(content),
            context.GetOrDefault(ContentType) is { Length: > 0 } type ? type : null,
            context.GetOrDefault(Authorization) is { Length: > 0 } authorization ? authorization : null,
            Headers(context.GetOrDefault(RequestHeaders)),
            context.CallKey("request"));
    }

    private static IReadOnlyDictionary<string, string> Headers(object? given) => given switch
    {
        null => new Dictionary<string, string>(),
        IReadOnlyDictionary<string, object?> map => map.ToDictionary(
            h => h.Key, h => h.Value is IReadOnlyList<object?> many ? string.Join(", ", many.Select(PlainValue.ToText)) : PlainValue.ToText(h.Value)),
        _ => throw new ActivityFaultException("input.invalid", "The request headers are no object, such as { \"Accept\": \"text/plain\" }.", false),
    };

    private static object? Parse(OutboundResponse response)
    {
        if (response.Content.Length == 0)
        {
            return null;
        }

        if (response.ContentType?.Contains("json", StringComparison.OrdinalIgnoreCase) != true)
        {
            return response.Content;
        }

        try
        {
            return PlainValue.Parse(response.Content);
        }
        catch (System.Text.Json.JsonException)
        {
            return response.Content;
        }
    }
}

/// <summary>Sends an HTTP request and runs what is in the port of the answer's status.</summary>
[Activity("Elsa.SendHttpRequest", DisplayName = "Send HTTP request", Category = "HTTP", Description = "Sends an HTTP request, at least once, and runs the activity for the answer's status.")]
[FlowNode("Done", FlowNodeAttribute.Failed)]
[Port("unmatchedStatusCode", "Unmatched status code")]
[Port("failedToConnect", "Failed to connect")]
[Port("timeout", "Timeout")]
internal sealed class SendHttpRequest(IOutboundHttp http) : HttpActivity(http)
{
    [Input(DisplayName = "Expected status codes", Description = "Status codes, each with an activity.", UIHint = "http-status-codes")]
    public Input<object>? ExpectedStatusCodes { get; init; }

    protected override ActivityResult Answered(ActivityExecutionContext context, OutboundResponse response)
    {
        var port = response.StatusCode.ToString(CultureInfo.InvariantCulture);
        return ActivityResult.Completed().InPort(context.IsConnected(port) ? port : "unmatchedStatusCode");
    }

    protected override ActivityResult? NotAnswered(ActivityExecutionContext context, string outcome)
    {
        var port = outcome == Timeout ? "timeout" : "failedToConnect";
        return context.IsConnected(port) ? ActivityResult.Completed().InPort(port) : null;
    }
}

/// <summary>Sends an HTTP request and leaves by the answer's status.</summary>
[Activity("Elsa.FlowSendHttpRequest", DisplayName = "HTTP request (flow)", Category = "HTTP", Description = "Sends an HTTP request, at least once, and leaves by the answer's status code.")]
[FlowNode("Unmatched status code", FailedToConnect, Timeout, "Done", FlowNodeAttribute.Failed, OutcomesFromInput = "expectedStatusCodes")]
internal sealed class FlowSendHttpRequest(IOutboundHttp http) : HttpActivity(http)
{
    [Input(DisplayName = "Expected status codes", Description = "Status codes to leave by; others leave by 'Unmatched status code'.", UIHint = "dynamic-outcomes")]
    public Input<IReadOnlyList<object?>>? ExpectedStatusCodes { get; init; }

    protected override ActivityResult Answered(ActivityExecutionContext context, OutboundResponse response)
    {
        var expected = (context.GetOrDefault(ExpectedStatusCodes) ?? []).Select(PlainValue.ToText).ToList();
        var status = response.StatusCode.ToString(CultureInfo.InvariantCulture);
        return expected.Count == 0 ? ActivityResult.Completed("Done")
            : expected.Contains(status) ? ActivityResult.Completed(status, "Done")
            : ActivityResult.Completed("Unmatched status code", "Done");
    }

    protected override ActivityResult? NotAnswered(ActivityExecutionContext context, string outcome) => context.IsConnected(outcome) ? ActivityResult.Completed(outcome) : null;
}
