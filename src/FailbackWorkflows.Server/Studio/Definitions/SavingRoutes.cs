using System.Globalization;
using System.Text.Json.Nodes;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Server.Identity;

namespace FailbackWorkflows.Server.Studio.Definitions;

/// <summary>Saving, publishing, unpublishing and rolling back.</summary>
internal static class SavingRoutes
{
    private const int MostTogether = 100;

    public static void MapSaving(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/workflow-definitions", SaveAsync);
        routes.MapPost("/workflow-definitions/{definitionId}/publish", PublishAsync);
        routes.MapPost("/workflow-definitions/{definitionId}/retract", RetractAsync);
        routes.MapPost("/workflow-definitions/{definitionId}/revert/{version}", RevertAsync);
        routes.MapPost("/workflow-definitions/{definitionId}/update-references", UpdateReferences);
        routes.MapPost("/bulk-actions/publish/workflow-definitions/by-definition-ids", PublishManyAsync);
        routes.MapPost("/bulk-actions/retract/workflow-definitions/by-definition-ids", RetractManyAsync);
    }

    public static void MapImport(this IEndpointRouteBuilder routes) => routes.MapPost("/workflow-definitions/import", ImportAsync);

    private static async Task<IResult> SaveAsync(HttpContext context, WorkflowEditing editing, DefinitionViews views, CancellationToken cancellationToken)
    {
        var body = await StudioJson.ReadObjectAsync(context);
        if (body["model"] is not JsonObject model)
        {
            return StudioJson.Refused("The request has no workflow in it.");
        }

        var definitionId = StudioJson.Text(model["definitionId"]);
        if (string.IsNullOrEmpty(definitionId) && StudioJson.Text(model["root"]?["type"]) == "Elsa.StateMachine")
        {
            return StudioJson.Refused("State machines are not available: make a flowchart, in which a loop back is a connection like any other.");
        }

        var request = new SaveDefinition(string.IsNullOrEmpty(definitionId) ? null : definitionId, model, KnownRevision(model), CurrentActor.Of(context));
        if (body["publish"] is JsonValue publish && publish.GetValueKind() == System.Text.Json.JsonValueKind.True)
        {
            var saved = await editing.SaveAndPublishAsync(request, Wish(context), cancellationToken);
            context.Audit(saved.Version.Id, StudioHeaders.ReasonOf(context)).Result = ResultOf(saved);
            return saved.Errors.Count > 0 ? StudioJson.Refused(saved.Errors) : Saved(context, views, saved);
        }

        var version = await editing.SaveAsync(request, cancellationToken);
        context.Audit(version.Id);
        return Saved(context, views, new SavedDefinition(version, [], [], false));
    }

    private static async Task<IResult> PublishAsync(string definitionId, HttpContext context, WorkflowEditing editing, DefinitionViews views, CancellationToken cancellationToken)
    {
        var saved = await editing.PublishAsync(definitionId, Wish(context), cancellationToken);
        context.Audit(saved.Version.Id, StudioHeaders.ReasonOf(context)).Result = ResultOf(saved);
        return saved.Errors.Count > 0 ? StudioJson.Refused(saved.Errors) : Saved(context, views, saved);
    }

    private static async Task<IResult> RetractAsync(string definitionId, HttpContext context, WorkflowEditing editing, DefinitionViews views, CancellationToken cancellationToken)
    {
        var version = await editing.RetractAsync(definitionId, CurrentActor.Of(context), cancellationToken);
        context.Audit(version.Id, StudioHeaders.ReasonOf(context));
        StudioHeaders.Tell(context, NotPublishedAnyMore(version));
        return StudioJson.Ok(views.Full(version, context.User));
    }

