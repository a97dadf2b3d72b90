using FailbackWorkflows.Persistence.Identity;
using FailbackWorkflows.Server.Api;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Resources;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.System;

/// <summary>What was typed into the form for a new person, to be shown again when it could not be added.</summary>
public sealed record NewUser(string? UserName, string? DisplayName, IReadOnlyList<string> Roles);

/// <summary>People: who they are, what they may do, whether they may sign in.</summary>
[Authorize(Permissions.Administer)]
public sealed class UsersModel(UserAdministration administration, IdentityProviderView provider) : PageModel
{
    private const string Address = "/system/users";
    private const int PerPage = 50;
    private const int MostTextCharacters = 100;

    /// <summary>A list that is seen at a glance needs no search.</summary>
    private const int Glance = 10;

    private static string Nobody => Texts.Of("There is no such user any more.");

    public IReadOnlyList<UserWithRoles> Users { get; private set; } = [];

    /// <summary>A part of the names of those who are shown; null: everybody.</summary>
    [BindProperty(Name = "q", SupportsGet = true)]
    public string? Search { get; set; }

    /// <summary>User name of the last person of the page before.</summary>
    [BindProperty(Name = "after", SupportsGet = true)]
    public string? After { get; set; }

    public string? NextAfter { get; private set; }

    public bool HasSearch => Search is not null || After is not null || NextAfter is not null || Users.Count > Glance;

    /// <summary>What makes an address lead to this page of the list again; begins with <c>&amp;</c>.</summary>
    public string Here => QueryOf(After);

    public OpenIdProviderOptions? Provider => provider.Options;

    public NewUser New { get; private set; } = new(null, null, []);

    public IReadOnlyList<string> Messages { get; private set; } = [];

    /// <summary>Whose details are shown: the person who could not be changed.</summary>
    public string? Opened { get; private set; }

    public static Badge? Of(UserLock state) => state switch
    {
        UserLock.ByAdministrator => new(Texts.Of("Locked out"), "bad"),
        UserLock.TooManyAttempts => new(Texts.Of("Locked for minutes: wrong passwords"), "warn"),
        _ => null,
    };

    /// <summary>A role in one sentence.</summary>
    public static string Meaning(string role) => role switch
    {
        Roles.Viewer => Texts.Of("sees everything an operator sees"),
        Roles.Operator => Texts.Of("starts failovers, failbacks and copies"),
        Roles.Integrator => Texts.Of("edits and publishes workflows"),
        Roles.Auditor => Texts.Of("reads and verifies histories"),
        _ => Texts.Of("servers, people, licence, policies"),
    };

    public Task OnGetAsync(CancellationToken cancellationToken) => LoadAsync(cancellationToken);

    public async Task<IActionResult> OnPostAddAsync(string? userName, string? displayName, string? password, string[]? roles, CancellationToken cancellationToken)
    {
        New = new(userName, displayName, Known(roles));
        var audit = HttpContext.Audit(userName);
        var errors = new FieldErrors();
        errors.Required(Texts.Of("User name"), userName, 100);
        errors.Required(Texts.Of("First password"), password, 256);
        errors.Optional(Texts.Of("Name shown"), displayName, 100);
        if (!errors.Any && await administration.ExistsAsync(userName!))
        {
            errors.Add(Texts.Of("User name"), Texts.Of("There is a user '{0}' already.", userName));
        }

        if (errors.Any)
        {
            return await RefuseAsync(errors.Sentences, cancellationToken);
        }

        var (user, mistakes) = await administration.CreateAsync(userName!, password!, displayName, New.Roles);
        if (user is null)
        {
            return await RefuseAsync([.. mistakes.Select(mistake => mistake.Sentence)], cancellationToken);
        }

        audit.Result = $"done: {string.Join(", ", New.Roles)}";
        return Done(Texts.Of("{0} may sign in now.", user.UserName));
    }

