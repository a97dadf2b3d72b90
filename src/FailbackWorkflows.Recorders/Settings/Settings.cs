using System.Security.Cryptography;
using System.Text.Json;
using FailbackWorkflows.Recorders.Duties;

namespace FailbackWorkflows.Recorders.Settings;

/// <summary>
/// The duty sections of a recorder's settings: what makes a recorder record this identity. Machine sections (storage, network,
/// server identity, certificates) never travel and are not part of it.
/// </summary>
/// <param name="Channels">Channels with streams: array of <c>{id, slot, kind, name, sourceId, enabled, required}</c> and whatever else the recorder keeps.</param>
/// <param name="Masks">Privacy and motion masks: array of <c>{id, channelId, type, polygon}</c>.</param>
/// <param name="Schedules">Recording schedules: array of <c>{id, channelId, rule}</c>.</param>
/// <param name="Alarms">Alarm definitions.</param>
/// <param name="Retention">Retention rules.</param>
/// <param name="Files">Configuration files, each with its sha256.</param>
public sealed record SettingsContent(
    JsonElement Channels,
    JsonElement Masks,
    JsonElement Schedules,
    JsonElement Alarms,
    JsonElement Retention,
    IReadOnlyList<ConfigurationFile> Files);

/// <summary>A configuration file that travels with the duty. <paramref name="Sha256"/> is lower-case hex over the decoded bytes.</summary>
public sealed record ConfigurationFile(string Path, string ContentBase64, string Sha256)
{
    /// <summary>The decoded bytes, or null when the content is not base64.</summary>
    public byte[]? FindBytes()
    {
        var bytes = new byte[(ContentBase64.Length / 4 * 3) + 3];
        return Convert.TryFromBase64String(ContentBase64, bytes, out var length) ? bytes[..length] : null;
    }

    /// <summary>True when the decoded content has the digest stated.</summary>
    public bool HasItsDigest() => FindBytes() is { } bytes && string.Equals(Convert.ToHexStringLower(SHA256.HashData(bytes)), Sha256, StringComparison.Ordinal);
}

/// <summary>Settings of one identity as they are active on one recorder.</summary>
/// <param name="Revision">Grows by one with every activation on that recorder; 0 = never configured.</param>
/// <param name="Sha256">Lower-case hex of the canonical form (<see cref="SettingsDigest"/>).</param>
/// <param name="ActivatedAtUtc">When this revision became the active one, by the recorder's clock; null when the recorder does not keep it.</param>
public sealed record SettingsBundle(string Identity, long Revision, string Sha256, bool Frozen, SettingsContent Content, DateTimeOffset? ActivatedAtUtc = null);

/// <summary>Revision and digest now active.</summary>
public sealed record SettingsRevision(string Identity, long Revision, string Sha256, bool Frozen);

/// <summary>How bad a finding of a validation is.</summary>
public enum FindingSeverity
{
    Warning,
    Error,
}

/// <summary>One thing that a validation found, at a path such as <c>masks[3].channelId</c>.</summary>
public sealed record SettingsFinding(string Path, FindingSeverity Severity, string Reason);

/// <summary>Answer of a dry run; settings may be activated when there is no finding of severity error.</summary>
public sealed record SettingsValidation(IReadOnlyList<SettingsFinding> Findings)
{
    public bool IsAcceptable => Findings.All(f => f.Severity != FindingSeverity.Error);
}

/// <summary>Upload of settings: <c>POST /v1/duties/{identity}/config/staged</c>. The recorder refuses a content whose digest differs.</summary>
public sealed record StageSettingsCommand(string Identity, DutyAuthority Authority, SettingsContent Content, string Sha256);

/// <summary>What was staged.</summary>
public sealed record StagedSettings(string StagedId, string Sha256);

/// <summary>Activation of staged settings over an expected active revision (<c>If-Match</c>).</summary>
public sealed record ActivateSettingsCommand(string Identity, DutyAuthority Authority, string StagedId, long ExpectedRevision);

/// <summary>Back to the content of an earlier revision.</summary>
public sealed record RollBackSettingsCommand(string Identity, DutyAuthority Authority, long ToRevision);

/// <summary>Freeze or unfreeze.</summary>
public sealed record FreezeSettingsCommand(string Identity, DutyAuthority Authority, bool Frozen);
