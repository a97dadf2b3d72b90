using System.Text;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Persistence.AutomaticFailback;
using FailbackWorkflows.Persistence.AutomaticFailover;
using FailbackWorkflows.Persistence.Changes;
using FailbackWorkflows.Persistence.Connectivity;
using FailbackWorkflows.Persistence.Duties;
using FailbackWorkflows.Persistence.FailoverLog;
using FailbackWorkflows.Persistence.Identity;
using FailbackWorkflows.Persistence.Licensing;
using FailbackWorkflows.Persistence.Maintenance;
using FailbackWorkflows.Persistence.MaterialCopy;
using FailbackWorkflows.Persistence.Nodes;
using FailbackWorkflows.Persistence.Obligations;
using FailbackWorkflows.Persistence.Readiness;
using FailbackWorkflows.Persistence.Reconciliation;
using FailbackWorkflows.Persistence.Seals;
using FailbackWorkflows.Persistence.Settings;
using FailbackWorkflows.Persistence.SettingsCache;
using FailbackWorkflows.Persistence.VmsServers;
using FailbackWorkflows.Persistence.Workflows;
using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Identity.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;

namespace FailbackWorkflows.Persistence;

/// <summary>The one model. A thin context per database product derives from it and says only what that product does differently.</summary>
public abstract class FailbackDbContext(DbContextOptions options) : IdentityDbContext<FailbackUser>(options)
{
    internal DbSet<VmsServerRow> Servers => Set<VmsServerRow>();

    internal DbSet<FailoverLogRow> FailoverLog => Set<FailoverLogRow>();

    internal DbSet<TransitionRow> ConnectivityTransitions => Set<TransitionRow>();

    internal DbSet<AutomaticFailbackRow> AutomaticFailbacks => Set<AutomaticFailbackRow>();

    internal DbSet<AutomaticFailoverRow> AutomaticFailovers => Set<AutomaticFailoverRow>();

    internal DbSet<MaintenanceModeRow> MaintenanceModes => Set<MaintenanceModeRow>();

    internal DbSet<DutyRow> Duties => Set<DutyRow>();

    internal DbSet<DutyClaimRow> DutyClaims => Set<DutyClaimRow>();

    internal DbSet<RetentionHoldRow> RetentionHolds => Set<RetentionHoldRow>();

    internal DbSet<ObligationRow> Obligations => Set<ObligationRow>();

    internal DbSet<ReconciliationRow> Reconciliations => Set<ReconciliationRow>();

    internal DbSet<ReadinessRow> Readiness => Set<ReadinessRow>();

    internal DbSet<SettingsBundleRow> SettingsBundles => Set<SettingsBundleRow>();

    internal DbSet<SettingsContentRow> SettingsContents => Set<SettingsContentRow>();

    internal DbSet<LicenseRow> Licenses => Set<LicenseRow>();

    internal DbSet<SystemSettingRow> SystemSettings => Set<SystemSettingRow>();

    internal DbSet<ChangeNotificationRow> ChangeNotifications => Set<ChangeNotificationRow>();

    internal DbSet<ApiKeyRow> ApiKeys => Set<ApiKeyRow>();

    internal DbSet<AuditRow> AuditLog => Set<AuditRow>();

    internal DbSet<DataProtectionKeyRow> DataProtectionKeys => Set<DataProtectionKeyRow>();

    internal DbSet<DraftRevisionRow> DraftRevisions => Set<DraftRevisionRow>();

    internal DbSet<HiddenInstanceRow> HiddenInstances => Set<HiddenInstanceRow>();

    internal DbSet<WorkflowDefinitionRow> WorkflowDefinitions => Set<WorkflowDefinitionRow>();

    internal DbSet<WorkflowTriggerRow> WorkflowTriggers => Set<WorkflowTriggerRow>();

    internal DbSet<WorkflowInstanceRow> WorkflowInstances => Set<WorkflowInstanceRow>();

    internal DbSet<BookmarkRow> Bookmarks => Set<BookmarkRow>();

    internal DbSet<WatchRow> Watches => Set<WatchRow>();

    internal DbSet<RecorderWordRow> RecorderWords => Set<RecorderWordRow>();

    internal DbSet<WakeUpRow> WakeUps => Set<WakeUpRow>();

    internal DbSet<InboxRow> Inbox => Set<InboxRow>();

    internal DbSet<JournalRow> Journal => Set<JournalRow>();

    internal DbSet<CheckpointRow> Checkpoints => Set<CheckpointRow>();

    internal DbSet<SealedHeadRow> SealedHeads => Set<SealedHeadRow>();

    internal DbSet<ChainSealRow> ChainSeals => Set<ChainSealRow>();

    /// <summary>
    /// Instants are UTC ticks. SQLite has no type for them; PostgreSQL's keeps microseconds, and an instant that comes back a little earlier than it
    /// was written is due before its own time, or ends a hold before the last frame.
    /// </summary>
    protected override void ConfigureConventions(ModelConfigurationBuilder configurationBuilder) =>
        configurationBuilder.Properties<DateTimeOffset>().HaveConversion<InstantToTicks>();

