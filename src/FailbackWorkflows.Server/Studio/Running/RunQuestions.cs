using System.Text.Json.Nodes;
using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Studio.Definitions;

namespace FailbackWorkflows.Server.Studio.Running;

/// <summary>What a person is asked before a workflow is run: its inputs, and a reason where it matters. The designer itself asks nothing.</summary>
internal static class RunQuestions
{
    public static void MapRunQuestions(this IEndpointRouteBuilder routes) => routes.MapGet("/run-questions/{definitionId}", AskAsync);

    private static async Task<IResult> AskAsync(string definitionId, HttpContext context, IWorkflowLibrary library, RunPermits permits, CancellationToken cancellationToken)
    {
        var options = VersionOptions.Parse(context.Request.Query["versionOptions"], VersionChoice.Latest);
        if (await library.FindAsync(definitionId, options.Choice, options.Version, cancellationToken) is not { } version)
        {
            return Results.StatusCode(StatusCodes.Status404NotFound);
        }

        var effects = await permits.FindEffectsAsync(version.Json, cancellationToken);
        var changes = effects.Changes;
        if (!context.User.May(Permissions.Operate) || (changes.Count > 0 && (!version.IsPublished || RunningRoutes.IsRefused(effects, context.User))))
        {
            // It is refused whatever is answered; the run itself says so.
            return StudioJson.Ok(new { Title = "", Text = "", NeedsReason = false, Fields = Array.Empty<object>() });
        }

        var inputs = DefinitionText.Parse(version.Json)["inputs"] as JsonArray ?? [];
        return StudioJson.Ok(new
        {
            Title = $"Run “{version.Name}”",
            Text = changes.Count > 0
                ? $"This is no trial: the workflow commands recorders or changes the failover log ({string.Join(", ", changes.Take(4))}{(changes.Count > 4 ? ", …" : "")})."
                : version.IsPublished ? "The published version is run." : "The draft is run. It is made a version first, so that this run can be read with it later.",
            NeedsReason = changes.Count > 0,
            Fields = inputs.OfType<JsonObject>().Where(i => StudioJson.Text(i["name"]) is { Length: > 0 }).Select(ToField).ToList(),
        });
    }

    private static object ToField(JsonObject input) => new
    {
        Name = StudioJson.Text(input["name"]),
        Label = StudioJson.Text(input["displayName"]) is { Length: > 0 } label ? label : StudioJson.Text(input["name"]),
        Description = StudioJson.Text(input["description"]),
        Kind = input["isArray"]?.ToString() == "true" ? "json" : StudioJson.Text(input["type"]) switch
        {
            "Boolean" => "check",
            "Int32" or "Int64" or "Int16" or "Byte" or "Double" or "Single" or "Decimal" => "number",
            "Object" or "ObjectDictionary" or "ObjectArray" or "JsonElement" or "Any" => "json",
            _ => "text",
        },
        Required = input["isRequired"]?.ToString() == "true",
    };
}
