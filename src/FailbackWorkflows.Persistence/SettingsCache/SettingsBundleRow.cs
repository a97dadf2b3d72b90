using System.Text.Json;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Recorders.Settings;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace FailbackWorkflows.Persistence.SettingsCache;

/// <summary>One row of the history of an identity's settings. The content is in <see cref="SettingsContentRow"/>, once for all who have it.</summary>
internal sealed class SettingsBundleRow
{
    public required string Identity { get; set; }

    /// <summary>1, 2, 3, … per identity.</summary>
    public long Number { get; set; }

    public required string SourceServerId { get; set; }

    /// <summary>0: the source did not hold the duty.</summary>
    public long Epoch { get; set; }

    public long Revision { get; set; }

    public required string Sha256 { get; set; }

    public DateTimeOffset SeenAt { get; set; }

    public DateTimeOffset TakenAt { get; set; }

    public DateTimeOffset? ActivatedAt { get; set; }

    public string? ChangedBy { get; set; }

    public string? Reason { get; set; }

    public string? RunId { get; set; }

    public static void Configure(EntityTypeBuilder<SettingsBundleRow> row)
    {
        row.ToTable("settings_bundles");
        row.HasKey(r => new { r.Identity, r.Number });
        row.HasIndex(r => new { r.Identity, r.SourceServerId, r.Epoch, r.SeenAt, r.Number });
        row.HasIndex(r => new { r.Identity, r.Sha256 });
        row.HasOne<SettingsContentRow>().WithMany().HasForeignKey(r => r.Sha256).OnDelete(DeleteBehavior.Restrict);
    }

    public CachedRevision ToRevision() => new(Number, Identity, SourceServerId, Epoch, Revision, Sha256, SeenAt, TakenAt, Provenance);

    public CachedSettings ToSettings(string content) =>
        new(Identity, SourceServerId, Epoch, Revision, Sha256, TakenAt, JsonSerializer.Deserialize<SettingsContent>(content, JsonSerializerOptions.Web)!) { Provenance = Provenance };

    private SettingsProvenance Provenance => new(ActivatedAt, ChangedBy, Reason, RunId);
}

/// <summary>A content of settings, by its digest; never changes.</summary>
internal sealed class SettingsContentRow
{
    public required string Sha256 { get; set; }

    public required string Content { get; set; }

    public static void Configure(EntityTypeBuilder<SettingsContentRow> row)
    {
        row.ToTable("settings_contents");
        row.HasKey(r => r.Sha256);
    }
}

internal sealed class SaveSettingsHandler(IDatabase database) : DomainChangeHandler<SaveSettings>
{
    protected override async Task ApplyAsync(WriteSession session, SaveSettings change, CancellationToken cancellationToken)
    {
        var settings = change.Settings;
        (string Name, object? Value)[] row =
        [
            ("identity", settings.Identity),
            ("epoch", settings.Epoch),
            ("source", settings.SourceServerId),
            ("revision", settings.Revision),
            ("sha256", settings.Sha256),
            ("takenAt", database.ToParameter(settings.TakenAt)),
            ("activatedAt", settings.Provenance.ActivatedAt is { } at ? database.ToParameter(at) : null),
            ("changedBy", settings.Provenance.ChangedBy),
            ("reason", settings.Provenance.Reason),
            ("runId", settings.Provenance.RunId),
        ];
        // The last one of this source and epoch is still the one, or, read before and written after a newer one, an earlier one is seen once more.
        var confirmed = await session.ExecuteAsync(
            """
            UPDATE settings_bundles SET
                taken_at = CASE WHEN taken_at < @takenAt THEN @takenAt ELSE taken_at END,
                activated_at = COALESCE(activated_at, @activatedAt),
                changed_by = COALESCE(changed_by, @changedBy),
                reason = COALESCE(reason, @reason),
                run_id = COALESCE(run_id, @runId)
            WHERE identity = @identity AND revision = @revision AND sha256 = @sha256 AND number = (
                SELECT number FROM settings_bundles
                WHERE identity = @identity AND epoch = @epoch AND source_server_id = @source AND (seen_at <= @takenAt OR (revision = @revision AND sha256 = @sha256))
                ORDER BY seen_at DESC, number DESC LIMIT 1)
            """,
            cancellationToken,
            row);
        if (confirmed == 1)
        {
            return;
        }

        await session.ExecuteAsync(
            "INSERT INTO settings_contents (sha256, content) VALUES (@sha256, @content) ON CONFLICT (sha256) DO NOTHING",
            cancellationToken,
            ("sha256", settings.Sha256),
            ("content", JsonSerializer.Serialize(settings.Content, JsonSerializerOptions.Web)));
        // Two at once draw the same number; the one that is refused looks again and may find that there is nothing new any more.
        await session.ExecuteAsync(
            """
            INSERT INTO settings_bundles (identity, number, source_server_id, epoch, revision, sha256, seen_at, taken_at, activated_at, changed_by, reason, run_id)
            SELECT @identity, COALESCE(MAX(number), 0) + 1, @source, @epoch, @revision, @sha256, @takenAt, @takenAt, @activatedAt, @changedBy, @reason, @runId
            FROM settings_bundles WHERE identity = @identity
            """,
            cancellationToken,
            row);
    }
}