    public async Task<IActionResult> OnPostRolesAsync(string? userName, string[]? roles, string? reason, CancellationToken cancellationToken)
    {
        Opened = userName;
        var audit = HttpContext.Audit(userName, reason);
        var result = await administration.SetRolesAsync(userName ?? string.Empty, Known(roles), cancellationToken);
        if (result.User is null)
        {
            return await RefuseAsync([result.IsUnknown ? Nobody : Texts.Of("This is the last administrator. Give somebody else the role administrator first.")], cancellationToken);
        }

        audit.Result = $"done: {Text(result.Before, "no role")} → {Text(result.User.Roles, "no role")}";
        return Done(Texts.Of("{0} has {1} now.", userName, Text(result.User.Roles, Texts.Of("no role"))));
    }

    public async Task<IActionResult> OnPostPasswordAsync(string? userName, string? password, CancellationToken cancellationToken)
    {
        Opened = userName;
        HttpContext.Audit(userName);
        var mistakes = password is { Length: > 0 and <= 256 } ? await administration.SetPasswordAsync(userName ?? string.Empty, password) ?? [Nobody] : [Texts.Of("The password is missing or too long.")];
        return mistakes.Count > 0 ? await RefuseAsync(mistakes, cancellationToken) : Done(Texts.Of("{0} has a new first password; open sessions have ended.", userName));
    }

    public async Task<IActionResult> OnPostLockAsync(string? userName, bool locked, CancellationToken cancellationToken)
    {
        Opened = userName;
        HttpContext.Audit(userName).Which = locked ? "locked=true" : "locked=false";
        return await administration.SetLockedAsync(userName ?? string.Empty, locked) switch
        {
            SetLockResult.Done => Done(locked ? Texts.Of("{0} is locked out.", userName) : Texts.Of("{0} may sign in again.", userName)),
            SetLockResult.IsAdministrator => await RefuseAsync([Texts.Of("An administrator cannot be locked out. Withdraw the role administrator first.")], cancellationToken),
            _ => await RefuseAsync([Nobody], cancellationToken),
        };
    }

    private static List<string> Known(string[]? roles) => [.. (roles ?? []).Where(Roles.All.Contains).Distinct()];

    private static string Text(IReadOnlyList<string> roles, string none) => roles.Count == 0 ? none : string.Join(", ", roles);

    /// <summary>The address of a page of the list.</summary>
    public string PageAddress(string? after) => Address + (QueryOf(after) is { Length: > 0 } query ? $"?{query[1..]}" : string.Empty);

    private string QueryOf(string? after)
    {
        (string Name, string? Value)[] all = [("q", Search), ("after", after)];
        return string.Concat(all.Where(pair => !string.IsNullOrEmpty(pair.Value)).Select(pair => $"&{pair.Name}={Uri.EscapeDataString(pair.Value!)}"));
    }

    private RedirectResult Done(string notice)
    {
        TempData["Notice"] = notice;
        return Redirect(PageAddress(After));
    }

    private async Task<PageResult> RefuseAsync(IReadOnlyList<string> messages, CancellationToken cancellationToken)
    {
        HttpContext.Audit(null).Result = "refused";
        Messages = messages;
        await LoadAsync(cancellationToken);
        return Page();
    }

    private async Task LoadAsync(CancellationToken cancellationToken)
    {
        Search = string.IsNullOrWhiteSpace(Search) || Search.Length > MostTextCharacters ? null : Search.Trim();
        After = After is { Length: > 0 and <= MostTextCharacters } ? After : null;
        Users = await administration.ListAsync(new UserQuery(Search, After, PerPage), cancellationToken);
        NextAfter = Users.Count == PerPage ? Users[^1].UserName : null;

        // Whoever could not be changed is shown, whichever page of the list that was.
        if (Opened is { } opened && !Users.Any(user => user.UserName == opened) && await administration.FindAsync(opened) is { } missing)
        {
            Users = [missing, .. Users];
        }
    }
}
