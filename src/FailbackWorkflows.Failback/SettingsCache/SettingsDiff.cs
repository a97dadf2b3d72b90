using System.Globalization;
using System.Text;
using System.Text.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Settings;

namespace FailbackWorkflows.Failback.SettingsCache;

/// <summary>
/// What differs between two bundles, for a person to read. Nothing that differs is left out: two bundles have no changes between them exactly
/// when they have the same digest.
/// </summary>
public static class SettingsDiff
{
    private const int MostLines = 400;
    private const int MostLinesShown = 20;

    /// <summary>The changes that lead from one content to another, section by section.</summary>
    public static IReadOnlyList<SettingsChange> Compare(SettingsContent from, SettingsContent to)
    {
        var names = new Names(SettingsWords.ById(from.Channels), SettingsWords.ById(to.Channels));
        return
        [
            .. Items("channels", from.Channels, to.Channels, (before, after) => SettingsWords.Channel(after ?? before!.Value), Channel, item => SettingsWords.Text(item, "id"), names),
            .. Items("masks", from.Masks, to.Masks, names.Mask, Mask, ChannelId, names),
            .. Items("schedules", from.Schedules, to.Schedules, names.Schedule, Schedule, ChannelId, names),
            .. Items("alarms", from.Alarms, to.Alarms, (before, after) => $"alarm '{NameOf(after ?? before!.Value)}'", (change, _) => Field(change), _ => null, names),
            .. Retention(from.Retention, to.Retention),
            .. Files(from.Files, to.Files),
        ];
    }

    private static IEnumerable<SettingsChange> Items(
        string section,
        JsonElement from,
        JsonElement to,
        Func<JsonElement?, JsonElement?, string> name,
        Func<FieldChange, Names, string> phrase,
        Func<JsonElement, string?> channelId,
        Names names)
    {
        if (CanonicalJson.Text(from) == CanonicalJson.Text(to))
        {
            yield break;
        }

        if (from.ValueKind != JsonValueKind.Array || to.ValueKind != JsonValueKind.Array)
        {
            yield return Whole(section, $"The section {section} changed as a whole.");
            yield break;
        }

        var (before, after) = (SettingsWords.ById(from), SettingsWords.ById(to));
        // An id that is usable on one side only would look like something added or removed beside something without an id.
        var shared = IdsOf(from, before).Union(IdsOf(to, after)).Where(id => !IsAmbiguous(id, from, before) && !IsAmbiguous(id, to, after)).ToList();
        var count = 0;
        foreach (var id in shared)
        {
            JsonElement? old = before.TryGetValue(id, out var o) ? o : null;
            JsonElement? @new = after.TryGetValue(id, out var n) ? n : null;
            if (old is { } x && @new is { } y && CanonicalJson.Text(x) == CanonicalJson.Text(y))
            {
                continue;
            }

            count++;
            var subject = SettingsWords.Capitalized(name(old, @new));
            var channel = channelId(@new ?? old!.Value);
            if (old is null || @new is null)
            {
                yield return new(section, old is null ? SettingsChangeKind.Added : SettingsChangeKind.Removed, id, channel, $"{subject} {(old is null ? "added" : "removed")}", [], []);
                continue;
            }

            var fields = Fields("", old.Value, @new.Value).ToList();
            var phrases = fields.Count == 0 ? ["changed"] : fields.Select(f => phrase(new FieldChange(f, old.Value, @new.Value), names)).Distinct().ToList();
            yield return new(
                section,
                SettingsChangeKind.Changed,
                id,
                channel,
                section == "masks" || section == "schedules" ? $"{subject} {string.Join("; ", phrases)}" : $"{subject}: {string.Join("; ", phrases)}",
                [.. fields.Select(f => new SettingsFieldChange(f.Name, SettingsWords.Shown(f.Name, f.From), SettingsWords.Shown(f.Name, f.To)))],
                []);
        }

        foreach (var change in WithoutId(section, from, to, shared))
        {
            count++;
            yield return change;
        }

        if (count == 0)
        {
            yield return Whole(section, $"The order of the {section} changed.");
        }
    }

    private static IEnumerable<string> IdsOf(JsonElement section, Dictionary<string, JsonElement> byId) =>
        section.EnumerateArray().Select(item => SettingsWords.Text(item, "id")).OfType<string>().Where(byId.ContainsKey);

