using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.Json;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Settings;
using FailbackWorkflows.ReferenceRecorder.Duties;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Settings;

/// <summary>A recorder that is configured and records from its first start: for demos and tests.</summary>
public static class SeedSettings
{
    public const string AllocationId = "seed";

    /// <summary>Gives the identity's duty under epoch 1 with settings that depend on nothing but the arguments; recording is on.</summary>
    /// <param name="cameras">Further video channels that record only what a feeder puts.</param>
    public static void Plant(Sql sql, string identity, int channels, DateTimeOffset now, int cameras = 0)
    {
        SettingsStore.Activate(sql, identity, Content(identity, channels, cameras), "seed", now);
        DutyStore.Save(sql, DutyRow.Unknown(identity) with { AssignedRole = DutyRole.Recorder, Epoch = 1, AllocationId = AllocationId, Recording = true });
    }

    public static SettingsContent Content(string identity, int channels, int cameras = 0)
    {
        var items = new JsonArray();
        var masks = new JsonArray();
        var schedules = new JsonArray();
        for (var number = 1; number <= channels; number++)
        {
            items.Add(Channel(identity, $"video-{number}", items.Count + 1, "video", $"Camera {number}", masksRequired: true));
            masks.Add(new JsonObject
            {
                ["id"] = $"mask-{number}",
                ["channelId"] = $"video-{number}",
                ["type"] = "privacy",
                ["polygon"] = new JsonArray(new JsonArray(0.1, 0.1), new JsonArray(0.4, 0.1), new JsonArray(0.4, 0.3), new JsonArray(0.1, 0.3)),
            });
        }

        for (var number = 1; number <= channels; number++)
        {
            items.Add(Channel(identity, $"audio-{number}", items.Count + 1, "audio", $"Microphone {number}", masksRequired: false));
        }

        items.Add(Channel(identity, "text-1", items.Count + 1, "text", "Till 1", masksRequired: false));
        for (var number = 1; number <= cameras; number++)
        {
            // Nothing is made up for it, and no failback waits for its frames: they come from outside, or do not.
            var camera = Channel(identity, $"camera-{number}", items.Count + 1, "video", $"Feeder {number}", masksRequired: false);
            camera["generator"] = "dark";
            camera["required"] = false;
            items.Add(camera);
        }

        foreach (var id in items.Select(c => c!["id"]!.GetValue<string>()))
        {
            schedules.Add(new JsonObject { ["id"] = $"schedule-{id}", ["channelId"] = id, ["rule"] = "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA,SU" });
        }

        var alarms = new JsonArray(
            new JsonObject { ["id"] = "alarm-motion", ["name"] = "Motion", ["severity"] = "low" },
            new JsonObject { ["id"] = "alarm-signal-lost", ["name"] = "Signal lost", ["severity"] = "high" });
        return new SettingsContent(
            Element(items),
            Element(masks),
            Element(schedules),
            Element(alarms),
            Element(new JsonObject { ["maximumRetentionTime"] = "P30D" }),
            [
                File("recorder/site.conf", $"identity = {identity}\nsite = Demo\n"),
                File("recorder/alarms.conf", "motion.holdSeconds = 10\nsignalLost.holdSeconds = 3\n"),
            ]);
    }

    private static JsonObject Channel(string identity, string id, int slot, string kind, string name, bool masksRequired) => new()
    {
        ["id"] = id,
        ["slot"] = slot,
        ["kind"] = kind,
        ["name"] = name,
        ["sourceId"] = $"urn:source:{identity}:{id}",
        ["enabled"] = true,
        ["required"] = true,
        ["masksRequired"] = masksRequired,
    };

    private static ConfigurationFile File(string path, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        return new ConfigurationFile(path, Convert.ToBase64String(bytes), Convert.ToHexStringLower(SHA256.HashData(bytes)));
    }

    private static JsonElement Element(JsonNode node) => JsonSerializer.SerializeToElement(node);
}
