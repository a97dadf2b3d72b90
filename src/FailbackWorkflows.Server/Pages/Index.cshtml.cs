using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages;

/// <summary>The start page is the failover log: what an operator comes for.</summary>
[Authorize(Permissions.OwnAccount)]
public sealed class IndexModel : PageModel
{
    public RedirectResult OnGet() => Redirect("/failover-log");
}
