using System.Diagnostics;
using Serilog.Context;

namespace FailbackWorkflows.Server.Hosting;

/// <summary>One line per request: method, path, status, duration, who. Never the query, a header or a body, because those can carry secrets.</summary>
internal sealed class RequestLog(RequestDelegate next, ILogger<RequestLog> logger)
{
    public async Task InvokeAsync(HttpContext context)
    {
        var started = Stopwatch.GetTimestamp();
        // Escaped form: a decoded line break would forge a log line. Read now: an error page runs under another path.
        var path = context.Request.Path.ToUriComponent();
        var level = IsNoise(context.Request.Path) ? LogLevel.Debug : LogLevel.Information;
        try
        {
            await next(context);
        }
        finally
        {
            using var scope = RequestLogScope.Push(context);
            logger.Log(
                context.Response.StatusCode >= 500 ? LogLevel.Error : level,
                "{Method} {Path} answered {Status} in {ElapsedMilliseconds:0.0} ms to {User}",
                context.Request.Method,
                path,
                context.Response.StatusCode,
                Stopwatch.GetElapsedTime(started).TotalMilliseconds,
                context.User.Identity?.Name ?? "anonymous");
        }
    }

    private static bool IsNoise(PathString path) => path.StartsWithSegments("/health");
}

/// <summary>Every log line of a request carries its <c>TraceId</c> and, when it is about a run, its <c>RunId</c>, so that what belongs together is found together.</summary>
internal sealed class RequestLogScope(RequestDelegate next)
{
    public async Task InvokeAsync(HttpContext context)
    {
        using var scope = Push(context);
        await next(context);
    }

    public static IDisposable Push(HttpContext context)
    {
        var properties = new List<Serilog.Core.ILogEventEnricher> { new Serilog.Core.Enrichers.PropertyEnricher("TraceId", context.TraceIdentifier) };
        if (context.GetRouteValue("runId") is string run)
        {
            properties.Add(new Serilog.Core.Enrichers.PropertyEnricher("RunId", run));
        }

        return LogContext.Push([.. properties]);
    }
}