    private static bool IsAmbiguous(string id, JsonElement section, Dictionary<string, JsonElement> byId) =>
        !byId.ContainsKey(id) && section.EnumerateArray().Any(item => SettingsWords.Text(item, "id") == id);

    /// <summary>Entries that no id tells apart, as a recorder of another make may have them: compared as a whole.</summary>
    private static IEnumerable<SettingsChange> WithoutId(string section, JsonElement from, JsonElement to, IReadOnlyCollection<string> shared)
    {
        var left = Rest(from).ToList();
        foreach (var text in Rest(to).Where(text => !left.Remove(text)))
        {
            yield return new(section, SettingsChangeKind.Added, null, null, $"An entry of {section} without an id of its own was added: {Short(text)}", [], []);
        }

        foreach (var text in left)
        {
            yield return new(section, SettingsChangeKind.Removed, null, null, $"An entry of {section} without an id of its own was removed: {Short(text)}", [], []);
        }

        IEnumerable<string> Rest(JsonElement items) => items.EnumerateArray()
            .Where(item => SettingsWords.Text(item, "id") is not { } id || !shared.Contains(id))
            .Select(CanonicalJson.Text);

        static string Short(string entry)
        {
            var text = CanonicalJson.Text(SettingsWords.WithoutSecrets(JsonElement.Parse(entry)));
            return text.Length <= 80 ? text : $"{text[..80]}…";
        }
    }

    /// <summary>Fields that differ; objects are gone into, anything else is compared as a whole.</summary>
    private static IEnumerable<RawField> Fields(string prefix, JsonElement from, JsonElement to)
    {
        var names = from.EnumerateObject().Select(m => m.Name).Union(to.EnumerateObject().Select(m => m.Name));
        foreach (var name in names)
        {
            var (old, @new) = (SettingsWords.Find(from, name), SettingsWords.Find(to, name));
            if (old is { } x && @new is { } y)
            {
                if (CanonicalJson.Text(x) == CanonicalJson.Text(y))
                {
                    continue;
                }

                if (x.ValueKind == JsonValueKind.Object && y.ValueKind == JsonValueKind.Object)
                {
                    foreach (var inner in Fields($"{prefix}{name}.", x, y))
                    {
                        yield return inner;
                    }

                    continue;
                }
            }

            yield return new($"{prefix}{name}", old, @new);
        }
    }

    private static string Channel(FieldChange change, Names names) => (change.Name, Flag(change.To)) switch
    {
        ("name", _) => $"renamed from {SettingsWords.Value(change.From)} to {SettingsWords.Value(change.To)}",
        ("enabled", true) => "switched on",
        ("enabled", false) => "switched off",
        ("required", true) => "now required (a failback waits for its picture)",
        ("required", false) => "no longer required (a failback does not wait for its picture)",
        ("masksRequired", true) => "now records only with a privacy mask",
        ("masksRequired", false) => "now also records without a privacy mask",
        ("sourceId", _) => $"camera replaced ({SettingsWords.Value(change.From)} → {SettingsWords.Value(change.To)})",
        ("slot", _) => $"moved from place {SettingsWords.Value(change.From)} to {SettingsWords.Value(change.To)}",
        ("storage" or "storagePath", _) => $"records to {SettingsWords.Value(change.To)} instead of {SettingsWords.Value(change.From)}",
        _ => Field(change),
    };

    private static string Mask(FieldChange change, Names names) => change.Name switch
    {
        "polygon" => IsTranslation(change.From, change.To) ? "moved" : "redrawn",
        "type" => $"is now a {Plain(change.To)} mask (was {Plain(change.From)})",
        "channelId" => $"put on {SettingsWords.ChannelOf(change.Newer, names.After)} (was on {SettingsWords.ChannelOf(change.Older, names.Before)})",
        _ => Field(change),
    };

    private static string Schedule(FieldChange change, Names names) => change.Name switch
    {
        "rule" when change is { From: { ValueKind: JsonValueKind.String } from, To: { ValueKind: JsonValueKind.String } to } =>
            $"now records {SettingsWords.Rule(to.GetString()!)} (was {SettingsWords.Rule(from.GetString()!)})",
        "channelId" => $"put on {SettingsWords.ChannelOf(change.Newer, names.After)} (was on {SettingsWords.ChannelOf(change.Older, names.Before)})",
        _ => Field(change),
    };

