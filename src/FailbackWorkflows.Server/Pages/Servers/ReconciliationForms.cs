using FailbackWorkflows.Failback.Reconciliation;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Resources;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.Servers;

/// <summary>What a click on Reconcile does.</summary>
public sealed class ReconciliationForms(ReconcileDuties reconcile, IAuthorizationService authorization)
{
    private const int MostReasonCharacters = 1000;

    public async Task<IActionResult> ReconcileAsync(PageModel page, string? identity, string? reason, CancellationToken cancellationToken)
    {
        if (!(await authorization.AuthorizeAsync(page.User, Permissions.Administer)).Succeeded)
        {
            return page.Forbid();
        }

        if (identity is not { Length: > 0 and <= 64 } || reason?.Length > MostReasonCharacters)
        {
            return new BadRequestResult();
        }

        var audit = page.HttpContext.Audit(identity, reason);
        if (string.IsNullOrWhiteSpace(reason))
        {
            audit.Result = "no reason";
            page.TempData["Warning"] = Texts.Of("Nothing was changed: say why. The reason is kept.");
            return new RedirectResult("/servers");
        }

        var result = await reconcile.ExecuteAsync(new ReconcileRequest(identity, CurrentActor.Of(page.HttpContext), reason), cancellationToken);
        audit.Result = result.Message is null ? "done" : "refused";
        page.TempData[result.Message is null ? "Notice" : "Warning"] = result.Message ?? Texts.Of("The duty of {0} was reconciled. {1}", identity, string.Join(' ', result.Reconciliation!.Changes));
        return new RedirectResult("/servers");
    }
}
