using FailbackWorkflows.Persistence.Workflows;

namespace FailbackWorkflows.Server.Studio.Hub;

/// <summary>The designer's live connection: a viewer says which instance it shows and hears when it has changed.</summary>
internal sealed class InstanceHub(InstanceWatch watch, IRunBrowser runs) : Microsoft.AspNetCore.SignalR.Hub
{
    /// <summary>Called by the viewer. An instance that is not there is not watched.</summary>
    public async Task ObserveInstanceAsync(string instanceId)
    {
        if (instanceId is { Length: > 0 and <= 200 } && await runs.FindAsync(instanceId, Context.ConnectionAborted) is not null)
        {
            watch.Observe(Context, instanceId);
            await Groups.AddToGroupAsync(Context.ConnectionId, instanceId, Context.ConnectionAborted);
        }
    }

    public override Task OnDisconnectedAsync(Exception? exception)
    {
        watch.Forget(Context.ConnectionId);
        return base.OnDisconnectedAsync(exception);
    }
}
