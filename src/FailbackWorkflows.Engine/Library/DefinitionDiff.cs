using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FailbackWorkflows.Engine.Library;

/// <summary>What kind of difference it is.</summary>
public enum DifferenceKind
{
    Added,
    Removed,
    Changed,

    /// <summary>Only where it is drawn.</summary>
    Moved,
}

/// <summary>One difference between two versions, told to a person.</summary>
/// <param name="Before">The value there was, when it is about one.</param>
/// <param name="After">The value there is now.</param>
public sealed record Difference(DifferenceKind Kind, string Sentence, string? Before = null, string? After = null);

/// <summary>Compares two versions of a definition as a person would tell the difference: activity by activity, connection by connection.</summary>
public static class DefinitionDiff
{
    private const int LongestValue = 400;

    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Members of an activity that are told apart from its inputs and outputs.</summary>
    private static readonly HashSet<string> NoInputs = ["id", "nodeId", "name", "type", "version", "metadata", "customProperties", "activities", "connections", "variables", "start"];

    /// <summary>What differs, in the order of a definition; empty: they say the same.</summary>
    public static IReadOnlyList<Difference> Compare(string before, string after)
    {
        var (earlier, later) = (DefinitionText.Parse(before), DefinitionText.Parse(after));
        var found = new List<Difference>();
        CompareValue(found, "The name", earlier["name"], later["name"]);
        CompareValue(found, "The description", earlier["description"], later["description"]);
        CompareItems(found, "input", earlier["inputs"], later["inputs"]);
        CompareItems(found, "output", earlier["outputs"], later["outputs"]);
        CompareItems(found, "variable", earlier["variables"], later["variables"]);
        CompareMembers(found, "the workflow's settings", earlier["options"] as JsonObject, later["options"] as JsonObject);
        CompareMembers(found, "the workflow's properties", earlier["customProperties"] as JsonObject, later["customProperties"] as JsonObject);
        CompareActivities(found, earlier["root"] as JsonObject, later["root"] as JsonObject);
        return found;
    }

    private static void CompareActivities(List<Difference> found, JsonObject? before, JsonObject? after)
    {
        var earlier = ById(before);
        var later = ById(after);
        foreach (var (id, activity) in earlier.Where(a => !later.ContainsKey(a.Key)))
        {
            found.Add(new(DifferenceKind.Removed, $"{Title(activity)} was removed."));
        }

        foreach (var (id, activity) in later.Where(a => !earlier.ContainsKey(a.Key)))
        {
            found.Add(new(DifferenceKind.Added, $"{Title(activity)} was added{Between(activity, later)}.", null, InputsOf(activity)));
        }

        var moved = 0;
        foreach (var (id, now) in later)
        {
            if (earlier.TryGetValue(id, out var then))
            {
                CompareActivity(found, then, now);
                moved += Same(then["metadata"]?["designer"]?["position"], now["metadata"]?["designer"]?["position"]) ? 0 : 1;
            }
        }

        CompareConnections(found, earlier, later);
        if (moved > 0)
        {
            found.Add(new(DifferenceKind.Moved, moved == 1 ? "One activity is drawn elsewhere." : $"{moved} activities are drawn elsewhere."));
        }
    }

    private static void CompareActivity(List<Difference> found, JsonObject before, JsonObject after)
    {
        var title = Title(after);
        if (!Same(before["type"], after["type"]) || !Same(before["version"], after["version"]))
        {
            found.Add(new(DifferenceKind.Changed, $"{title} is of another type.", $"{before["type"]} version {before["version"] ?? 1}", $"{after["type"]} version {after["version"] ?? 1}"));
        }

        var inside = char.ToLowerInvariant(title[0]) + title[1..];
        CompareValue(found, $"The title of {inside}", before["metadata"]?["displayText"], after["metadata"]?["displayText"]);
        CompareValue(found, $"The name of {inside}", before["name"], after["name"]);
        CompareValue(found, $"The start of {inside}", before["start"], after["start"]);
        CompareMembers(found, inside, Inputs(before), Inputs(after));
        CompareMembers(found, $"{inside}, properties", before["customProperties"] as JsonObject, after["customProperties"] as JsonObject);
        CompareItems(found, $"variable of {inside}", before["variables"], after["variables"]);
    }

    private static void CompareConnections(List<Difference> found, Dictionary<string, JsonObject> earlier, Dictionary<string, JsonObject> later)
    {
        var (before, after) = (Connections(earlier), Connections(later));
        found.AddRange(before.Except(after).Where(c => earlier.ContainsKey(c.From) && earlier.ContainsKey(c.To))
            .Select(c => new Difference(DifferenceKind.Removed, $"{Name(earlier[c.From])} no longer leads to {Name(earlier[c.To])}{Port(c.Port)}.")));
        found.AddRange(after.Except(before).Where(c => later.ContainsKey(c.From) && later.ContainsKey(c.To))
            .Select(c => new Difference(DifferenceKind.Added, $"{Name(later[c.From])} leads to {Name(later[c.To])}{Port(c.Port)}.")));
    }

    private static void CompareItems(List<Difference> found, string kind, JsonNode? before, JsonNode? after)
    {
        var (earlier, later) = (ByName(before), ByName(after));
        found.AddRange(earlier.Keys.Except(later.Keys).Select(name => new Difference(DifferenceKind.Removed, $"The {kind} “{name}” was removed.")));
        found.AddRange(later.Keys.Except(earlier.Keys).Select(name => new Difference(DifferenceKind.Added, $"The {kind} “{name}” was added.", null, Text(later[name]))));
        found.AddRange(later.Where(i => earlier.TryGetValue(i.Key, out var then) && !Same(then, i.Value))
            .Select(i => new Difference(DifferenceKind.Changed, $"The {kind} “{i.Key}” was changed.", Text(earlier[i.Key]), Text(i.Value))));
    }

