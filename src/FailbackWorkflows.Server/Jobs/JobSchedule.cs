using FailbackWorkflows.Server.Hosting;
using Microsoft.Extensions.Options;
using Quartz;

namespace FailbackWorkflows.Server.Jobs;

/// <summary>What Quartz runs and how often. It keeps nothing itself (in memory): every job works out anew what is due.</summary>
internal static class JobSchedule
{
    public static void Add(IServiceCollection services)
    {
        services.AddQuartz(quartz =>
        {
            quartz.ScheduleJob<PollRecordersJob>((_, trigger) => trigger.WithIdentity("poll-recorders").StartNow().WithSimpleSchedule(schedule => Every(schedule, PollRecordersJob.Every)));
            quartz.ScheduleJob<AutomationJob>((_, trigger) => trigger.WithIdentity("automation").StartNow().WithSimpleSchedule(schedule => Every(schedule, AutomationJob.Every)));
            quartz.ScheduleJob<RefreshSettingsJob>((provider, trigger) => trigger.WithIdentity("refresh-settings").StartNow().WithSimpleSchedule(schedule => Every(schedule, Options(provider).SettingsInterval)));
            quartz.ScheduleJob<ObligationsJob>((provider, trigger) => trigger.WithIdentity("obligations").StartNow().WithSimpleSchedule(schedule => Every(schedule, Options(provider).PollInterval)));
            quartz.ScheduleJob<MaterialCopyJob>((provider, trigger) => trigger.WithIdentity("material-copy").StartNow().WithSimpleSchedule(schedule => Every(schedule, Options(provider).PollInterval)));
            quartz.ScheduleJob<PruneConnectivityJob>((_, trigger) => trigger.WithIdentity("prune-connectivity").StartNow().WithSimpleSchedule(schedule => Every(schedule, PruneConnectivityJob.Every)));
            quartz.ScheduleJob<ReadinessJob>((_, trigger) => trigger.WithIdentity("readiness").StartNow().WithSimpleSchedule(schedule => Every(schedule, ReadinessJob.Every)));
        });
        services.AddQuartzHostedService(options => options.WaitForJobsToComplete = true);
    }

    private static ServerOptions Options(IServiceProvider provider) => provider.GetRequiredService<IOptions<ServerOptions>>().Value;

    private static void Every(SimpleScheduleBuilder schedule, TimeSpan interval) => schedule
        .WithInterval(interval)
        .RepeatForever()
        .WithMisfireInstruction(SimpleTriggerMisfireInstruction.NextWithRemainingCount);
}