    private static string Field(FieldChange change) => Field(change.Field);

    private static string Field(RawField change) => SettingsWords.IsSecret(change.Name) ? $"{change.Name} changed" : $"{change.Name} changed from {SettingsWords.Value(change.From)} to {SettingsWords.Value(change.To)}";

    private static IEnumerable<SettingsChange> Retention(JsonElement from, JsonElement to)
    {
        if (CanonicalJson.Text(from) == CanonicalJson.Text(to))
        {
            yield break;
        }

        if (from.ValueKind != JsonValueKind.Object || to.ValueKind != JsonValueKind.Object)
        {
            yield return Whole("retention", "The section retention changed as a whole.");
            yield break;
        }

        foreach (var field in Fields("", from, to))
        {
            var kind = field.From is null ? SettingsChangeKind.Added : field.To is null ? SettingsChangeKind.Removed : SettingsChangeKind.Changed;
            var sentence = field.Name == "maximumRetentionTime"
                ? $"Material is kept for {Time(field.To)} (was {Time(field.From)})"
                : $"Retention: {Field(field)}";
            yield return new("retention", kind, field.Name, null, sentence, [new(field.Name, SettingsWords.Shown(field.Name, field.From), SettingsWords.Shown(field.Name, field.To))], []);
        }

        static string Time(JsonElement? value) => value is { } length ? SettingsWords.Length(length) : "no limit";
    }

    private static IEnumerable<SettingsChange> Files(IReadOnlyList<ConfigurationFile> from, IReadOnlyList<ConfigurationFile> to)
    {
        var (before, after) = (from.ToLookup(f => f.Path, StringComparer.Ordinal), to.ToLookup(f => f.Path, StringComparer.Ordinal));
        foreach (var path in before.Select(g => g.Key).Union(after.Select(g => g.Key)).Order(StringComparer.Ordinal))
        {
            if (before[path].Select(f => f.Sha256).SequenceEqual(after[path].Select(f => f.Sha256)))
            {
                continue;
            }

            var (old, @new) = (before[path].FirstOrDefault(), after[path].FirstOrDefault());
            yield return (old, @new) switch
            {
                (null, { } added) => new("files", SettingsChangeKind.Added, path, null, $"File '{path}' added ({Size(added)})", [], []),
                ({ } removed, null) => new("files", SettingsChangeKind.Removed, path, null, $"File '{path}' removed ({Size(removed)})", [], []),
                _ => new(
                    "files",
                    SettingsChangeKind.Changed,
                    path,
                    null,
                    $"File '{path}' changed ({Size(old!)} → {Size(@new!)})",
                    [new("sha256", JsonSerializer.SerializeToElement(old!.Sha256), JsonSerializer.SerializeToElement(@new!.Sha256))],
                    Lines(old, @new)),
            };
        }
    }

    private static string Size(ConfigurationFile file) => file.FindBytes() is { } bytes
        ? string.Create(CultureInfo.InvariantCulture, $"{bytes.Length:N0} {(bytes.Length == 1 ? "byte" : "bytes")}")
        : "unreadable";

    /// <summary>Lines taken away and put in, by their longest common subsequence; nothing for what is no text or too long to be read here.</summary>
    private static IReadOnlyList<string> Lines(ConfigurationFile from, ConfigurationFile to)
    {
        if (TextLines(from) is not { } before || TextLines(to) is not { } after)
        {
            return [];
        }

        var common = new int[before.Length + 1, after.Length + 1];
        for (var i = before.Length - 1; i >= 0; i--)
        {
            for (var j = after.Length - 1; j >= 0; j--)
            {
                common[i, j] = before[i] == after[j] ? common[i + 1, j + 1] + 1 : Math.Max(common[i + 1, j], common[i, j + 1]);
            }
        }

        var lines = new List<string>();
        for (int i = 0, j = 0; i < before.Length || j < after.Length;)
        {
            if (i < before.Length && j < after.Length && before[i] == after[j])
            {
                (i, j) = (i + 1, j + 1);
            }
            else if (j == after.Length || (i < before.Length && common[i + 1, j] >= common[i, j + 1]))
            {
                lines.Add($"- {SettingsWords.WithoutSecrets(before[i++])}");
            }
            else
            {
                lines.Add($"+ {SettingsWords.WithoutSecrets(after[j++])}");
            }
        }

        return lines.Count <= MostLinesShown ? lines : [.. lines.Take(MostLinesShown), $"… and {lines.Count - MostLinesShown} more lines"];
    }

