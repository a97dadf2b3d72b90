using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.Servers;

/// <summary>The history of a server's settings: what was changed, when, by whom and why; and the way back to an earlier bundle.</summary>
[Authorize(Permissions.Read)]
public sealed class SettingsModel(
    IVmsServers servers, ISettingsCache cache, SettingsHistory history, SettingsAges ages, IDuties duties, StartSettingsRollback start, IAuthorizationService authorization) : PageModel
{
    private const int MostRows = 25;
    private const int MostReasonCharacters = 1000;

    private IReadOnlyDictionary<string, string> names = new Dictionary<string, string>();

    public VmsServer Server { get; private set; } = null!;

    public SettingsAge? Age { get; private set; }

    public IReadOnlyList<CachedRevision> Rows { get; private set; } = [];

    /// <summary>Where the list goes on; null at its end.</summary>
    public long? NextBefore { get; private set; }

    /// <summary>The two bundles that are compared; null when there is only one.</summary>
    public SettingsComparison? Comparison { get; private set; }

    /// <summary>The bundle that is looked at to go back to, with what that would change; null when none was chosen.</summary>
    public SettingsComparison? Rollback { get; private set; }

    /// <summary>Why the rollback cannot be started; null when it can.</summary>
    public string? WhyNot { get; private set; }

    /// <summary>A click in the making: its id makes the second of a double click harmless.</summary>
    public string RequestId { get; } = Guid.NewGuid().ToString("N");

    public string NameOf(string serverId) => names.GetValueOrDefault(serverId, serverId);

    /// <param name="from">Number of the older bundle of the comparison.</param>
    /// <param name="to">Number of the newer one.</param>
    /// <param name="back">Number of the bundle to go back to.</param>
    /// <param name="before">Shows rows below this number.</param>
    public async Task<IActionResult> OnGetAsync(string serverId, long? from, long? to, long? back, long? before, CancellationToken cancellationToken) =>
        await LoadAsync(serverId, from, to, back, before, cancellationToken) ? Page() : NotFound();

    public async Task<IActionResult> OnPostRollBackAsync(string serverId, long number, string? requestId, string? reason, bool confirmed, CancellationToken cancellationToken)
    {
        if (!(await authorization.AuthorizeAsync(User, Permissions.Administer)).Succeeded)
        {
            return Forbid();
        }

        if (requestId is not { Length: > 0 and <= 64 } || reason?.Length > MostReasonCharacters)
        {
            return BadRequest();
        }

        reason = reason?.Trim();
        var audit = HttpContext.Audit(serverId, reason);
        var here = $"/servers/{Uri.EscapeDataString(serverId)}/settings";
        if (!confirmed || string.IsNullOrEmpty(reason))
        {
            audit.Result = "refused";
            TempData["Warning"] = "Nothing was started: say why, and confirm that you have read what will be changed.";
            return Redirect($"{here}?back={number}");
        }

        var result = await start.ExecuteAsync(new StartSettingsRollbackRequest(serverId, number, requestId, CurrentActor.Of(HttpContext), reason), cancellationToken);
        switch (result.Outcome)
        {
            case StartRunOutcome.Started or StartRunOutcome.AlreadyStarted:
                return Redirect($"/runs/{Uri.EscapeDataString(result.RunId!)}");

            case StartRunOutcome.Unknown:
                audit.Result = "unknown";
                return NotFound();

            case StartRunOutcome.Busy when result.RunId is { } inTheWay:
                audit.Result = "run in the way";
                TempData["Warning"] = $"Nothing was started: {result.Message} This is the run in the way.";
                return Redirect($"/runs/{Uri.EscapeDataString(inTheWay)}");

            default:
                audit.Result = "refused";
                TempData["Warning"] = result.Message ?? "The settings rollback was not started.";
                return Redirect(here);
        }
    }

    private async Task<bool> LoadAsync(string serverId, long? from, long? to, long? back, long? before, CancellationToken cancellationToken)
    {
        if (await servers.FindAsync(serverId, cancellationToken) is not { } server)
        {
            return false;
        }

        Server = server;
        names = (await servers.ListAsync(cancellationToken)).ToDictionary(s => s.Id, s => s.Name);
        Age = (await ages.ListAsync(cancellationToken)).GetValueOrDefault(serverId);
        Rows = await cache.ListAsync(serverId, before, MostRows, cancellationToken);
        NextBefore = Rows.Count == MostRows ? Rows[^1].Number : null;
        if (back is { } target && Age is { } age)
        {
            Rollback = await history.CompareAsync(serverId, age.Newest.Number, target, cancellationToken);
            var claim = await duties.FindClaimAsync(DutyClaim.Identity(serverId), cancellationToken);
            WhyNot = !User.May(Permissions.Administer) ? $"Needs the role {Permissions.RolesText(Permissions.Administer)}."
                : claim is not null ? $"A {claim.Kind} is running for this server."
                : Rollback is { Changes.Count: 0 } ? "These are the settings it has now."
                : null;
        }
        else if (Age is not null)
        {
            Comparison = await history.CompareAsync(serverId, from, to, cancellationToken);
        }

        return true;
    }
}