internal sealed class ConfirmSettingsHandler(IDatabase database) : DomainChangeHandler<ConfirmSettings>
{
    protected override Task ApplyAsync(WriteSession session, ConfirmSettings change, CancellationToken cancellationToken) => session.ExecuteAsync(
        "UPDATE settings_bundles SET taken_at = @at WHERE identity = @identity AND number = @number AND taken_at < @at",
        cancellationToken,
        ("at", database.ToParameter(change.At)),
        ("identity", change.Identity),
        ("number", change.Number));
}

internal sealed class SettingsCache(IDatabase database) : ISettingsCache
{
    private const int MostRows = 1000;

    // In no order: what has this digest has this content, and to put them all in order would read the content of each.
    private static readonly CompiledRead<string, string, Found?> ByDigest = new((db, identity, sha256, _) => db.SettingsBundles
        .Where(r => r.Identity == identity && r.Sha256 == sha256)
        .Join(db.SettingsContents, r => r.Sha256, c => c.Sha256, (r, c) => new Found(r, c.Content))
        .FirstOrDefault());

    public async Task<CachedSettings?> FindNewestAsync(string identity, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        var row = await db.SettingsBundles
            .Where(r => r.Identity == identity && r.Epoch > 0)
            .OrderByDescending(r => r.Epoch)
            .ThenByDescending(r => r.SeenAt)
            .ThenByDescending(r => r.Number)
            .FirstOrDefaultAsync(cancellationToken);
        return row?.ToSettings((await db.SettingsContents.FirstAsync(c => c.Sha256 == row.Sha256, cancellationToken)).Content);
    }

    public async Task<CachedSettings?> FindAsync(string identity, string sha256, CancellationToken cancellationToken) =>
        await ByDigest.ExecuteAsync(database, identity, sha256, cancellationToken) is { } found ? found.Row.ToSettings(found.Content) : null;

    public async Task<CachedRevision?> FindRevisionAsync(string identity, long number, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return (await db.SettingsBundles.FirstOrDefaultAsync(r => r.Identity == identity && r.Number == number, cancellationToken))?.ToRevision();
    }

    public async Task<IReadOnlyList<CachedRevision>> ListAsync(string identity, long? before, int take, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        var rows = db.SettingsBundles.Where(r => r.Identity == identity);
        if (before is { } mark)
        {
            rows = rows.Where(r => r.Number < mark);
        }

        return [.. (await rows.OrderByDescending(r => r.Number).Take(Math.Clamp(take, 1, MostRows)).ToListAsync(cancellationToken)).Select(r => r.ToRevision())];
    }

    public async Task<IReadOnlyList<CachedRevision>> ListLatestAsync(CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return await ReadLatestAsync(db.SettingsBundles.FromSqlRaw(Latest("")), cancellationToken);
    }

    public async Task<IReadOnlyList<CachedRevision>> ListLatestAsync(string identity, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return await ReadLatestAsync(db.SettingsBundles.FromSqlRaw(Latest("WHERE identity = {0}"), identity), cancellationToken);
    }

    public async Task<IReadOnlyList<CachedRevision>> ListLatestAsync(IReadOnlyCollection<string> identities, CancellationToken cancellationToken)
    {
        if (identities.Count == 0)
        {
            return [];
        }

        await using var db = database.CreateReadContext();
        var places = string.Join(", ", Enumerable.Range(0, identities.Count).Select(i => $"{{{i}}}"));
        return await ReadLatestAsync(db.SettingsBundles.FromSqlRaw(Latest($"WHERE identity IN ({places})"), [.. identities]), cancellationToken);
    }

    private static async Task<IReadOnlyList<CachedRevision>> ReadLatestAsync(IQueryable<SettingsBundleRow> rows, CancellationToken cancellationToken) =>
        [.. (await rows.ToListAsync(cancellationToken)).Select(r => r.ToRevision())];

    private static string Latest(string where) =>
        $"""
        SELECT identity, number, source_server_id, epoch, revision, sha256, seen_at, taken_at, activated_at, changed_by, reason, run_id
        FROM (
            SELECT settings_bundles.*, ROW_NUMBER() OVER (
                PARTITION BY identity, source_server_id, CASE WHEN epoch > 0 THEN 1 ELSE 0 END
                ORDER BY epoch DESC, seen_at DESC, number DESC) AS place
            FROM settings_bundles {where}) AS ranked
        WHERE place = 1
        """;

    private sealed record Found(SettingsBundleRow Row, string Content);
}
