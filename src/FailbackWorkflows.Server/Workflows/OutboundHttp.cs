using System.Net;
using System.Net.Sockets;
using System.Text;
using FailbackWorkflows.Engine.Http;
using Microsoft.Extensions.Options;

namespace FailbackWorkflows.Server.Workflows;

/// <summary>Looks up the addresses of a host; replaced in tests.</summary>
internal interface IHostAddresses
{
    Task<IPAddress[]> FindAsync(string host, CancellationToken cancellationToken);
}

internal sealed class DnsAddresses : IHostAddresses
{
    public Task<IPAddress[]> FindAsync(string host, CancellationToken cancellationToken) => Dns.GetHostAddressesAsync(host, cancellationToken);
}

/// <summary>
/// Sends the requests of workflows to hosts on the list, and nowhere else: the host is looked up once, every address it has must be allowed, and
/// the connection goes to one of those, whatever the name leads to a moment later. No redirect is followed, no proxy used, no cookie kept.
/// </summary>
internal sealed class OutboundHttp(IOptions<OutboundHttpOptions> options, IHostAddresses addresses, TimeProvider time) : IOutboundHttp
{
    private const string SecretPrefix = "secret:";
    private static readonly HashSet<string> OwnHeaders = new(StringComparer.OrdinalIgnoreCase) { "Host", "Connection", "Transfer-Encoding", "Content-Length", "Upgrade", "TE", "Trailer", "Proxy-Authorization" };
    private readonly AllowedHosts allowed = new(options.Value.AllowedHosts);

    public async Task<OutboundResponse> SendAsync(OutboundRequest request, CancellationToken cancellationToken)
    {
        Check(request.Url);
        var used = new List<string>();
        using var message = MessageOf(request, used);
        using var late = new CancellationTokenSource(options.Value.Timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
        try
        {
            var targets = await FindAsync(request.Url, either.Token);
            using var handler = HandlerFor(targets);
            using var client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
            using var response = await client.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, either.Token);
            var content = await ReadAsync(response, either.Token);
            return new(
                (int)response.StatusCode,
                WithoutSecrets(content, used),
                response.Content.Headers.ContentType?.ToString(),
                response.Headers.Concat(response.Content.Headers)
                    .GroupBy(h => h.Key, StringComparer.OrdinalIgnoreCase)
                    .ToDictionary(g => g.Key, g => WithoutSecrets(string.Join(", ", g.SelectMany(h => h.Value)), used), StringComparer.OrdinalIgnoreCase));
        }
        catch (OperationCanceledException exception) when (late.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"{request.Url.Host} did not answer within {options.Value.Timeout.TotalSeconds:0.#} s.", exception);
        }
        catch (Exception exception) when (exception is HttpRequestException or SocketException or IOException)
        {
            throw new OutboundFailedException($"{request.Url.Host} could not be reached: {WithoutSecrets(exception.Message, used)}", exception);
        }
    }

    private void Check(Uri url)
    {
        if (url.Scheme is not ("http" or "https"))
        {
            throw new OutboundRefusedException($"'{url.Scheme}' is no scheme for a request: only http and https are.");
        }

        if (url.UserInfo.Length > 0)
        {
            throw new OutboundRefusedException("Credentials do not belong into a URL. Use the Authorization input with secret:NAME.");
        }

        if (!allowed.Allows(url))
        {
            throw new OutboundRefusedException(
                options.Value.AllowedHosts.Count == 0
                    ? $"Workflows of this server may not send HTTP requests. To allow it, list '{url.Authority}' in the setting Failback:Http:AllowedHosts."
                    : $"Workflows of this server may not send requests to '{url.Authority}'. To allow it, list it in the setting Failback:Http:AllowedHosts.");
        }
    }

    private async Task<IPAddress[]> FindAsync(Uri url, CancellationToken cancellationToken)
    {
        var found = IPAddress.TryParse(url.IdnHost, out var literal) ? [literal] : await addresses.FindAsync(url.IdnHost, cancellationToken);
        if (Array.Find(found, a => !allowed.Allows(a)) is { } forbidden)
        {
            throw new OutboundRefusedException(
                $"'{url.Host}' leads to {forbidden}, an address that is not public. If that is meant, list the address in the setting Failback:Http:AllowedHosts, too.");
        }

        return found.Length > 0 ? found : throw new OutboundFailedException($"{url.Host} has no address.");
    }

    private static SocketsHttpHandler HandlerFor(IPAddress[] targets) => new()
    {
        AllowAutoRedirect = false,
        UseProxy = false,
        UseCookies = false,
        MaxResponseHeadersLength = 64,
        ConnectCallback = async (context, cancellationToken) =>
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(targets, context.DnsEndPoint.Port, cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        },
    };

    private HttpRequestMessage MessageOf(OutboundRequest request, List<string> used)
    {
        var message = new HttpRequestMessage(new HttpMethod(request.Method), request.Url);
        if (request.Content is { } content)
        {
            message.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(content));
            message.Content.Headers.TryAddWithoutValidation("Content-Type", request.ContentType ?? "application/json");
        }

        message.Headers.TryAddWithoutValidation("Idempotency-Key", request.IdempotencyKey);
        foreach (var (name, value) in request.Headers)
        {
            if (OwnHeaders.Contains(name))
            {
                throw new OutboundRefusedException($"The header '{name}' is set by the server itself. Leave it out.");
            }

            Add(message, name, WithSecrets(value, used));
        }

        if (request.Authorization is { } authorization)
        {
            Add(message, "Authorization", WithSecrets(authorization, used));
        }

        return message;
    }

    private static void Add(HttpRequestMessage message, string name, string value)
    {
        if (value.AsSpan().IndexOfAny('\r', '\n', '\0') >= 0)
        {
            throw new OutboundRefusedException($"The header '{name}' has a line break in it.");
        }

        if (!message.Headers.TryAddWithoutValidation(name, value) && message.Content?.Headers.TryAddWithoutValidation(name, value) != true)
        {
            throw new OutboundRefusedException($"'{name}' is no header that can be sent.");
        }
    }

    /// <summary>Puts in what <c>secret:NAME</c> stands for, as the whole value or as a word of it.</summary>
    private string WithSecrets(string value, List<string> used) => string.Join(' ', value.Split(' ').Select(word =>
    {
        if (!word.StartsWith(SecretPrefix, StringComparison.Ordinal))
        {
            return word;
        }

        var name = word[SecretPrefix.Length..];
        if (!options.Value.Secrets.TryGetValue(name, out var secret))
        {
            throw new OutboundRefusedException($"There is no secret '{name}'. Set it in the server's configuration: Failback:Http:Secrets:{name}.");
        }

        used.Add(secret);
        return secret;
    }));

    /// <summary>An answer that repeats a secret must not bring it into the journal.</summary>
    private static string WithoutSecrets(string text, List<string> used) => used
        .Where(s => s.Length > 0)
        .Aggregate(text, (current, secret) => current.Replace(secret, "(secret)", StringComparison.Ordinal));

    private async Task<string> ReadAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var most = options.Value.MaxAnswerBytes;
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        using var kept = new MemoryStream();
        var buffer = new byte[16 * 1024];
        for (int read; (read = await stream.ReadAsync(buffer, cancellationToken)) > 0;)
        {
            kept.Write(buffer, 0, read);
            if (kept.Length > most)
            {
                throw new OutboundRefusedException($"The answer is larger than {most} bytes, the most that is read (setting Failback:Http:MaxAnswerBytes).");
            }
        }

        return Encoding.UTF8.GetString(kept.GetBuffer(), 0, (int)kept.Length);
    }
}
