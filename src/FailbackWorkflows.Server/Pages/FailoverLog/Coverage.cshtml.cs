using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Resources;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.FailoverLog;

/// <summary>What of a failover period is home: a timeline per channel, totals, losses; and where an administrator gives up what is not.</summary>
[Authorize(Permissions.Read)]
public sealed class CoverageModel(
    IFailoverLog log,
    IMaterialCopies copies,
    IVmsServers servers,
    MaterialCopyForms forms,
    RestoredMaterial material,
    DisputedMaterial disputed,
    IAuthorizationService authorization) : PageModel
{
    /// <summary>Losses shown; the files have all of them.</summary>
    private const int MostLosses = 200;

    public FailoverLogEntry Entry { get; private set; } = null!;

    public string FailedServerName { get; private set; } = "";

    public string FailoverServerName { get; private set; } = "";

    public KeptCoverage? Kept { get; private set; }

    public CoverageReport? Report => Kept?.Report;

    public CoverageTotals? Totals { get; private set; }

    public IReadOnlyList<CoverageTimeline> Timelines { get; private set; } = [];

    public IReadOnlyList<CopyLoss> Losses => [.. (Report?.Losses ?? []).Take(MostLosses)];

    public HoldReleaseOrder? Release => Disputed.Release;

    /// <summary>The user may see and hear what is restored.</summary>
    public bool MayPlay => User.May(Permissions.Operate);

    /// <summary>What is played; null when nothing was chosen.</summary>
    public RestoredPlayer? Player { get; private set; }

    /// <summary>What was recorded without authority.</summary>
    public DisputedMaterialState Disputed { get; private set; } = null!;

    /// <summary>It is proven that what is disputed was recorded while the failed server recorded again.</summary>
    public bool IsDisputedFromTheHandOverOn => Report is { } report && CoverageLine.IsDisputedFromTheHandOverOn(Entry, report);

    /// <summary>Sums of the report about the disputed material that was asked for; null when there is none.</summary>
    public CoverageTotals? DisputedTotals => Disputed.Coverage is { } kept ? CoverageTotals.Of(kept.Report) : null;

    /// <summary>Why disputed material cannot be asked for; null when it can.</summary>
    public string? WhyNotDisputed => Disputed.WhyNot ?? (Disputed.Task?.RunId is not null ? Texts.Of("It is being copied.") : MayPlay ? null : Texts.Of("Needs the role {0}.", Permissions.RolesText(Permissions.Operate)));

    /// <summary>What is disputed is here, or was given up: it will not be asked for any more.</summary>
    public bool IsDisputedSettled => Disputed.Coverage?.Report is { IsVerified: true, Losses.Count: 0 } || Disputed.GivenUp is not null || Entry.MaterialCopy == MaterialCopyState.LossesAccepted;

    /// <summary>Why the hold on what is disputed cannot be released; null when an administrator can, see <see cref="MayAdminister"/>.</summary>
    public string? WhyNotRelease => AcceptLosses.WhyNotDisputed(Entry, Disputed);

    public bool MayAdminister => User.May(Permissions.Administer);

    /// <summary>How the hold ended, in words.</summary>
    public string ReleasedAs => (Release?.Release, Entry.MaterialCopy, Disputed.Exists) switch
    {
        (HoldRelease.AcceptedLoss, MaterialCopyState.Copied or MaterialCopyState.NothingToCopy, _) => Texts.Of("verified copy; the disputed material was given up"),
        (HoldRelease.AcceptedLoss, _, _) => Texts.Of("losses accepted (why a hold ended)"),
        (HoldRelease.NothingRecorded, _, _) => Texts.Of("nothing was recorded"),
        (_, _, true) => Texts.Of("verified copy; what is disputed stays held"),
        _ => Texts.Of("verified copy"),
    };

    /// <summary>A click in the making: its id makes the second of a double click harmless.</summary>
    public string RequestId { get; } = Guid.NewGuid().ToString("N");

    /// <summary>The material is home, or was given up: there will be nothing to accept any more.</summary>
    public bool IsSettled => Entry.MaterialCopy is MaterialCopyState.Copied or MaterialCopyState.NothingToCopy or MaterialCopyState.LossesAccepted;

    /// <summary>Why losses cannot be accepted; null when they can.</summary>
    public string? WhyNotAccept { get; private set; }

    /// <summary>States in the order of the legend; a side archive is named only where there is one.</summary>
    public IReadOnlyList<CoverageState> Legend =>
        [.. Report is { UsesSideArchive: true } ? [CoverageState.Archived] : Array.Empty<CoverageState>(), CoverageState.Copied, CoverageState.AlreadyThere, CoverageState.NotRecorded, CoverageState.Missing, CoverageState.Disputed, CoverageState.OutsideRetention];

    public async Task<IActionResult> OnGetAsync(string entryId, string? track, string? at, CancellationToken cancellationToken)
    {
        if (await log.FindAsync(entryId, cancellationToken) is not { } entry)
        {
            return NotFound();
        }

        Entry = entry;
        FailedServerName = (await servers.FindAsync(entry.FailedServerId, cancellationToken))?.Name ?? entry.FailedServerId;
        FailoverServerName = (await servers.FindAsync(entry.FailoverServerId, cancellationToken))?.Name ?? entry.FailoverServerId;
        Kept = await copies.FindCoverageAsync(entryId, cancellationToken);
        Disputed = await disputed.ReadAsync(entry, cancellationToken);
        WhyNotAccept = AcceptLosses.WhyNot(entry) ?? (MayAdminister ? null : Texts.Of("Needs the role {0}.", Permissions.RolesText(Permissions.Administer)));
        if (Report is { } report)
        {
            Totals = CoverageTotals.Of(report);
            Timelines = [.. report.Tracks.Select(t => CoverageTimeline.Of(t, report))];
            Player = MayPlay ? await RestoredPlayer.LoadAsync(entryId, report, track, at, material, cancellationToken) : null;
        }

        return Page();
    }

    public async Task<IActionResult> OnPostDisputedAsync(string entryId, string? requestId, string? reason, CancellationToken cancellationToken) =>
        (await authorization.AuthorizeAsync(User, Permissions.Operate)).Succeeded
            ? await forms.CopyDisputedAsync(this, entryId, requestId, reason, cancellationToken)
            : Forbid();

    public async Task<IActionResult> OnPostOrderDisputedAsync(string entryId, string? order, string? reason, CancellationToken cancellationToken) =>
        (await authorization.AuthorizeAsync(User, Permissions.Operate)).Succeeded
            ? await forms.OrderDisputedAsync(this, entryId, order, reason, cancellationToken)
            : Forbid();

    public async Task<IActionResult> OnPostLimitDisputedAsync(string entryId, string? megabytesPerSecond, string? windowFrom, string? windowTo, CancellationToken cancellationToken) =>
        (await authorization.AuthorizeAsync(User, Permissions.Operate)).Succeeded
            ? await forms.LimitDisputedAsync(this, entryId, megabytesPerSecond, windowFrom, windowTo, cancellationToken)
            : Forbid();

    public async Task<IActionResult> OnPostReleaseDisputedAsync(string entryId, string? reason, CancellationToken cancellationToken) =>
        (await authorization.AuthorizeAsync(User, Permissions.Administer)).Succeeded
            ? await forms.ReleaseDisputedAsync(this, entryId, reason, cancellationToken)
            : Forbid();

    public async Task<IActionResult> OnPostAcceptAsync(string entryId, string? reason, CancellationToken cancellationToken) =>
        (await authorization.AuthorizeAsync(User, Permissions.Administer)).Succeeded
            ? await forms.AcceptAsync(this, entryId, reason, cancellationToken)
            : Forbid();
}
