using FailbackWorkflows.Server.Hosting;
using Microsoft.Extensions.Options;
using Npgsql;
using Quartz;

namespace FailbackWorkflows.Server.Jobs;

/// <summary>
/// What Quartz runs and how often. It owns no truth: every job works out anew what is due, so one that runs twice or not at all does no harm. What is done by whoever
/// is on watch is looked at by each management server (<see cref="Node"/>), because a clustered job may run at two for a moment and the watch never is with two; what works by the tables alone runs once for all of them
/// (<see cref="Cluster"/>): on PostgreSQL by a job store in its schema <c>quartz</c>, which hands the jobs of a dead server to another one.
/// </summary>
internal static class JobSchedule
{
    public const string Node = "node";
    public const string Cluster = "cluster";

    /// <summary>How often the schedulers say that they are there; one that is silent for three times as long is taken for dead.</summary>
    private static readonly TimeSpan CheckIn = TimeSpan.FromSeconds(2);

    /// <summary>After the database was away: jobs go on so soon when it is back, and a server that is told to stop meanwhile waits no longer than that for its schedulers.</summary>
    private static readonly TimeSpan DatabaseRetry = TimeSpan.FromSeconds(2);

    public static void Add(IServiceCollection services, string? postgres, string node)
    {
        services.AddQuartz(Node, quartz =>
        {
            quartz.ScheduleJob<PollRecordersJob>((_, trigger) => trigger.WithIdentity("poll-recorders").StartNow().WithSimpleSchedule(schedule => Every(schedule, PollRecordersJob.Every)));
            quartz.ScheduleJob<FollowSealsJob>((provider, trigger) => trigger.WithIdentity("follow-seals").StartNow().WithSimpleSchedule(schedule => Every(schedule, Options(provider).SealInterval)));
            quartz.ScheduleJob<AutomationJob>((_, trigger) => trigger.WithIdentity("automation").StartNow().WithSimpleSchedule(schedule => Every(schedule, AutomationJob.Every)));
            quartz.ScheduleJob<RefreshSettingsJob>((provider, trigger) => trigger.WithIdentity("refresh-settings").StartNow().WithSimpleSchedule(schedule => Every(schedule, Options(provider).SettingsInterval)));
        });
        services.AddQuartz(Cluster, quartz =>
        {
            if (postgres is not null)
            {
                KeepInDatabase(quartz, postgres, node);
            }

            quartz.ScheduleJob<SealJob>((provider, trigger) => trigger.WithIdentity("seal").StartNow().WithSimpleSchedule(schedule => Every(schedule, Options(provider).SealInterval)));
            quartz.ScheduleJob<ObligationsJob>((provider, trigger) => trigger.WithIdentity("obligations").StartNow().WithSimpleSchedule(schedule => Every(schedule, Options(provider).PollInterval)));
            quartz.ScheduleJob<MaterialCopyJob>((provider, trigger) => trigger.WithIdentity("material-copy").StartNow().WithSimpleSchedule(schedule => Every(schedule, Options(provider).PollInterval)));
            quartz.ScheduleJob<OwedMaterialJob>((provider, trigger) => trigger.WithIdentity("owed-material").StartNow().WithSimpleSchedule(schedule => Every(schedule, Options(provider).PollInterval)));
            quartz.ScheduleJob<PruneConnectivityJob>((_, trigger) => trigger.WithIdentity("prune-connectivity").StartNow().WithSimpleSchedule(schedule => Every(schedule, PruneConnectivityJob.Every)));
            quartz.ScheduleJob<StartScheduledJob>((_, trigger) => trigger.WithIdentity("start-scheduled").StartNow().WithSimpleSchedule(schedule => Every(schedule, StartScheduledJob.Every)));
            quartz.ScheduleJob<ReadinessJob>((_, trigger) => trigger.WithIdentity("readiness").StartNow().WithSimpleSchedule(schedule => Every(schedule, ReadinessJob.Every)));
        });
        services.AddQuartzHostedService(options => options.WaitForJobsToComplete = true);
    }

    private static void KeepInDatabase(IQuartzBuilder quartz, string postgres, string node)
    {
        // The migrations have made the schema; the tables in it are Quartz's own business.
        var connectionString = new NpgsqlConnectionStringBuilder(postgres) { SearchPath = "quartz" }.ToString();
        quartz.ConfigureScheduler(scheduler => scheduler.InstanceId = node);
        quartz.UsePersistentStore(store =>
        {
            store.UsePostgres(NpgsqlFactory.Instance, connectionString);
            store.ProvisionSchema();
            store.ConfigureStore(options => options.DbRetryInterval = DatabaseRetry);
            store.UseClustering(cluster =>
            {
                cluster.CheckinInterval = CheckIn;
                cluster.CheckinMisfireThreshold = CheckIn * 2;
            });
        });
    }

    private static ServerOptions Options(IServiceProvider provider) => provider.GetRequiredService<IOptions<ServerOptions>>().Value;

    private static void Every(SimpleScheduleBuilder schedule, TimeSpan interval) => schedule
        .WithInterval(interval)
        .RepeatForever()
        .WithMisfireInstruction(SimpleTriggerMisfireInstruction.NextWithRemainingCount);
}
