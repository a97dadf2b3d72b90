using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Server.Api;
using FailbackWorkflows.Server.Api.Servers;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Resources;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.Servers;

/// <summary>Another name or address of a server, and its removal.</summary>
[Authorize(Permissions.Administer)]
public sealed class EditModel(IVmsServers servers, ChangeAddress change, RemoveVmsServer remove) : PageModel
{
    public VmsServer Server { get; private set; } = null!;

    public string? Name { get; private set; }

    public string? BaseUrl { get; private set; }

    /// <summary>Null: nothing depends on it any more.</summary>
    public string? WhyNotRemoved { get; private set; }

    public IReadOnlyList<string> Messages { get; private set; } = [];

    public async Task<IActionResult> OnGetAsync(string serverId, CancellationToken cancellationToken) => await LoadAsync(serverId, cancellationToken) ? Page() : NotFound();

    public async Task<IActionResult> OnPostSaveAsync(string serverId, string? name, string? baseUrl, CancellationToken cancellationToken)
    {
        var audit = HttpContext.Audit(serverId);
        if (!await LoadAsync(serverId, cancellationToken))
        {
            audit.Result = "unknown";
            return NotFound();
        }

        (Name, BaseUrl) = (name, baseUrl);
        var errors = new FieldErrors();
        errors.Required(Texts.Of("Name"), name, 200);
        var address = RecorderAddress.Check(baseUrl, errors, Texts.Of("Address"));
        Messages = errors.Sentences;
        if (!errors.Any && await change.ExecuteAsync(serverId, name!.Trim(), address!, cancellationToken) is { Message: { } message })
        {
            Messages = [message];
        }

        if (Messages.Count > 0)
        {
            audit.Result = "refused";
            return Page();
        }

        TempData["Notice"] = Texts.Of("Name and address were saved.");
        return Redirect($"/servers/{Uri.EscapeDataString(serverId)}");
    }

    public async Task<IActionResult> OnPostRemoveAsync(string serverId, string? confirm, string? reason, CancellationToken cancellationToken)
    {
        var audit = HttpContext.Audit(serverId, reason);
        if (!await LoadAsync(serverId, cancellationToken))
        {
            audit.Result = "unknown";
            return NotFound();
        }

        if (confirm?.Trim() != serverId || string.IsNullOrWhiteSpace(reason))
        {
            Messages = [Texts.Of("Nothing was removed: type the id of the server and a reason.")];
        }
        else if (await remove.ExecuteAsync(serverId, cancellationToken) is { Message: { } message })
        {
            Messages = [message];
        }

        if (Messages.Count > 0)
        {
            audit.Result = "refused";
            return Page();
        }

        TempData["Notice"] = Texts.Of("{0} was removed.", Server.Name);
        return Redirect("/servers");
    }

    private async Task<bool> LoadAsync(string serverId, CancellationToken cancellationToken)
    {
        if (await servers.FindAsync(serverId, cancellationToken) is not { } server)
        {
            return false;
        }

        (Server, Name, BaseUrl) = (server, server.Name, server.BaseUrl.ToString());
        WhyNotRemoved = await remove.FindObjectionAsync(server, cancellationToken);
        return true;
    }
}
