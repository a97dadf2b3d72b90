using System.Security.Claims;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Server.Identity;

namespace FailbackWorkflows.Server.Pages.FailoverLog;

/// <summary>Whether "Start failback" can be clicked for an entry, and if not, why: the reason is shown instead of a button that fails.</summary>
/// <param name="WhyNot">Null when it can be started.</param>
public sealed record FailbackButton(string EntryId, string? WhyNot)
{
    /// <summary>A click in the making: its id makes the second of a double click harmless.</summary>
    public string RequestId { get; } = Guid.NewGuid().ToString("N");

    public bool IsPossible => WhyNot is null;

    /// <param name="newestOpen">The newest entry of the same failed server whose failback is open.</param>
    /// <param name="claim">The claim on the failed server's duty, if a run holds it.</param>
    public static FailbackButton For(FailoverLogEntry entry, FailoverLogEntry? newestOpen, DutyClaim? claim, ClaimsPrincipal user) =>
        new(entry.Id, WhyNotFor(entry, newestOpen, claim, user));

    private static string? WhyNotFor(FailoverLogEntry entry, FailoverLogEntry? newestOpen, DutyClaim? claim, ClaimsPrincipal user) => entry switch
    {
        { Failback: FailbackState.Done, ClosedByEntryId: not null } => "The failback of a newer failover ended this one too.",
        { Failback: FailbackState.Done } => "The failback is done.",
        { Failback: FailbackState.Running } => "A failback is running.",
        { Failover: FailoverState.Running } => "The failover is still running.",
        { Failover: FailoverState.Failed } => "The failover failed, so there is nothing to move back.",
        _ when newestOpen is not null && newestOpen.Id != entry.Id => "A newer failover of this server is open. Start its failback; it ends this one too.",
        _ when claim is not null => $"A {claim.Kind} is running for this server.",
        _ when !user.May(Permissions.Operate) => $"Needs the role {Permissions.RolesText(Permissions.Operate)}.",
        _ => null,
    };
}

/// <summary>Works out the buttons of a page of entries with as few reads as there are failed servers on it.</summary>
public sealed class FailbackButtons(IFailoverLog log, IDuties duties)
{
    public async Task<IReadOnlyDictionary<string, FailbackButton>> ForAsync(
        IReadOnlyList<FailoverLogEntry> entries, ClaimsPrincipal user, CancellationToken cancellationToken)
    {
        var buttons = new Dictionary<string, FailbackButton>();
        foreach (var ofServer in entries.GroupBy(entry => entry.FailedServerId))
        {
            var mayStart = ofServer.Any(entry => entry.CanFailBack);
            var newestOpen = mayStart ? (await log.ListOpenAsync(ofServer.Key, cancellationToken)).FirstOrDefault(entry => entry.CanFailBack) : null;
            var claim = mayStart ? await duties.FindClaimAsync(DutyClaim.Identity(ofServer.Key), cancellationToken) : null;
            foreach (var entry in ofServer)
            {
                buttons[entry.Id] = FailbackButton.For(entry, newestOpen, claim, user);
            }
        }

        return buttons;
    }
}
