using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.Servers;

/// <summary>The registry: every recorder with its state, and whose duty it holds.</summary>
[Authorize(Permissions.Read)]
public sealed class IndexModel(IVmsServers servers, IDuties duties, EntryAlerts alerts, IObligations obligations) : PageModel
{
    private ILookup<string, Duty> byHolder = Array.Empty<Duty>().ToLookup(duty => duty.HolderServerId);

    public IReadOnlyList<VmsServer> Servers { get; private set; } = [];

    public IReadOnlyList<EntryAlert> Alerts { get; private set; } = [];

    /// <summary>What servers must still be told.</summary>
    public ILookup<string, Obligation> Owed { get; private set; } = Array.Empty<Obligation>().ToLookup(o => o.ServerId);

    public IReadOnlyList<Duty> DutiesOf(string serverId) => [.. byHolder[serverId]];

    public string NameOf(string serverId) => Servers.FirstOrDefault(server => server.Id == serverId)?.Name ?? serverId;

    public async Task OnGetAsync(CancellationToken cancellationToken)
    {
        Alerts = await alerts.ListAsync(cancellationToken);
        Servers = await servers.ListAsync(cancellationToken);
        Owed = (await obligations.ListOpenAsync(cancellationToken)).ToLookup(o => o.ServerId);
        byHolder = (await duties.ListAsync(cancellationToken)).ToLookup(duty => duty.HolderServerId);
    }
}
