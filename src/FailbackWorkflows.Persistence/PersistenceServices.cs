using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.AutomaticFailback;
using FailbackWorkflows.Failback.AutomaticFailover;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Licensing;
using FailbackWorkflows.Failback.Maintenance;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Failback.Readiness;
using FailbackWorkflows.Failback.SettingsCache;
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
using FailbackWorkflows.Persistence.Readiness;
using FailbackWorkflows.Persistence.Settings;
using FailbackWorkflows.Persistence.SettingsCache;
using FailbackWorkflows.Persistence.Sqlite;
using FailbackWorkflows.Persistence.VmsServers;
using FailbackWorkflows.Persistence.Workflows;
using Microsoft.AspNetCore.DataProtection.Repositories;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace FailbackWorkflows.Persistence;

/// <summary>Registers every store.</summary>
public static class PersistenceServices
{
    /// <summary>
    /// The embedded default: everything in one SQLite file, which is created when needed and locked against a second process when the first
    /// store is resolved (<see cref="DatabaseInUseException"/>). The largest epochs are kept in a file of their own, <c>….epochs</c>.
    /// </summary>
    /// <param name="epochsFolder">Where that file is, if not beside the database; made when needed.</param>
    public static IServiceCollection AddPersistence(this IServiceCollection services, string sqliteFile, string? epochsFolder = null)
    {
        var file = Path.GetFullPath(sqliteFile);
        services.AddSingleton<IDatabase>(_ => new SqliteDatabase(file));
        services.AddSingleton<IEpochCheckpoint>(provider =>
        {
            // Behind the database's lock: one process at a time.
            _ = provider.GetRequiredService<IDatabase>();
            return EpochCheckpointFile.Open(file, epochsFolder);
        });

        // ASP.NET Core Identity reads, changes and saves users through a tracking context of its own.
        services.AddScoped<FailbackDbContext>(_ => new SqliteFailbackDbContext(
            new DbContextOptionsBuilder<SqliteFailbackDbContext>().UseSqlite(SqliteDatabase.ConnectionString(file)).Options));
        AddStores(services);
        return services;
    }

    private static void AddStores(IServiceCollection services)
    {
        services.AddSingleton<DomainChanges>();
        services.AddSingleton<CommittedChanges>();
        services.AddSingleton<ChangeFeed>();
        services.AddSingleton<IChangeFeed>(provider => provider.GetRequiredService<ChangeFeed>());
        services.AddSingleton<IDomainWriter, DomainWriter>();
        services.AddSingleton<IWorkflowStore, WorkflowStore>();
        services.AddSingleton<IWorkflowInstances, WorkflowInstances>();
        services.AddSingleton<IVmsServers, VmsServers.VmsServers>();
        services.AddSingleton<IFailoverLog, FailoverLog.FailoverLog>();
        services.AddSingleton<IConnectivityHistory, ConnectivityHistory>();
        services.AddSingleton<IAutomaticFailbacks, AutomaticFailbackStates>();
        services.AddSingleton<IAutomaticFailovers, AutomaticFailoverStates>();
        services.AddSingleton<IMaintenanceModes, MaintenanceModes>();
        services.AddSingleton<IDuties, Duties.Duties>();
        services.AddSingleton<IObligations, Obligations.Obligations>();
        services.AddSingleton<IMaterialCopies, MaterialCopies>();
        services.AddSingleton<IReadinessResults, ReadinessResults>();
        services.AddSingleton<ISettingsCache, SettingsCache.SettingsCache>();
        services.AddSingleton<ILicenses, Licenses>();
        services.AddSingleton<ISystemSettings, SystemSettings>();
        services.AddSingleton<IApiKeys, ApiKeys>();
        services.AddSingleton<IAuditLog, AuditLog>();
        services.AddSingleton<IXmlRepository, DataProtectionKeys>();
    }
}
