using FailbackWorkflows.Failback.Policies;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace FailbackWorkflows.Persistence.Settings;

internal sealed class SystemSettingRow
{
    public required string Key { get; set; }

    public required string Json { get; set; }

    public static void Configure(EntityTypeBuilder<SystemSettingRow> row)
    {
        row.ToTable("system_settings");
        row.HasKey(r => r.Key);
    }
}

internal sealed class SaveSystemSettingHandler : ModelChangeHandler<SaveSystemSetting>
{
    protected override async Task ApplyAsync(FailbackDbContext db, SaveSystemSetting change, CancellationToken cancellationToken)
    {
        if (await db.SystemSettings.FindAsync([change.Key], cancellationToken) is { } row)
        {
            row.Json = change.Json;
        }
        else
        {
            db.Add(new SystemSettingRow { Key = change.Key, Json = change.Json });
        }

        await db.SaveChangesAsync(cancellationToken);
    }
}

internal sealed class SystemSettings(IDatabase database) : ISystemSettings
{
    private static readonly CompiledRead<string, string?> JsonByKey = new((db, key, _) => db.SystemSettings.Where(r => r.Key == key).Select(r => r.Json).FirstOrDefault());

    public Task<string?> FindAsync(string key, CancellationToken cancellationToken) => JsonByKey.ExecuteAsync(database, key, cancellationToken);
}
