using FailbackWorkflows.Persistence.Identity;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.Account;

/// <summary>Changes one's own password; other sessions of the account end within a minute.</summary>
[Authorize(Permissions.OwnAccount)]
public sealed class PasswordModel(UserManager<FailbackUser> users, SignInManager<FailbackUser> signIn) : PageModel
{
    public IReadOnlyList<string> Messages { get; private set; } = [];

    public async Task<IActionResult> OnPostAsync(string? current, string? replacement, string? again)
    {
        var audit = HttpContext.Audit("password");
        audit.Result = "refused";
        if (current is not { Length: > 0 and <= 256 } || replacement is not { Length: > 0 and <= 256 })
        {
            Messages = ["Fill in all three fields."];
            return Page();
        }

        if (replacement != again)
        {
            Messages = ["The new passwords are not the same."];
            return Page();
        }

        if (await users.GetUserAsync(User) is not { } account)
        {
            Messages = ["An API key has no password."];
            return Page();
        }

        var result = await users.ChangePasswordAsync(account, current, replacement);
        if (!result.Succeeded)
        {
            Messages = [.. result.Errors.Select(error => error.Description)];
            return Page();
        }

        audit.Result = "done";
        await signIn.RefreshSignInAsync(account);
        TempData["Notice"] = "Your password was changed.";
        return Redirect("/failover-log");
    }
}
