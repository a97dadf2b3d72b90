using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Server.Api;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.Servers;

/// <summary>Starts the failover of a server once it is confirmed: who would take its duty over, and why the others would not; the choice can be overridden.</summary>
[Authorize(Permissions.Operate)]
public sealed class FailoverModel(IVmsServers servers, FailoverServerSelection selection, StartFailover start) : PageModel
{
    public VmsServer Server { get; private set; } = null!;

    public FailoverSelection Selection { get; private set; } = null!;

    /// <summary>All servers beside it, by name.</summary>
    public IReadOnlyList<VmsServer> Others { get; private set; } = [];

    /// <summary>A click in the making: its id makes the second of a double click harmless.</summary>
    public string RequestId { get; private set; } = Guid.NewGuid().ToString("N");

    /// <summary>The server somebody has chosen; null: chosen by itself.</summary>
    public string? FailoverServerId { get; private set; }

    public string? Reason { get; private set; }

    /// <summary>Why nothing was started.</summary>
    public IReadOnlyList<string> Messages { get; private set; } = [];

    public string? RunInTheWay { get; private set; }

    public async Task<IActionResult> OnGetAsync(string serverId, CancellationToken cancellationToken) =>
        await LoadAsync(serverId, cancellationToken) ? Page() : NotFound();

    public async Task<IActionResult> OnPostAsync(string serverId, string? failoverServerId, string? requestId, string? reason, bool confirmed, CancellationToken cancellationToken)
    {
        (FailoverServerId, Reason) = (string.IsNullOrEmpty(failoverServerId) ? null : failoverServerId, string.IsNullOrWhiteSpace(reason) ? null : reason.Trim());
        var audit = HttpContext.Audit(serverId, Reason);
        audit.Result = "refused";
        var errors = new FieldErrors();
        errors.Required("Request", requestId, 64);
        errors.Optional("Failover server", FailoverServerId, 64);
        errors.Optional("Reason", Reason, 1000);
        if (!confirmed)
        {
            errors.Add("Confirmation", "Tick that the server shall lose its duty.");
        }

        if (!errors.Any)
        {
            var result = await start.ExecuteAsync(new StartFailoverRequest(serverId, FailoverServerId, requestId!, CurrentActor.Of(HttpContext), Reason), cancellationToken);
            if (result is { Outcome: StartRunOutcome.Started or StartRunOutcome.AlreadyStarted, RunId: { } runId })
            {
                audit.Result = "done";
                return Redirect($"/runs/{Uri.EscapeDataString(runId)}");
            }

            (Messages, RunInTheWay) = ([result.Message ?? "Nothing was started."], result.RunId);
        }
        else
        {
            Messages = errors.Sentences;
        }

        return await LoadAsync(serverId, cancellationToken) ? Page() : NotFound();
    }

    private async Task<bool> LoadAsync(string serverId, CancellationToken cancellationToken)
    {
        var all = await servers.ListAsync(cancellationToken);
        if (all.FirstOrDefault(server => server.Id == serverId) is not { } server)
        {
            return false;
        }

        (Server, Others) = (server, [.. all.Where(other => other.Id != serverId)]);
        Selection = await selection.SelectAsync(serverId, untilOneIsFit: false, cancellationToken);
        return true;
    }
}
