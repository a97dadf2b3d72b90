using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.Runs;

/// <summary>
/// One run of any workflow, step by step. A settings rollback has no other page: it is cancelled and retried here. Failbacks and material copies
/// are asked on their entry's page, which knows what that would do.
/// </summary>
[Authorize(Permissions.Read)]
public sealed class RunModel(IRunReports reports, IFailoverLog log, RunForms forms) : PageModel
{
    public RunReport Run { get; private set; } = null!;

    /// <summary>The failover log entry it belongs to; of a failover the one that it writes, once it has.</summary>
    public string? EntryId { get; private set; }

    public bool MayOperate => User.May(Permissions.Operate);

    public bool CanCancel => IsAskedHere(Run) && Run is { Result: "running", SubStatus: not WorkflowSubStatus.Faulted };

    public bool CanRedrive => IsAskedHere(Run) && Run.SubStatus == WorkflowSubStatus.Faulted;

    public async Task<IActionResult> OnGetAsync(string runId, CancellationToken cancellationToken)
    {
        if (await reports.FindAsync(runId, cancellationToken) is not { } run)
        {
            return NotFound();
        }

        Run = run;
        EntryId = run.EntryId ?? (run.DefinitionId == StartFailover.DefinitionId ? (await log.FindAsync(StartFailover.EntryIdOf(runId), cancellationToken))?.Id : null);
        return Page();
    }

    public Task<IActionResult> OnPostCancelAsync(string runId, string? reason, CancellationToken cancellationToken) =>
        forms.CancelAsync(this, runId, reason, IsAskedHere, PathOf(runId), cancellationToken);

    public Task<IActionResult> OnPostRedriveAsync(string runId, string? reason, CancellationToken cancellationToken) =>
        forms.RedriveAsync(this, runId, reason, IsAskedHere, PathOf(runId), cancellationToken);

    private static bool IsAskedHere(RunReport run) => run.DefinitionId == StartSettingsRollback.DefinitionId;

    private static string PathOf(string runId) => $"/runs/{Uri.EscapeDataString(runId)}";
}
