namespace FailbackWorkflows.Engine.Http;

/// <summary>
/// Sends the requests of workflows. The host decides where to: a definition is written by people who may not use the server's network as they
/// please.
/// </summary>
public interface IOutboundHttp
{
    /// <summary>
    /// Sends a request and reads the answer. Throws <see cref="OutboundRefusedException"/> when it may not be sent,
    /// <see cref="OutboundFailedException"/> when no answer came, and <see cref="TimeoutException"/> when it took too long.
    /// </summary>
    Task<OutboundResponse> SendAsync(OutboundRequest request, CancellationToken cancellationToken);
}

/// <summary>A request of a workflow.</summary>
/// <param name="Authorization">Value of the header; <c>secret:NAME</c> stands for a secret of the host.</param>
/// <param name="Headers">Further headers; a value may be <c>secret:NAME</c>.</param>
/// <param name="IdempotencyKey">The same whenever the same request is sent again, for a receiver that wants to tell (header <c>Idempotency-Key</c>).</param>
public sealed record OutboundRequest(
    Uri Url, string Method, string? Content, string? ContentType, string? Authorization, IReadOnlyDictionary<string, string> Headers, string IdempotencyKey);

/// <summary>The answer to a request of a workflow.</summary>
public sealed record OutboundResponse(int StatusCode, string Content, string? ContentType, IReadOnlyDictionary<string, string> Headers);

/// <summary>The host does not allow the request. The message is a sentence for an operator.</summary>
public sealed class OutboundRefusedException(string message) : Exception(message);

/// <summary>No answer came. The message is a sentence for an operator.</summary>
public sealed class OutboundFailedException(string message, Exception? innerException = null) : Exception(message, innerException);

/// <summary>For a host that lets nothing out.</summary>
internal sealed class NoOutboundHttp : IOutboundHttp
{
    public Task<OutboundResponse> SendAsync(OutboundRequest request, CancellationToken cancellationToken) =>
        throw new OutboundRefusedException("Workflows of this server may not send HTTP requests.");
}
