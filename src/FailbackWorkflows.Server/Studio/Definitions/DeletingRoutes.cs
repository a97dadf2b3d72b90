using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Server.Identity;

namespace FailbackWorkflows.Server.Studio.Definitions;

/// <summary>Taking definitions and versions out of the lists. They are kept and can be brought back on the page of their versions.</summary>
internal static class DeletingRoutes
{
    private const int MostTogether = 100;

    public static void MapDeleting(this IEndpointRouteBuilder routes)
    {
        routes.MapDelete("/workflow-definitions/{definitionId}", DeleteAsync);
        routes.MapDelete("/workflow-definition-versions/{versionId}", DeleteVersionAsync);
        routes.MapPost("/bulk-actions/delete/workflow-definitions/by-definition-id", DeleteManyAsync);
        routes.MapPost("/bulk-actions/delete/workflow-definitions/by-id", DeleteManyVersionsAsync);
    }

    private static async Task<IResult> DeleteAsync(string definitionId, HttpContext context, WorkflowEditing editing, CancellationToken cancellationToken)
    {
        context.Audit(definitionId);
        await editing.DeleteAsync(definitionId, CurrentActor.Of(context), cancellationToken);
        return Results.NoContent();
    }

    private static async Task<IResult> DeleteVersionAsync(string versionId, HttpContext context, WorkflowEditing editing, IWorkflowLibrary library, CancellationToken cancellationToken)
    {
        context.Audit(versionId);
        if (await library.FindByIdAsync(versionId, cancellationToken) is not { DeletedAt: null } version)
        {
            return Results.StatusCode(StatusCodes.Status404NotFound);
        }

        await editing.DeleteVersionAsync(version.DefinitionId, versionId, CurrentActor.Of(context), cancellationToken);
        return Results.NoContent();
    }

    private static async Task<IResult> DeleteManyAsync(HttpContext context, WorkflowEditing editing, CancellationToken cancellationToken)
    {
        var request = await StudioJson.ReadAsync<DefinitionIdsRequest>(context);
        return await DeleteEachAsync(context, request.DefinitionIds, id => editing.DeleteAsync(id, CurrentActor.Of(context), cancellationToken));
    }

    private static async Task<IResult> DeleteManyVersionsAsync(HttpContext context, WorkflowEditing editing, IWorkflowLibrary library, CancellationToken cancellationToken)
    {
        var request = await StudioJson.ReadAsync<IdsRequest>(context);
        return await DeleteEachAsync(context, request.Ids, async id =>
        {
            var version = await library.FindByIdAsync(id, cancellationToken) ?? throw new LibraryRefusedException("unknown", $"There is no version {id}.");
            await editing.DeleteVersionAsync(version.DefinitionId, id, CurrentActor.Of(context), cancellationToken);
        });
    }

    private static async Task<IResult> DeleteEachAsync(HttpContext context, IReadOnlyList<string>? ids, Func<string, Task> delete)
    {
        var (deleted, refused) = (new List<string>(), new List<StudioMessage>());
        foreach (var id in (ids ?? []).Distinct(StringComparer.Ordinal).Take(MostTogether))
        {
            try
            {
                await delete(id);
                deleted.Add(id);
            }
            catch (LibraryRefusedException exception)
            {
                refused.Add(new("bad", exception.Message));
            }
        }

        context.Audit(string.Join(", ", deleted));
        StudioHeaders.TellOfMany(context, refused);
        return StudioJson.Ok(new { Deleted = deleted.Count });
    }
}
