using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using System.Xml;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Settings;

namespace FailbackWorkflows.Failback.SettingsCache;

/// <summary>Settings in the words of the field: which channel, which mask, how long, how often.</summary>
internal static partial class SettingsWords
{
    private const int MostCharacters = 60;

    /// <summary>What stands for a secret.</summary>
    private const string Hidden = "•••";

    /// <summary>E.g. <c>channel 3 'Gate'</c>; what is missing is left out, the id is the last resort.</summary>
    public static string Channel(JsonElement channel)
    {
        var slot = Find(channel, "slot") is { ValueKind: JsonValueKind.Number } number ? number.GetRawText() : null;
        var name = Text(channel, "name");
        return (slot, name) switch
        {
            ({ } s, { } n) => $"channel {s} '{n}'",
            ({ } s, null) => $"channel {s}",
            (null, { } n) => $"channel '{n}'",
            _ => $"channel '{Text(channel, "id") ?? "?"}'",
        };
    }

    /// <summary>The channel an item names, by the channels of its settings.</summary>
    public static string ChannelOf(JsonElement item, IReadOnlyDictionary<string, JsonElement> channels) =>
        Text(item, "channelId") is not { } id ? "no channel" : channels.TryGetValue(id, out var channel) ? Channel(channel) : $"channel '{id}'";

    /// <summary>The place that a finding of a validation names, e.g. <c>channel 3 'Gate' (storagePath)</c> for <c>channels[2].storagePath</c>.</summary>
    public static string Place(string path, SettingsContent content)
    {
        if (FindingPath().Match(path) is not { Success: true } match || !int.TryParse(match.Groups[2].Value, CultureInfo.InvariantCulture, out var index))
        {
            return path;
        }

        var field = match.Groups[3].Value.TrimStart('.');
        var detail = field.Length == 0 ? "" : $" ({field})";
        var section = match.Groups[1].Value;
        if (section == "files")
        {
            return index < content.Files.Count ? $"file '{content.Files[index].Path}'{detail}" : path;
        }

        var items = section switch { "channels" => content.Channels, "masks" => content.Masks, "schedules" => content.Schedules, "alarms" => content.Alarms, _ => default };
        if (items.ValueKind != JsonValueKind.Array || index >= items.GetArrayLength() || items[index].ValueKind != JsonValueKind.Object)
        {
            return path;
        }

        var item = items[index];
        var channels = ById(content.Channels);
        return section switch
        {
            "channels" => $"{Channel(item)}{detail}",
            "masks" => $"{ChannelOf(item, channels)}: mask '{Text(item, "id")}'{detail}",
            "schedules" => $"{ChannelOf(item, channels)}: schedule '{Text(item, "id")}'{detail}",
            _ => $"alarm '{Text(item, "name") ?? Text(item, "id")}'{detail}",
        };
    }

    /// <summary>Items of a section that have an id of their own, by id.</summary>
    public static Dictionary<string, JsonElement> ById(JsonElement section) => section.ValueKind != JsonValueKind.Array
        ? []
        : section.EnumerateArray()
            .Where(item => item.ValueKind == JsonValueKind.Object && Text(item, "id") is not null)
            .GroupBy(item => Text(item, "id")!)
            .Where(same => same.Count() == 1)
            .ToDictionary(same => same.Key, same => same.Single(), StringComparer.Ordinal);

    /// <summary>A recording rule: a simple recurrence in words, anything else as it stands.</summary>
    public static string Rule(string rule)
    {
        var parts = rule.Split(';').Select(p => p.Split('=', 2)).Where(p => p.Length == 2).ToLookup(p => p[0].ToUpperInvariant(), p => p[1].ToUpperInvariant());
        var days = parts["BYDAY"].FirstOrDefault()?.Split(',');
        return (parts["FREQ"].FirstOrDefault(), parts.Count) switch
        {
            ("DAILY", 1) => "every day",
            ("WEEKLY", 2) when days is { Length: 7 } => "every day",
            ("WEEKLY", 2) when days is not null && days.All(d => Day(d) is not null) => string.Join(", ", days.Select(Day)),
            _ => $"'{rule}'",
        };
    }

    /// <summary>An ISO 8601 length in words: <c>P30D</c> is 30 days; anything else as it stands.</summary>
    public static string Length(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.String)
        {
            return value.ValueKind == JsonValueKind.Null ? "no limit" : Value(value);
        }