    private static async Task<IResult> RevertAsync(string definitionId, string version, HttpContext context, WorkflowEditing editing, DefinitionViews views, CancellationToken cancellationToken)
    {
        if (!int.TryParse(version, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            return Results.StatusCode(StatusCodes.Status404NotFound);
        }

        var draft = await editing.RollBackAsync(definitionId, number, CurrentActor.Of(context), cancellationToken);
        context.Audit(draft.Id, string.Create(CultureInfo.InvariantCulture, $"back to version {version}"));
        StudioHeaders.Tell(context, new StudioMessage("ok", string.Create(CultureInfo.InvariantCulture, $"Version {version} is the draft again, as version {draft.Version}. Publish it to have new runs use it.")));
        return StudioJson.Ok(views.Row(draft, context.User));
    }

    /// <summary>A definition that uses another one stays with the version it was published with; nothing is rewritten behind anybody's back.</summary>
    private static IResult UpdateReferences(string definitionId, HttpContext context)
    {
        context.Audit(definitionId);
        return StudioJson.Ok(new { AffectedWorkflows = Array.Empty<object>() });
    }

    private static async Task<IResult> PublishManyAsync(HttpContext context, WorkflowEditing editing, CancellationToken cancellationToken)
    {
        var ids = await ReadIdsAsync(context);
        var (published, already, notFound, messages) = (new List<string>(), new List<string>(), new List<string>(), new List<StudioMessage>());
        foreach (var id in ids)
        {
            try
            {
                var saved = await editing.PublishAsync(id, Wish(context), cancellationToken);
                (saved.Errors.Count > 0 ? [] : saved.WasPublishedAlready ? already : published).Add(id);
                messages.AddRange(saved.Errors.Select(error => new StudioMessage("bad", $"“{saved.Version.Name}” was not published. {error}")));
                messages.AddRange(MessagesOf(saved));
            }
            catch (LibraryRefusedException refused) when (refused.Code == "unknown")
            {
                notFound.Add(id);
            }
        }

        context.Audit(string.Join(", ", published), StudioHeaders.ReasonOf(context));
        StudioHeaders.TellOfMany(context, messages);
        return StudioJson.Ok(new { Published = published, AlreadyPublished = already, NotFound = notFound, UpdatedConsumers = Array.Empty<string>() });
    }

    private static async Task<IResult> RetractManyAsync(HttpContext context, WorkflowEditing editing, IWorkflowLibrary library, CancellationToken cancellationToken)
    {
        var (retracted, already, notFound, messages) = (new List<string>(), new List<string>(), new List<string>(), new List<StudioMessage>());
        foreach (var id in await ReadIdsAsync(context))
        {
            if (await library.FindAsync(id, VersionChoice.Latest, null, cancellationToken) is null)
            {
                notFound.Add(id);
            }
            else if (await library.FindAsync(id, VersionChoice.Published, null, cancellationToken) is null)
            {
                already.Add(id);
            }
            else
            {
                messages.Add(NotPublishedAnyMore(await editing.RetractAsync(id, CurrentActor.Of(context), cancellationToken)));
                retracted.Add(id);
            }
        }

        context.Audit(string.Join(", ", retracted));
        StudioHeaders.TellOfMany(context, messages);
        return StudioJson.Ok(new { Retracted = retracted, AlreadyRetracted = already, NotFound = notFound });
    }

    private static async Task<IResult> ImportAsync(HttpContext context, WorkflowEditing editing, IWorkflowLibrary library, DefinitionViews views, CancellationToken cancellationToken)
    {
        var model = await StudioJson.ReadObjectAsync(context);
        if (model["root"] is not JsonObject)
        {
            return StudioJson.Refused("The file is no workflow definition: it has no root activity.");
        }

        var definitionId = StudioJson.Text(model["definitionId"]);
        var before = string.IsNullOrEmpty(definitionId) ? null : await library.FindAsync(definitionId, VersionChoice.Latest, null, cancellationToken);
        var version = await editing.SaveAsync(
            new SaveDefinition(string.IsNullOrEmpty(definitionId) ? null : definitionId, model, null, CurrentActor.Of(context)) { Origin = VersionOrigin.Import }, cancellationToken);
        context.Audit(version.Id);
        StudioHeaders.Tell(context, version.Id == before?.Id && version.Sha256 == before.Sha256
            ? new StudioMessage("ok", $"“{version.Name}” says what is there already; nothing was changed.")
            : new StudioMessage("ok", string.Create(CultureInfo.InvariantCulture, $"“{version.Name}” was imported as the draft of version {version.Version}. Publish it to have new runs use it."), Versions(version), "Compare the versions"));
        return StudioJson.Ok(views.Full(version, context.User));
    }

    private static IResult Saved(HttpContext context, DefinitionViews views, SavedDefinition saved)
    {
        StudioHeaders.Tell(context, MessagesOf(saved));
        return StudioJson.Ok(new
        {
            WorkflowDefinition = views.Full(saved.Version, context.User),
            AlreadyPublished = saved.WasPublishedAlready,
            ConsumingWorkflowCount = 0,
            ValidationErrors = Array.Empty<object>(),
        });
    }

    private static IEnumerable<StudioMessage> MessagesOf(SavedDefinition saved)
    {
        foreach (var warning in saved.Warnings)
        {
            yield return new("warn", warning);
        }

        if (saved.WasPublishedAlready)
        {
            yield return new("ok", $"“{saved.Version.Name}” says what is published already; no new version was made.");
        }
        else if (saved.Version.IsPublished)
        {
            var running = saved.Pinned.Sum(p => p.Running);
            yield return new(
                "ok",
                string.Create(CultureInfo.InvariantCulture, $"Version {saved.Version.Version} of “{saved.Version.Name}” is published; new runs use it.") + (running == 0
                    ? " No run of an earlier version is going on."
                    : $" {running} {(running == 1 ? "run stays" : "runs stay")} with the version {(running == 1 ? "it was" : "they were")} started with: {string.Join(", ", saved.Pinned.Select(p => $"{p.Running} with version {p.Version}"))}."),
                Versions(saved.Version),
                "All versions");
        }
    }

    private static StudioMessage NotPublishedAnyMore(WorkflowVersion version) => new("warn", $"“{version.Name}” is not published any more: nothing can start it. Runs that have begun go on.");

    private static string Versions(WorkflowVersion version) => $"/workflows/{Uri.EscapeDataString(version.DefinitionId)}";

    private static string ResultOf(SavedDefinition saved) => saved switch
    {
        { Errors.Count: > 0 } => "not published: " + string.Join(" ", saved.Errors)[..Math.Min(300, string.Join(" ", saved.Errors).Length)],
        { WasPublishedAlready: true } => "published already",
        _ => "published",
    };

    private static PublishDefinition Wish(HttpContext context) =>
        new(CurrentActor.Of(context), StudioHeaders.ReasonOf(context), context.User.IsInRole(Roles.Administrator));

    private static long? KnownRevision(JsonObject model) =>
        model["customProperties"] is JsonObject properties && properties[DefinitionText.RevisionProperty] is JsonValue value && long.TryParse(value.ToString(), NumberStyles.None, CultureInfo.InvariantCulture, out var revision)
            ? revision
            : null;

    private static async Task<IReadOnlyList<string>> ReadIdsAsync(HttpContext context) =>
        [.. ((await StudioJson.ReadAsync<DefinitionIdsRequest>(context)).DefinitionIds ?? []).Distinct(StringComparer.Ordinal).Take(MostTogether)];
}

internal sealed record DefinitionIdsRequest(IReadOnlyList<string>? DefinitionIds);
