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

internal sealed class SaveSettingsHandler : DomainChangeHandler<SaveSettings>
{
    protected override async Task ApplyAsync(FailbackDbContext db, SaveSettings change, CancellationToken cancellationToken)
    {
        var settings = change.Settings;
        var row = await db.SettingsBundles.FindAsync([settings.Identity, settings.Epoch, settings.SourceServerId, settings.Revision], cancellationToken);
        if (row is null)
        {
            db.Add(new SettingsBundleRow
            {
                Identity = settings.Identity,
                SourceServerId = settings.SourceServerId,
                Epoch = settings.Epoch,
                Revision = settings.Revision,
                Sha256 = settings.Sha256,
                TakenAt = settings.TakenAt,
                Content = JsonSerializer.Serialize(settings.Content, JsonSerializerOptions.Web),
            });
        }
        else if (row.Sha256 != settings.Sha256)
        {
            throw new InvalidOperationException(
                $"{settings.SourceServerId} shows revision {settings.Revision} of the settings of {settings.Identity} with another digest than before: its revisions cannot be trusted.");
        }
        else
        {
            row.TakenAt = settings.TakenAt > row.TakenAt ? settings.TakenAt : row.TakenAt;
        }

        await db.SaveChangesAsync(cancellationToken);
    }
}

internal sealed class SettingsCache(IDatabase database) : ISettingsCache
{
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

    public async Task<CachedSettings?> FindAsync(string identity, string sha256, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();

        // In no order: what has this digest has this content, and to put them all in order would read the content of each.
        var row = await db.SettingsBundles.FirstOrDefaultAsync(r => r.Identity == identity && r.Sha256 == sha256, cancellationToken);
        return row?.ToSettings();
    }
}
