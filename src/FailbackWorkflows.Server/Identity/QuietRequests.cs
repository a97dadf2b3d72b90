using Microsoft.Net.Http.Headers;

namespace FailbackWorkflows.Server.Identity;

/// <summary>
/// What a page asks for by itself must not prolong the session: that lasts as long as a person uses it. Every request renews the cookie, so here the new one is kept back.
/// </summary>
internal sealed class QuietRequests(RequestDelegate next)
{
    /// <summary>Answers 204, or 401 when nobody is signed in any more.</summary>
    public const string SessionPath = "/studio/session";

    /// <summary>What the script of the pages sends with a request that no person made.</summary>
    public const string Header = "X-Failback-Quiet";

    private const string FeedPath = "/api/v1/changes";

    public Task InvokeAsync(HttpContext context)
    {
        if (context.Request.Path == SessionPath || context.Request.Path == FeedPath || context.Request.Headers.ContainsKey(Header))
        {
            // Set before the cookie handler sets its own, and so called after it.
            context.Response.OnStarting(
                static state =>
                {
                    KeepSessionBack(((HttpResponse)state).Headers);
                    return Task.CompletedTask;
                },
                context.Response);
        }

        return next(context);
    }

    /// <summary>Only the session's: the forms of a page that was fetched anew need the cookie that comes with them. A long session is told in several parts of the same name.</summary>
    private static void KeepSessionBack(IHeaderDictionary headers)
    {
        string?[] others = [.. headers.SetCookie.Where(cookie => cookie?.StartsWith(IdentitySetup.SessionCookie, StringComparison.Ordinal) != true)];
        if (others.Length == 0)
        {
            headers.Remove(HeaderNames.SetCookie);
        }
        else if (others.Length < headers.SetCookie.Count)
        {
            headers.SetCookie = others;
        }
    }
}
