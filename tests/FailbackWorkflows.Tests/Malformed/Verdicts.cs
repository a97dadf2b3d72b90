using System.Collections.Concurrent;
using System.Net;
using System.Text.RegularExpressions;

namespace FailbackWorkflows.Tests.Malformed;

/// <summary>Sends broken requests, and collects each answer that a service should not have given.</summary>
/// <param name="takesAnything">Beginning of the addresses at which nothing that can be read is wrong.</param>
internal sealed partial class Verdicts(HttpClient client, IReadOnlyList<string> secrets, string takesAnything)
{
    private const int AtOnce = 8;
    private const int MostRead = 64 * 1024;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly ConcurrentQueue<string> objections = [];
    private readonly ConcurrentDictionary<HttpStatusCode, int> answers = [];

    public IReadOnlyCollection<string> Objections => objections;

    public IReadOnlyDictionary<HttpStatusCode, int> Answers => answers;

    public Task SendAsync(IEnumerable<BrokenRequest> requests) =>
        Parallel.ForEachAsync(requests, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (request, cancellationToken) =>
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            limit.CancelAfter(Patience);
            using var message = request.ToMessage();
            using var answer = await client.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, limit.Token);
            answers.AddOrUpdate(answer.StatusCode, 1, (_, count) => count + 1);
            Judge(request, answer, await ReadAsync(answer, limit.Token));
        });

    /// <summary>The beginning is enough, and a feed has no end.</summary>
    private static async Task<string> ReadAsync(HttpResponseMessage answer, CancellationToken cancellationToken)
    {
        if (answer.IsSuccessStatusCode)
        {
            return string.Empty;
        }

        await using var stream = await answer.Content.ReadAsStreamAsync(cancellationToken);
        var buffer = new byte[MostRead];
        var read = await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken);
        return System.Text.Encoding.UTF8.GetString(buffer, 0, read);
    }

    private void Judge(BrokenRequest request, HttpResponseMessage answer, string body)
    {
        var status = (int)answer.StatusCode;
        if (status >= 500)
        {
            objections.Enqueue($"{status} to {request}: {body}");
        }
        else if (status < 400 && !request.PathAndQuery.StartsWith(takesAnything, StringComparison.Ordinal) && request.Method != HttpMethod.Get && request.Method != HttpMethod.Head)
        {
            objections.Enqueue($"accepted ({status}) {request}");
        }
        else if (status >= 400 && !IsRefusedByTheListener(status, body) && request.Method != HttpMethod.Head && answer.Content.Headers.ContentType?.MediaType != "application/problem+json")
        {
            objections.Enqueue($"{status} without a problem to {request}: {answer.Content.Headers.ContentType} {body}");
        }

        if (Inside().Match(body) is { Success: true } leak)
        {
            objections.Enqueue($"{status} tells of the inside ('{leak.Value}') to {request}: {body}");
        }

        if (secrets.FirstOrDefault(secret => body.Contains(secret, StringComparison.Ordinal)) is not null)
        {
            objections.Enqueue($"{status} tells a secret to {request}: {body}");
        }
    }

    /// <summary>What is no HTTP, or an address that no program may see (U+0000, longer than 8 KiB), never reaches the service.</summary>
    private static bool IsRefusedByTheListener(int status, string body) => status is 400 or 414 && body.Length == 0;

    /// <summary>Stack traces, type names, statements and paths.</summary>
    [GeneratedRegex(@"\bat [A-Z]\w+\.\w+|Exception\b|\bSystem\.|Microsoft\.|FailbackWorkflows\.(?!\w*json)|SQLite|Npgsql|\bSELECT \b|\bINSERT INTO\b|\.cs:line|/tmp/|/home/|/root/", RegexOptions.CultureInvariant)]
    private static partial Regex Inside();
}
