using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using FailbackWorkflows.Recorders;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Testing;

/// <summary>
/// An HTTP server on a free loopback port that answers as scripted: per route a list of answers given in order, the last one for ever.
/// What is not scripted is 404. Every request is in <see cref="Journal"/>, whatever became of it.
/// </summary>
public sealed class RecorderStub : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentDictionary<string, ConcurrentQueue<StubAnswer>> _scripts = new();
    private readonly ConcurrentQueue<StubRequest> _journal = new();

    private RecorderStub()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        _app.Run(HandleAsync);
    }

    public Uri BaseUrl => new(_app.Urls.Single());

    /// <summary>All requests so far, oldest first.</summary>
    public IReadOnlyList<StubRequest> Journal => [.. _journal];

    public static async Task<RecorderStub> StartAsync()
    {
        var stub = new RecorderStub();
        await stub._app.StartAsync();
        return stub;
    }

    public RecorderEndpoint Endpoint(string credential = "stub-credential") => new("stub", BaseUrl, credential);

    /// <summary>Appends answers for a route, e.g. <c>On("GET", "/v1/recorder", StubAnswer.Reset(), StubAnswer.Json(200, status))</c>.</summary>
    public RecorderStub On(string method, string path, params StubAnswer[] answers)
    {
        var script = _scripts.GetOrAdd($"{method} {path}", _ => new ConcurrentQueue<StubAnswer>());
        foreach (var answer in answers)
        {
            script.Enqueue(answer);
        }

        return this;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task HandleAsync(HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body);
        var body = await reader.ReadToEndAsync(context.RequestAborted);
        var headers = context.Request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString(), StringComparer.OrdinalIgnoreCase);
        _journal.Enqueue(new StubRequest(context.Request.Method, context.Request.Path.Value ?? "", headers, body));
        var answer = Next($"{context.Request.Method} {context.Request.Path}") ?? StubAnswer.Problem(404, RecorderProblems.UnknownResource, "Not scripted.");
        await answer.WriteAsync(context);
    }

    private StubAnswer? Next(string route)
    {
        if (!_scripts.TryGetValue(route, out var script))
        {
            return null;
        }

        return script.Count > 1 && script.TryDequeue(out var next) ? next : script.TryPeek(out var last) ? last : null;
    }
}

/// <summary>A request as it arrived.</summary>
public sealed record StubRequest(string Method, string Path, IReadOnlyDictionary<string, string> Headers, string Body);

/// <summary>What the stub does with a request.</summary>
public sealed class StubAnswer
{
    private readonly Func<HttpContext, Task> _write;

    private StubAnswer(Func<HttpContext, Task> write)
    {
        _write = write;
    }

    public static StubAnswer Json(int status, object value) => Raw(status, "application/json", JsonSerializer.Serialize(value, value.GetType(), RecorderJson.Options));

    /// <summary>An answer that is made anew each time, as one that tells the time has to be.</summary>
    public static StubAnswer Json(int status, Func<object> make) => new(context =>
    {
        var value = make();
        return Json(status, value)._write(context);
    });

    public static StubAnswer Problem(int status, string type, string detail) =>
        Raw(status, "application/problem+json", JsonSerializer.Serialize(new { type, title = type, status, detail }));

    public static StubAnswer Raw(int status, string contentType, string body) => new(async context =>
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = contentType;
        context.Response.ContentLength = Encoding.UTF8.GetByteCount(body);
        await context.Response.WriteAsync(body, context.RequestAborted);
    });

    /// <summary>A status without a body.</summary>
    public static StubAnswer Status(int status) => new(context =>
    {
        context.Response.StatusCode = status;
        return Task.CompletedTask;
    });

    public static StubAnswer Redirect(string location) => new(context =>
    {
        context.Response.Redirect(location);
        return Task.CompletedTask;
    });

    /// <summary>The connection is cut without an answer.</summary>
    public static StubAnswer Reset() => new(context =>
    {
        context.Abort();
        return Task.CompletedTask;
    });

    /// <summary>The answer promises more bytes than it gives; then the connection is cut.</summary>
    public static StubAnswer Truncated(int status, string body) => new(async context =>
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = Encoding.UTF8.GetByteCount(body) + 100;
        await context.Response.WriteAsync(body, context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
        context.Abort();
    });

    /// <summary>The answer waits until the gate opens or the caller hangs up.</summary>
    public static StubAnswer Gated(Task gate, StubAnswer answer) => new(async context =>
    {
        await gate.WaitAsync(context.RequestAborted);
        await answer._write(context);
    });

    /// <summary>The same answer with one more header.</summary>
    public StubAnswer With(string header, string value) => new(context =>
    {
        context.Response.Headers[header] = value;
        return _write(context);
    });

    internal Task WriteAsync(HttpContext context) => _write(context);
}
