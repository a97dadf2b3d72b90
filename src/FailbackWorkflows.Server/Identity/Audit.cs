using FailbackWorkflows.Persistence.Identity;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Filters;
using Microsoft.AspNetCore.Mvc.Infrastructure;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Identity;

/// <summary>What a handler knows about the change it makes, for the audit log.</summary>
internal sealed class AuditDetails
{
    public string? Subject { get; set; }

    public string? Reason { get; set; }

    /// <summary>Who acts, when that is not the signed-in user yet (signing in).</summary>
    public string? ActorName { get; set; }

    /// <summary>How it ended, when the status of the answer does not say it.</summary>
    public string? Result { get; set; }

    /// <summary>Which of the things that go by one address it is, as <c>name=value</c> of a few known values; null: there is one only.</summary>
    public string? Which { get; set; }
}

/// <summary>
/// Writes every request that may change something into the audit log, refused ones included. It stands around all of them, so a new
/// endpoint cannot forget it. Written before the answer leaves. Who lacks the role never comes this far: that is written where it is decided
/// (<see cref="Api.ProblemAuthorizationResults"/>).
/// </summary>
internal sealed class AuditFilter(AuditTrail audit) : IEndpointFilter, IAsyncPageFilter
{
    public async ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var http = context.HttpContext;
        if (AuditTrail.IsRead(http))
        {
            return await next(context);
        }

        var result = "failed";
        try
        {
            var answer = await next(context);
            result = ResultOf((answer as INestedHttpResult)?.Result ?? answer);
            return answer;
        }
        finally
        {
            await audit.WriteAsync(http, result);
        }
    }

    public async Task OnPageHandlerExecutionAsync(PageHandlerExecutingContext context, PageHandlerExecutionDelegate next)
    {
        if (AuditTrail.IsRead(context.HttpContext))
        {
            await next();
            return;
        }

        var done = await next();
        await audit.WriteAsync(context.HttpContext, done.Exception is null ? ResultOf(done.Result) : "failed");
    }

    public Task OnPageHandlerSelectionAsync(PageHandlerSelectedContext context) => Task.CompletedTask;

    private static string ResultOf(object? answer) => answer switch
    {
        Api.Problem problem => problem.Kind.Name,
        IStatusCodeHttpResult { StatusCode: { } status and >= 400 } => status.ToString(System.Globalization.CultureInfo.InvariantCulture),
        _ => "done",
    };

    private static string ResultOf(IActionResult? answer) => answer switch
    {
        ForbidResult => Api.Problems.NotAllowed.Name,
        IStatusCodeActionResult { StatusCode: { } status and >= 400 } => status.ToString(System.Globalization.CultureInfo.InvariantCulture),
        _ => "done",
    };
}

/// <summary>Writes requests into the audit log: who, when, what, about what, why, with which result.</summary>
internal sealed class AuditTrail(IAuditLog audit, TimeProvider time)
{
    /// <summary>A request that changes nothing is not written down.</summary>
    public static bool IsRead(HttpContext context) =>
        HttpMethods.IsGet(context.Request.Method) || HttpMethods.IsHead(context.Request.Method) || HttpMethods.IsOptions(context.Request.Method);

    public Task WriteAsync(HttpContext context, string result)
    {
        var details = context.Features.Get<AuditDetails>() ?? new AuditDetails();
        var actor = CurrentActor.Of(context);
        if (details.ActorName is { } name)
        {
            actor = actor with { Id = name, Name = name };
        }

        var action = ActionOf(context, details);
        // Not the request's token: a change that happened is recorded although its client has gone.
        return audit.AppendAsync(new AuditRecord(time.GetUtcNow(), actor, action, details.Subject ?? SubjectOf(context), details.Reason, details.Result ?? result), CancellationToken.None);
    }

    /// <summary>Method and route, and after a question mark which button of a page it was, and which of the things that one address does.</summary>
    private static string ActionOf(HttpContext context, AuditDetails details)
    {
        string?[] which = [HandlerOf(context) is { } handler ? $"handler={handler}" : null, details.Which];
        var action = $"{context.Request.Method} {(context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText}";
        return which.OfType<string>().ToList() is { Count: > 0 } given ? $"{action}?{string.Join('&', given)}" : action;
    }

    /// <summary>The name that the page gives its handler: what the request says may be anything.</summary>
    private static string? HandlerOf(HttpContext context)
    {
        var asked = context.GetRouteValue("handler") as string ?? context.Request.Query["handler"].ToString();
        return context.GetEndpoint()?.Metadata.GetMetadata<CompiledPageActionDescriptor>()?.HandlerMethods
            .FirstOrDefault(handler => IsSame(handler.HttpMethod, context.Request.Method) && IsSame(handler.Name, asked))?.Name;
    }

    private static bool IsSame(string? one, string other) => string.Equals(one, other, StringComparison.OrdinalIgnoreCase);

    /// <summary>A request that was turned away before it could say what it is about: what its address names.</summary>
    private static string? SubjectOf(HttpContext context) =>
        (context.GetEndpoint() as RouteEndpoint)?.RoutePattern.Parameters.Select(parameter => context.GetRouteValue(parameter.Name) as string).FirstOrDefault(value => value is not null);
}

internal static class AuditExtensions
{
    /// <summary>What the reason of a failback begins with, or is, that goes on in spite of maintenance mode.</summary>
    private const string Overridden = "Maintenance mode overridden";

    /// <summary>A reason together with the fact that maintenance mode was overridden.</summary>
    public static string OverridingMaintenance(string? reason) => string.IsNullOrWhiteSpace(reason) ? Overridden : $"{Overridden}: {reason}";

    /// <summary>Tells the audit log what this request is about.</summary>
    public static AuditDetails Audit(this HttpContext context, string? subject, string? reason = null)
    {
        var details = context.Features.Get<AuditDetails>();
        if (details is null)
        {
            details = new AuditDetails();
            context.Features.Set(details);
        }

        details.Subject = subject ?? details.Subject;
        details.Reason = reason ?? details.Reason;
        return details;
    }
}
