using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Studio.Hosting;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.Studio;

/// <summary>
/// The page around the designer. One address per view, because the designer keeps its own state in the query and cannot change from one view to another without
/// a page load.
/// </summary>
[Authorize(Permissions.Read)]
public sealed class HostModel(IAntiforgery antiforgery, DesignerFolder designer) : PageModel
{
    /// <summary><c>definitions</c> or <c>instances</c>.</summary>
    public string List => RouteData.Values["list"] as string ?? "";

    /// <summary>The definition that is edited or the instance that is looked at; null: the list.</summary>
    [BindProperty(SupportsGet = true)]
    public string? Id { get; set; }

    /// <summary><c>edit</c> or <c>view</c>, as the designer's own addresses end.</summary>
    [BindProperty(SupportsGet = true)]
    public string? View { get; set; }

    public bool IsInstances => List == "instances";

    public bool MayEdit => User.May(Permissions.Integrate);

    /// <summary>Sent by the designer with each of its requests, in the header it has for a tenant.</summary>
    public string? AntiforgeryToken { get; private set; }

    public string AntiforgeryHeader => AntiforgeryFilter.HeaderName;

    public IActionResult OnGet()
    {
        if (!designer.IsInstalled)
        {
            return Redirect("/workflows");
        }

        if (View is not null && View != (IsInstances ? "view" : "edit"))
        {
            return NotFound();
        }

        AntiforgeryToken = antiforgery.GetAndStoreTokens(HttpContext).RequestToken;
        return Page();
    }
}
