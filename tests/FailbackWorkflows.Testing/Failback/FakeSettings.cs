using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using FailbackWorkflows.Recorders.Settings;

namespace FailbackWorkflows.Testing.Failback;

/// <summary>Small settings of a recorder: two cameras with privacy masks and a till.</summary>
public static class FakeSettings
{
    /// <summary>Channels that <see cref="Content"/> configures, all enabled and required.</summary>
    public static IReadOnlyList<string> Channels { get; } = ["video-1", "video-2", "text-1"];

    /// <param name="version">Makes one content differ from another.</param>
    public static SettingsContent Content(int version)
    {
        var file = Encoding.UTF8.GetBytes($"version = {version}\n");
        return new SettingsContent(
            Json($$"""
                [{ "id": "video-1", "slot": 1, "kind": "video", "name": "Gate, version {{version}}", "enabled": true, "required": true, "masksRequired": true },
                 { "id": "video-2", "slot": 2, "kind": "video", "name": "Hall", "enabled": true, "required": true, "masksRequired": true },
                 { "id": "text-1", "slot": 3, "kind": "text", "name": "Till", "enabled": true, "required": true }]
                """),
            Json("""
                [{ "id": "mask-1", "channelId": "video-1", "type": "privacy", "polygon": [[0.1, 0.1], [0.4, 0.1], [0.4, 0.3]] },
                 { "id": "mask-2", "channelId": "video-2", "type": "privacy", "polygon": [[0.1, 0.1], [0.4, 0.1], [0.4, 0.3]] }]
                """),
            Json("""[{ "id": "always", "channelId": "video-1", "rule": "FREQ=DAILY" }]"""),
            Json("[]"),
            Json("""{ "maximumRetentionTime": "P30D" }"""),
            [new ConfigurationFile("site.conf", Convert.ToBase64String(file), Convert.ToHexStringLower(SHA256.HashData(file)))]);
    }

    /// <summary>Settings of an identity that was never configured.</summary>
    public static SettingsContent Empty { get; } = new(Json("[]"), Json("[]"), Json("[]"), Json("[]"), Json("{}"), []);

    private static JsonElement Json(string text)
    {
        using var document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }
}
