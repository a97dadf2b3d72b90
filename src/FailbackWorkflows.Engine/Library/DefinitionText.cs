using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FailbackWorkflows.Engine.Library;

/// <summary>Definitions as JSON: bringing what a client sends into the form that is kept, and comparing two of them.</summary>
public static class DefinitionText
{
    /// <summary>What the paths of activities begin with in Elsa's JSON; the engine's own paths do without.</summary>
    public const string NodeIdPrefix = "Workflow1:";

    /// <summary>Member of <c>customProperties</c> that tells a client which save it has; never kept.</summary>
    public const string RevisionProperty = "failbackDraftRevision";

    /// <summary>Schema that exported definitions name.</summary>
    public const string Schema = "https://elsaworkflows.io/schemas/workflow-definition/v3.0.0/schema.json";

    private const int MaxDepth = 128;

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, MaxDepth = MaxDepth };

    private static readonly string[] Lists = ["variables", "inputs", "outputs", "outcomes"];

    /// <summary>What says where a definition is kept rather than what it is.</summary>
    private static readonly HashSet<string> AboutTheVersion =
        ["$schema", "id", "version", "isLatest", "isPublished", "isReadonly", "isSystem", "createdAt", "toolVersion", "links", "providerName", "materializerName", "materializerContext", "isMaterializerAvailable"];

    /// <summary>Reads a definition. Throws <see cref="JsonException"/> when the text is no JSON object.</summary>
    public static JsonObject Parse(string json) =>
        JsonNode.Parse(json, null, new JsonDocumentOptions { MaxDepth = MaxDepth, CommentHandling = JsonCommentHandling.Skip }) as JsonObject
        ?? throw new JsonException("A workflow definition is a JSON object.");

    /// <summary>The form in which definitions are kept and exported: indented, as files of the workflow folder are.</summary>
    public static string Write(JsonObject definition) => definition.ToJsonString(Indented) + "\n";

    /// <summary>Lower-case hex SHA-256 of a text.</summary>
    public static string Sha256(string json) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(json)));

    /// <summary>
    /// The form in which a definition is kept. Members that only make sense on the wire are left out, lists are never null, every activity has its path, and what
    /// the client does not know of inputs, outputs and variables (an input that is required, say) is taken over from what was there before.
    /// </summary>
    public static JsonObject Normalise(JsonObject model, string definitionId, int version, bool isPublished, JsonObject? before)
    {
        var result = new JsonObject
        {
            ["$schema"] = Schema,
            ["id"] = $"{definitionId}:{version}",
            ["definitionId"] = definitionId,
            ["name"] = model["name"]?.DeepClone() ?? definitionId,
            ["description"] = model["description"]?.DeepClone(),
            ["version"] = version,
            ["toolVersion"] = model["toolVersion"]?.DeepClone() ?? "3.8.2.0",
            ["isLatest"] = true,
            ["isPublished"] = isPublished,
            ["isReadonly"] = false,
            ["isSystem"] = false,
        };
        foreach (var list in Lists)
        {
            result[list] = model[list]?.DeepClone() as JsonArray ?? [];
            if (list != "outcomes")
            {
                KeepUnknownMembers((JsonArray)result[list]!, before?[list] as JsonArray);
            }
        }

        result["customProperties"] = model["customProperties"]?.DeepClone() as JsonObject ?? [];
        ((JsonObject)result["customProperties"]!).Remove(RevisionProperty);
        result["options"] = model["options"]?.DeepClone() as JsonObject ?? before?["options"]?.DeepClone() ?? new JsonObject();
        foreach (var (name, value) in model)
        {
            if (!result.ContainsKey(name) && !AboutTheVersion.Contains(name) && name != "root")
            {
                result[name] = value?.DeepClone();
            }
        }

        if (model["root"] is JsonObject root)
        {
            var copy = (JsonObject)root.DeepClone();
            SetNodeIds(copy);
            result["root"] = copy;
        }

        return result;
    }

    /// <summary>Gives an activity that is a definition's root, and every one inside it, its path.</summary>
    public static void SetNodeIds(JsonObject root) => SetNodeIds(root, NodeIdPrefix.TrimEnd(':'));

    /// <summary>All activities below and including one, outermost first.</summary>
    public static IEnumerable<JsonObject> Activities(JsonObject activity)
    {
        yield return activity;
        foreach (var child in Children(activity).SelectMany(Activities))
        {
            yield return child;
        }
    }

    /// <summary>The activities that one holds: in its list, and in members of their own.</summary>
    public static IEnumerable<JsonObject> Children(JsonObject activity)
    {
        foreach (var (name, value) in activity)
        {
            switch (value)
            {
                case JsonObject one when IsActivity(one):
                    yield return one;
                    break;
                // The list of a container, and the branches of a Switch (each with its activity).
                case JsonArray many when name is not ("connections" or "variables"):
                    foreach (var item in many.OfType<JsonObject>())
                    {
                        if (IsActivity(item))
                        {
                            yield return item;
                        }
                        else if (item["activity"] is JsonObject inside && IsActivity(inside))
                        {
                            yield return inside;
                        }
                    }

                    break;
            }
        }
    }

    /// <summary>Lower-case hex SHA-256 of what a definition says, whoever wrote it down in whatever order and wherever its boxes were measured.</summary>
    public static string SemanticSha256(JsonObject definition) => Sha256(Canonical(definition, isDefinition: true)?.ToJsonString() ?? "null");

    /// <summary>Whether two definitions say the same.</summary>
    public static bool SaysTheSame(JsonObject one, JsonObject other) => SemanticSha256(one) == SemanticSha256(other);

    internal static bool IsActivity(JsonObject value) =>
        value["id"] is JsonValue id && id.GetValueKind() == JsonValueKind.String && value["type"] is JsonValue type && type.GetValueKind() == JsonValueKind.String;

    private static void SetNodeIds(JsonObject activity, string parent)
    {
        var nodeId = $"{parent}:{(string?)activity["id"]}";
        activity["nodeId"] = nodeId;
        WriteCasesBare(activity);
        foreach (var child in Children(activity))
        {
            SetNodeIds(child, nodeId);
        }
    }

    /// <summary>The designer draws the cases of a switch from a bare list, and draws nothing at all of a workflow in which it is wrapped like other inputs.</summary>
    private static void WriteCasesBare(JsonObject activity)
    {
        if ((string?)(activity["type"] as JsonValue) == "Elsa.FlowSwitch" && activity["cases"] is JsonObject wrapped && wrapped["expression"] is JsonObject expression)
        {
            activity["cases"] = expression["value"] switch
            {
                JsonArray list => list.DeepClone(),
                JsonValue text when text.GetValueKind() == JsonValueKind.String && TryParse(text.GetValue<string>()) is JsonArray list => list,
                _ => new JsonArray(),
            };
        }
    }

    private static JsonNode? TryParse(string json)
    {
        try
        {
            return JsonNode.Parse(json);
        }
        catch (JsonException)
        {
            // What is no list is no cases; the reader says so when the workflow is published.
            return null;
        }
    }

    private static void KeepUnknownMembers(JsonArray items, JsonArray? before)
    {
        foreach (var item in items.OfType<JsonObject>())
        {
            var earlier = before?.OfType<JsonObject>().FirstOrDefault(e => (string?)e["name"] == (string?)item["name"]);
            foreach (var (name, value) in earlier ?? [])
            {
                if (!item.ContainsKey(name))
                {
                    item[name] = value?.DeepClone();
                }
            }
        }
    }

    /// <summary>Members in order, without what is null or empty, without sizes that a browser measured; activities of a flowchart in the order of their ids, because theirs has no meaning.</summary>
    private static JsonNode? Canonical(JsonNode? node, bool isDefinition = false)
    {
        switch (node)
        {
            case JsonObject value:
                var members = new JsonObject();
                foreach (var (name, member) in value.OrderBy(m => m.Key, StringComparer.Ordinal))
                {
                    if ((isDefinition && AboutTheVersion.Contains(name)) || name == RevisionProperty || (name is "size" && value.ContainsKey("position")))
                    {
                        continue;
                    }

                    var canonical = name == "activities" && (string?)(value["type"] as JsonValue) == "Elsa.Flowchart" && member is JsonArray activities
                        ? new JsonArray([.. activities.OfType<JsonObject>().OrderBy(a => a["id"]?.ToString(), StringComparer.Ordinal).Select(a => Canonical(a))])
                        : Canonical(member);
                    if (canonical is not (null or JsonObject { Count: 0 } or JsonArray { Count: 0 }))
                    {
                        members[name] = canonical;
                    }
                }

                return members;
            case JsonArray list:
                return new JsonArray([.. list.Select(item => Canonical(item))]);
            case JsonValue number when number.GetValueKind() == JsonValueKind.Number:
                // 1 and 1.0 are the same number.
                return number.TryGetValue<long>(out var whole) || (number.TryGetValue<JsonElement>(out var element) && element.TryGetInt64(out whole))
                    ? JsonValue.Create(whole)
                    : JsonValue.Create(double.Parse(number.ToJsonString(), System.Globalization.CultureInfo.InvariantCulture));
            default:
                return node?.DeepClone();
        }
    }
}
