namespace FailbackWorkflows.Server.Studio;

/// <summary>What the designer asks for that we do not have: an empty 404, which it tolerates where it can, and a line in the log, so that a new version's new questions are noticed.</summary>
internal sealed class UnknownRoutes
{
    private UnknownRoutes()
    {
    }

    public static IResult Answer(HttpContext context, ILogger<UnknownRoutes> logger)
    {
        logger.LogWarning("The designer asked for {Method} {Path}, which is not there", context.Request.Method, context.Request.Path.ToUriComponent());
        if (context.Features.Get<Microsoft.AspNetCore.Diagnostics.IStatusCodePagesFeature>() is { } pages)
        {
            pages.Enabled = false;
        }

        return Results.StatusCode(StatusCodes.Status404NotFound);
    }
}
