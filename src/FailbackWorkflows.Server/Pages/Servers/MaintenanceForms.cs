using FailbackWorkflows.Failback.Maintenance;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Resources;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.Servers;

/// <summary>The form that turns maintenance mode on or off.</summary>
/// <param name="ServerId">Null: the whole system.</param>
/// <param name="Mode">What is on now; null: nothing.</param>
public sealed record MaintenanceForm(string? ServerId, MaintenanceMode? Mode)
{
    public string Action => ServerId is null ? "/servers" : $"/servers/{Uri.EscapeDataString(ServerId)}";
}

/// <summary>What a click on it does, from the list of servers and from a server's page.</summary>
public sealed class MaintenanceForms(ChangeMaintenanceMode change, IAuthorizationService authorization, TimeProvider time)
{
    private const int MostReasonCharacters = 1000;
    private const int MostHours = 24 * 31;

    /// <param name="hours">0: until somebody turns it off.</param>
    public async Task<IActionResult> TurnOnAsync(PageModel page, string? serverId, string? reason, int hours, CancellationToken cancellationToken)
    {
        if (!await MayAsync(page))
        {
            return page.Forbid();
        }

        if (reason?.Length > MostReasonCharacters || hours is < 0 or > MostHours)
        {
            return new BadRequestResult();
        }

        var audit = page.HttpContext.Audit(serverId ?? MaintenanceMode.System, reason);
        if (string.IsNullOrWhiteSpace(reason))
        {
            audit.Result = "no reason";
            page.TempData["Warning"] = Texts.Of("Nothing was changed: say why. The reason is kept.");
            return new RedirectResult(new MaintenanceForm(serverId, null).Action);
        }

        var endsAt = hours == 0 ? (DateTimeOffset?)null : time.GetUtcNow().AddHours(hours);
        return Answer(page, audit, serverId, await change.TurnOnAsync(serverId, reason, endsAt, CurrentActor.Of(page.HttpContext), cancellationToken), serverId is null ? Texts.Of("Maintenance mode is on: nothing is failed back by itself.") : Texts.Of("Maintenance mode is on: this server is not failed back by itself."));
    }

    public async Task<IActionResult> TurnOffAsync(PageModel page, string? serverId, CancellationToken cancellationToken)
    {
        if (!await MayAsync(page))
        {
            return page.Forbid();
        }

        var audit = page.HttpContext.Audit(serverId ?? MaintenanceMode.System);
        return Answer(page, audit, serverId, await change.TurnOffAsync(serverId, CurrentActor.Of(page.HttpContext), cancellationToken), Texts.Of("Maintenance mode is off."));
    }

    private static IActionResult Answer(PageModel page, AuditDetails audit, string? serverId, ChangeMaintenanceResult result, string notice)
    {
        if (result.IsUnknown)
        {
            return new NotFoundResult();
        }

        audit.Result = result.Message is null ? "done" : "refused";
        page.TempData[result.Message is null ? "Notice" : "Warning"] = result.Message ?? notice;
        return new RedirectResult(new MaintenanceForm(serverId, null).Action);
    }

    private async Task<bool> MayAsync(PageModel page) => (await authorization.AuthorizeAsync(page.User, Permissions.Administer)).Succeeded;
}
