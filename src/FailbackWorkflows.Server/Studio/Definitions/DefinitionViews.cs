using System.Security.Claims;
using System.Text.Json.Nodes;
using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Server.Identity;

namespace FailbackWorkflows.Server.Studio.Definitions;

/// <summary>Definitions as the designer reads them. What a person may do is said by links: without the link to publish it shows a definition and changes nothing.</summary>
internal sealed class DefinitionViews
{
    private const string ToolVersion = "3.8.2.0";

    /// <summary>A row of a list.</summary>
    public DefinitionRow Row(WorkflowVersion version, ClaimsPrincipal user) => new(
        version.Id,
        version.DefinitionId,
        version.Name,
        version.Description,
        version.Version,
        ToolVersion,
        version.IsLatest,
        version.IsPublished,
        IsReadonly: false,
        ProviderName: null,
        MaterializerName: "Json",
        IsMaterializerAvailable: true,
        version.SavedAt,
        LinksOf(version, user));

    /// <summary>A definition with everything in it. It tells the client which save it is, so that a later one can say what it was made from.</summary>
    public JsonObject Full(WorkflowVersion version, ClaimsPrincipal user)
    {
        var model = DefinitionText.Parse(version.Json);
        model.Remove("$schema");
        model["id"] = version.Id;
        model["definitionId"] = version.DefinitionId;
        model["name"] = version.Name;
        model["version"] = version.Version;
        model["toolVersion"] ??= ToolVersion;
        model["isLatest"] = version.IsLatest;
        model["isPublished"] = version.IsPublished;
        model["isReadonly"] = false;
        model["isSystem"] = false;
        model["createdAt"] = version.SavedAt.ToString("O");
        model["providerName"] = null;
        model["materializerName"] = "Json";
        model["materializerContext"] = null;
        foreach (var list in (string[])["variables", "inputs", "outputs", "outcomes"])
        {
            model[list] ??= new JsonArray();
        }

        model["options"] ??= new JsonObject();
        model["customProperties"] ??= new JsonObject();
        model["customProperties"]![DefinitionText.RevisionProperty] = version.Revision;
        if (model["root"] is JsonObject root)
        {
            DefinitionText.SetNodeIds(root);
        }

        model["links"] = System.Text.Json.JsonSerializer.SerializeToNode(LinksOf(version, user), StudioJson.Options);
        return model;
    }

    /// <summary>Links of a list; without the one to publish several the whole list is only read.</summary>
    public IReadOnlyList<StudioLink> ListLinks(ClaimsPrincipal user) =>
    [
        new("/workflow-definitions", "self", "GET"),
        .. user.May(Permissions.Integrate)
            ? (IEnumerable<StudioLink>)
            [
                new("/bulk-actions/publish/workflow-definitions/by-definition-ids", "bulk-publish", "POST"),
                new("/bulk-actions/retract/workflow-definitions/by-definition-ids", "bulk-retract", "POST"),
                new("/bulk-actions/delete/workflow-definitions/by-definition-id", "bulk-delete", "POST"),
                new("/workflow-definitions", "create", "POST"),
            ]
            : [],
    ];

    private static StudioLink[] LinksOf(WorkflowVersion version, ClaimsPrincipal user)
    {
        var path = $"/workflow-definitions/{Uri.EscapeDataString(version.DefinitionId)}";
        return
        [
            new(path, "self", "GET"),
            .. user.May(Permissions.Integrate)
                ? (IEnumerable<StudioLink>)[new($"{path}/publish", "publish", "POST"), new($"{path}/retract", "retract", "POST"), new(path, "delete", "DELETE")]
                : [],
            .. user.May(Permissions.Operate) ? (IEnumerable<StudioLink>)[new($"{path}/execute", "execute", "POST")] : [],
        ];
    }
}

internal sealed record StudioLink(string Href, string Rel, string Method);

internal sealed record DefinitionRow(
    string Id,
    string DefinitionId,
    string Name,
    string? Description,
    int Version,
    string ToolVersion,
    bool IsLatest,
    bool IsPublished,
    bool IsReadonly,
    string? ProviderName,
    string MaterializerName,
    bool IsMaterializerAvailable,
    DateTimeOffset CreatedAt,
    IReadOnlyList<StudioLink> Links);
