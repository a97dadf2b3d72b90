using Microsoft.AspNetCore.Antiforgery;

namespace FailbackWorkflows.Server.Identity;

/// <summary>Asks for the anti-forgery token where a browser could be tricked into a change: requests signed in by cookie. API keys and tokens are never sent by a browser on its own.</summary>
internal sealed class AntiforgeryFilter(IAntiforgery antiforgery) : IEndpointFilter
{
    public const string HeaderName = "X-Antiforgery-Token";

    public async ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var http = context.HttpContext;
        var changes = !HttpMethods.IsGet(http.Request.Method) && !HttpMethods.IsHead(http.Request.Method);
        if (changes && !CurrentActor.IsByHeader(http.User))
        {
            await antiforgery.ValidateRequestAsync(http);
        }

        return await next(context);
    }
}
