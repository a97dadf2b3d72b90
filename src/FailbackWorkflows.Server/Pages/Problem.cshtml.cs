using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages;

/// <summary>What a person sees instead of a page that cannot be shown.</summary>
[AllowAnonymous]
[IgnoreAntiforgeryToken]
public sealed class ProblemModel : PageModel
{
    public int Code { get; private set; }

    public string Heading { get; private set; } = string.Empty;

    public string Sentence { get; private set; } = string.Empty;

    public void OnGet(int code) => Show(code);

    // Shown in place of whatever was asked for, so it has to answer to every method.
    public void OnPost(int code) => Show(code);

    private void Show(int code)
    {
        Code = HttpContext.Features.Get<IExceptionHandlerFeature>()?.Error is BadHttpRequestException bad ? bad.StatusCode : code;
        Code = Code is >= 400 and < 600 ? Code : 404;
        Response.StatusCode = Code;
        (Heading, Sentence) = Code switch
        {
            400 => ("That form is no longer valid", "Nothing was changed. It was open for too long, or you have signed in again since. Go back, reload the page and send it again."),
            403 => ("You may not do this", "Nothing was changed. Ask an administrator for a role that allows it."),
            404 => ("There is nothing here", "The address is wrong, or what it named does not exist."),
            413 => ("That was too much at once", "Nothing was changed. A request may have at most 1 MiB."),
            429 => ("Too many attempts", "Wait a minute, then try again."),
            >= 500 => ("The server made a mistake", "Open the failover log to see where things stand before you try again."),
            _ => ("That is not possible", "Nothing was changed."),
        };
    }
}
