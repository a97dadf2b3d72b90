using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Server.Api;
using FailbackWorkflows.Server.Api.Servers;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Resources;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.Servers;

/// <summary>Adds a recorder after a connection test.</summary>
[Authorize(Permissions.Administer)]
public sealed class AddModel(RegisterVmsServer register) : PageModel
{
    public IReadOnlyList<string> Messages { get; private set; } = [];

    public string? ServerId { get; private set; }

    public string? Name { get; private set; }

    public string? BaseUrl { get; private set; }

    public string? FailoverGroup { get; private set; }

    public bool Failover { get; private set; } = true;

    public bool AutomaticFailback { get; private set; }

    public void OnGet()
    {
    }

    public async Task<IActionResult> OnPostAsync(
        string? id, string? name, string? baseUrl, string? credential, string? failoverGroup, bool failover, bool automaticFailback, CancellationToken cancellationToken)
    {
        (ServerId, Name, BaseUrl, Failover, AutomaticFailback) = (id?.Trim(), name, baseUrl, failover, automaticFailback);
        FailoverGroup = string.IsNullOrWhiteSpace(failoverGroup) ? null : failoverGroup.Trim();
        var audit = HttpContext.Audit(ServerId);
        audit.Result = "refused";

        var errors = new FieldErrors();
        errors.Required(Texts.Of("Id"), ServerId, 64);
        errors.Required(Texts.Of("Name"), Name, 200);
        errors.Required(Texts.Of("Credential"), credential, 4096);
        errors.Optional(Texts.Of("Failover group"), FailoverGroup, 64);
        var address = RecorderAddress.Check(BaseUrl, errors, Texts.Of("Address"));
        if (errors.Any || address is null)
        {
            Messages = errors.Sentences;
            return Page();
        }

        var result = await register.ExecuteAsync(
            new RegisterVmsServerRequest(ServerId!, Name!, address, credential!, FailoverGroup, failover, automaticFailback), cancellationToken);
        if (result.Server is null)
        {
            Messages = [result.Message ?? Texts.Of("The server was not added.")];
            return Page();
        }

        audit.Result = "done";
        TempData["Notice"] = Texts.Of("{0} was added: it answered as machine {1} with software {2}.", result.Server.Name, result.Server.MachineId, result.Server.SoftwareVersion);
        return Redirect("/servers");
    }
}
