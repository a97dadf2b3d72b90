using FailbackWorkflows.Server.Studio.Hosting;

namespace FailbackWorkflows.Server.Hosting;

/// <summary>Tells browsers to allow only what our own pages need: own scripts, own styles, no frame, nothing from elsewhere.</summary>
internal sealed class SecurityHeaders(RequestDelegate next)
{
    internal const string ContentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; connect-src 'self'; form-action 'self'; "
        + "base-uri 'none'; frame-ancestors 'none'";

    /// <summary>
    /// The page of the designer runs WebAssembly, its components write styles into the page, and its code editor brings a font and workers of its own making. Nothing
    /// but our own files is executed there either, and nothing leaves the site. {0}: where its live connection goes, which older browsers do not count as 'self'.
    /// </summary>
    internal const string DesignerPolicy =
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
        + "connect-src 'self' {0}; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'";

    public Task InvokeAsync(HttpContext context)
    {
        // When the answer starts, because handling an exception wipes what was set before.
        context.Response.OnStarting(
            static state =>
            {
                var (context, path) = ((HttpContext, PathString))state;
                var headers = context.Response.Headers;
                var isDesigner = path.StartsWithSegments(DesignerFolder.BasePath);
                headers.ContentSecurityPolicy = isDesigner ? PolicyOfDesigner(context.Request) : ContentSecurityPolicy;
                headers.XContentTypeOptions = "nosniff";
                headers.XFrameOptions = isDesigner ? "SAMEORIGIN" : "DENY";
                headers["Referrer-Policy"] = "same-origin";
                headers["Cross-Origin-Opener-Policy"] = "same-origin";
                headers["Cross-Origin-Resource-Policy"] = "same-origin";
                headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()";
                if (!headers.CacheControl.ToString().StartsWith("public", StringComparison.Ordinal))
                {
                    // What a signed-in person saw must not come back out of a shared browser's cache.
                    headers.CacheControl = "no-store";
                }

                return Task.CompletedTask;
            },
            // An error page runs under another path.
            (context, context.Request.Path));
        return next(context);
    }

    private static string PolicyOfDesigner(HttpRequest request)
    {
        // A host that is no host (a header can hold anything) gets no connection but its own.
        var host = request.Host.ToUriComponent();
        var isHost = host.Length > 0 && Uri.CheckHostName(request.Host.Host.Trim('[', ']')) != UriHostNameType.Unknown;
        var socket = isHost ? $"{(request.IsHttps ? "wss" : "ws")}://{host}" : "'self'";
        return string.Format(System.Globalization.CultureInfo.InvariantCulture, DesignerPolicy, socket);
    }
}
