using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.Runs;

/// <summary>One run of any workflow, step by step.</summary>
[Authorize(Permissions.Read)]
public sealed class RunModel(IRunReports reports) : PageModel
{
    public RunReport Run { get; private set; } = null!;

    public async Task<IActionResult> OnGetAsync(string runId, CancellationToken cancellationToken)
    {
        if (await reports.FindAsync(runId, cancellationToken) is not { } run)
        {
            return NotFound();
        }

        Run = run;
        return Page();
    }
}
