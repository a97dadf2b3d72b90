using FailbackWorkflows.Persistence.Identity;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.Account;

/// <summary>Ends the session.</summary>
[Authorize(Permissions.OwnAccount)]
public sealed class SignOutModel(SignInManager<FailbackUser> signIn) : PageModel
{
    public async Task<IActionResult> OnPostAsync()
    {
        HttpContext.Audit("sign-out");
        await signIn.SignOutAsync();
        return Redirect("/sign-in");
    }
}
