using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Failback.AutomaticFailover;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Maintenance;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.Reconciliation;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Server.Api.Readiness;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Resources;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.Servers;

/// <summary>The registry: every recorder with its state, and whose duty it holds; maintenance mode of the whole system.</summary>
[Authorize(Permissions.Read)]
public sealed class IndexModel(
    IVmsServers servers,
    IDuties duties,
    IFailoverLog log,
    SettingsAges ages,
    IConnectivityHistory history,
    IMaintenanceModes modes,
    PollRecorders poll,
    EntryAlerts alerts,
    FailoverAlerts failoverAlerts,
    ReconciliationAlerts reconciliationAlerts,
    IObligations obligations,
    MaintenanceForms forms,
    ReadinessViews views,
    ReadinessForms readinessForms,
    ReconciliationForms reconciliationForms,
    WorkflowEngineOptions engine,
    TimeProvider time) : PageModel
{
    /// <summary>How many servers that are not ready any more are named.</summary>
    private const int MostNotReadyNamed = 5;
    private const int PerPage = 50;

    /// <summary>A list that is seen at a glance needs no search.</summary>
    private const int Glance = 10;

    /// <summary>Without a word from whoever polls for so long nobody does: twice what the watch needs to pass on.</summary>
    private TimeSpan Silence => engine.LeaseDuration * 2.5;

    private IReadOnlyDictionary<string, SettingsAge> settings = new Dictionary<string, SettingsAge>();
    private ILookup<string, Duty> byHolder = Array.Empty<Duty>().ToLookup(duty => duty.HolderServerId);
    private IReadOnlyDictionary<string, int> losses = new Dictionary<string, int>();

    private IReadOnlyDictionary<string, ReadinessResponse> readiness = new Dictionary<string, ReadinessResponse>();

    private IReadOnlyDictionary<string, FailoverLogEntry> toFailBack = new Dictionary<string, FailoverLogEntry>();
    private IReadOnlyDictionary<string, string> names = new Dictionary<string, string>();

    public ServerFilter Filter { get; private set; } = new(null, VmsServerFilter.All);

    /// <summary>The servers on this page.</summary>
    public IReadOnlyList<VmsServer> Servers { get; private set; } = [];

    /// <summary>How many there are in the registry.</summary>
    public int Registered { get; private set; }

    /// <summary>How many of them fit the filter.</summary>
    public int Found { get; private set; }

    public string? After { get; private set; }

    public string? NextAfter { get; private set; }

    public bool HasSearch => Registered > Glance || !Filter.IsEmpty;

    public IReadOnlyList<EntryAlert> Alerts { get; private set; } = [];

    /// <summary>Duties that should have been taken over by themselves.</summary>
    public IReadOnlyList<FailoverAlert> FailoverAlerts { get; private set; } = [];

    /// <summary>Duties of which the recorders know more than the database.</summary>
    public IReadOnlyList<ReconciliationAlert> Doubts { get; private set; } = [];

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
            var report = poll.OfCluster();
            return report is not { Polls: { SweptAt: { } sweptAt } now } || time.GetUtcNow() - sweptAt > Silence
                ? Texts.Of("Recorders are not polled at the moment.")
                : !report.IsRoundDone
                ? Texts.Of("{0} has taken the watch and asks every recorder before anything is decided: {1} of {2} are left.", report.Node, now.Unasked, now.Recorders)
                : report.Node == engine.Node
                ? Texts.Of("Every recorder is polled at its interval. The latest poll of the last two minutes began {0} late.", Wording.Duration(now.LongestLag))
                : Texts.Of("Every recorder is polled at its interval, by {0}. The latest poll of the last two minutes began {1} late.", report.Node, Wording.Duration(now.LongestLag));
        }
    }

    public IReadOnlyList<HeldDutyView> ActsAs(VmsServer server) =>
        [.. byHolder[server.Id].Select(duty => new HeldDutyView(duty.Identity == server.Id ? Texts.Of("itself") : NameOf(duty.Identity), duty.Epoch))];

    /// <summary>The failover that its failback would end; null: there is none.</summary>
    public FailoverLogEntry? ToFailBackOf(string serverId) => toFailBack.GetValueOrDefault(serverId);

    /// <summary>How the server's last dry run came out; null: there was none.</summary>
    public ReadinessResponse? ReadinessOf(string serverId) => readiness.GetValueOrDefault(serverId);

    /// <summary>Servers that were ready and are not any more, the latest first; the others are counted.</summary>
    public IReadOnlyList<(string Name, ReadinessResponse Readiness)> NotReadyAnyMore { get; private set; } = [];

    public int NotReadyAnyMoreCount { get; private set; }

    public SettingsAge? SettingsOf(string serverId) => settings.GetValueOrDefault(serverId);

    /// <summary>Where the readiness of a server stands in full.</summary>
    public static string ReadinessPageOf(ReadinessResponse one) => $"/servers/{Uri.EscapeDataString(one.ServerId)}#readiness";

    public string NameOf(string serverId) => names.GetValueOrDefault(serverId, serverId);

    public DateTimeOffset? SeenAt(VmsServer server) => poll.SeenAt(server);

    public string? CredentialProblemOf(string serverId) => poll.CredentialProblemOf(serverId);

    public int? FailedPollsOf(string serverId) => poll.FailedPollsOf(serverId);

    public int LossesOf(string serverId) => losses.GetValueOrDefault(serverId);

    public bool IsInMaintenance(string serverId) => Maintenance.Any(mode => mode.ServerId is null || mode.ServerId == serverId);

    /// <param name="q">A part of the name, id, address or group.</param>
    /// <param name="show">A <see cref="VmsServerFilter"/>.</param>
    /// <param name="after">Mark of the last server of the page before.</param>
    public async Task OnGetAsync(string? q, string? show, string? after, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        Filter = ServerFilter.Read(q, show);
        After = after is { Length: > 0 and <= VmsServerQuery.MostMarkCharacters } ? after : null;

        // What does not need the answer of another is read at the same time.
        var query = new VmsServerQuery { Text = Filter.Text, Filter = Filter.State, After = After, Take = PerPage };
        var registered = servers.CountAsync(cancellationToken);
        var search = Filter.IsEmpty ? ListAllAsync(query, registered, cancellationToken) : servers.SearchAsync(query, cancellationToken);
        var nobodyRecords = alerts.ListAsync(cancellationToken);
        var notTakenOver = failoverAlerts.ListAsync(cancellationToken);
        var doubts = reconciliationAlerts.ListAsync(cancellationToken);
        var turned = views.ListTurnedNotReadyAsync(MostNotReadyNamed, cancellationToken);
        var on = modes.ListOnAsync(cancellationToken);
        await Task.WhenAll(DescribeAsync(search, now, cancellationToken), registered, nobodyRecords, notTakenOver, doubts, turned, on);
        (Registered, Alerts, FailoverAlerts, Doubts) = (await registered, await nobodyRecords, await notTakenOver, await doubts);
        (NotReadyAnyMore, NotReadyAnyMoreCount) = await turned;
        Maintenance = [.. (await on).Where(mode => mode.IsActive(now)).OrderBy(mode => mode.ServerId)];
        MaintenanceForm = new(null, Maintenance.FirstOrDefault(mode => mode.ServerId is null));
    }

    public Task<IActionResult> OnPostCheckReadinessAsync(string? serverId, CancellationToken cancellationToken) => readinessForms.CheckAsync(this, serverId, cancellationToken);

    public Task<IActionResult> OnPostCheckAllAsync(CancellationToken cancellationToken) => readinessForms.CheckAllAsync(this, cancellationToken);

    public Task<IActionResult> OnPostReconcileAsync(string? identity, string? reason, CancellationToken cancellationToken) => reconciliationForms.ReconcileAsync(this, identity, reason, cancellationToken);

    public Task<IActionResult> OnPostMaintenanceOnAsync(string? reason, int hours, CancellationToken cancellationToken) =>
        forms.TurnOnAsync(this, null, reason, hours, cancellationToken);

    public Task<IActionResult> OnPostMaintenanceOffAsync(CancellationToken cancellationToken) => forms.TurnOffAsync(this, null, cancellationToken);

    /// <summary>A page of all there are, which are counted meanwhile.</summary>
    private async Task<(IReadOnlyList<VmsServer> Page, int Found)> ListAllAsync(VmsServerQuery query, Task<int> registered, CancellationToken cancellationToken) =>
        (await servers.ListAsync(query, cancellationToken), await registered);

    /// <summary>The servers of this page, and what is told of them beside their rows.</summary>
    private async Task DescribeAsync(Task<(IReadOnlyList<VmsServer> Page, int Found)> search, DateTimeOffset now, CancellationToken cancellationToken)
    {
        (Servers, Found) = await search;
        NextAfter = Servers.Count == PerPage ? VmsServerQuery.MarkOf(Servers[^1]) : null;
        string[] ids = [.. Servers.Select(server => server.Id)];
        var open = log.ListOpenAsync(ids, cancellationToken);
        var aged = ages.ListAsync(ids, cancellationToken);
        var looks = views.ListAsync(Servers, cancellationToken);
        var owed = obligations.ListOpenAsync(cancellationToken);
        var held = duties.ListHeldAsync(ids, cancellationToken);
        var lost = history.CountLossesAsync(ids, now - PollRecorder.FlapWindow, cancellationToken);
        await Task.WhenAll(open, aged, looks, owed, held, lost);
        toFailBack = (await open).Where(entry => entry.Failover == FailoverState.Done).DistinctBy(entry => entry.FailedServerId).ToDictionary(entry => entry.FailedServerId);
        (settings, readiness, losses) = (await aged, await looks, await lost);
        Owed = (await owed).ToLookup(o => o.ServerId);
        byHolder = (await held).ToLookup(duty => duty.HolderServerId);

        var known = Servers.ToDictionary(server => server.Id, server => server.Name);
        var others = byHolder.SelectMany(duties => duties).Select(duty => duty.Identity)
            .Concat(ids.SelectMany(id => Owed[id]).Select(owed => owed.Identity))
            .Where(id => !known.ContainsKey(id))
            .ToHashSet(StringComparer.Ordinal);
        names = known.Concat(await servers.ListNamesAsync(others, cancellationToken)).ToDictionary();
    }
}
