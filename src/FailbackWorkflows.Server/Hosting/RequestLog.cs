using System.Diagnostics;
using Serilog.Context;

namespace FailbackWorkflows.Server.Hosting;

/// <summary>
/// One line per request: method, path, status, duration, who. Never the query, a header or a body, because those can carry secrets.
/// A request about a run carries its <c>RunId</c>, so that the run's own log lines and the requests about it are found together.
/// </summary>
internal sealed class RequestLog(RequestDelegate next, ILogger<RequestLog> logger)
{
    public async Task InvokeAsync(HttpContext context)
    {
        var started = Stopwatch.GetTimestamp();
        // Escaped form: a decoded line break would forge a log line.
        var path = context.Request.Path.ToUriComponent();
        try
        {
            using (LogContext.PushProperty("TraceId", context.TraceIdentifier))
            using (context.GetRouteValue("runId") is string run ? LogContext.PushProperty("RunId", run) : null)
            {
                await next(context);
            }
        }
        finally
        {
            var status = context.Response.StatusCode;
            var level = status >= 500 ? LogLevel.Error : IsNoise(context.Request.Path) ? LogLevel.Debug : LogLevel.Information;
            using (LogContext.PushProperty("TraceId", context.TraceIdentifier))
            using (context.GetRouteValue("runId") is string run ? LogContext.PushProperty("RunId", run) : null)
            {
                logger.Log(
                    level,
                    "{Method} {Path} answered {Status} in {ElapsedMilliseconds:0.0} ms to {User}",
                    context.Request.Method,
                    path,
                    status,
                    Stopwatch.GetElapsedTime(started).TotalMilliseconds,
                    context.User.Identity?.Name ?? "anonymous");
            }
        }
    }

    private static bool IsNoise(PathString path) =>
        path.StartsWithSegments("/health") || path.StartsWithSegments("/css") || path.StartsWithSegments("/js") || path.StartsWithSegments("/img");
}
