using FailbackWorkflows.Persistence.Identity;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Resources;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.AspNetCore.RateLimiting;

namespace FailbackWorkflows.Server.Pages.Account;

/// <summary>
/// Changes one's own password; other sessions of the account end within a minute. Whoever sits at somebody else's open session cannot guess the password: wrong ones
/// count as they do at the sign-in.
/// </summary>
[Authorize(Permissions.OwnAccount)]
[EnableRateLimiting(IdentitySetup.SignInLimit)]
public sealed class PasswordModel(UserManager<FailbackUser> users, SignInManager<FailbackUser> signIn) : PageModel
{
    public IReadOnlyList<string> Messages { get; private set; } = [];

    public async Task<IActionResult> OnPostAsync(string? current, string? replacement, string? again)
    {
        var audit = HttpContext.Audit("password");
        audit.Result = "refused";
        if (current is not { Length: > 0 and <= 256 } || replacement is not { Length: > 0 and <= 256 })
        {
            Messages = [Texts.Of("Fill in all three fields.")];
            return Page();
        }

        if (replacement != again)
        {
            Messages = [Texts.Of("The new passwords are not the same.")];
            return Page();
        }

        if (await users.GetUserAsync(User) is not { } account)
        {
            Messages = [Texts.Of("An API key has no password.")];
            return Page();
        }

        if (await users.IsLockedOutAsync(account))
        {
            return await EndAsync(audit);
        }

        var result = await users.ChangePasswordAsync(account, current, replacement);
        if (result.Errors.Any(error => error.Code == nameof(IdentityErrorDescriber.PasswordMismatch)))
        {
            await users.AccessFailedAsync(account);
            if (await users.IsLockedOutAsync(account))
            {
                return await EndAsync(audit);
            }
        }

        if (!result.Succeeded)
        {
            Messages = [.. result.Errors.Select(error => error.Description)];
            return Page();
        }

        audit.Result = "done";
        await users.ResetAccessFailedCountAsync(account);
        await signIn.RefreshSignInAsync(account);
        TempData["Notice"] = Texts.Of("Your password was changed.");
        return Redirect("/failover-log");
    }

    private async Task<IActionResult> EndAsync(AuditDetails audit)
    {
        audit.Result = "locked out";
        await signIn.SignOutAsync();
        TempData["Warning"] = Texts.Of("Too many wrong passwords: the account is locked for a few minutes.");
        return Redirect("/sign-in");
    }
}
