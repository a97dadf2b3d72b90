using System.Globalization;
using System.Text.Json;
using System.Xml;
using FailbackWorkflows.Recorders.Recording;
using FailbackWorkflows.Recorders.Settings;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Settings;

/// <summary>Says what of some settings stands in the way on this recorder. Errors forbid activation, warnings do not.</summary>
public sealed class SettingsValidator
{
    private readonly List<SettingsFinding> _findings = [];
    private readonly HashSet<string> _channels = new(StringComparer.Ordinal);

    private SettingsValidator()
    {
    }

    public static SettingsValidation Validate(SettingsContent content, int mostChannels)
    {
        var validator = new SettingsValidator();
        validator.Channels(content.Channels, mostChannels);
        validator.Masks(content.Masks);
        validator.Schedules(content.Schedules);
        validator.Named(content.Alarms, "alarms");
        validator.Retention(content.Retention);
        validator.Files(content.Files);
        if (validator._findings.Count == 0 && ChannelSettings.FirstUnmasked(content) is { } unmasked)
        {
            validator._findings.Add(new SettingsFinding("masks", FindingSeverity.Warning, $"Channel '{unmasked}' requires a privacy mask and there is none; the recorder will refuse to record."));
        }

        return new SettingsValidation(validator._findings);
    }

    private void Channels(JsonElement section, int mostChannels)
    {
        var slots = new HashSet<long>();
        var count = 0;
        foreach (var (channel, path) in Items(section, "channels"))
        {
            count++;
            var id = Text(channel, path, "id");
            if (id is not null && !Names.IsValid(id))
            {
                Error($"{path}.id", $"'{id}' is not a channel id. {Names.Rule}");
            }
            else if (id is not null && !_channels.Add(id))
            {
                Error($"{path}.id", $"The channel id '{id}' is used twice.");
            }

            if (channel.TryGetProperty("slot", out var slot))
            {
                if (slot.ValueKind != JsonValueKind.Number || !slot.TryGetInt64(out var number) || number < 0)
                {
                    Error($"{path}.slot", "The slot must be a whole number, 0 or more.");
                }
                else if (!slots.Add(number))
                {
                    Error($"{path}.slot", $"Slot {number.ToString(CultureInfo.InvariantCulture)} is used twice.");
                }
            }

            if (Text(channel, path, "kind") is { } kind && (!Enum.TryParse<ChannelKind>(kind, ignoreCase: true, out _) || !kind.All(char.IsAsciiLetterLower)))
            {
                Error($"{path}.kind", "The kind must be video, audio or text.");
            }

            Optional(channel, path, "name", JsonValueKind.String);
            Optional(channel, path, "sourceId", JsonValueKind.String);
            Optional(channel, path, "generator", JsonValueKind.String);
            OptionalFlag(channel, path, "enabled");
            OptionalFlag(channel, path, "required");
            OptionalFlag(channel, path, "masksRequired");
            OptionalFlag(channel, path, "singleSession");
            StoragePlace(channel, path);
        }

        if (count > mostChannels)
        {
            Error("channels", $"There are {count} channels and this recorder takes at most {mostChannels} for one identity.");
        }
    }

