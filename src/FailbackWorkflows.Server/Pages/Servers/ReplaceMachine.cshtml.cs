using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Server.Api;
using FailbackWorkflows.Server.Api.Servers;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Resources;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.Servers;

/// <summary>Shows old and new machine id and, once confirmed with a reason, binds the new machine to the server.</summary>
[Authorize(Permissions.Administer)]
public sealed class ReplaceMachineModel(IVmsServers servers, ReplaceMachine replace) : PageModel
{
    public string ServerName { get; private set; } = "";

    public string? BaseUrl { get; private set; }

    public string? Reason { get; private set; }

    public SeenMachine? Seen { get; private set; }

    public IReadOnlyList<string> Messages { get; private set; } = [];

    public async Task<IActionResult> OnGetAsync(string serverId, CancellationToken cancellationToken)
    {
        if (await servers.FindAsync(serverId, cancellationToken) is not { } server)
        {
            return NotFound();
        }

        (ServerName, BaseUrl) = (server.Name, server.BaseUrl.ToString());
        Seen = await replace.LookAsync(serverId, null, null, cancellationToken);
        return Page();
    }

    public async Task<IActionResult> OnPostAsync(
        string serverId,
        string? baseUrl,
        string? credential,
        string? oldMachineId,
        string? newMachineId,
        string? reason,
        bool confirmed,
        // The field's name is the button's; "replace" is the use case.
        [FromForm(Name = "replace")] bool isReplacement,
        CancellationToken cancellationToken)
    {
        if (await servers.FindAsync(serverId, cancellationToken) is not { } server)
        {
            return NotFound();
        }

        (ServerName, BaseUrl, Reason) = (server.Name, baseUrl, reason?.Trim());
        var audit = HttpContext.Audit(serverId, Reason);
        audit.Result = isReplacement ? "refused" : "looked";
        var errors = new FieldErrors();
        errors.Required(Texts.Of("Credential"), credential, 4096);
        var address = RecorderAddress.Check(baseUrl, errors, Texts.Of("Address"));
        if (isReplacement)
        {
            errors.Required(Texts.Of("Reason"), Reason, 1000);
            errors.Required(Texts.Of("New machine"), newMachineId, 128);
            errors.Optional(Texts.Of("Known machine"), oldMachineId, 128);
            if (!confirmed)
            {
                errors.Add(Texts.Of("Confirmation"), Texts.Of("Tick that the new machine is this server."));
            }
        }

        if (errors.Any || address is null)
        {
            Messages = errors.Sentences;
            // The credential that is stored goes to the address that is stored, nowhere else.
            Seen = await replace.LookAsync(serverId, string.IsNullOrEmpty(credential) ? null : address, NullIfEmpty(credential), cancellationToken);
            return Page();
        }

        if (isReplacement)
        {
            var result = await replace.ExecuteAsync(
                new ReplaceMachineRequest(serverId, NullIfEmpty(oldMachineId), newMachineId!, address, credential!, CurrentActor.Of(HttpContext), Reason), cancellationToken);
            if (result.Server is not null)
            {
                audit.Result = "done";
                TempData["Notice"] = Texts.Of("{0} is now the machine {1}.", server.Name, newMachineId);
                return Redirect("/servers");
            }

            Messages = [result.Message ?? Texts.Of("Nothing was changed.")];
        }

        Seen = await replace.LookAsync(serverId, address, credential, cancellationToken);
        return Page();
    }

    private static string? NullIfEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;
}