    private static string[]? TextLines(ConfigurationFile file)
    {
        if (file.FindBytes() is not { } bytes)
        {
            return null;
        }

        try
        {
            var text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes);
            var lines = text.ReplaceLineEndings("\n").TrimEnd('\n').Split('\n');
            return lines.Length <= MostLines && !text.Any(c => char.IsControl(c) && c is not ('\n' or '\r' or '\t')) ? lines : null;
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }

    private static SettingsChange Whole(string section, string sentence) => new(section, SettingsChangeKind.Changed, null, null, sentence, [], []);

    private static string? ChannelId(JsonElement item) => SettingsWords.Text(item, "channelId");

    private static string NameOf(JsonElement item) => SettingsWords.Text(item, "name") ?? SettingsWords.Text(item, "id") ?? "?";

    private static string Plain(JsonElement? value) => value is { ValueKind: JsonValueKind.String } text ? text.GetString()! : SettingsWords.Value(value);

    private static bool? Flag(JsonElement? value) => value?.ValueKind switch { JsonValueKind.True => true, JsonValueKind.False => false, _ => null };

    /// <summary>True when every point went the same way: the shape is the same at another place.</summary>
    private static bool IsTranslation(JsonElement? from, JsonElement? to)
    {
        if (Points(from) is not { Count: > 0 } before || Points(to) is not { } after || before.Count != after.Count)
        {
            return false;
        }

        var (x, y) = (after[0].X - before[0].X, after[0].Y - before[0].Y);
        return before.Zip(after).All(p => Math.Abs(p.Second.X - p.First.X - x) < 1e-6 && Math.Abs(p.Second.Y - p.First.Y - y) < 1e-6);
    }

    private static List<(double X, double Y)>? Points(JsonElement? polygon)
    {
        if (polygon is not { ValueKind: JsonValueKind.Array } array)
        {
            return null;
        }

        var points = new List<(double, double)>();
        foreach (var point in array.EnumerateArray())
        {
            JsonElement? x = point.ValueKind == JsonValueKind.Array && point.GetArrayLength() == 2 ? point[0] : SettingsWords.Find(point, "x");
            JsonElement? y = point.ValueKind == JsonValueKind.Array && point.GetArrayLength() == 2 ? point[1] : SettingsWords.Find(point, "y");
            if (x is not { ValueKind: JsonValueKind.Number } px || y is not { ValueKind: JsonValueKind.Number } py)
            {
                return null;
            }

            points.Add((px.GetDouble(), py.GetDouble()));
        }

        return points;
    }

    private sealed record RawField(string Name, JsonElement? From, JsonElement? To);

    /// <summary>A field of an item, with the item on both sides.</summary>
    private sealed record FieldChange(RawField Field, JsonElement Older, JsonElement Newer)
    {
        public string Name => Field.Name;

        public JsonElement? From => Field.From;

        public JsonElement? To => Field.To;
    }

    /// <summary>The channels on both sides; items are named by the newer ones.</summary>
    private sealed record Names(IReadOnlyDictionary<string, JsonElement> Before, IReadOnlyDictionary<string, JsonElement> After)
    {
        public string Mask(JsonElement? before, JsonElement? after) =>
            $"{Channel(before, after)}: {SettingsWords.Text(after ?? before!.Value, "type") ?? "some"} mask '{SettingsWords.Text(after ?? before!.Value, "id")}'";

        public string Schedule(JsonElement? before, JsonElement? after) => $"{Channel(before, after)}: schedule '{SettingsWords.Text(after ?? before!.Value, "id")}'";

        private string Channel(JsonElement? before, JsonElement? after)
        {
            var item = after ?? before!.Value;
            return ChannelId(item) is { } id && !After.ContainsKey(id) ? SettingsWords.ChannelOf(item, Before) : SettingsWords.ChannelOf(item, After);
        }
    }
}
