using System.Text.Json;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Persistence;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Authorization.Policy;
using Microsoft.AspNetCore.Diagnostics;

namespace FailbackWorkflows.Server.Api;

/// <summary>Which requests come from programs (answered with problems) rather than from a person's browser (answered with pages).</summary>
internal static class ApiRequests
{
    public static bool IsForPrograms(HttpContext context)
    {
        // While an exception is handled, the request's path is already that of the error page.
        // It is decoded already: turned into a path by the language itself, it would be decoded once more.
        var path = context.Features.Get<IExceptionHandlerPathFeature>() is { } failed ? new PathString(failed.Path) : context.Request.Path;
        return path.StartsWithSegments("/api") || path.StartsWithSegments("/elsa") || path == Identity.QuietRequests.SessionPath || path.StartsWithSegments("/openapi") || path.StartsWithSegments("/health");
    }
}

/// <summary>The one place where exceptions become answers for programs. Pages get the error page instead.</summary>
internal sealed class ApiErrors(IDatabase database, ILogger<ApiErrors> logger) : IExceptionHandler
{
    private const string Away =
        "Whether this request changed anything is not known: look before you try again. Runs go on by themselves when the database is back; an administrator finds the reason in the log of this server.";

    public async ValueTask<bool> TryHandleAsync(HttpContext httpContext, Exception exception, CancellationToken cancellationToken)
    {
        if (httpContext.RequestAborted.IsCancellationRequested)
        {
            // Nobody is left to read an answer.
            httpContext.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
            return true;
        }

        var isAway = database.IsAway(exception);
        var problem = isAway ? new(Problems.DatabaseUnavailable, Away) : Describe(exception);
        if (problem.Kind.Status >= 500)
        {
            logger.LogError(exception, "{Method} {Route} failed", httpContext.Request.Method, httpContext.Features.Get<IExceptionHandlerFeature>()?.Endpoint?.DisplayName);
        }

        if (!ApiRequests.IsForPrograms(httpContext))
        {
            if (isAway)
            {
                await ShowAwayAsync(httpContext.Response, httpContext.RequestAborted);
            }

            return isAway;
        }

        await problem.ExecuteAsync(httpContext);
        return true;
    }

    /// <summary>A page without layout: who is signed in is a question to the database. It looks again by itself, unless that would send a form again.</summary>
    private static Task ShowAwayAsync(HttpResponse response, CancellationToken cancellationToken)
    {
        response.StatusCode = Problems.DatabaseUnavailable.Status;
        response.ContentType = "text/html; charset=utf-8";
        if (HttpMethods.IsGet(response.HttpContext.Request.Method))
        {
            response.Headers["Refresh"] = "5";
        }

        return response.WriteAsync(
            $"""
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"><title>{Problems.DatabaseUnavailable.Title}</title></head>
            <body><main><h1>{Problems.DatabaseUnavailable.Title}</h1><p>{Away}</p></main></body></html>
            """,
            cancellationToken);
    }

    internal static Problem Describe(Exception exception) => exception switch
    {
        NotTextException notText => NotText(notText.Field),
        UnknownCharacterSetException => new(Problems.UnsupportedMediaType, "The character set of the body is unknown. Send JSON in UTF-8, as application/json."),
        BadHttpRequestException { InnerException: TextConverter.NotText notText } => NotText(notText.Field),
        BadHttpRequestException { InnerException: JsonException json } => new(Problems.InvalidRequest, Sentence(json)),
        BadHttpRequestException bad => Problems.ForStatus(bad.StatusCode),
        TextConverter.NotText notText => NotText(notText.Field),
        JsonException json => new(Problems.InvalidRequest, Sentence(json)),
        AntiforgeryValidationException => new(
            Problems.AntiforgeryTokenMissing,
            "A change sent with a session cookie needs the token of GET /api/v1/me in the header X-Antiforgery-Token. Requests with an API key need none."),
        WorkflowRefusedException refused => new(Problems.Refused, refused.Message),
        ConcurrentChangeException changed => new(Problems.ChangedMeanwhile, $"{changed.Message} Read it again, then decide again."),
        _ => Problems.ForStatus(500),
    };

    private static Problem NotText(string field)
    {
        var errors = new FieldErrors();
        errors.Add(field, NotTextException.Sentence);
        return errors.ToProblem();
    }

    private static string Sentence(JsonException exception)
    {
        // The exception's own text names our types; place and line are what helps the sender.
        var place = string.IsNullOrEmpty(exception.Path) || exception.Path == "$" ? "the body" : exception.Path;
        var line = exception.LineNumber is { } number ? $" (line {number + 1}, byte {exception.BytePositionInLine + 1})" : string.Empty;
        return $"The JSON cannot be read at {place}{line}: it is malformed, has a wrong type or a member this request does not have. Check it against /openapi/v1.json.";
    }
}

/// <summary>
/// Answers programs that may not do something with a problem; browsers are led to the sign-in page or told no. Somebody signed in who tried
/// to change something without the role is written into the audit log.
/// </summary>
internal sealed class ProblemAuthorizationResults(AuditTrail audit) : IAuthorizationMiddlewareResultHandler
{
    private readonly AuthorizationMiddlewareResultHandler pages = new();

    public async Task HandleAsync(RequestDelegate next, HttpContext context, AuthorizationPolicy policy, PolicyAuthorizationResult authorizeResult)
    {
        if (authorizeResult.Forbidden && !AuditTrail.IsRead(context))
        {
            await audit.WriteAsync(context, Problems.NotAllowed.Name);
        }

        if (authorizeResult.Succeeded || !ApiRequests.IsForPrograms(context))
        {
            await pages.HandleAsync(next, context, policy, authorizeResult);
            return;
        }

        if (authorizeResult.Challenged)
        {
            if (OpenIdTokens.WasProviderAway(context))
            {
                await new Problem(Problems.IdentityProviderUnavailable, "The token could not be checked. Try again in a minute; API keys and people signed in here are not affected.").ExecuteAsync(context);
                return;
            }

            context.Response.Headers.WWWAuthenticate = "Bearer realm=\"failback\"";
            await Problems.ForStatus(401).ExecuteAsync(context);
            return;
        }

        var roles = policy.Requirements.OfType<Microsoft.AspNetCore.Authorization.Infrastructure.RolesAuthorizationRequirement>()
            .SelectMany(requirement => requirement.AllowedRoles);
        await new Problem(Problems.NotAllowed, $"This needs the role {string.Join(" or ", roles)}. Ask an administrator for it.").ExecuteAsync(context);
    }
}
