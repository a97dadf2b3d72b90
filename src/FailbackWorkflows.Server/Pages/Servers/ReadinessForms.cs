using FailbackWorkflows.Failback.Readiness;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Resources;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.Servers;

/// <summary>What the buttons "Check readiness" do, from the list of servers and from a server's page.</summary>
public sealed class ReadinessForms(CheckReadiness check, CheckReadinessOfAll all, IAuthorizationService authorization)
{
    /// <summary>Looks at one server now, and goes to its page.</summary>
    public async Task<IActionResult> CheckAsync(PageModel page, string? serverId, CancellationToken cancellationToken)
    {
        if (!await MayAsync(page))
        {
            return page.Forbid();
        }

        page.HttpContext.Audit(serverId);
        if (serverId is null || await check.ExecuteAsync(serverId, CurrentActor.Of(page.HttpContext), cancellationToken) is null)
        {
            return new NotFoundResult();
        }

        return new RedirectResult($"/servers/{Uri.EscapeDataString(serverId)}#readiness");
    }

    /// <summary>Has every server looked at; the results come in one by one.</summary>
    public async Task<IActionResult> CheckAllAsync(PageModel page, CancellationToken cancellationToken)
    {
        if (!await MayAsync(page))
        {
            return page.Forbid();
        }

        page.HttpContext.Audit("all servers");
        await all.RequestAsync(CurrentActor.Of(page.HttpContext), cancellationToken);
        page.TempData["Notice"] = Texts.Of("Every server is looked at now, a few at a time. The column Readiness shows the results as they come.");
        return new RedirectResult("/servers");
    }

    private async Task<bool> MayAsync(PageModel page) => (await authorization.AuthorizeAsync(page.User, Permissions.Operate)).Succeeded;
}
