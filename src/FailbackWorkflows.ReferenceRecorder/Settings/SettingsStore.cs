using System.Text.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Settings;
using FailbackWorkflows.ReferenceRecorder.Commands;
using FailbackWorkflows.ReferenceRecorder.Storage;

namespace FailbackWorkflows.ReferenceRecorder.Settings;

/// <summary>Settings per recorded identity: a history of revisions of which one is active, and stagings that wait to be activated.</summary>
public static class SettingsStore
{
    /// <summary>Settings of an identity that was never configured.</summary>
    public static SettingsContent Empty { get; } = new(Json("[]"), Json("[]"), Json("[]"), Json("[]"), Json("{}"), []);

    public static SettingsBundle Active(Sql sql, string identity)
    {
        var active = sql.Single("SELECT revision, frozen FROM settings_active WHERE identity = $identity", r => (Revision: r.GetInt64(0), Frozen: r.GetInt64(1) != 0), ("$identity", identity));
        return Revision(sql, identity, active.Revision) is { } stored
            ? new SettingsBundle(identity, active.Revision, stored.Sha256, active.Frozen, stored.Content, stored.ActivatedAt)
            : new SettingsBundle(identity, 0, SettingsDigest.Compute(Empty), active.Frozen, Empty);
    }

    public static (string Sha256, SettingsContent Content, DateTimeOffset ActivatedAt)? Revision(Sql sql, string identity, long revision)
    {
        var row = sql.Single(
            "SELECT sha256, content, activated_at FROM settings_revisions WHERE identity = $identity AND revision = $revision",
            r => (Sha256: r.GetString(0), Content: r.GetString(1), ActivatedAt: r.GetInt64(2)),
            ("$identity", identity), ("$revision", revision));
        return row.Sha256 is null ? null : (row.Sha256, Parse(row.Content), new DateTimeOffset(row.ActivatedAt, TimeSpan.Zero));
    }

    /// <summary>Makes a content the active one, as the next revision.</summary>
    public static SettingsRevision Activate(Sql sql, string identity, SettingsContent content, string origin, DateTimeOffset now)
    {
        var active = Active(sql, identity);
        var revision = active.Revision + 1;
        var sha256 = SettingsDigest.Compute(content);
        sql.Run(
            "INSERT INTO settings_revisions (identity, revision, sha256, content, origin, activated_at) VALUES ($identity, $revision, $sha256, $content, $origin, $at)",
            ("$identity", identity), ("$revision", revision), ("$sha256", sha256), ("$content", JsonSerializer.Serialize(content, RecorderJson.Options)), ("$origin", origin), ("$at", now.UtcTicks));
        SaveActive(sql, identity, revision, active.Frozen);
        return new SettingsRevision(identity, revision, sha256, active.Frozen);
    }

    public static SettingsRevision Freeze(Sql sql, string identity, bool frozen)
    {
        var active = Active(sql, identity);
        SaveActive(sql, identity, active.Revision, frozen);
        return new SettingsRevision(identity, active.Revision, active.Sha256, frozen);
    }

    /// <summary>Nobody may be left to lift a freeze when the duty has moved on.</summary>
    public static void EndFreeze(Sql sql, string identity) =>
        sql.Run("UPDATE settings_active SET frozen = 0 WHERE identity = $identity", ("$identity", identity));

    public static StagedSettings Stage(Sql sql, string identity, SettingsContent content, string sha256, DateTimeOffset now)
    {
        var stagedId = Guid.NewGuid().ToString("N");
        sql.Run(
            "INSERT INTO settings_staged (staged_id, identity, sha256, content, staged_at) VALUES ($id, $identity, $sha256, $content, $at)",
            ("$id", stagedId), ("$identity", identity), ("$sha256", sha256), ("$content", JsonSerializer.Serialize(content, RecorderJson.Options)), ("$at", now.UtcTicks));
        return new StagedSettings(stagedId, sha256);
    }

    /// <exception cref="Refusal">There is no such staging for the identity.</exception>
    public static SettingsContent TakeStaged(Sql sql, string identity, string stagedId)
    {
        var content = sql.Single(
            "SELECT content FROM settings_staged WHERE staged_id = $id AND identity = $identity",
            r => r.GetString(0),
            ("$id", stagedId), ("$identity", identity)) ?? throw Refusal.Unknown($"There are no staged settings '{stagedId}' for '{identity}'. Stage them again.");
        sql.Run("DELETE FROM settings_staged WHERE staged_id = $id", ("$id", stagedId));
        return Parse(content);
    }

    public static int PurgeStaged(Sql sql, DateTimeOffset before) =>
        sql.Run("DELETE FROM settings_staged WHERE staged_at < $before", ("$before", before.UtcTicks));

    private static void SaveActive(Sql sql, string identity, long revision, bool frozen) =>
        sql.Run(
            """
            INSERT INTO settings_active (identity, revision, frozen) VALUES ($identity, $revision, $frozen)
            ON CONFLICT (identity) DO UPDATE SET revision = $revision, frozen = $frozen
            """,
            ("$identity", identity), ("$revision", revision), ("$frozen", frozen ? 1 : 0));

    private static SettingsContent Parse(string content) =>
        JsonSerializer.Deserialize<SettingsContent>(content, RecorderJson.Options) ?? throw new InvalidOperationException("Stored settings are empty.");

    private static JsonElement Json(string text)
    {
        using var document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }
}
