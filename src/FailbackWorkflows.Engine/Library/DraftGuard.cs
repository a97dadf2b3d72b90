using System.Text.Json.Nodes;

namespace FailbackWorkflows.Engine.Library;

/// <summary>
/// Stands between a client that shows nothing and a definition. A designer that does not know an activity draws an empty canvas, says nothing, and its next save
/// would take everything away.
/// </summary>
internal static class DraftGuard
{
    /// <summary>Throws when a container that held several activities holds none any more.</summary>
    public static void Check(JsonObject before, JsonObject after)
    {
        if (before["root"] is not JsonObject earlier)
        {
            return;
        }

        if (after["root"] is not JsonObject root)
        {
            throw Emptied("the workflow", DefinitionText.Activities(earlier).Count() - 1);
        }

        var now = DefinitionText.Activities(root).Where(a => a["activities"] is JsonArray).ToDictionary(a => (string)a["id"]!, a => ((JsonArray)a["activities"]!).Count);
        foreach (var container in DefinitionText.Activities(earlier).Where(a => a["activities"] is JsonArray { Count: > 1 }))
        {
            var id = (string)container["id"]!;
            var isRoot = container == earlier;
            if (now.TryGetValue(id, out var count) ? count == 0 : isRoot && !DefinitionText.Children(root).Any())
            {
                throw Emptied(isRoot ? "the workflow" : $"'{container["name"] ?? id}'", ((JsonArray)container["activities"]!).Count);
            }
        }
    }

    private static LibraryRefusedException Emptied(string what, int count) => new(
        "emptied",
        $"This save would take all {count} activities out of {what} at once, which happens when the designer could not draw them. Nothing was changed: load the page again. "
        + "To really empty it, delete all but one activity first.");
}
