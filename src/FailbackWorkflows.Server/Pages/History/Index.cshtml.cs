using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Persistence.Seals;
using FailbackWorkflows.Persistence.Workflows;
using FailbackWorkflows.Server.Api.Seals;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Replay;
using FailbackWorkflows.Server.Resources;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.History;

/// <summary>All runs, newest first, and for auditors whether their history is what was written.</summary>
[Authorize(Permissions.Read)]
public sealed class IndexModel(
    IWorkflowInstances instances, IFailoverLog log, IVmsServers servers, IHistoryVerifications verifications, RunProofs proofs, IAuthorizationService authorization) : PageModel
{
    private const int PerPage = 50;

    private static readonly RunSubject Unknown = new(null, null, null);

    private IReadOnlyDictionary<string, RunSubject> subjects = new Dictionary<string, RunSubject>();

    public IReadOnlyList<WorkflowInstanceSummary> Runs { get; private set; } = [];

    public string? Before { get; private set; }

    public string? NextBefore { get; private set; }

    /// <summary>What a verification has found; null: nobody has asked.</summary>
    public VerificationReport? Report { get; private set; }

    /// <summary>Whether the run that was asked for follows from itself; null: it was asked for everything, or there is no such run.</summary>
    public RunProof? Proof { get; private set; }

    /// <summary>The run it was asked of; null: everything.</summary>
    public string? VerifiedRun { get; private set; }

    /// <summary>It was asked of a run that there is not: nothing was verified.</summary>
    public bool IsOfNoRun => VerifiedRun is not null && Report is { IsOfNoRun: true };

    /// <summary>What came of it. Without the file outside of the database nothing is proven.</summary>
    public Badge Verdict => Report switch
    {
        { IsClean: false } report => new(Texts.Of("{0} wrong", report.Findings.Count), "bad"),
        _ when IsOfNoRun => new(Texts.Of("No such run"), "warn"),
        { HasOutsideFile: false } => new(Texts.Of("Not compared"), "warn"),
        _ => new(Texts.Of("Nothing is wrong"), "ok"),
    };

    public bool MayAudit => User.May(Permissions.Audit);

    /// <summary>What a run of the page is about and who started it.</summary>
    public RunSubject SubjectOf(string runId) => subjects.GetValueOrDefault(runId, Unknown);

    public Task OnGetAsync(string? before, CancellationToken cancellationToken) => ReadAsync(before, cancellationToken);

    public async Task<IActionResult> OnPostVerifyAsync(string? runId, CancellationToken cancellationToken)
    {
        if (!(await authorization.AuthorizeAsync(User, Permissions.Audit)).Succeeded)
        {
            return Forbid();
        }

        if (runId?.Length > 128)
        {
            return BadRequest();
        }

        VerifiedRun = string.IsNullOrWhiteSpace(runId) ? null : runId.Trim();
        Report = await verifications.VerifyAsync(VerifiedRun, cancellationToken);
        Proof = VerifiedRun is null ? null : await proofs.ProveAsync(VerifiedRun, cancellationToken);
        HttpContext.Audit(VerifiedRun ?? "history").Result = SealEndpoints.ResultOf(Report, VerifiedRun);
        await ReadAsync(null, cancellationToken);
        return Page();
    }

    private async Task ReadAsync(string? before, CancellationToken cancellationToken)
    {
        Before = before is { Length: > 0 and <= 128 } ? before : null;
        Runs = await instances.ListAsync(new WorkflowInstanceQuery(Before: Before, Take: PerPage), cancellationToken);
        NextBefore = Runs.Count == PerPage ? Runs[^1].Id : null;
        subjects = await RunSubjects.FindAsync(Runs, instances, log, servers, cancellationToken);
    }
}
