using System.Text.Json;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;

namespace FailbackWorkflows.Server.Replay;

/// <summary>An activity on a diagram.</summary>
/// <param name="Index">Its place among all activities of the definition: what states are given by.</param>
public sealed record DiagramNode(int Index, string NodeId, string Label, string Type, int? Step, double X, double Y, double Width, double Height);

/// <summary>A connection on a diagram, from the edge of one activity to the edge of another.</summary>
public sealed record DiagramLine(string Port, double X1, double Y1, double X2, double Y2);

/// <summary>One flowchart or container, drawn: the whole workflow, or what is inside of a composite.</summary>
public sealed record ReplayDiagram(string NodeId, string Title, double Width, double Height, IReadOnlyList<DiagramNode> Nodes, IReadOnlyList<DiagramLine> Lines);

/// <summary>Draws definitions where the designer has put their activities; what it has no place for is laid out from left to right.</summary>
internal static class ReplayDiagrams
{
    private const double Width = 220;
    private const double Height = 54;
    private const double GapX = 60;
    private const double GapY = 46;
    private const double Margin = 20;

    /// <summary>The outermost first.</summary>
    public static IReadOnlyList<ReplayDiagram> Of(WorkflowDefinition definition, string json, IReadOnlyDictionary<string, int> indexes)
    {
        var places = new Dictionary<string, (double X, double Y, double Width, double Height)>(StringComparer.Ordinal);
        using (var document = JsonDocument.Parse(json))
        {
            Find(document.RootElement, places);
        }

        return
        [
            .. definition.Nodes.Values.Where(IsDrawn).OrderBy(DepthOf).ThenBy(n => indexes[n.NodeId])
                .Select(container => Draw(container, places, indexes)),
        ];
    }

    private static int DepthOf(ActivityNode node) => node.Parent is { } parent ? DepthOf(parent) + 1 : 0;

    /// <summary>A composite's one child is its body: that is drawn, under the composite's name.</summary>
    private static bool IsDrawn(ActivityNode node) => node.Children.Count > 0 && !(node.Descriptor.Shape == ActivityShape.Composite && node.Children is [{ Children.Count: > 0 }]);

    private static ReplayDiagram Draw(ActivityNode container, Dictionary<string, (double X, double Y, double Width, double Height)> places, IReadOnlyDictionary<string, int> indexes)
    {
        // Ids inside of a composite are its own: what the definition's file says of such an id is about another activity.
        var isOwn = container.Parent is null || container.Parent.Descriptor.Shape != ActivityShape.Composite;
        var own = isOwn && container.Children.All(c => places.ContainsKey(c.Id)) ? container.Children.ToDictionary(c => c, c => places[c.Id]) : LayOut(container);
        var (left, top) = (own.Values.Min(p => p.X) - Margin, own.Values.Min(p => p.Y) - Margin);
        var nodes = container.Children.Select(c =>
        {
            var place = own[c];
            return new DiagramNode(indexes[c.NodeId], c.NodeId, c.DisplayText, c.Descriptor.Type, c.Step, place.X - left, place.Y - top, place.Width, place.Height);
        }).ToList();
        var byId = nodes.ToDictionary(n => n.NodeId, StringComparer.Ordinal);
        var title = container.Parent is { Descriptor.Shape: ActivityShape.Composite } composite ? composite.DisplayText : container.Parent is null ? "Workflow" : container.DisplayText;
        return new(
            container.NodeId,
            title,
            nodes.Max(n => n.X + n.Width) + Margin,
            nodes.Max(n => n.Y + n.Height) + Margin,
            nodes,
            [.. container.Children.SelectMany(c => c.Outbound).Where(o => byId.ContainsKey(o.Target.NodeId)).Select(o => Connect(o.Port, byId[o.Source.NodeId], byId[o.Target.NodeId]))]);
    }

    private static DiagramLine Connect(string port, DiagramNode from, DiagramNode to)
    {
        var (fx, fy, tx, ty) = (from.X + (from.Width / 2), from.Y + (from.Height / 2), to.X + (to.Width / 2), to.Y + (to.Height / 2));
        if (Math.Abs(tx - fx) >= Math.Abs(ty - fy))
        {
            var isRight = tx >= fx;
            return new(port, isRight ? from.X + from.Width : from.X, fy, isRight ? to.X : to.X + to.Width, ty);
        }

        var isDown = ty >= fy;
        return new(port, fx, isDown ? from.Y + from.Height : from.Y, tx, isDown ? to.Y : to.Y + to.Height);
    }

    private static Dictionary<ActivityNode, (double X, double Y, double Width, double Height)> LayOut(ActivityNode container)
    {
        var columns = new Dictionary<ActivityNode, int>();
        for (var i = 0; i < container.Children.Count; i++)
        {
            var child = container.Children[i];
            var before = child.Inbound.Where(c => !c.IsBackward && columns.ContainsKey(c.Source)).Select(c => columns[c.Source]).DefaultIfEmpty(-1).Max();
            columns[child] = before >= 0 ? before + 1 : child.Inbound.Count > 0 || child.Outbound.Count > 0 ? 0 : i;
        }

        var used = new Dictionary<int, int>();
        return container.Children.ToDictionary(child => child, child =>
        {
            var column = columns[child];
            var row = used[column] = used.GetValueOrDefault(column, -1) + 1;
            return (column * (Width + GapX), row * (Height + GapY), Width, Height);
        });
    }

    private static void Find(JsonElement json, Dictionary<string, (double X, double Y, double Width, double Height)> places)
    {
        if (json.ValueKind == JsonValueKind.Array)
        {
            foreach (var item in json.EnumerateArray())
            {
                Find(item, places);
            }
        }
        else if (json.ValueKind == JsonValueKind.Object)
        {
            if (json.TryGetProperty("id", out var id) && id.ValueKind == JsonValueKind.String
                && json.TryGetProperty("metadata", out var metadata) && metadata.ValueKind == JsonValueKind.Object
                && metadata.TryGetProperty("designer", out var designer) && designer.ValueKind == JsonValueKind.Object
                && designer.TryGetProperty("position", out var position))
            {
                var size = designer.TryGetProperty("size", out var given) ? given : default;
                places.TryAdd(id.GetString()!, (Number(position, "x", 0), Number(position, "y", 0), Number(size, "width", Width), Number(size, "height", Height)));
            }

            foreach (var member in json.EnumerateObject())
            {
                Find(member.Value, places);
            }
        }
    }

    private static double Number(JsonElement json, string name, double otherwise) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(name, out var value) && value.TryGetDouble(out var number) ? number : otherwise;
}