    private static void CompareMembers(List<Difference> found, string what, JsonObject? before, JsonObject? after)
    {
        foreach (var name in (before ?? []).Select(m => m.Key).Union((after ?? []).Select(m => m.Key)))
        {
            if (name != DefinitionText.RevisionProperty)
            {
                CompareValue(found, $"“{name}” of {what}", Value(before?[name]), Value(after?[name]));
            }
        }
    }

    private static void CompareValue(List<Difference> found, string what, JsonNode? before, JsonNode? after)
    {
        if (!Same(before, after))
        {
            found.Add(new(DifferenceKind.Changed, $"{what} {(IsNothing(before) ? "was set" : IsNothing(after) ? "was taken away" : "was changed")}.", Text(before), Text(after)));
        }
    }

    /// <summary>Of a wrapped input what a person typed or chose.</summary>
    private static JsonNode? Value(JsonNode? input) => input switch
    {
        JsonObject wrapped when wrapped["expression"] is JsonObject expression => (string?)expression["type"] is null or "Literal" or "Object"
            ? expression["value"]
            : JsonValue.Create($"{expression["type"]}: {((expression["value"] as JsonObject)?["name"] ?? expression["value"])?.ToString()}"),
        JsonObject bound when bound["memoryReference"] is JsonObject reference => JsonValue.Create($"into {reference["id"]}"),
        JsonObject wrapped when wrapped.ContainsKey("typeName") && wrapped.All(m => m.Key == "typeName" || m.Value is null) => null,
        _ => input,
    };

    private static JsonObject Inputs(JsonObject activity) => new(activity
        .Where(m => !NoInputs.Contains(m.Key) && !(m.Value is JsonObject inside && DefinitionText.IsActivity(inside)))
        .Select(m => KeyValuePair.Create(m.Key, m.Value?.DeepClone())));

    private static string? InputsOf(JsonObject activity)
    {
        var inputs = Inputs(activity).Select(i => (i.Key, Value: Value(i.Value))).Where(i => !IsNothing(i.Value)).Select(i => $"{i.Key} = {Text(i.Value)}").ToList();
        return inputs.Count == 0 ? null : string.Join("\n", inputs);
    }

    private static string Between(JsonObject activity, Dictionary<string, JsonObject> all)
    {
        var id = (string)activity["id"]!;
        var connections = Connections(all);
        var before = connections.Where(c => c.To == id && all.ContainsKey(c.From)).Select(c => Name(all[c.From])).Distinct().ToList();
        var after = connections.Where(c => c.From == id && all.ContainsKey(c.To)).Select(c => Name(all[c.To])).Distinct().ToList();
        return (before.Count, after.Count) switch
        {
            (0, 0) => "",
            (_, 0) => $" after {string.Join(" and ", before)}",
            (0, _) => $" before {string.Join(" and ", after)}",
            _ => $" between {string.Join(" and ", before)} and {string.Join(" and ", after)}",
        };
    }

    private static HashSet<(string From, string Port, string To)> Connections(Dictionary<string, JsonObject> activities) =>
    [
        .. activities.Values.SelectMany(a => a["connections"] as JsonArray ?? []).OfType<JsonObject>().Select(c => (
            (string?)(c["source"]?["activity"] ?? c["source"]) ?? "",
            (string?)(c["source"] is JsonObject ? c["source"]!["port"] : c["sourcePort"]) ?? "Done",
            (string?)(c["target"]?["activity"] ?? c["target"]) ?? "")),
    ];

    private static Dictionary<string, JsonObject> ById(JsonObject? root) =>
        root is null ? [] : DefinitionText.Activities(root).GroupBy(a => (string)a["id"]!).ToDictionary(g => g.Key, g => g.First());

    private static Dictionary<string, JsonObject> ByName(JsonNode? items) =>
        (items as JsonArray ?? []).OfType<JsonObject>().Where(i => i["name"] is not null).GroupBy(i => i["name"]!.ToString()).ToDictionary(g => g.Key, g => g.First());

    private static string Name(JsonObject activity) => $"“{activity["metadata"]?["displayText"] ?? activity["name"] ?? activity["id"]}”";

    private static string Title(JsonObject activity) => $"Activity {Name(activity)} ({activity["type"]})";

    private static string Port(string port) => port == "Done" ? "" : $" by “{port}”";

    private static bool Same(JsonNode? one, JsonNode? other) => (IsNothing(one) && IsNothing(other)) || JsonNode.DeepEquals(one, other);

    private static bool IsNothing(JsonNode? node) =>
        node is null or JsonArray { Count: 0 } or JsonObject { Count: 0 } || node.GetValueKind() == JsonValueKind.Null || (node.GetValueKind() == JsonValueKind.String && node.ToString().Length == 0);

    private static string? Text(JsonNode? node)
    {
        if (IsNothing(node))
        {
            return null;
        }

        var text = node is JsonValue value && value.GetValueKind() == JsonValueKind.String ? value.ToString() : node!.ToJsonString(Plain);
        return text.Length <= LongestValue ? text : text[..LongestValue] + "…";
    }
}
