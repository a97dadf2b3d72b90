using System.Globalization;
using FailbackWorkflows.Server.Api;
using FailbackWorkflows.Server.Resources;
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

    // The number is taken from the route itself: what cannot be read of the request that failed must not stand in the way of saying so.
    public void OnGet() => Show(Asked);

    // Shown in place of whatever was asked for, so it has to answer to every method.
    public void OnPost() => Show(Asked);

    private int Asked => int.TryParse(RouteData.Values["code"] as string, NumberStyles.None, CultureInfo.InvariantCulture, out var code) ? code : StatusCodes.Status404NotFound;

    private void Show(int code)
    {
        Code = HttpContext.Features.Get<IExceptionHandlerFeature>()?.Error is BadHttpRequestException bad ? bad.StatusCode : code;
        Code = Code is >= 400 and < 600 ? Code : 404;
        Response.StatusCode = Code;
        if (HttpContext.Features.Get<IExceptionHandlerFeature>()?.Error is NotTextException notText)
        {
            (Heading, Sentence) = (Texts.Of("That is not text"), Texts.Of("Nothing was changed. The field '{0}' contains characters that are not text. Go back, type it anew and send it again.", notText.Field));
            return;
        }

        (Heading, Sentence) = Code switch
        {
            400 => (Texts.Of("That form is no longer valid"), Texts.Of("Nothing was changed. It was open for too long, or you have signed in again since. Go back, reload the page and send it again.")),
            403 => (Texts.Of("You may not do this"), Texts.Of("Nothing was changed. Ask an administrator for a role that allows it.")),
            404 => (Texts.Of("There is nothing here"), Texts.Of("The address is wrong, or what it named does not exist.")),
            413 => (Texts.Of("That was too much at once"), Texts.Of("Nothing was changed. A request may have at most 1 MiB.")),
            429 => (Texts.Of("Too many attempts"), Texts.Of("Wait a minute, then try again.")),
            >= 500 => (Texts.Of("The server made a mistake"), Texts.Of("Open the failover log to see where things stand before you try again.")),
            _ => (Texts.Of("That is not possible"), Texts.Of("Nothing was changed.")),
        };
    }
}
