using System.Text.Json;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Server.Api;

namespace FailbackWorkflows.Server.Studio;

/// <summary>
/// Says no in the form that the designer shows: sentences with status 400. Any other status of an error makes it repeat the request three times and then stop
/// working.
/// </summary>
internal sealed class StudioErrors : IEndpointFilter
{
    public async ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        if (context.HttpContext.Features.Get<Microsoft.AspNetCore.Diagnostics.IStatusCodePagesFeature>() is { } pages)
        {
            pages.Enabled = false;
        }

        try
        {
            return await next(context);
        }
        catch (LibraryRefusedException refused) when (refused.Code == "unknown")
        {
            return Results.StatusCode(StatusCodes.Status404NotFound);
        }
        catch (DefinitionInvalidException invalid)
        {
            return StudioJson.Refused(invalid.Problems.Select(p => p.Message));
        }
        catch (WorkflowRefusedException refused)
        {
            return StudioJson.Refused(refused.Message);
        }
        catch (TextConverter.NotText)
        {
            return StudioJson.Refused("The request contains characters that are not text.");
        }
        catch (JsonException)
        {
            return StudioJson.Refused("The request is not JSON as the designer writes it.");
        }
    }
}
