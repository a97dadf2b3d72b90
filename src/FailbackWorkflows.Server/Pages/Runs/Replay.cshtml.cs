using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Replay;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.Runs;

/// <summary>Plays a run on its diagram, event by event. The page comes with its diagrams; its script loads the events around where one is.</summary>
[Authorize(Permissions.Read)]
public sealed class ReplayModel(RunReplays replays) : PageModel
{
    public ReplayHead Run { get; private set; } = null!;

    public async Task<IActionResult> OnGetAsync(string runId, CancellationToken cancellationToken)
    {
        if (await replays.OpenAsync(runId, cancellationToken) is not { Events: > 0 } run)
        {
            return NotFound();
        }

        Run = run;
        return Page();
    }
}
