using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Resources;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.Runs;

/// <summary>What a page's buttons ask of a run: to cancel, or to go on from the step that failed. Each is checked, audited and answered the same way.</summary>
public sealed class RunForms(IRunReports reports, IWorkflowRuntime runtime, IAuthorizationService authorization)
{
    /// <param name="isOfPage">Whether the run may be asked from this page.</param>
    /// <param name="back">Where the answer is shown.</param>
    public Task<IActionResult> CancelAsync(PageModel page, string? runId, string? reason, Func<RunReport, bool> isOfPage, string back, CancellationToken cancellationToken) =>
        AskAsync(page, runId, reason, isOfPage, back, runtime.CancelAsync, Texts.Of("The cancellation was asked for."), cancellationToken);

    /// <inheritdoc cref="CancelAsync"/>
    public Task<IActionResult> RedriveAsync(PageModel page, string? runId, string? reason, Func<RunReport, bool> isOfPage, string back, CancellationToken cancellationToken) =>
        AskAsync(page, runId, reason, isOfPage, back, runtime.RedriveAsync, Texts.Of("The run goes on from the failed step."), cancellationToken);

    private async Task<IActionResult> AskAsync(
        PageModel page,
        string? runId,
        string? reason,
        Func<RunReport, bool> isOfPage,
        string back,
        Func<string, Actor, string?, CancellationToken, Task> ask,
        string done,
        CancellationToken cancellationToken)
    {
        if (!(await authorization.AuthorizeAsync(page.User, Permissions.Operate)).Succeeded)
        {
            return page.Forbid();
        }

        if (runId is not { Length: > 0 and <= 128 } || reason?.Length > 1000)
        {
            return page.BadRequest();
        }

        if (await reports.FindAsync(runId, cancellationToken) is not { } run || !isOfPage(run))
        {
            return page.NotFound();
        }

        var audit = page.HttpContext.Audit(runId, reason);
        try
        {
            await ask(runId, CurrentActor.Of(page.HttpContext), string.IsNullOrWhiteSpace(reason) ? null : reason.Trim(), cancellationToken);
            page.TempData["Notice"] = done;
        }
        catch (WorkflowRefusedException refused)
        {
            audit.Result = "refused";
            page.TempData["Warning"] = refused.Message;
        }

        return new RedirectResult(back);
    }
}
