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
            Repeat<PollRecordersJob>(quartz, "poll-recorders");
            Repeat<MaterialCopyJob>(quartz, "material-copy");
        });
        services.AddQuartzHostedService(options => options.WaitForJobsToComplete = true);
    }

    private static void Repeat<TJob>(IServiceCollectionQuartzConfigurator quartz, string name)
        where TJob : IJob => quartz.ScheduleJob<TJob>((provider, trigger) => trigger
            .WithIdentity(name)
            .StartNow()
            .WithSimpleSchedule(schedule => schedule
                .WithInterval(provider.GetRequiredService<IOptions<ServerOptions>>().Value.PollInterval)
                .RepeatForever()
                .WithMisfireInstruction(SimpleTriggerMisfireInstruction.NextWithRemainingCount)));
}
