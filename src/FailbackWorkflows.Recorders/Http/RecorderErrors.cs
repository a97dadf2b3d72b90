using System.Net;
using System.Net.Sockets;
using System.Text.Json;

namespace FailbackWorkflows.Recorders.Http;

/// <summary>
/// The one place where HTTP answers and broken connections become <see cref="RecorderException"/>s. Sentences name the recorder by id
/// and address, never its credential.
/// </summary>
internal static class RecorderErrors
{
    /// <summary>The meaning of an answer that is not a success.</summary>
    public static RecorderException FromAnswer(RecorderEndpoint recorder, HttpStatusCode status, ReadOnlySpan<byte> body)
    {
        var (type, sentence) = ReadProblem(body);
        var kind = KindOf(status);
        if (sentence is null)
        {
            sentence = (int)status is >= 300 and < 400
                ? "It answered with a redirect, which is never followed. Check the recorder's address."
                : $"It answered with status {(int)status} and gave no reason.";
        }

        return new RecorderException(kind, $"Recorder {recorder}: {sentence}", type);
    }

    /// <summary>The meaning of a call that brought no complete answer.</summary>
    public static RecorderException FromTransport(RecorderEndpoint recorder, Exception error)
    {
        if (error is SocketException)
        {
            return new RecorderException(RecorderErrorKind.Unreachable, $"Recorder {recorder}: It closes connections as soon as they are made. Check that it runs and what stands between.", innerException: error);
        }

        var request = error as HttpRequestException;
        var sentence = request?.HttpRequestError switch
        {
            HttpRequestError.NameResolutionError => "Its name was not found. Check the recorder's address and the name server.",
            HttpRequestError.SecureConnectionError => "Its certificate was not accepted, or it does not speak TLS there. Check the certificate and the site CA.",
            HttpRequestError.ConnectionError => "It does not accept connections. Check that it runs and that the network lets it be reached.",
            HttpRequestError.ConfigurationLimitExceeded => null,
            _ => "The connection broke before its answer was complete, so it is not known whether the call took effect.",
        };

        // The framework counts a runaway header as a limit of its own; for us it is an answer that was not understood.
        return sentence is null
            ? new RecorderException(RecorderErrorKind.ServerError, $"Recorder {recorder}: Its answer exceeds what is accepted.", RecorderProblems.AnswerTooLarge, error)
            : new RecorderException(IsNotHttp(request) ? RecorderErrorKind.ServerError : RecorderErrorKind.Unreachable, $"Recorder {recorder}: {sentence}", innerException: error);
    }

    public static RecorderException TimedOut(RecorderEndpoint recorder, TimeSpan timeout, Exception error) => new(
        RecorderErrorKind.Unreachable,
        $"Recorder {recorder}: No answer within {timeout.TotalSeconds:0.###} s, so it is not known whether the call took effect.",
        innerException: error);

    public static RecorderException TooLarge(RecorderEndpoint recorder, long maxBytes) => new(
        RecorderErrorKind.ServerError,
        $"Recorder {recorder}: Its answer is larger than the {maxBytes} bytes that are accepted.",
        RecorderProblems.AnswerTooLarge);

    public static RecorderException NotUnderstood(RecorderEndpoint recorder, Exception? error) => new(
        RecorderErrorKind.ServerError,
        $"Recorder {recorder}: Its answer was not understood. Check that the address is a recorder's and that its software version fits.",
        innerException: error);

    public static RecorderException NotText(RecorderEndpoint recorder) => new(
        RecorderErrorKind.ServerError,
        $"Recorder {recorder}: Its answer holds a character that is not text (U+0000). Look for it in the names and descriptions that were entered there.");

    public static RecorderException PlainHttp(RecorderEndpoint recorder) => new(
        RecorderErrorKind.Rejected,
        $"Recorder {recorder}: Its address is plain HTTP, which would carry the credential unprotected. Use https; http is accepted on loopback only.",
        RecorderProblems.PlainHttp);

    /// <summary>True when the connection existed and broke before the answer was complete: the one case worth an immediate repeat.</summary>
    public static bool IsBrokenConnection(Exception error) => error switch
    {
        HttpRequestException { HttpRequestError: HttpRequestError.ResponseEnded } => true,
        HttpRequestException { HttpRequestError: HttpRequestError.Unknown, InnerException: IOException } => true,
        HttpIOException { HttpRequestError: HttpRequestError.ResponseEnded } => true,
        HttpIOException => false,
        IOException { InnerException: SocketException } => true,
        // Of a connection that is reset between its beginning and its first byte, the framework asks who is at the other end, and lets out what the socket says to that.
        SocketException => true,
        _ => false,
    };

    private static bool IsNotHttp(HttpRequestException? error) =>
        error?.HttpRequestError is HttpRequestError.InvalidResponse or HttpRequestError.HttpProtocolError or HttpRequestError.VersionNegotiationError;

    private static RecorderErrorKind KindOf(HttpStatusCode status) => (int)status switch
    {
        401 or 403 => RecorderErrorKind.Unauthorized,
        404 or 410 => RecorderErrorKind.NotFound,
        409 => RecorderErrorKind.Conflict,
        412 => RecorderErrorKind.StaleAuthority,
        408 or 429 or 503 => RecorderErrorKind.Busy,
        507 => RecorderErrorKind.StorageFull,
        >= 400 and < 500 => RecorderErrorKind.Rejected,
        _ => RecorderErrorKind.ServerError,
    };

    private static (string? Type, string? Sentence) ReadProblem(ReadOnlySpan<byte> body)
    {
        try
        {
            var reader = new Utf8JsonReader(body);
            using var document = JsonDocument.ParseValue(ref reader);
            var problem = document.RootElement;
            if (problem.ValueKind != JsonValueKind.Object)
            {
                return (null, null);
            }

            return (Text(problem, "type"), Text(problem, "detail") ?? Text(problem, "title"));
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // A proxy's HTML page, say, or text that is not valid Unicode: the status alone decides.
            return (null, null);
        }
    }

    private static string? Text(JsonElement problem, string name)
    {
        if (!problem.TryGetProperty(name, out var value) || value.ValueKind != JsonValueKind.String)
        {
            return null;
        }

        // U+0000 is no text, and a reason with it could not be written down.
        var text = value.GetString()!.Replace('\0', '\uFFFD');
        return string.IsNullOrWhiteSpace(text) ? null : text.Length <= 2000 ? text : text[..2000];
    }
}
