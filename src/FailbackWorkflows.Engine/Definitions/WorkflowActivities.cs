using System.Text.Json;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Engine.Definitions;

/// <summary>Workflows as activities of other workflows.</summary>
internal static class WorkflowActivities
{
    /// <summary>The activity that a workflow version is; null when it may not be used as one.</summary>
    /// <param name="type">Its name in a definition that uses it; null: made from the name of the workflow.</param>
    public static ActivityDescriptor? Describe(StoredDefinition stored, string? type)
    {
        using var document = JsonDocument.Parse(stored.Json, DefinitionReader.ReadingOptions);
        var root = document.RootElement;
        if (!DefinitionReader.MayBeUsedAsActivity(root))
        {
            return null;
        }

        return new ActivityDescriptor
        {
            Type = type ?? TypeOf(stored.Name),
            Version = stored.Version,
            DisplayName = stored.Name,
            Category = Option(root, "activityCategory") ?? "Workflows",
            Description = Text(root, "description"),
            Shape = ActivityShape.Composite,
            Inputs =
            [
                .. Items(root, "inputs").Where(i => Text(i, "name") is not null).Select(i => new InputDescriptor(
                    Camel(Text(i, "name")!),
                    IsTrue(i, "isArray") ? typeof(object) : VariableTypes.ValueTypeOf(VariableTypes.AliasOf(Text(i, "type") ?? "Object")),
                    IsTrue(i, "isRequired"),
                    null,
                    Text(i, "displayName") ?? Text(i, "name")!,
                    Text(i, "description"),
                    Text(i, "uiHint") ?? "singleline")
                { Category = Text(i, "category") ?? InputDescriptor.General }),
            ],
            Outputs = [.. Items(root, "outputs").Where(o => Text(o, "name") is not null).Select(o => new OutputDescriptor(Text(o, "name")!, typeof(object), Text(o, "displayName") ?? Text(o, "name")!, Text(o, "description")))],
            Outcomes = [.. Items(root, "outcomes").Select(o => o.ValueKind == JsonValueKind.String ? o.GetString()! : string.Empty).Where(o => o.Length > 0 && o != "Done"), "Done"],
            Retry = RetryPolicy.None,
            WorkflowDefinitionId = stored.DefinitionId,
            WorkflowDefinitionVersionId = stored.Id,
        };
    }

    /// <summary>Versions that a definition names, to be fetched before it is read.</summary>
    public static IReadOnlyList<string> VersionsIn(string json)
    {
        if (!json.Contains("workflowDefinitionVersionId", StringComparison.Ordinal))
        {
            return [];
        }

        try
        {
            using var document = JsonDocument.Parse(json, DefinitionReader.ReadingOptions);
            var found = new List<string>();
            Gather(document.RootElement, found);
            return [.. found.Distinct(StringComparer.Ordinal)];
        }
        catch (JsonException)
        {
            // The reader says so, with the place.
            return [];
        }
    }

    /// <summary>"copy material-of recorder" → "CopyMaterialOfRecorder".</summary>
    private static string TypeOf(string name) => string.Concat(name
        .Split([' ', '-', '_', '.', ':', '/'], StringSplitOptions.RemoveEmptyEntries)
        .Select(word => char.ToUpperInvariant(word[0]) + word[1..]));

    private static string Camel(string name) => char.ToLowerInvariant(name[0]) + name[1..];

    private static void Gather(JsonElement element, List<string> found)
    {
        if (element.ValueKind == JsonValueKind.Array)
        {
            foreach (var item in element.EnumerateArray())
            {
                Gather(item, found);
            }
        }
        else if (element.ValueKind == JsonValueKind.Object)
        {
            foreach (var property in element.EnumerateObject())
            {
                if (property.NameEquals("workflowDefinitionVersionId") && property.Value.ValueKind == JsonValueKind.String && property.Value.GetString() is { Length: > 0 } id)
                {
                    found.Add(id);
                }
                else
                {
                    Gather(property.Value, found);
                }
            }
        }
    }

    private static string? Option(JsonElement root, string name) => root.TryGetProperty("options", out var options) && Text(options, name) is { Length: > 0 } text ? text : null;

    private static bool IsTrue(JsonElement element, string name) => element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True;

    private static string? Text(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static IEnumerable<JsonElement> Items(JsonElement element, string name) =>
        element.TryGetProperty(name, out var items) && items.ValueKind == JsonValueKind.Array ? items.EnumerateArray() : [];
}
