using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.Runs;

/// <summary>One run of any workflow, step by step.</summary>
[Authorize(Permissions.Read)]
public sealed class RunModel(IRunReports reports, IFailoverLog log) : PageModel
{
    public RunReport Run { get; private set; } = null!;

    /// <summary>The failover log entry it belongs to; of a failover the one that it writes, once it has.</summary>
    public string? EntryId { get; private set; }

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
}
