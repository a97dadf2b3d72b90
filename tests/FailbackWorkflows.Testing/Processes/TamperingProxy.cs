using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Testing.Processes;

/// <summary>A network that passes everything on as it is, except what a test wants changed on its way.</summary>
public sealed class TamperingProxy : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly HttpClient _http;
    private (string Path, string From, string To)? _change;
    private int _changed;

    private TamperingProxy(Uri target)
    {
        _http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { BaseAddress = target };
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        _app.Run(PassOnAsync);
    }

    public Uri BaseUrl => new(_app.Urls.Single());

    /// <summary>Requests that arrived changed.</summary>
    public int Changed => _changed;

    public static async Task<TamperingProxy> StartAsync(Uri target)
    {
        var proxy = new TamperingProxy(target);
        await proxy._app.StartAsync();
        return proxy;
    }

    /// <summary>From now on this text in the body of a request to the path arrives as another.</summary>
    public void Change(string path, string from, string to) => _change = (path, from, to);

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _http.Dispose();
    }

    private async Task PassOnAsync(HttpContext context)
    {
        using var request = new HttpRequestMessage(new HttpMethod(context.Request.Method), context.Request.Path + context.Request.QueryString);
        using var reader = new StreamReader(context.Request.Body);
        var body = await reader.ReadToEndAsync(context.RequestAborted);
        if (_change is { } change && context.Request.Path == change.Path && body.Contains(change.From, StringComparison.Ordinal))
        {
            body = body.Replace(change.From, change.To, StringComparison.Ordinal);
            Interlocked.Increment(ref _changed);
        }

        if (body.Length > 0)
        {
            request.Content = new StringContent(body, Encoding.UTF8);
            request.Content.Headers.Remove("Content-Type");
            request.Content.Headers.TryAddWithoutValidation("Content-Type", context.Request.ContentType);
        }

        foreach (var header in context.Request.Headers.Where(h => !h.Key.StartsWith("Content-", StringComparison.OrdinalIgnoreCase) && h.Key is not ("Host" or "Transfer-Encoding" or "Connection")))
        {
            request.Headers.TryAddWithoutValidation(header.Key, header.Value.ToArray());
        }

        try
        {
            using var response = await _http.SendAsync(request, context.RequestAborted);
            context.Response.StatusCode = (int)response.StatusCode;
            context.Response.ContentType = response.Content.Headers.ContentType?.ToString();
            if (response.Headers.ETag is { } tag)
            {
                context.Response.Headers.ETag = tag.ToString();
            }

            await response.Content.CopyToAsync(context.Response.Body, context.RequestAborted);
        }
        catch (HttpRequestException)
        {
            // What it stands for does not answer, so neither does it.
            context.Abort();
        }
    }
}
