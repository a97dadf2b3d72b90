using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Resources;
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

    private HashSet<long> unchanged = [];

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

    /// <summary>The settings are those of the number before: they were seen again, at another server or under another revision.</summary>
    public bool IsUnchanged(CachedRevision row) => unchanged.Contains(row.Number);

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
            TempData["Warning"] = Texts.Of("Nothing was started: say why, and confirm that you have read what will be changed.");
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
                TempData["Warning"] = Texts.Of("Nothing was started: {0} This is the run in the way.", result.Message);
                return Redirect($"/runs/{Uri.EscapeDataString(inTheWay)}");

            default:
                audit.Result = "refused";
                TempData["Warning"] = result.Message ?? Texts.Of("The settings rollback was not started.");
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
        Age = await ages.FindAsync(serverId, cancellationToken);
        // One more than is shown: whether there are earlier ones is to be said.
        var read = await cache.ListAsync(serverId, before, MostRows + 1, cancellationToken);
        Rows = [.. read.Take(MostRows)];
        unchanged = [.. read.Zip(read.Skip(1)).Where(pair => pair.First.Sha256 == pair.Second.Sha256).Select(pair => pair.First.Number)];
        NextBefore = read.Count > MostRows ? Rows[^1].Number : null;
        if (back is { } target && Age is { } age)
        {
            Rollback = await history.CompareAsync(serverId, age.Newest.Number, target, cancellationToken);
            var claim = await duties.FindClaimAsync(DutyClaim.Identity(serverId), cancellationToken);
            WhyNot = !User.May(Permissions.Administer) ? Texts.Of("Needs the role {0}.", Permissions.RolesText(Permissions.Administer))
                : claim is not null ? Texts.Of("A {0} is running for this server.", claim.Kind)
                : Rollback is { Changes.Count: 0 } ? Texts.Of("These are the settings it has now.")
                : null;
        }
        else if (Age is not null)
        {
            Comparison = await history.CompareAsync(serverId, from, to, cancellationToken);
        }

        string?[] sources = [.. Rows.Select(row => row.SourceServerId), Age?.Newest.SourceServerId, Rollback?.To.SourceServerId];
        names = await servers.ListNamesAsync([.. sources.OfType<string>().Distinct()], cancellationToken);
        return true;
    }
}
