using FailbackWorkflows.Persistence.Identity;
using Microsoft.AspNetCore.Mvc.Filters;

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
}

/// <summary>
/// Writes every request that may change something into the audit log, refused ones included: who, when, what, why, with which result. It
/// stands around all of them, so a new endpoint cannot forget it. Written before the answer leaves.
/// </summary>
internal sealed class AuditFilter(IAuditLog audit, TimeProvider time) : IEndpointFilter, IAsyncPageFilter
{
    public async ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var http = context.HttpContext;
        if (IsRead(http))
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
            await WriteAsync(http, result);
        }
    }

    public async Task OnPageHandlerExecutionAsync(PageHandlerExecutingContext context, PageHandlerExecutionDelegate next)
    {
        if (IsRead(context.HttpContext))
        {
            await next();
            return;
        }

        var done = await next();
        await WriteAsync(context.HttpContext, done.Exception is null ? "done" : "failed");
    }

    public Task OnPageHandlerSelectionAsync(PageHandlerSelectedContext context) => Task.CompletedTask;

    private static bool IsRead(HttpContext context) =>
        HttpMethods.IsGet(context.Request.Method) || HttpMethods.IsHead(context.Request.Method) || HttpMethods.IsOptions(context.Request.Method);

    private static string ResultOf(object? answer) => answer switch
    {
        Api.Problem problem => problem.Kind.Name,
        IStatusCodeHttpResult { StatusCode: { } status and >= 400 } => status.ToString(System.Globalization.CultureInfo.InvariantCulture),
        _ => "done",
    };

    private Task WriteAsync(HttpContext context, string result)
    {
        var details = context.Features.Get<AuditDetails>() ?? new AuditDetails();
        var actor = CurrentActor.Of(context);
        if (details.ActorName is { } name)
        {
            actor = actor with { Id = name, Name = name };
        }

        var action = $"{context.Request.Method} {(context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText}";
        // Not the request's token: a change that happened is recorded although its client has gone.
        return audit.AppendAsync(new AuditRecord(time.GetUtcNow(), actor, action, details.Subject, details.Reason, details.Result ?? result), CancellationToken.None);
    }
}

internal static class AuditExtensions
{
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
