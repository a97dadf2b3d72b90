using System.Security.Claims;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Maintenance;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Resources;

namespace FailbackWorkflows.Server.Pages.FailoverLog;

/// <summary>Whether "Start failback" can be clicked for an entry, and if not, why: the reason is shown instead of a button that fails.</summary>
/// <param name="WhyNot">Null when it can be started.</param>
/// <param name="Maintenance">The maintenance mode that holds for the failed server, and that the start would have to override; null: none.</param>
public sealed record FailbackButton(string EntryId, string? WhyNot, MaintenanceMode? Maintenance)
{
    /// <summary>A click in the making: its id makes the second of a double click harmless.</summary>
    public string RequestId { get; } = Guid.NewGuid().ToString("N");

    public bool IsPossible => WhyNot is null;

    /// <param name="newestOpen">The newest entry of the same failed server whose failback is open.</param>
    /// <param name="claim">The claim on the failed server's duty, if a run holds it.</param>
    public static FailbackButton For(FailoverLogEntry entry, FailoverLogEntry? newestOpen, DutyClaim? claim, MaintenanceMode? maintenance, ClaimsPrincipal user) =>
        new(entry.Id, WhyNotFor(entry, newestOpen, claim, user), maintenance);

    private static string? WhyNotFor(FailoverLogEntry entry, FailoverLogEntry? newestOpen, DutyClaim? claim, ClaimsPrincipal user) => entry switch
    {
        { Failback: FailbackState.Done, ClosedByEntryId: not null } => Texts.Of("The failback of a newer failover ended this one too."),
        { Failback: FailbackState.Done } => Texts.Of("The failback is done."),
        { Failback: FailbackState.Running } => Texts.Of("A failback is running."),
        { Failover: FailoverState.Running } => Texts.Of("The failover is still running."),
        { Failover: FailoverState.Failed } => Texts.Of("The failover failed, so there is nothing to move back."),
        _ when newestOpen is not null && newestOpen.Id != entry.Id => Texts.Of("A newer failover of this server is open. Start its failback; it ends this one too."),
        _ when claim is not null => Texts.Of("A {0} is running for this server.", claim.Kind),
        _ when !user.May(Permissions.Operate) => Texts.Of("Needs the role {0}.", Permissions.RolesText(Permissions.Operate)),
        _ => null,
    };
}

/// <summary>Works out the buttons of a page of entries with three reads, however many servers are on it.</summary>
public sealed class FailbackButtons(IFailoverLog log, IDuties duties, IMaintenanceModes modes, TimeProvider time)
{
    public async Task<IReadOnlyDictionary<string, FailbackButton>> ForAsync(
        IReadOnlyList<FailoverLogEntry> entries, ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        var startable = entries.Where(entry => entry.CanFailBack).Select(entry => entry.FailedServerId).ToHashSet();
        var (newestOpen, claims, maintenance) = startable.Count == 0 ? ([], [], []) : await ReadAsync(startable, cancellationToken);
        return entries.ToDictionary(
            entry => entry.Id,
            entry => FailbackButton.For(
                entry,
                newestOpen.GetValueOrDefault(entry.FailedServerId),
                claims.GetValueOrDefault(DutyClaim.Identity(entry.FailedServerId)),
                maintenance.GetValueOrDefault(MaintenanceMode.System) ?? maintenance.GetValueOrDefault(MaintenanceMode.ScopeOf(entry.FailedServerId)),
                user));
    }

    private async Task<(Dictionary<string, FailoverLogEntry> NewestOpen, Dictionary<string, DutyClaim> Claims, Dictionary<string, MaintenanceMode> Maintenance)> ReadAsync(
        HashSet<string> startable, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var open = log.ListOpenAsync(startable, cancellationToken);
        var claims = duties.ListClaimsAsync(cancellationToken);
        var on = modes.ListOnAsync(cancellationToken);
        await Task.WhenAll(open, claims, on);
        return (
            (await open).Where(entry => entry.CanFailBack).DistinctBy(entry => entry.FailedServerId).ToDictionary(entry => entry.FailedServerId),
            (await claims).ToDictionary(claim => claim.Key),
            (await on).Where(mode => mode.IsActive(now)).ToDictionary(mode => mode.Scope));
    }
}
