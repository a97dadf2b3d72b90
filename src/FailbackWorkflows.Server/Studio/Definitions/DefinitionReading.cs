using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Text.Json.Nodes;
using FailbackWorkflows.Engine.Library;

namespace FailbackWorkflows.Server.Studio.Definitions;

/// <summary>Lists of definitions, definitions, and their files.</summary>
internal static class DefinitionReading
{
    private const int PageSize = 100;
    private const int MostTogether = 200;

    public static void MapDefinitionReading(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/workflow-definitions", ListAsync);
        routes.MapGet("/workflow-definitions/by-definition-id/{definitionId}", FindAsync);
        routes.MapGet("/workflow-definitions/by-id/{versionId}", FindByIdAsync);
        routes.MapGet("/workflow-definitions/many-by-id", FindManyAsync);
        routes.MapGet("/workflow-definitions/query/count", CountAsync);
        routes.MapGet("/workflow-definitions/validation/is-name-unique", IsNameUniqueAsync);
        routes.MapGet("/workflow-definitions/{definitionId}/consumers", ConsumersAsync);
        routes.MapGet("/workflow-definitions/subgraph/{versionId}", SubgraphAsync);
        routes.MapGet("/workflow-definitions/subgraph/segments/{versionId}", SegmentsAsync);
        routes.MapGet("/workflow-definitions/{definitionId}/export", ExportAsync);
        routes.MapPost("/bulk-actions/export/workflow-definitions", ExportManyAsync);
    }

    private static async Task<IResult> ListAsync(HttpContext context, IWorkflowLibrary library, DefinitionViews views, CancellationToken cancellationToken)
    {
        // Names of parameters come in either case, and an empty list does not come at all.
        var query = context.Request.Query;
        var options = VersionOptions.Parse(query["versionOptions"]);
        var pageSize = Number(query["pageSize"]);
        var page = await library.ListAsync(
            new VersionQuery
            {
                Choice = options.Choice,
                Version = options.Version,
                DefinitionIds = [.. query["definitionIds"].OfType<string>().Where(id => id.Length > 0)],
                Ids = [.. query["ids"].OfType<string>().Where(id => id.Length > 0)],
                SearchTerm = query["searchTerm"],
                OrderBy = Enum.TryParse<VersionOrder>(query["orderBy"], ignoreCase: true, out var order) ? order : VersionOrder.Name,
                IsDescending = string.Equals(query["orderDirection"], "Descending", StringComparison.OrdinalIgnoreCase),
                Skip = (int)Math.Min(int.MaxValue, (long)(Number(query["page"]) ?? 0) * (pageSize ?? PageSize)),
                Take = pageSize ?? 1000,
                // An instance of a deleted version is still shown with its name.
                WithDeleted = query.ContainsKey("ids"),
            },
            cancellationToken);
        return StudioJson.Ok(new { Items = page.Items.Select(v => views.Row(v, context.User)).ToList(), page.TotalCount, Links = views.ListLinks(context.User) });
    }

    private static async Task<IResult> FindAsync(string definitionId, HttpContext context, IWorkflowLibrary library, DefinitionViews views, CancellationToken cancellationToken)
    {
        var options = VersionOptions.Parse(context.Request.Query["versionOptions"], VersionChoice.Latest);
        return await library.FindAsync(definitionId, options.Choice, options.Version, cancellationToken) is { } version
            ? StudioJson.Ok(views.Full(version, context.User))
            : Results.StatusCode(StatusCodes.Status404NotFound);
    }

    private static async Task<IResult> FindByIdAsync(string versionId, HttpContext context, IWorkflowLibrary library, DefinitionViews views, CancellationToken cancellationToken) =>
        await library.FindByIdAsync(versionId, cancellationToken) is { } version ? StudioJson.Ok(views.Full(version, context.User)) : Results.StatusCode(StatusCodes.Status404NotFound);

    private static async Task<IResult> FindManyAsync(HttpContext context, IWorkflowLibrary library, DefinitionViews views, CancellationToken cancellationToken)
    {
        var ids = context.Request.Query["ids"].OfType<string>().Take(MostTogether).ToList();
        var versions = ids.Count == 0 ? [] : (await library.ListAsync(new VersionQuery { Ids = ids, WithJson = true, WithDeleted = true }, cancellationToken)).Items;
        return StudioJson.List(versions.Select(v => views.Full(v, context.User)).ToList());
    }

    private static async Task<IResult> CountAsync(IWorkflowLibrary library, CancellationToken cancellationToken) =>
        StudioJson.Ok(new { Count = (await library.ListAsync(new VersionQuery { Choice = VersionChoice.Latest, Take = 1 }, cancellationToken)).TotalCount });

    private static async Task<IResult> IsNameUniqueAsync(HttpContext context, IWorkflowLibrary library, CancellationToken cancellationToken)
    {
        var name = context.Request.Query["name"].ToString();
        return StudioJson.Ok(new { IsUnique = name.Trim().Length > 0 && !await library.IsNameTakenAsync(name, context.Request.Query["definitionId"], cancellationToken) });
    }

    private static async Task<IResult> ConsumersAsync(string definitionId, IWorkflowLibrary library, CancellationToken cancellationToken) =>
        StudioJson.Ok(new { ConsumingWorkflowDefinitionIds = await Consumers.FindAsync(library, definitionId, cancellationToken) });

