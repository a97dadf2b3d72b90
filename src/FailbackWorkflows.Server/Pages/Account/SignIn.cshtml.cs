using FailbackWorkflows.Persistence.Identity;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Resources;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.AspNetCore.RateLimiting;

namespace FailbackWorkflows.Server.Pages.Account;

/// <summary>Signs a person in. Says the same thing whatever was wrong, so that nobody learns which user names exist.</summary>
[AllowAnonymous]
[EnableRateLimiting(IdentitySetup.SignInLimit)]
public sealed class SignInModel(SignInManager<FailbackUser> signIn, IPasswordHasher<FailbackUser> hasher) : PageModel
{
    private const int MostCharacters = 256;

    [BindProperty(SupportsGet = true)]
    public string? ReturnUrl { get; set; }

    public string? UserName { get; private set; }

    public string? Message { get; private set; }

    public IActionResult OnGet() => User.Identity?.IsAuthenticated == true ? Redirect(Target()) : Page();

    public async Task<IActionResult> OnPostAsync(string? user, string? password)
    {
        UserName = user is { Length: <= MostCharacters } ? user.Trim() : null;
        var audit = HttpContext.Audit("sign-in");
        audit.ActorName = UserName ?? "unknown";
        if (string.IsNullOrEmpty(UserName) || password is not { Length: > 0 and <= MostCharacters })
        {
            return Wrong(audit);
        }

        if (await signIn.UserManager.FindByNameAsync(UserName) is not { } account)
        {
            // An unknown name takes as long as a wrong password.
            hasher.HashPassword(new FailbackUser(), password);
            return Wrong(audit);
        }

        var result = await signIn.PasswordSignInAsync(account, password, isPersistent: false, lockoutOnFailure: true);
        if (result.Succeeded)
        {
            audit.Result = "signed in";
            return Redirect(Target());
        }

        audit.Result = result.IsLockedOut ? "locked out" : "refused";
        return Wrong(audit);
    }

    private PageResult Wrong(AuditDetails audit)
    {
        audit.Result ??= "refused";
        Message = Texts.Of("User name or password is wrong, or the account is locked for a few minutes after too many attempts.");
        return Page();
    }

    private string Target() => ReturnUrl is not null && Url.IsLocalUrl(ReturnUrl) ? ReturnUrl : "/failover-log";
}
