using FailbackWorkflows.Failback.AutomaticFailover;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Maintenance;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Server.Api.Readiness;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.Servers;

/// <summary>A duty a server holds, as shown.</summary>
public sealed record HeldDutyView(string Of, long Epoch);

/// <summary>The registry: every recorder with its state, and whose duty it holds; maintenance mode of the whole system.</summary>
[Authorize(Permissions.Read)]
public sealed class IndexModel(
    IVmsServers servers,
    IDuties duties,
    SettingsAges ages,
    IConnectivityHistory history,
    IMaintenanceModes modes,
    PollRecorders poll,
    EntryAlerts alerts,
    FailoverAlerts failoverAlerts,
    FailedPolls failed,
    IObligations obligations,
    MaintenanceForms forms,
    ReadinessViews views,
    ReadinessForms readinessForms,
    TimeProvider time) : PageModel
{
    private IReadOnlyDictionary<string, SettingsAge> settings = new Dictionary<string, SettingsAge>();
    private ILookup<string, Duty> byHolder = Array.Empty<Duty>().ToLookup(duty => duty.HolderServerId);
    private IReadOnlyDictionary<string, int> losses = new Dictionary<string, int>();

    private IReadOnlyDictionary<string, ReadinessResponse> readiness = new Dictionary<string, ReadinessResponse>();

    public IReadOnlyList<VmsServer> Servers { get; private set; } = [];

    public IReadOnlyList<EntryAlert> Alerts { get; private set; } = [];

    /// <summary>Duties that should have been taken over by themselves.</summary>
    public IReadOnlyList<FailoverAlert> FailoverAlerts { get; private set; } = [];

    /// <summary>What servers must still be told.</summary>
    public ILookup<string, Obligation> Owed { get; private set; } = Array.Empty<Obligation>().ToLookup(o => o.ServerId);

    /// <summary>The maintenance modes that hold now.</summary>
    public IReadOnlyList<MaintenanceMode> Maintenance { get; private set; } = [];

    public MaintenanceForm MaintenanceForm { get; private set; } = null!;

    /// <summary>Whether the polls keep up, in a sentence.</summary>
    public string Punctuality
    {
        get
        {
            var now = poll.Punctual();
            return now.SweptAt is null
                ? "Recorders are not polled at the moment."
                : $"Every recorder is polled at its interval. The latest poll of the last two minutes began {Wording.Duration(now.LongestLag)} late.";
        }
    }

    public IReadOnlyList<HeldDutyView> ActsAs(VmsServer server) =>
        [.. byHolder[server.Id].Select(duty => new HeldDutyView(duty.Identity == server.Id ? "itself" : NameOf(duty.Identity), duty.Epoch))];

    /// <summary>How the server's last dry run came out; null: there was none.</summary>
    public ReadinessResponse? ReadinessOf(string serverId) => readiness.GetValueOrDefault(serverId);

    public SettingsAge? SettingsOf(string serverId) => settings.GetValueOrDefault(serverId);

    public string NameOf(string serverId) => Servers.FirstOrDefault(server => server.Id == serverId)?.Name ?? serverId;

    public DateTimeOffset? SeenAt(VmsServer server) => poll.SeenAt(server);

    public int FailedPollsOf(string serverId) => failed.Of(serverId);

    public int LossesOf(string serverId) => losses.GetValueOrDefault(serverId);

    public bool IsInMaintenance(string serverId) => Maintenance.Any(mode => mode.ServerId is null || mode.ServerId == serverId);

    public async Task OnGetAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        Alerts = await alerts.ListAsync(cancellationToken);
        FailoverAlerts = await failoverAlerts.ListAsync(cancellationToken);
        Servers = await servers.ListAsync(cancellationToken);
        settings = await ages.ListAsync(cancellationToken);
        readiness = await views.ListAsync(Servers, cancellationToken);
        Owed = (await obligations.ListOpenAsync(cancellationToken)).ToLookup(o => o.ServerId);
        byHolder = (await duties.ListAsync(cancellationToken)).ToLookup(duty => duty.HolderServerId);
        losses = await history.CountLossesAsync(now - PollRecorder.FlapWindow, cancellationToken);
        Maintenance = [.. (await modes.ListOnAsync(cancellationToken)).Where(mode => mode.IsActive(now)).OrderBy(mode => mode.ServerId)];
        MaintenanceForm = new(null, Maintenance.FirstOrDefault(mode => mode.ServerId is null));
    }

    public Task<IActionResult> OnPostCheckReadinessAsync(string? serverId, CancellationToken cancellationToken) => readinessForms.CheckAsync(this, serverId, cancellationToken);

    public Task<IActionResult> OnPostCheckAllAsync(CancellationToken cancellationToken) => readinessForms.CheckAllAsync(this, cancellationToken);

    public Task<IActionResult> OnPostMaintenanceOnAsync(string? reason, int hours, CancellationToken cancellationToken) =>
        forms.TurnOnAsync(this, null, reason, hours, cancellationToken);

    public Task<IActionResult> OnPostMaintenanceOffAsync(CancellationToken cancellationToken) => forms.TurnOffAsync(this, null, cancellationToken);
}