    private void Masks(JsonElement section)
    {
        var ids = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (mask, path) in Items(section, "masks"))
        {
            UniqueId(mask, path, ids);
            KnownChannel(mask, path);
            Text(mask, path, "type");
            if (!mask.TryGetProperty("polygon", out var polygon) || polygon.ValueKind != JsonValueKind.Array || polygon.GetArrayLength() < 3)
            {
                Error($"{path}.polygon", "A mask needs a polygon of at least 3 points.");
                continue;
            }

            var index = 0;
            foreach (var point in polygon.EnumerateArray())
            {
                if (!IsPoint(point))
                {
                    Error($"{path}.polygon[{index}]", "A point must be two numbers from 0 to 1, as [x, y] or {\"x\": …, \"y\": …}.");
                }

                index++;
            }
        }
    }

    private void Schedules(JsonElement section)
    {
        var ids = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (schedule, path) in Items(section, "schedules"))
        {
            UniqueId(schedule, path, ids);
            KnownChannel(schedule, path);
            Text(schedule, path, "rule");
        }
    }

    private void Named(JsonElement section, string name)
    {
        var ids = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (item, path) in Items(section, name))
        {
            UniqueId(item, path, ids);
        }
    }

    private void Retention(JsonElement section)
    {
        if (section.ValueKind != JsonValueKind.Object)
        {
            Error("retention", "Retention must be an object.");
            return;
        }

        if (section.TryGetProperty("maximumRetentionTime", out var most) && most.ValueKind != JsonValueKind.Null && !IsLength(most))
        {
            Error("retention.maximumRetentionTime", "The maximum retention time must be an ISO 8601 duration such as P30D; P0D or null keeps without limit.");
        }

        StoragePlace(section, "retention");
    }

    private void Files(IReadOnlyList<ConfigurationFile> files)
    {
        var paths = new HashSet<string>(StringComparer.Ordinal);
        for (var index = 0; index < files.Count; index++)
        {
            var file = files[index];
            var path = $"files[{index}]";
            var isPlain = file is not null && file.Path.Length is > 0 and <= 255
                && file.Path[0] != '/' && !file.Path.Contains('\\') && !file.Path.Contains(':') && !file.Path.Any(char.IsControl)
                && file.Path.Split('/').All(part => part is not ("" or "." or ".."));
            if (file is null || !isPlain)
            {
                Error($"{path}.path", "A file's path must be relative with '/' between its parts, without '..', drive letters or control characters.");
                continue;
            }

            if (!paths.Add(file.Path))
            {
                Error($"{path}.path", $"The path '{file.Path}' is used twice.");
            }

            if (!file.HasItsDigest())
            {
                Error($"{path}.sha256", $"The content of '{file.Path}' is not base64 or does not have the digest stated.");
            }
        }
    }

    private IEnumerable<(JsonElement Item, string Path)> Items(JsonElement section, string name)
    {
        if (section.ValueKind != JsonValueKind.Array)
        {
            Error(name, $"The section {name} must be an array.");
            yield break;
        }

        var index = 0;
        foreach (var item in section.EnumerateArray())
        {
            var path = $"{name}[{index++}]";
            if (item.ValueKind != JsonValueKind.Object)
            {
                Error(path, "Must be an object.");
                continue;
            }

            yield return (item, path);
        }
    }

    private void UniqueId(JsonElement item, string path, HashSet<string> ids)
    {
        if (Text(item, path, "id") is { } id && !ids.Add(id))
        {
            Error($"{path}.id", $"The id '{id}' is used twice.");
        }
    }

    private void KnownChannel(JsonElement item, string path)
    {
        if (Text(item, path, "channelId") is { } channel && !_channels.Contains(channel))
        {
            Error($"{path}.channelId", $"There is no channel '{channel}'.");
        }
    }

    private void StoragePlace(JsonElement item, string path)
    {
        if (item.TryGetProperty("storage", out var storage) && (storage.ValueKind != JsonValueKind.String || storage.GetString() != DataFolder.StorageId))
        {
            Error($"{path}.storage", $"This recorder has no such storage; it has '{DataFolder.StorageId}'.");
        }

        if (item.TryGetProperty("storagePath", out var folder) && (folder.ValueKind != JsonValueKind.String || !Directory.Exists(folder.GetString())))
        {
            Error($"{path}.storagePath", "This folder does not exist on this recorder.");
        }
    }

    private string? Text(JsonElement item, string path, string name)
    {
        if (item.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text)
        {
            return text;
        }

        Error($"{path}.{name}", "Must be a text that is not empty.");
        return null;
    }

    private void Optional(JsonElement item, string path, string name, JsonValueKind kind)
    {
        if (item.TryGetProperty(name, out var value) && value.ValueKind != kind)
        {
            Error($"{path}.{name}", "Must be a text.");
        }
    }

    private void OptionalFlag(JsonElement item, string path, string name)
    {
        if (item.TryGetProperty(name, out var value) && value.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
        {
            Error($"{path}.{name}", "Must be true or false.");
        }
    }

    private void Error(string path, string reason) => _findings.Add(new SettingsFinding(path, FindingSeverity.Error, reason));

    private static bool IsPoint(JsonElement point) => point.ValueKind switch
    {
        JsonValueKind.Array => point.GetArrayLength() == 2 && IsShare(point[0]) && IsShare(point[1]),
        JsonValueKind.Object => point.TryGetProperty("x", out var x) && point.TryGetProperty("y", out var y) && IsShare(x) && IsShare(y),
        _ => false,
    };

    private static bool IsShare(JsonElement value) => value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && number is >= 0 and <= 1;

    private static bool IsLength(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.String)
        {
            return false;
        }

        try
        {
            return XmlConvert.ToTimeSpan(value.GetString()!) >= TimeSpan.Zero;
        }
        catch (Exception error) when (error is FormatException or OverflowException)
        {
            return false;
        }
    }
}
