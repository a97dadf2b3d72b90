using System.Text.Json.Nodes;
using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Server.Studio.Descriptors;

namespace FailbackWorkflows.Server.Studio.Definitions;

/// <summary>
/// The activities of a definition as a tree, for containers that the designer asks for one by one. A workflow that is used as an activity has its inside in it: the
/// definition only names the version.
/// </summary>
internal sealed class DefinitionGraph
{
    /// <summary>What the designer calls the way into a container that is drawn itself, not into something that an activity holds.</summary>
    private const string Itself = "__self";

    /// <summary>As deep as the engine reads them.</summary>
    private const int MostNestedWorkflows = 10;

    private readonly Dictionary<string, Node> _nodes = new(StringComparer.Ordinal);

    private DefinitionGraph(JsonObject root)
    {
        DefinitionText.SetNodeIds(root);
        Add(root, null, null);
    }

    /// <summary>The tree of a version; null when it has no root.</summary>
    public static async Task<DefinitionGraph?> ReadAsync(WorkflowVersion version, IWorkflowLibrary library, CancellationToken cancellationToken)
    {
        if (DefinitionText.Parse(version.Json)["root"] is not JsonObject root)
        {
            return null;
        }

        await OpenWorkflowsAsync(root, 0, library, cancellationToken);
        return new DefinitionGraph(root);
    }

    public Node? Find(string nodeId) => _nodes.GetValueOrDefault(nodeId);

    /// <summary>The activity, or the one it is inside of as far as the definition says: what a composite is made of is not in it.</summary>
    public Node? FindNearest(string nodeId)
    {
        for (var id = nodeId; ; id = id[..id.LastIndexOf(':')])
        {
            if (Find(id) is { } node)
            {
                return node;
            }

            if (!id.Contains(':', StringComparison.Ordinal))
            {
                return null;
            }
        }
    }

    public object ToWire(Node node) => new
    {
        node.Activity,
        node.Port,
        node.NodeId,
        Parents = Array.Empty<object>(),
        Children = node.Children.Select(c => new { c.Activity, c.Port, c.NodeId, Parents = Array.Empty<object>(), Children = Array.Empty<object>() }).ToList(),
    };

    /// <summary>The way from the outermost container to an activity.</summary>
    public object Segments(Node node)
    {
        var segments = new List<object>();
        for (var inside = node; inside.Parent is { } parent; inside = parent)
        {
            // A container that something holds is what the way into that leads to; one that stands in a drawing is opened itself. The outermost is where the way begins.
            if (inside.Port is { } port)
            {
                segments.Insert(0, Segment(parent, port));
            }
            else if (parent is { Parent: not null, Port: null })
            {
                segments.Insert(0, Segment(parent, Itself));
            }
        }

        return new { ChildNode = ToWire(node), Container = ToWire(node.Parent ?? node), PathSegments = segments };
    }

    private static object Segment(Node through, string port) => new
    {
        ActivityNodeId = through.NodeId,
        ActivityId = StudioJson.Text(through.Activity["id"]),
        ActivityType = StudioJson.Text(through.Activity["type"]),
        PortName = port,
    };

    private static async Task OpenWorkflowsAsync(JsonObject root, int depth, IWorkflowLibrary library, CancellationToken cancellationToken)
    {
        foreach (var activity in DefinitionText.Activities(root).Where(a => StudioJson.Text(a["workflowDefinitionVersionId"]) is not null).ToList())
        {
            if (depth < MostNestedWorkflows
                && await library.FindByIdAsync(StudioJson.Text(activity["workflowDefinitionVersionId"])!, cancellationToken) is { } used
                && DefinitionText.Parse(used.Json)["root"] is JsonObject inside)
            {
                await OpenWorkflowsAsync(inside, depth + 1, library, cancellationToken);
                activity["root"] = inside.DeepClone();
            }
        }
    }

    /// <summary>The name of the port by which an activity holds another one; null: as one of those that it draws.</summary>
    private static string? PortOf(JsonObject holder, JsonObject held)
    {
        foreach (var (name, value) in holder)
        {
            if (value == held)
            {
                return ActivityWire.Pascal(name);
            }

            if (value is JsonArray branches && branches.OfType<JsonObject>().FirstOrDefault(b => b["activity"] == held) is { } branch)
            {
                return StudioJson.Text(branch["label"]) ?? branch["statusCode"]?.ToString();
            }
        }

        return null;
    }

    private void Add(JsonObject activity, Node? parent, string? port)
    {
        var nodeId = StudioJson.Text(activity["nodeId"]) ?? "";
        var node = new Node(nodeId, (JsonObject)activity.DeepClone(), port, parent, []);
        _nodes.TryAdd(nodeId, node);
        parent?.Children.Add(node);
        foreach (var child in DefinitionText.Children(activity))
        {
            Add(child, node, PortOf(activity, child));
        }
    }

    public sealed record Node(string NodeId, JsonObject Activity, string? Port, Node? Parent, List<Node> Children);
}
