using FailbackWorkflows.Failback.SettingsCache;
using Quartz;

namespace FailbackWorkflows.Server.Jobs;

/// <summary>Keeps the settings cache true. Derives what to ask from the tables each time, so a missed run loses nothing.</summary>
[DisallowConcurrentExecution]
internal sealed class RefreshSettingsJob(RefreshSettings refresh) : IJob
{
    public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) => new(refresh.ExecuteAsync(cancellationToken));
}
