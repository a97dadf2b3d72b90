using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Http;
using Microsoft.Extensions.Options;

namespace FailbackWorkflows.Server.Workflows;

/// <summary>What the workflow engine leaves to its host: cron expressions and the way out to other servers.</summary>
internal static class WorkflowServices
{
    public static void AddWorkflowServices(this IServiceCollection services)
    {
        services.AddSingleton<IValidateOptions<OutboundHttpOptions>, OutboundHttpOptionsCheck>();
        services.AddOptions<OutboundHttpOptions>().BindConfiguration(OutboundHttpOptions.Section).ValidateOnStart();
        services.AddSingleton<ICronSchedules, QuartzCronSchedules>();
        services.AddSingleton<IHostAddresses, DnsAddresses>();
        services.AddSingleton<IOutboundHttp, OutboundHttp>();
    }
}
