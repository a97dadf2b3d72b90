using System.Text.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Recording;
using FailbackWorkflows.Recorders.Settings;
using FailbackWorkflows.ReferenceRecorder.Commands;

namespace FailbackWorkflows.ReferenceRecorder.Settings;

/// <summary>What the recorder needs to know of a configured channel; everything else in the section is kept untouched.</summary>
/// <param name="MasksRequired">It must not be recorded without a privacy mask.</param>
/// <param name="SourceId">Its camera, where the settings name one.</param>
/// <param name="StoragePath">A folder it must be able to write, where the settings name one.</param>
/// <param name="IsSingleSession">Test knob <c>"singleSession": true</c>: its camera allows one session.</param>
/// <param name="IsDark">Test knob <c>"generator": "dark"</c>: configured and enabled, but never gives a frame.</param>
public sealed record ChannelSettings(string Id, string Name, ChannelKind Kind, bool Enabled, bool Required, bool MasksRequired, bool IsDark, string? SourceId = null, bool IsSingleSession = false, string? StoragePath = null)
{
    /// <summary>The channels of validated settings.</summary>
    public static IReadOnlyList<ChannelSettings> Read(SettingsContent content) =>
        content.Channels.ValueKind != JsonValueKind.Array
            ? []
            : [.. content.Channels.EnumerateArray().Select(c => new ChannelSettings(
                c.GetProperty("id").GetString()!,
                Text(c, "name") ?? c.GetProperty("id").GetString()!,
                Enum.Parse<ChannelKind>(c.GetProperty("kind").GetString()!, ignoreCase: true),
                Flag(c, "enabled", true),
                Flag(c, "required", true),
                Flag(c, "masksRequired", false),
                Text(c, "generator") == "dark",
                Text(c, "sourceId"),
                Flag(c, "singleSession", false),
                Text(c, "storagePath")))];

    /// <summary>Id of the first enabled channel that requires a privacy mask and has none, or null.</summary>
    public static string? FirstUnmasked(SettingsContent content)
    {
        var masked = content.Masks.ValueKind != JsonValueKind.Array
            ? []
            : content.Masks.EnumerateArray()
                .Where(m => string.Equals(Text(m, "type"), "privacy", StringComparison.Ordinal))
                .Select(m => Text(m, "channelId"))
                .ToHashSet(StringComparer.Ordinal);
        return Read(content).FirstOrDefault(c => c is { Enabled: true, MasksRequired: true } && !masked.Contains(c.Id))?.Id;
    }

    /// <exception cref="Refusal">A channel would be recorded without the privacy mask it requires.</exception>
    public static void RefuseUnmasked(string identity, SettingsContent content)
    {
        if (FirstUnmasked(content) is { } unmasked)
        {
            throw new Refusal(
                StatusCodes.Status409Conflict,
                RecorderProblems.MasksMissing,
                $"Channel '{unmasked}' of '{identity}' requires a privacy mask and the settings have none for it, so nothing is recorded. Activate settings with the mask.");
        }
    }

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static bool Flag(JsonElement element, string name, bool fallback) =>
        element.TryGetProperty(name, out var value) ? value.ValueKind == JsonValueKind.True : fallback;
}
