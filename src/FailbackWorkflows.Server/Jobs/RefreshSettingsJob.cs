using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.SettingsCache;
using Quartz;

namespace FailbackWorkflows.Server.Jobs;

/// <summary>Keeps the settings cache true, at the server that is on watch and has asked every recorder since it took it: whose duty is in doubt is known by then. Derives what to ask from the tables each time, so a missed run loses nothing.</summary>
[DisallowConcurrentExecution]
internal sealed class RefreshSettingsJob(RefreshSettings refresh, IWatch watch) : IJob
{
    public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) => watch.MayDecide ? new(refresh.ExecuteAsync(cancellationToken)) : ValueTask.CompletedTask;
}
