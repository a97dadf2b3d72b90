using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Abandonment;
using FailbackWorkflows.Failback.Adoption;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Resources;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.FailoverLog;

/// <summary>The forms of an entry that settle who has the duty. There is nothing to look at here: whoever comes by is sent to the entry.</summary>
[Authorize(Permissions.Read)]
public sealed class DutyModel(StartFailback failback, StartAdoption adoption, AbandonFailback abandonment) : PageModel
{
    private const int MostReasonCharacters = 1000;

    public IActionResult OnGet(string entryId) => Redirect(EntryPage(entryId));

    public Task<IActionResult> OnPostWithoutFailoverServerAsync(string entryId, string? requestId, string? reason, bool confirmed, CancellationToken cancellationToken) =>
        StartAsync(
            Permissions.Operate, entryId, entryId, requestId, reason, confirmed, id => failback.ExecuteAsync(new(entryId, id, CurrentActor.Of(HttpContext), reason, WithoutFailoverServer: true), cancellationToken));

    public Task<IActionResult> OnPostAdoptAsync(string entryId, string? requestId, string? reason, CancellationToken cancellationToken) =>
        StartAsync(Permissions.Operate, entryId, entryId, requestId, reason, true, id => adoption.ExecuteAsync(new(entryId, id, CurrentActor.Of(HttpContext), reason), cancellationToken));

    public Task<IActionResult> OnPostAbandonAsync(string entryId, string? runId, string? holderServerId, string? requestId, string? reason, CancellationToken cancellationToken) =>
        StartAsync(
            Permissions.Administer,
            entryId,
            runId,
            requestId,
            reason,
            runId is { Length: > 0 and <= 128 } && holderServerId is { Length: > 0 and <= 64 },
            id => abandonment.ExecuteAsync(new(runId!, holderServerId!, id, CurrentActor.Of(HttpContext), reason), cancellationToken));

    private static string EntryPage(string entryId) => $"/failover-log/{Uri.EscapeDataString(entryId)}";

    private async Task<IActionResult> StartAsync(
        string permission, string entryId, string? subject, string? requestId, string? reason, bool isComplete, Func<string, Task<StartRunResult>> start)
    {
        if (!User.May(permission))
        {
            return Forbid();
        }

        if (!isComplete || requestId is not { Length: > 0 and <= 64 } || reason?.Length > MostReasonCharacters)
        {
            return BadRequest();
        }

        var audit = HttpContext.Audit(subject, reason);
        var result = await start(requestId);
        switch (result.Outcome)
        {
            case StartRunOutcome.Started or StartRunOutcome.AlreadyStarted when result.RunId is { } runId:
                TempData["Notice"] = Texts.Of("It was started; this page shows what comes of it.");
                return Redirect(permission == Permissions.Operate && result.EntryId == entryId ? EntryPage(entryId) : $"/runs/{Uri.EscapeDataString(runId)}");
            case StartRunOutcome.Unknown:
                audit.Result = "unknown";
                return NotFound();
            default:
                audit.Result = "refused";
                TempData["Warning"] = result.Message ?? Texts.Of("Nothing was started.");
                return Redirect(EntryPage(entryId));
        }
    }
}