    /// <inheritdoc/>
    protected override void OnModelCreating(ModelBuilder builder)
    {
        base.OnModelCreating(builder);
        builder.Entity<FailbackUser>().ToTable("users");
        builder.Entity<IdentityRole>().ToTable("roles");
        builder.Entity<IdentityUserRole<string>>().ToTable("user_roles");
        builder.Entity<IdentityUserClaim<string>>().ToTable("user_claims");
        builder.Entity<IdentityUserLogin<string>>().ToTable("user_logins");
        builder.Entity<IdentityUserToken<string>>().ToTable("user_tokens");
        builder.Entity<IdentityRoleClaim<string>>().ToTable("role_claims");
        VmsServerRow.Configure(builder.Entity<VmsServerRow>());
        FailoverLogRow.Configure(builder.Entity<FailoverLogRow>());
        TransitionRow.Configure(builder.Entity<TransitionRow>());
        AutomaticFailbackRow.Configure(builder.Entity<AutomaticFailbackRow>());
        AutomaticFailoverRow.Configure(builder.Entity<AutomaticFailoverRow>());
        MaintenanceModeRow.Configure(builder.Entity<MaintenanceModeRow>());
        DutyRow.Configure(builder.Entity<DutyRow>());
        DutyClaimRow.Configure(builder.Entity<DutyClaimRow>());
        RetentionHoldRow.Configure(builder.Entity<RetentionHoldRow>());
        ObligationRow.Configure(builder.Entity<ObligationRow>());
        MaterialCopyTaskRow.Configure(builder.Entity<MaterialCopyTaskRow>());
        CopyFenceRow.Configure(builder.Entity<CopyFenceRow>());
        CoverageReportRow.Configure(builder.Entity<CoverageReportRow>());
        HoldReleaseRow.Configure(builder.Entity<HoldReleaseRow>());
        ReconciliationRow.Configure(builder.Entity<ReconciliationRow>());
        ReadinessRow.Configure(builder.Entity<ReadinessRow>());
        SettingsBundleRow.Configure(builder.Entity<SettingsBundleRow>());
        SettingsContentRow.Configure(builder.Entity<SettingsContentRow>());
        LicenseRow.Configure(builder.Entity<LicenseRow>());
        SystemSettingRow.Configure(builder.Entity<SystemSettingRow>());
        ChangeNotificationRow.Configure(builder.Entity<ChangeNotificationRow>());
        ApiKeyRow.Configure(builder.Entity<ApiKeyRow>());
        AuditRow.Configure(builder.Entity<AuditRow>());
        CheckpointRow.Configure(builder.Entity<CheckpointRow>());
        SealedHeadRow.Configure(builder.Entity<SealedHeadRow>());
        ChainSealRow.Configure(builder.Entity<ChainSealRow>());
        DataProtectionKeyRow.Configure(builder.Entity<DataProtectionKeyRow>());
        WorkflowDefinitionRow.Configure(builder.Entity<WorkflowDefinitionRow>());
        DraftRevisionRow.Configure(builder.Entity<DraftRevisionRow>());
        HiddenInstanceRow.Configure(builder.Entity<HiddenInstanceRow>());
        WorkflowTriggerRow.Configure(builder.Entity<WorkflowTriggerRow>());
        WorkflowInstanceRow.Configure(builder.Entity<WorkflowInstanceRow>());
        BookmarkRow.Configure(builder.Entity<BookmarkRow>());
        WatchRow.Configure(builder.Entity<WatchRow>());
        RecorderWordRow.Configure(builder.Entity<RecorderWordRow>());
        WakeUpRow.Configure(builder.Entity<WakeUpRow>());
        InboxRow.Configure(builder.Entity<InboxRow>());
        JournalRow.Configure(builder.Entity<JournalRow>());
        NameColumns(builder);
    }

    /// <summary>snake_case for every column: the hot path and people at a SQL prompt write these names by hand.</summary>
    private static void NameColumns(ModelBuilder builder)
    {
        foreach (var entity in builder.Model.GetEntityTypes())
        {
            foreach (var property in entity.GetProperties())
            {
                property.SetColumnName(ToSnakeCase(property.Name));
            }
        }
    }

    /// <summary>Of each server that is marked broken the newest entry of the failover log.</summary>
    internal virtual IQueryable<FailoverLogRow> NewestOfBroken() => Servers
        .Where(s => s.State == VmsServerState.Broken)
        .Join(
            FailoverLog,
            s => FailoverLog.Where(r => r.FailedServerId == s.Id).OrderByDescending(r => r.FailoverStartedAt).ThenByDescending(r => r.Id).Select(r => r.Id).FirstOrDefault(),
            r => r.Id,
            (s, r) => r);

    private sealed class InstantToTicks() : ValueConverter<DateTimeOffset, long>(instant => instant.UtcTicks, ticks => new DateTimeOffset(ticks, TimeSpan.Zero));

    private static string ToSnakeCase(string name)
    {
        var text = new StringBuilder(name.Length + 8);
        for (var i = 0; i < name.Length; i++)
        {
            if (char.IsUpper(name[i]))
            {
                if (i > 0 && !char.IsUpper(name[i - 1]))
                {
                    text.Append('_');
                }

                text.Append(char.ToLowerInvariant(name[i]));
            }
            else
            {
                text.Append(name[i]);
            }
        }

        return text.ToString();
    }
}
