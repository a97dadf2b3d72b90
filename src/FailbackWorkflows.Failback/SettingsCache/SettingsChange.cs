using System.Text.Json;

namespace FailbackWorkflows.Failback.SettingsCache;

public enum SettingsChangeKind
{
    Added,
    Removed,
    Changed,
}

/// <summary>One thing that differs between two bundles, in the words of whoever looks after cameras.</summary>
/// <param name="Section">The section it is in, as on the wire: <c>channels</c>, <c>masks</c>, <c>schedules</c>, <c>alarms</c>, <c>retention</c>, <c>files</c>.</param>
/// <param name="Id">Id of the item, path of a file, name of a retention rule; null when the section changed as a whole or the item has no usable id.</param>
/// <param name="ChannelId">The channel it concerns, when it concerns one.</param>
/// <param name="Sentence">E.g. <c>Channel 3 'Gate': privacy mask 'window' moved</c>.</param>
/// <param name="Fields">What changed in the item, by field; empty for what was added or removed.</param>
/// <param name="Lines">Of a text file: lines taken away (<c>- …</c>) and put in (<c>+ …</c>).</param>
public sealed record SettingsChange(
    string Section,
    SettingsChangeKind Kind,
    string? Id,
    string? ChannelId,
    string Sentence,
    IReadOnlyList<SettingsFieldChange> Fields,
    IReadOnlyList<string> Lines)
{
    /// <summary>True when both concern the same item.</summary>
    public bool ConcernsTheSameAs(SettingsChange other) => Section == other.Section && Id == other.Id;
}

/// <summary>A field before and after; null where it was not there. Nested fields have dotted names.</summary>
public sealed record SettingsFieldChange(string Name, JsonElement? From, JsonElement? To);
