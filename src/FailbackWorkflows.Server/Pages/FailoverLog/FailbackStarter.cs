using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Resources;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.FailoverLog;

/// <summary>What a click on "Start failback" does, from the list and from the entry's page: start, then go to where the run can be watched.</summary>
public sealed class FailbackStarter(StartFailback start, IRunReports reports)
{
    private const int MostReasonCharacters = 1000;

    /// <param name="overridesMaintenance">The person ticked that maintenance mode is to be overridden; whether it may is checked here.</param>
    public async Task<IActionResult> StartAsync(
        PageModel page, string? entryId, string? requestId, string? reason, bool overridesMaintenance, CancellationToken cancellationToken)
    {
        if (overridesMaintenance && !page.User.May(Permissions.OverrideMaintenance))
        {
            return page.Forbid();
        }

        if (entryId is not { Length: > 0 and <= 128 } || requestId is not { Length: > 0 and <= 64 } || reason?.Length > MostReasonCharacters)
        {
            return new BadRequestResult();
        }

        reason = string.IsNullOrWhiteSpace(reason) ? null : reason.Trim();
        var audit = page.HttpContext.Audit(entryId, overridesMaintenance ? AuditExtensions.OverridingMaintenance(reason) : reason);
        var result = await start.ExecuteAsync(
            new StartFailbackRequest(entryId, requestId, CurrentActor.Of(page.HttpContext), reason, overridesMaintenance), cancellationToken);
        switch (result.Outcome)
        {
            case StartRunOutcome.Started or StartRunOutcome.AlreadyStarted:
                return new RedirectResult(EntryPage(entryId));

            case StartRunOutcome.Unknown:
                audit.Result = "unknown";
                return new NotFoundResult();

            case StartRunOutcome.Busy when result.RunId is { } inTheWay:
                audit.Result = "run in the way";
                page.TempData["Warning"] = Texts.Of("Nothing was started: {0} This is the run in the way.", result.Message);
                var report = await reports.FindAsync(inTheWay, cancellationToken);
                return new RedirectResult(report is { DefinitionId: StartFailback.DefinitionId, EntryId: { } entryOfRun }
                    ? EntryPage(entryOfRun)
                    : $"/runs/{Uri.EscapeDataString(inTheWay)}");

            default:
                audit.Result = "refused";
                page.TempData["Warning"] = result.Message ?? Texts.Of("The failback was not started.");
                return new RedirectResult(EntryPage(entryId));
        }
    }

    private static string EntryPage(string entryId) => $"/failover-log/{Uri.EscapeDataString(entryId)}";
}
