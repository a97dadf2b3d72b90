using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.Runs;

/// <summary>Whose duty was taken over by whom.</summary>
public sealed record TakenOverView(string EntryId, string FailedServerName, string FailoverServerName);

/// <summary>
/// One run of any workflow, step by step. What stopped by an error is retried here. Failbacks and material copies are asked on their entry's page, which
/// knows what that would do. A settings rollback has no other page and is cancelled here, too.
/// </summary>
[Authorize(Permissions.Read)]
public sealed class RunModel(IRunReports reports, IFailoverLog log, IVmsServers servers, RunForms forms) : PageModel
{
    public RunReport Run { get; private set; } = null!;

    /// <summary>The failover log entry it belongs to; of a failover the one that it writes, once it has.</summary>
    public string? EntryId { get; private set; }

    /// <summary>What a failover that was done has led to, as long as it is so.</summary>
    public TakenOverView? TakenOver { get; private set; }

    public bool MayOperate => User.May(Permissions.Operate);

    public bool CanCancel => IsCancelledHere(Run) && Run is { Result: "running", SubStatus: not WorkflowSubStatus.Faulted };

    public bool CanRedrive => IsRetriedHere(Run) && Run.CanRedrive;

    public async Task<IActionResult> OnGetAsync(string runId, CancellationToken cancellationToken)
    {
        if (await reports.FindAsync(runId, cancellationToken) is not { } run)
        {
            return NotFound();
        }

        Run = run;
        EntryId = run.EntryId;
        if (run.DefinitionId == StartFailover.DefinitionId && await log.FindAsync(StartFailover.EntryIdOf(runId), cancellationToken) is { } entry)
        {
            EntryId ??= entry.Id;
            TakenOver = entry is { Failover: FailoverState.Done, Failback: FailbackState.NotStarted, ClosedByEntryId: null }
                ? new(entry.Id, await NameAsync(entry.FailedServerId, cancellationToken), await NameAsync(entry.FailoverServerId, cancellationToken))
                : null;
        }

        return Page();
    }

    public Task<IActionResult> OnPostCancelAsync(string runId, string? reason, CancellationToken cancellationToken) =>
        forms.CancelAsync(this, runId, reason, IsCancelledHere, PathOf(runId), cancellationToken);

    public Task<IActionResult> OnPostRedriveAsync(string runId, string? reason, CancellationToken cancellationToken) =>
        forms.RedriveAsync(this, runId, reason, IsRetriedHere, PathOf(runId), cancellationToken);

    private async Task<string> NameAsync(string serverId, CancellationToken cancellationToken) => (await servers.FindAsync(serverId, cancellationToken))?.Name ?? serverId;

    private static bool IsCancelledHere(RunReport run) => run.DefinitionId == StartSettingsRollback.DefinitionId;

    private static bool IsRetriedHere(RunReport run) => run.DefinitionId is not (StartFailback.DefinitionId or StartMaterialCopy.DefinitionId);

    private static string PathOf(string runId) => $"/runs/{Uri.EscapeDataString(runId)}";
}
