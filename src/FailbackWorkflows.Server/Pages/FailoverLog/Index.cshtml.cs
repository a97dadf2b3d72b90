using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.AutomaticFailover;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.FailoverLog;

/// <summary>The failover log: active or finalized failovers, newest first, with "Start failback" where it can be started.</summary>
[Authorize(Permissions.Read)]
public sealed class IndexModel(
    IFailoverLog log,
    IVmsServers servers,
    FailbackButtons buttons,
    FailbackStarter starter,
    MaterialCopyForms copyForms,
    EntryAlerts alerts,
    FailoverAlerts failoverAlerts,
    IObligations obligations,
    IAuthorizationService authorization) : PageModel
{
    private const int PerPage = 50;
    private Dictionary<string, string> names = [];

    public bool IsFinalized { get; private set; }

    public string? Before { get; private set; }

    public string? NextBefore { get; private set; }

    public IReadOnlyList<FailoverLogEntry> Entries { get; private set; } = [];

    /// <summary>What has to be done at once, whichever half of the log is shown.</summary>
    public IReadOnlyList<EntryAlert> Alerts { get; private set; } = [];

    /// <summary>Duties that should have been taken over by themselves.</summary>
    public IReadOnlyList<FailoverAlert> FailoverAlerts { get; private set; } = [];

    /// <summary>Entries of which a recorder must still be told something.</summary>
    public IReadOnlySet<string?> Debts { get; private set; } = new HashSet<string?>();

    public IReadOnlyDictionary<string, FailbackButton> Buttons { get; private set; } = new Dictionary<string, FailbackButton>();

    /// <summary>Failed servers on this page that are owed material whose copy nobody has started or that has to be started again.</summary>
    public IReadOnlyList<string> OwedServers => !User.May(Permissions.Operate) ? [] :
        [.. Entries.Where(e => e.IsCopyDue && !e.IsCopying).Select(e => e.FailedServerId).Distinct().OrderBy(NameOf, StringComparer.CurrentCulture)];

    /// <summary>A click in the making: its id makes the second of a double click harmless.</summary>
    public string CopyRequestId { get; } = Guid.NewGuid().ToString("N");

    public string NameOf(string serverId) => names.GetValueOrDefault(serverId, serverId);

    public async Task OnGetAsync(string? view, string? before, CancellationToken cancellationToken)
    {
        IsFinalized = view == "finalized";
        Before = before is { Length: > 0 and <= 128 } ? before : null;
        var query = new FailoverLogQuery(IsFinalized ? FailoverLogView.Finalized : FailoverLogView.Active, null, Before, PerPage);
        Entries = await log.ListAsync(query, cancellationToken);
        NextBefore = Entries.Count == PerPage ? Entries[^1].Id : null;
        Alerts = await alerts.ListAsync(cancellationToken);
        FailoverAlerts = await failoverAlerts.ListAsync(cancellationToken);
        Debts = (await obligations.ListOpenAsync(cancellationToken)).Select(o => o.EntryId).ToHashSet();
        Buttons = await buttons.ForAsync(Entries, User, cancellationToken);
        names = (await servers.ListAsync(cancellationToken)).ToDictionary(server => server.Id, server => server.Name);
    }

    public async Task<IActionResult> OnPostStartFailbackAsync(string? entryId, string? requestId, CancellationToken cancellationToken) =>
        (await authorization.AuthorizeAsync(User, Permissions.Operate)).Succeeded
            ? await starter.StartAsync(this, entryId, requestId, reason: null, overridesMaintenance: false, cancellationToken)
            : Forbid();

    public async Task<IActionResult> OnPostStartCopyAsync(string? serverId, string? requestId, CancellationToken cancellationToken) =>
        (await authorization.AuthorizeAsync(User, Permissions.Operate)).Succeeded
            ? await copyForms.StartOldestAsync(this, serverId, requestId, cancellationToken)
            : Forbid();
}
