using System.Globalization;
using System.Text.Json.Nodes;

namespace FailbackWorkflows.Demo;

/// <summary>The change that is made at the failover server while it records, and that the failback must bring home: one more privacy mask.</summary>
internal static class DemoMask
{
    public static string IdOf(int round) => string.Create(CultureInfo.InvariantCulture, $"mask-demo-{round}");

    /// <summary>The settings with the mask of this round; the same again when it is there already.</summary>
    public static JsonObject AddTo(JsonObject content, int round)
    {
        var changed = content.DeepClone().AsObject();
        var masks = changed["masks"] as JsonArray ?? [];
        if (masks.All(m => (string?)m?["id"] != IdOf(round)))
        {
            masks.Add(new JsonObject
            {
                ["id"] = IdOf(round),
                ["channelId"] = "video-1",
                ["type"] = "privacy",
                ["polygon"] = new JsonArray(new JsonArray(0.6, 0.6), new JsonArray(0.9, 0.6), new JsonArray(0.9, 0.9)),
            });
        }

        return changed;
    }
}
