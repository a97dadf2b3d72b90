using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.Servers;

/// <summary>The registry: every recorder with its state, and whose duty it holds.</summary>
[Authorize(Permissions.Read)]
public sealed class IndexModel(IVmsServers servers, IDuties duties, SettingsAges ages, EntryAlerts alerts) : PageModel
{
    private IReadOnlyDictionary<string, SettingsAge> settings = new Dictionary<string, SettingsAge>();
    private ILookup<string, Duty> byHolder = Array.Empty<Duty>().ToLookup(duty => duty.HolderServerId);

    public IReadOnlyList<VmsServer> Servers { get; private set; } = [];

    public IReadOnlyList<EntryAlert> Alerts { get; private set; } = [];

    public IReadOnlyList<Duty> DutiesOf(string serverId) => [.. byHolder[serverId]];

    public SettingsAge? SettingsOf(string serverId) => settings.GetValueOrDefault(serverId);

    public string NameOf(string serverId) => Servers.FirstOrDefault(server => server.Id == serverId)?.Name ?? serverId;

    public async Task OnGetAsync(CancellationToken cancellationToken)
    {
        Alerts = await alerts.ListAsync(cancellationToken);
        Servers = await servers.ListAsync(cancellationToken);
        settings = await ages.ListAsync(cancellationToken);
        byHolder = (await duties.ListAsync(cancellationToken)).ToLookup(duty => duty.HolderServerId);
    }
}