    private static async Task<IResult> SubgraphAsync(string versionId, HttpContext context, IWorkflowLibrary library, CancellationToken cancellationToken) =>
        await ReadGraphAsync(versionId, library, cancellationToken) is { } graph && graph.Find(context.Request.Query["parentNodeId"].ToString()) is { } node
            ? StudioJson.Ok(graph.ToWire(node))
            : Results.StatusCode(StatusCodes.Status404NotFound);

    private static async Task<IResult> SegmentsAsync(string versionId, HttpContext context, IWorkflowLibrary library, CancellationToken cancellationToken) =>
        await ReadGraphAsync(versionId, library, cancellationToken) is { } graph && graph.FindNearest(context.Request.Query["childNodeId"].ToString()) is { } node
            ? StudioJson.Ok(graph.Segments(node))
            : Results.StatusCode(StatusCodes.Status404NotFound);

    private static async Task<DefinitionGraph?> ReadGraphAsync(string versionId, IWorkflowLibrary library, CancellationToken cancellationToken) =>
        await library.FindByIdAsync(versionId, cancellationToken) is { } version ? await DefinitionGraph.ReadAsync(version, library, cancellationToken) : null;

    private static async Task<IResult> ExportAsync(string definitionId, HttpContext context, IWorkflowLibrary library, CancellationToken cancellationToken)
    {
        var options = VersionOptions.Parse(context.Request.Query["versionOptions"], VersionChoice.Latest);
        if (await library.FindAsync(definitionId, options.Choice, options.Version, cancellationToken) is not { } version)
        {
            return Results.StatusCode(StatusCodes.Status404NotFound);
        }

        if (!string.Equals(context.Request.Query["includeConsumingWorkflows"], "true", StringComparison.OrdinalIgnoreCase))
        {
            return Results.File(Encoding.UTF8.GetBytes(version.Json), "application/json", FileNameOf(version));
        }

        var versions = await WithConsumersAsync([version], library, cancellationToken);
        return Results.File(Zip(versions), "application/zip", $"{definitionId}.zip");
    }

    private static async Task<IResult> ExportManyAsync(HttpContext context, IWorkflowLibrary library, CancellationToken cancellationToken)
    {
        var request = await StudioJson.ReadAsync<ExportRequest>(context);
        if (request.Ids is not { Count: > 0 } ids)
        {
            return StudioJson.Refused("Select the workflows to export first.");
        }

        var versions = (await library.ListAsync(new VersionQuery { Ids = ids, WithJson = true }, cancellationToken)).Items;
        return Results.File(Zip(request.IncludeConsumingWorkflows ? await WithConsumersAsync(versions, library, cancellationToken) : versions), "application/zip", "workflows.zip");
    }

    /// <summary>With the workflows that use one of them, and those that use these, and so on: together they are whole.</summary>
    private static async Task<IReadOnlyList<WorkflowVersion>> WithConsumersAsync(IReadOnlyList<WorkflowVersion> versions, IWorkflowLibrary library, CancellationToken cancellationToken)
    {
        var all = versions.ToList();
        for (var next = 0; next < all.Count; next++)
        {
            foreach (var id in await Consumers.FindAsync(library, all[next].DefinitionId, cancellationToken))
            {
                if (!all.Exists(v => v.DefinitionId == id) && await library.FindAsync(id, VersionChoice.Latest, null, cancellationToken) is { } consumer)
                {
                    all.Add(consumer);
                }
            }
        }

        return all;
    }

    /// <summary>As files of the workflow folder are named.</summary>
    internal static string FileNameOf(WorkflowVersion version) => string.Create(CultureInfo.InvariantCulture, $"{version.DefinitionId}.v{version.Version}.json");

    private static byte[] Zip(IEnumerable<WorkflowVersion> versions)
    {
        using var memory = new MemoryStream();
        using (var archive = new ZipArchive(memory, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var version in versions)
            {
                using var entry = archive.CreateEntry(FileNameOf(version)).Open();
                entry.Write(Encoding.UTF8.GetBytes(version.Json));
            }
        }

        return memory.ToArray();
    }

    private static int? Number(string? text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
}

/// <summary>Which definitions use another one.</summary>
internal static class Consumers
{
    public static async Task<IReadOnlyList<string>> FindAsync(IWorkflowLibrary library, string definitionId, CancellationToken cancellationToken)
    {
        var all = await library.ListAsync(new VersionQuery { Choice = VersionChoice.Latest, WithJson = true }, cancellationToken);
        return
        [
            .. all.Items
                .Where(v => v.DefinitionId != definitionId
                    && v.Json.Contains(definitionId, StringComparison.Ordinal)
                    && DefinitionText.Parse(v.Json)["root"] is JsonObject root
                    && DefinitionText.Activities(root).Any(a => Uses(a, definitionId)))
                .Select(v => v.DefinitionId)
                .Order(StringComparer.Ordinal),
        ];
    }

    /// <summary>As an activity of its own, or named by one that executes or dispatches it.</summary>
    private static bool Uses(JsonObject activity, string definitionId) =>
        StudioJson.Text(activity["workflowDefinitionId"]) == definitionId
        || (activity["workflowDefinitionId"] is JsonObject wrapped && StudioJson.Text(wrapped["expression"]?["value"]) == definitionId);
}

internal sealed record IdsRequest(IReadOnlyList<string>? Ids);

internal sealed record ExportRequest(IReadOnlyList<string>? Ids, bool IncludeConsumingWorkflows);