        try
        {
            return XmlConvert.ToTimeSpan(value.GetString()!) switch
            {
                { Ticks: 0 } => "no limit",
                { TotalDays: >= 1 } days when days.TotalDays % 1 == 0 => string.Create(CultureInfo.InvariantCulture, $"{days.TotalDays:0} {(days.TotalDays == 1 ? "day" : "days")}"),
                { TotalHours: >= 1 } hours when hours.TotalHours % 1 == 0 => string.Create(CultureInfo.InvariantCulture, $"{hours.TotalHours:0} {(hours.TotalHours == 1 ? "hour" : "hours")}"),
                _ => Value(value),
            };
        }
        catch (Exception error) when (error is FormatException or OverflowException)
        {
            return Value(value);
        }
    }

    /// <summary>True for what must not be shown to everybody who may see what changed.</summary>
    public static bool IsSecret(string name) => SecretName().IsMatch(name);

    /// <summary>A text without what it says of credentials: values of lines such as <c>password = x</c>, and users in addresses.</summary>
    public static string WithoutSecrets(string text)
    {
        var cut = text.IndexOfAny(['=', ':']);
        var shown = cut > 0 && IsSecret(text[..cut]) ? $"{text[..(cut + 1)]} {Hidden}" : text;
        return UserInfo().Replace(shown, $"//{Hidden}@");
    }

    /// <summary>A value as a field of a change shows it.</summary>
    public static JsonElement? Shown(string name, JsonElement? value) => value switch
    {
        null => null,
        _ when IsSecret(name) => JsonSerializer.SerializeToElement(Hidden),
        { } shown => WithoutSecrets(shown),
    };

    /// <summary>A value without what it says of credentials, however deep in it that is.</summary>
    public static JsonElement WithoutSecrets(JsonElement value) =>
        value.ValueKind is JsonValueKind.Object or JsonValueKind.Array or JsonValueKind.String ? JsonSerializer.SerializeToElement(Masked(value)) : value;

    private static JsonNode? Masked(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => new JsonObject(value.EnumerateObject().DistinctBy(m => m.Name).Select(m => KeyValuePair.Create(m.Name, IsSecret(m.Name) ? JsonValue.Create(Hidden) : Masked(m.Value)))),
        JsonValueKind.Array => new JsonArray([.. value.EnumerateArray().Select(Masked)]),
        JsonValueKind.String => JsonValue.Create(WithoutSecrets(value.GetString()!)),
        _ => JsonNode.Parse(value.GetRawText()),
    };

    /// <summary>A value as a sentence can hold it.</summary>
    public static string Value(JsonElement? value)
    {
        var text = value switch
        {
            null => "nothing",
            { ValueKind: JsonValueKind.String } element => $"'{WithoutSecrets(element.GetString()!)}'",
            { ValueKind: JsonValueKind.True } => "on",
            { ValueKind: JsonValueKind.False } => "off",
            { ValueKind: JsonValueKind.Null } => "nothing",
            { } element => CanonicalJson.Text(WithoutSecrets(element)),
        };
        return text.Length <= MostCharacters ? text : $"{text[..MostCharacters]}…";
    }

    public static string? Text(JsonElement item, string name) => Find(item, name) is { ValueKind: JsonValueKind.String } value ? value.GetString() : null;

    public static JsonElement? Find(JsonElement item, string name) => item.ValueKind == JsonValueKind.Object && item.TryGetProperty(name, out var value) ? value : null;

    public static string Capitalized(string sentence) => sentence.Length == 0 ? sentence : $"{char.ToUpperInvariant(sentence[0])}{sentence[1..]}";

    private static string? Day(string day) => day switch
    {
        "MO" => "Mon",
        "TU" => "Tue",
        "WE" => "Wed",
        "TH" => "Thu",
        "FR" => "Fri",
        "SA" => "Sat",
        "SU" => "Sun",
        _ => null,
    };

    [GeneratedRegex(@"pass(word|wd|phrase)?\b|pwd|secret|token|credential|private.?key|api.?key", RegexOptions.IgnoreCase)]
    private static partial Regex SecretName();

    [GeneratedRegex(@"//[^/@\s]+@")]
    private static partial Regex UserInfo();

    [GeneratedRegex(@"^(channels|masks|schedules|alarms|files)\[(\d{1,6})\](.*)$")]
    private static partial Regex FindingPath();
}
