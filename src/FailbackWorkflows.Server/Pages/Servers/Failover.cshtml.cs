using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Server.Api;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Resources;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.Servers;

/// <summary>Starts the failover of a server once it is confirmed: who would take its duty over, and why the others would not; the choice can be overridden.</summary>
[Authorize(Permissions.Operate)]
public sealed class FailoverModel(IVmsServers servers, IDuties duties, FailoverServerSelection selection, StartFailover start) : PageModel
{
    /// <summary>More than these are not put into one list: they are named by their id.</summary>
    private const int MostOthers = 100;

    /// <summary>So many to choose from are enough: a group may have hundreds, and nobody waits for all of them to answer.</summary>
    private const int MostAsked = 10;

    public VmsServer Server { get; private set; } = null!;

    /// <summary>Who has taken its duty over already; null: it has it itself.</summary>
    public VmsServer? Holder { get; private set; }

    public FailoverSelection Selection { get; private set; } = null!;

    /// <summary>Servers beside it to choose from: those of its group, then others by name.</summary>
    public IReadOnlyList<VmsServer> Others { get; private set; } = [];

    /// <summary>There are more servers than are in the list.</summary>
    public bool HasMoreOthers { get; private set; }

    /// <summary>The id that was typed instead of a choice from the list.</summary>
    public string? OtherServerId { get; private set; }

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

    /// <param name="otherServerId">The id of a server that is not in the list; counts before the list.</param>
    public async Task<IActionResult> OnPostAsync(
        string serverId, string? failoverServerId, string? otherServerId, string? requestId, string? reason, bool confirmed, CancellationToken cancellationToken)
    {
        OtherServerId = string.IsNullOrWhiteSpace(otherServerId) ? null : otherServerId.Trim();
        (FailoverServerId, Reason) = (OtherServerId ?? (string.IsNullOrEmpty(failoverServerId) ? null : failoverServerId), string.IsNullOrWhiteSpace(reason) ? null : reason.Trim());
        var audit = HttpContext.Audit(serverId, Reason);
        audit.Result = "refused";
        var errors = new FieldErrors();
        errors.Required(Texts.Of("Request"), requestId, 64);
        errors.Optional(Texts.Of("Failover server"), FailoverServerId, 64);
        errors.Optional(Texts.Of("Reason"), Reason, 1000);
        if (!confirmed)
        {
            errors.Add(Texts.Of("Confirmation"), Texts.Of("Tick that the server shall lose its duty."));
        }

        if (!errors.Any)
        {
            var result = await start.ExecuteAsync(new StartFailoverRequest(serverId, FailoverServerId, requestId!, CurrentActor.Of(HttpContext), Reason), cancellationToken);
            if (result is { Outcome: StartRunOutcome.Started or StartRunOutcome.AlreadyStarted, RunId: { } runId })
            {
                audit.Result = "done";
                return Redirect($"/runs/{Uri.EscapeDataString(runId)}");
            }

            (Messages, RunInTheWay) = ([result.Message ?? Texts.Of("Nothing was started.")], result.RunId);
        }
        else
        {
            Messages = errors.Sentences;
        }

        return await LoadAsync(serverId, cancellationToken) ? Page() : NotFound();
    }

    private async Task<bool> LoadAsync(string serverId, CancellationToken cancellationToken)
    {
        if (await servers.FindAsync(serverId, cancellationToken) is not { } server)
        {
            return false;
        }

        // The recorders are asked while the rest is read.
        var selecting = selection.SelectAsync(serverId, enough: MostAsked, cancellationToken);
        var members = server.FailoverGroup is { } name ? servers.ListGroupAsync(name, cancellationToken) : Task.FromResult<IReadOnlyList<VmsServer>>([]);
        var listed = servers.ListAsync(new VmsServerQuery { Take = MostOthers + 1 }, cancellationToken);
        var holder = FindHolderAsync(serverId, cancellationToken);
        await Task.WhenAll(selecting, members, listed, holder);
        var first = await listed;
        HasMoreOthers = first.Count > MostOthers;
        Server = server;
        Holder = await holder;
        Others = [.. (await members).Concat(first.Take(MostOthers)).DistinctBy(other => other.Id).Where(other => other.Id != serverId)];
        Selection = await selecting;
        return true;
    }

    private async Task<VmsServer?> FindHolderAsync(string serverId, CancellationToken cancellationToken) =>
        await duties.FindAsync(serverId, cancellationToken) is { } duty && duty.HolderServerId != serverId ? await servers.FindAsync(duty.HolderServerId, cancellationToken) : null;
}
