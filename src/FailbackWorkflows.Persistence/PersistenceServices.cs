using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Engine.Runtime;
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
using FailbackWorkflows.Failback.Reconciliation;
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
using FailbackWorkflows.Persistence.Nodes;
using FailbackWorkflows.Persistence.Postgres;
using FailbackWorkflows.Persistence.Readiness;
using FailbackWorkflows.Persistence.Reconciliation;
using FailbackWorkflows.Persistence.Seals;
using FailbackWorkflows.Persistence.Settings;
using FailbackWorkflows.Persistence.SettingsCache;
using FailbackWorkflows.Persistence.Sqlite;
using FailbackWorkflows.Persistence.VmsServers;
using FailbackWorkflows.Persistence.Workflows;
using Microsoft.AspNetCore.DataProtection.Repositories;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace FailbackWorkflows.Persistence;

/// <summary>Registers every store.</summary>
public static class PersistenceServices
{
    /// <summary>
    /// The embedded default: everything in one SQLite file, which is created when needed and locked against a second process when the first
    /// store is resolved (<see cref="DatabaseInUseException"/>). The largest epochs are kept in a file of their own, <c>….epochs</c>.
    /// </summary>
    /// <param name="epochsFolder">Where that file is, if not beside the database; made when needed.</param>
    /// <param name="sealsFolder">Where the key that seals the history and the checkpoints are; default: <c>seals</c> beside the database.</param>
    public static IServiceCollection AddPersistence(this IServiceCollection services, string sqliteFile, string? epochsFolder = null, string? sealsFolder = null)
    {
        var file = Path.GetFullPath(sqliteFile);
        services.AddSingleton<IDatabase>(_ => new SqliteDatabase(file));
        services.AddSingleton(_ => new SealFolder(sealsFolder ?? Path.Combine(Path.GetDirectoryName(file)!, "seals")));
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

    /// <summary>
    /// The production store: a PostgreSQL database that several nodes may work on, each under a name of its own. The largest epochs are kept in a
    /// file of their own all the same, <c>postgres.epochs</c>, by each node: it must not go back when the database is restored.
    /// </summary>
    /// <param name="connectionString">As Npgsql reads it.</param>
    /// <param name="epochsFolder">Where that file is; made when needed. Not that of another node.</param>
    /// <param name="node">The name of this node; the same as that of its engine. Default: <c>node-1</c>.</param>
    /// <param name="patience">How long an earlier process of this node may take to let go of the database; default: 5 s.</param>
    /// <param name="sealsFolder">Where this node's key that seals the history and its copy of the checkpoints are; default: <c>seals</c> in <paramref name="epochsFolder"/>.</param>
    public static IServiceCollection AddPostgresPersistence(
        this IServiceCollection services, string connectionString, string epochsFolder, string node = "node-1", TimeSpan? patience = null, string? sealsFolder = null)
    {
        var parts = new NpgsqlConnectionStringBuilder(connectionString);
        services.AddSingleton(_ => new PostgresDatabase(parts, node, patience ?? TimeSpan.FromSeconds(5)));
        services.AddSingleton(provider => new PostgresSignals(parts, TimeOf(provider), LoggerOf<PostgresSignals>(provider)));
        services.AddSingleton<INodeSignals>(provider => provider.GetRequiredService<PostgresSignals>());
        services.AddSingleton<IHostedService>(provider => provider.GetRequiredService<PostgresSignals>());
        services.AddSingleton(provider => new DatabaseWatch(
            provider.GetRequiredService<IDatabase>(), provider.GetRequiredService<WorkflowEngineOptions>(), TimeOf(provider), LoggerOf<DatabaseWatch>(provider)));
        services.AddSingleton<IWatch>(provider => provider.GetRequiredService<DatabaseWatch>());
        services.AddSingleton<IHostedService>(provider => provider.GetRequiredService<DatabaseWatch>());
        services.AddSingleton<IRecorderWords, RecorderWords>();
        services.AddSingleton<IDatabase>(provider => provider.GetRequiredService<PostgresDatabase>());
        services.AddSingleton<IEpochCheckpoint>(_ => EpochCheckpointFile.Open(Path.Combine(Path.GetFullPath(epochsFolder), "postgres"), null));
        services.AddSingleton(_ => new SealFolder(sealsFolder ?? Path.Combine(Path.GetFullPath(epochsFolder), "seals")));
        services.AddScoped(provider => provider.GetRequiredService<PostgresDatabase>().CreateTrackingContext());
        AddStores(services);
        return services;
    }

    private static TimeProvider TimeOf(IServiceProvider provider) => provider.GetService<TimeProvider>() ?? TimeProvider.System;

    private static ILogger<T> LoggerOf<T>(IServiceProvider provider) => provider.GetService<ILogger<T>>() ?? NullLogger<T>.Instance;

    private static void AddStores(IServiceCollection services)
    {
        services.TryAddSingleton<INodeSignals, NoOtherNodes>();
        services.AddSingleton<DomainChanges>();
        services.AddSingleton<CommittedChanges>();
        services.AddSingleton<ChangeFeed>();
        services.AddSingleton<IChangeFeed>(provider => provider.GetRequiredService<ChangeFeed>());
        services.AddSingleton<IDomainWriter, DomainWriter>();
        services.AddSingleton<IWorkflowStore, WorkflowStore>();
        services.AddSingleton<IWorkflowInstances, WorkflowInstances>();
        services.AddSingleton<IJournalOutline, JournalOutline>();
        services.AddSingleton<IWorkflowLibrary, WorkflowLibrary>();
        services.AddSingleton<IRunBrowser, RunBrowser>();
        services.AddSingleton<IVmsServers, VmsServers.VmsServers>();
        services.AddSingleton<VmsServers.ServerDigests>();
        services.AddSingleton<IFailoverLog, FailoverLog.FailoverLog>();
        services.AddSingleton<IConnectivityHistory, ConnectivityHistory>();
        services.AddSingleton<IAutomaticFailbacks, AutomaticFailbackStates>();
        services.AddSingleton<IAutomaticFailovers, AutomaticFailoverStates>();
        services.AddSingleton<IMaintenanceModes, MaintenanceModes>();
        services.AddSingleton<IDuties, Duties.Duties>();
        services.AddSingleton<IObligations, Obligations.Obligations>();
        services.AddSingleton<IMaterialCopies, MaterialCopies>();
        services.AddSingleton<IReconciliations, Reconciliations>();
        services.AddSingleton<IReadinessResults, ReadinessResults>();
        services.AddSingleton<ISettingsCache, SettingsCache.SettingsCache>();
        services.AddSingleton<ILicenses, Licenses>();
        services.AddSingleton<ISystemSettings, SystemSettings>();
        services.AddSingleton<IApiKeys, ApiKeys>();
        services.AddSingleton<IUserRoles, UserRoles>();
        services.AddSingleton<IUserList, UserList>();
        services.AddSingleton<IAuditLog, AuditLog>();
        services.AddSingleton<IHistorySeals>(provider => new HistorySeals(provider.GetRequiredService<IDatabase>(), provider.GetRequiredService<SealFolder>(), TimeOf(provider), LoggerOf<HistorySeals>(provider)));
        services.AddSingleton<IHistoryVerifications>(provider => new HistoryVerifications(provider.GetRequiredService<IDatabase>(), provider.GetRequiredService<SealFolder>(), TimeOf(provider)));
        services.AddSingleton<ISealedHistory, SealedHistory>();
        services.AddSingleton<IJournalChaining, JournalChaining>();
        services.AddSingleton<IXmlRepository, DataProtectionKeys>();
    }
}
