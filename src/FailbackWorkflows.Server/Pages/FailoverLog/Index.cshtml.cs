using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.AutomaticFailover;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.Reconciliation;
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
    ReconciliationAlerts reconciliationAlerts,
    IObligations obligations,
    IAuthorizationService authorization) : PageModel
{
    private const int PerPage = 50;
    private IReadOnlyDictionary<string, string> names = new Dictionary<string, string>();

    public bool IsFinalized { get; private set; }

    public LogFilter Filter { get; private set; } = new(null, null, null);

    /// <summary>More servers than are looked for at once have what was typed in their name.</summary>
    public bool IsTooWide { get; private set; }

    public string? Before { get; private set; }

    public string? NextBefore { get; private set; }

    public IReadOnlyList<FailoverLogEntry> Entries { get; private set; } = [];

    /// <summary>What has to be done at once, whichever half of the log is shown.</summary>
    public IReadOnlyList<EntryAlert> Alerts { get; private set; } = [];

    /// <summary>Duties that should have been taken over by themselves.</summary>
    public IReadOnlyList<FailoverAlert> FailoverAlerts { get; private set; } = [];

    /// <summary>Duties of which the recorders know more than the database.</summary>
    public IReadOnlyList<ReconciliationAlert> Doubts { get; private set; } = [];

    /// <summary>Entries of which a recorder must still be told something.</summary>
    public IReadOnlySet<string?> Debts { get; private set; } = new HashSet<string?>();

    public IReadOnlyDictionary<string, FailbackButton> Buttons { get; private set; } = new Dictionary<string, FailbackButton>();

    /// <summary>Failed servers on this page that are owed material whose copy nobody has started or that has to be started again.</summary>
    public IReadOnlyList<string> OwedServers =>
        [.. Entries.Where(e => e.IsCopyDue && !e.IsCopying).Select(e => e.FailedServerId).Distinct().OrderBy(NameOf, StringComparer.CurrentCulture)];

    /// <summary>A click in the making: its id makes the second of a double click harmless.</summary>
    public string CopyRequestId { get; } = Guid.NewGuid().ToString("N");

    public string NameOf(string serverId) => names.GetValueOrDefault(serverId, serverId);

    public async Task<IActionResult> OnGetAsync(string? view, string? q, string? since, string? until, string? before, CancellationToken cancellationToken)
    {
        IsFinalized = view == "finalized";
        Filter = LogFilter.Read(q, since, until);
        Before = before is { Length: > 0 and <= 128 } ? before : null;
        if (Filter.Text is { } text && await log.FindAsync(text, cancellationToken) is { } entered)
        {
            return Redirect($"/failover-log/{Uri.EscapeDataString(entered.Id)}");
        }

        // One more than is looked for: whether there are more is to be said.
        var named = Filter.Text is { } part ? await servers.FindIdsAsync(part, FailoverLogQuery.MostServers + 1, cancellationToken) : [];
        IsTooWide = named.Count > FailoverLogQuery.MostServers;
        var query = Filter.Narrow(new FailoverLogQuery(IsFinalized ? FailoverLogView.Finalized : FailoverLogView.Active) { Before = Before, Take = PerPage }, named);

        // What does not need the answer of another is read at the same time.
        var entries = log.ListAsync(query, cancellationToken);
        var nobodyRecords = alerts.ListAsync(cancellationToken);
        var notTakenOver = failoverAlerts.ListAsync(cancellationToken);
        var doubts = reconciliationAlerts.ListAsync(cancellationToken);
        var owed = obligations.ListOpenAsync(cancellationToken);
        await Task.WhenAll(DescribeAsync(entries, cancellationToken), nobodyRecords, notTakenOver, doubts, owed);
        (Alerts, FailoverAlerts, Doubts) = (await nobodyRecords, await notTakenOver, await doubts);
        Debts = (await owed).Select(o => o.EntryId).ToHashSet();
        return Page();
    }

    public async Task<IActionResult> OnPostStartFailbackAsync(string? entryId, string? requestId, CancellationToken cancellationToken) =>
        (await authorization.AuthorizeAsync(User, Permissions.Operate)).Succeeded
            ? await starter.StartAsync(this, entryId, requestId, reason: null, overridesMaintenance: false, cancellationToken)
            : Forbid();

    public async Task<IActionResult> OnPostStartCopyAsync(string? serverId, string? requestId, CancellationToken cancellationToken) =>
        (await authorization.AuthorizeAsync(User, Permissions.Operate)).Succeeded
            ? await copyForms.StartOldestAsync(this, serverId, requestId, cancellationToken)
            : Forbid();

    private async Task DescribeAsync(Task<IReadOnlyList<FailoverLogEntry>> read, CancellationToken cancellationToken)
    {
        Entries = await read;
        NextBefore = Entries.Count == PerPage ? Entries[^1].Id : null;
        var shown = Entries.SelectMany(entry => (string[])[entry.FailedServerId, entry.FailoverServerId]).ToHashSet(StringComparer.Ordinal);
        var found = servers.ListNamesAsync(shown, cancellationToken);
        var clickable = buttons.ForAsync(Entries, User, cancellationToken);
        await Task.WhenAll(found, clickable);
        (names, Buttons) = (await found, await clickable);
    }
}
