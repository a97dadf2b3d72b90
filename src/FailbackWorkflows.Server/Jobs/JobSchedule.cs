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
            quartz.ScheduleJob<PollRecordersJob>((provider, trigger) => trigger.WithIdentity("poll-recorders").StartNow().WithSimpleSchedule(schedule => AtPollInterval(schedule, provider)));
            quartz.ScheduleJob<ObligationsJob>((provider, trigger) => trigger.WithIdentity("obligations").StartNow().WithSimpleSchedule(schedule => AtPollInterval(schedule, provider)));
            quartz.ScheduleJob<MaterialCopyJob>((provider, trigger) => trigger.WithIdentity("material-copy").StartNow().WithSimpleSchedule(schedule => AtPollInterval(schedule, provider)));
        });
        services.AddQuartzHostedService(options => options.WaitForJobsToComplete = true);
    }

    private static void AtPollInterval(SimpleScheduleBuilder schedule, IServiceProvider provider) => schedule
        .WithInterval(provider.GetRequiredService<IOptions<ServerOptions>>().Value.PollInterval)
        .RepeatForever()
        .WithMisfireInstruction(SimpleTriggerMisfireInstruction.NextWithRemainingCount);
}
