using System.Text.Json;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Recorders.Settings;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace FailbackWorkflows.Persistence.SettingsCache;

internal sealed class SettingsBundleRow
{
    public required string Identity { get; set; }

    public required string SourceServerId { get; set; }

    public long Epoch { get; set; }

    public long Revision { get; set; }

    public required string Sha256 { get; set; }

    public DateTimeOffset TakenAt { get; set; }

    public required string Content { get; set; }

    public static void Configure(EntityTypeBuilder<SettingsBundleRow> row)
    {
        row.ToTable("settings_bundles");
        row.HasKey(r => new { r.Identity, r.Epoch, r.SourceServerId, r.Revision });
        row.HasIndex(r => new { r.Identity, r.Sha256 });
    }

    public CachedSettings ToSettings() =>
        new(Identity, SourceServerId, Epoch, Revision, Sha256, TakenAt, JsonSerializer.Deserialize<SettingsContent>(Content, JsonSerializerOptions.Web)!);
}

internal sealed class SaveSettingsHandler(IDatabase database) : DomainChangeHandler<SaveSettings>
{
    protected override async Task ApplyAsync(WriteSession session, SaveSettings change, CancellationToken cancellationToken)
    {
        var settings = change.Settings;
        var takenAt = database.ToParameter(settings.TakenAt);
        var known = await session.ExecuteAsync(
            """
            UPDATE settings_bundles SET taken_at = CASE WHEN taken_at < @takenAt THEN @takenAt ELSE taken_at END
            WHERE identity = @identity AND epoch = @epoch AND source_server_id = @source AND revision = @revision AND sha256 = @sha256
            """,
            cancellationToken,
            ("takenAt", takenAt),
            ("identity", settings.Identity),
            ("epoch", settings.Epoch),
            ("source", settings.SourceServerId),
            ("revision", settings.Revision),
            ("sha256", settings.Sha256));
        if (known == 1)
        {
            return;
        }

        var added = await session.ExecuteAsync(
            """
            INSERT INTO settings_bundles (identity, epoch, source_server_id, revision, sha256, taken_at, content)
            VALUES (@identity, @epoch, @source, @revision, @sha256, @takenAt, @content)
            ON CONFLICT (identity, epoch, source_server_id, revision) DO NOTHING
            """,
            cancellationToken,
            ("identity", settings.Identity),
            ("epoch", settings.Epoch),
            ("source", settings.SourceServerId),
            ("revision", settings.Revision),
            ("sha256", settings.Sha256),
            ("takenAt", takenAt),
            ("content", JsonSerializer.Serialize(settings.Content, JsonSerializerOptions.Web)));
        if (added == 0)
        {
            throw new InvalidOperationException(
                $"{settings.SourceServerId} shows revision {settings.Revision} of the settings of {settings.Identity} with another digest than before: its revisions cannot be trusted.");
        }
    }
}

internal sealed class SettingsCache(IDatabase database) : ISettingsCache
{
    // In no order: what has this digest has this content, and to put them all in order would read the content of each.
    private static readonly CompiledRead<string, string, SettingsBundleRow?> ByDigest =
        new((db, identity, sha256, _) => db.SettingsBundles.FirstOrDefault(r => r.Identity == identity && r.Sha256 == sha256));

    public async Task<CachedSettings?> FindNewestAsync(string identity, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        var row = await db.SettingsBundles
            .Where(r => r.Identity == identity)
            .OrderByDescending(r => r.Epoch)
            .ThenByDescending(r => r.TakenAt)
            .ThenByDescending(r => r.Revision)
            .FirstOrDefaultAsync(cancellationToken);
        return row?.ToSettings();
    }

    public async Task<CachedSettings?> FindAsync(string identity, string sha256, CancellationToken cancellationToken) =>
        (await ByDigest.ExecuteAsync(database, identity, sha256, cancellationToken))?.ToSettings();
}
