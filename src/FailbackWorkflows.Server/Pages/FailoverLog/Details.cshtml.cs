using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.AutomaticFailback;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Maintenance;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Persistence.Workflows;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Pages.Runs;
using FailbackWorkflows.Server.Resources;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace FailbackWorkflows.Server.Pages.FailoverLog;

/// <summary>An earlier failback run of the entry.</summary>
public sealed record EarlierRun(string RunId, DateTimeOffset StartedAt, Badge Badge);

/// <summary>One failover: who, when, why; its failback step by step; and what can be done now.</summary>
[Authorize(Permissions.Read)]
public sealed class DetailsModel(
    IFailoverLog log,
    IVmsServers servers,
    IRunReports reports,
    IWorkflowRuntime runtime,
    IWorkflowInstances instances,
    PlannedSteps planned,
    FailbackButtons buttons,
    FailbackStarter starter,
    RunForms runForms,
    AutomaticFailbackCheck automatic,
    EntryAlerts alerts,
    EntrySettings entrySettings,
    MaterialCopyViews copyViews,
    MaterialCopyForms copyForms,
    EntryDutyViews dutyViews,
    IAuthorizationService authorization) : PageModel
{
    /// <summary>The steps up to this one only check; nothing has been touched before the next.</summary>
    private const int LastCheck = 5;

    /// <summary>The newest run, read from its journal, and a few before it, of which only the result is shown.</summary>
    private const int MostRuns = 6;

    public FailoverLogEntry Entry { get; private set; } = null!;

    public VmsServer? FailedServer { get; private set; }

    public VmsServer? FailoverServer { get; private set; }

    public string FailedServerName => FailedServer?.Name ?? Entry.FailedServerId;

    public string FailoverServerName => FailoverServer?.Name ?? Entry.FailoverServerId;

    public RunReport? Run { get; private set; }

    public RunResultView? Result { get; private set; }

    /// <summary>The run that performed (or performs) the failback; null when none is known, as of an entry that a newer one closed.</summary>
    public RunReport? FailbackRun { get; private set; }

    /// <summary>What has to be done about this entry at once; one at most.</summary>
    public IReadOnlyList<EntryAlert> Alerts { get; private set; } = [];

    public FailbackButton Button { get; private set; } = null!;

    /// <summary>The maintenance mode that holds for the failed server; null: none.</summary>
    public MaintenanceMode? Maintenance => Button.Maintenance;

    public bool MayOverrideMaintenance => User.May(Permissions.OverrideMaintenance);

    /// <summary>Whether the entry is failed back by itself; null when it is not set up to be, or done.</summary>
    public AutomaticFailbackDecision? Automatic { get; private set; }

    public IReadOnlyList<RunStep> Steps { get; private set; } = [];

    public IReadOnlyList<EarlierRun> EarlierRuns { get; private set; } = [];

    public EntryDutyView Duty { get; private set; } = null!;

    public MaterialCopyView Copy { get; private set; } = null!;

    /// <summary>What became of the settings during this failover.</summary>
    public EntrySettingsReport Settings { get; private set; } = null!;

    public bool MayOperate { get; private set; }

    /// <summary>Not when it was stopped in a check or was abandoned: then it is started again.</summary>
    public bool CanRedrive => Run?.CanRedrive == true;

    public bool CanCancel => Run is { Result: "running", SubStatus: not WorkflowSubStatus.Faulted };

    /// <summary>What a cancellation does, given where the run is.</summary>
    public string CancelConsequence =>
        Steps.Any(step => step.Number > LastCheck && step.State != RunStepState.NotExecuted)
            ? Texts.Of("What was changed is undone: {0} records on, {1} goes back to standby with its former settings. Once {0} is being stopped, there is only a way forward and the cancellation is refused.", FailoverServerName, FailedServerName)
            : Texts.Of("Nothing has been changed yet; the run just ends.");

    public async Task<IActionResult> OnGetAsync(string entryId, CancellationToken cancellationToken)
    {
        if (await log.FindAsync(entryId, cancellationToken) is not { } entry)
        {
            return NotFound();
        }

        Entry = entry;
        MayOperate = User.May(Permissions.Operate);

        // None of these needs the answer of another: the page waits for the slowest of them, not for one after the other.
        var failed = servers.FindAsync(entry.FailedServerId, cancellationToken);
        var failover = servers.FindAsync(entry.FailoverServerId, cancellationToken);
        var alert = alerts.FindAsync(entry, cancellationToken);
        var copy = copyViews.ReadAsync(entry, User, cancellationToken);
        var settings = entrySettings.ReadAsync(entry, cancellationToken);
        var decided = automatic.DecideAsync(entry, null, cancellationToken);
        var button = buttons.ForAsync([entry], User, cancellationToken);
        await Task.WhenAll(failed, failover, alert, copy, settings, decided, button, ReadRunsAsync(entry, cancellationToken));
        (FailedServer, FailoverServer, Copy, Settings) = (await failed, await failover, await copy, await settings);
        Alerts = await alert is { } found ? [found] : [];
        var decision = await decided;
        Automatic = entry.Failback != FailbackState.Done && (decision.Server?.IsAutomaticFailbackEnabled == true || decision.State is not null) ? decision : null;
        Button = (await button)[entry.Id];
        return Page();
    }

    public async Task<IActionResult> OnPostStartFailbackAsync(string entryId, string? requestId, string? reason, bool overrideMaintenance, CancellationToken cancellationToken) =>
        await MayAsync() ? await starter.StartAsync(this, entryId, requestId, reason, overrideMaintenance, cancellationToken) : Forbid();

    public Task<IActionResult> OnPostCancelAsync(string entryId, string? runId, string? reason, CancellationToken cancellationToken) =>
        runForms.CancelAsync(this, runId, reason, run => run.EntryId == entryId, PathOf(entryId), cancellationToken);

    public Task<IActionResult> OnPostRedriveAsync(string entryId, string? runId, string? reason, CancellationToken cancellationToken) =>
        runForms.RedriveAsync(this, runId, reason, run => run.EntryId == entryId, PathOf(entryId), cancellationToken);

    public async Task<IActionResult> OnPostStartCopyAsync(string entryId, string? requestId, string? reason, CancellationToken cancellationToken) =>
        await MayAsync() ? await copyForms.StartAsync(this, entryId, requestId, reason, cancellationToken) : Forbid();

    public async Task<IActionResult> OnPostOrderCopyAsync(string entryId, string? order, string? reason, CancellationToken cancellationToken) =>
        await MayAsync() ? await copyForms.OrderAsync(this, entryId, order, reason, cancellationToken) : Forbid();

    public async Task<IActionResult> OnPostLimitCopyAsync(string entryId, string? megabytesPerSecond, string? windowFrom, string? windowTo, CancellationToken cancellationToken) =>
        await MayAsync() ? await copyForms.LimitAsync(this, entryId, megabytesPerSecond, windowFrom, windowTo, cancellationToken) : Forbid();

    private async Task ReadRunsAsync(FailoverLogEntry entry, CancellationToken cancellationToken)
    {
        // The entry names its run only once that has touched something; until then the newest run of the entry is the one to watch.
        var runs = await instances.ListAsync(new WorkflowInstanceQuery(StartFailback.DefinitionId, entry.Id, Take: MostRuns), cancellationToken);
        var runId = runs.Count > 0 ? runs[0].Id : entry.FailbackRunId;
        Run = runId is null ? null : await reports.FindAsync(runId, cancellationToken);
        FailbackRun = entry.FailbackRunId is not { } performedBy ? null : performedBy == runId ? Run : await reports.FindAsync(performedBy, cancellationToken);
        Steps = Run?.Steps ?? await planned.ReadAsync(StartFailback.DefinitionId, cancellationToken);
        EarlierRuns = await DescribeAsync(runs.Skip(1), cancellationToken);
        Result = RunResultView.Of(Run, entry);
        Duty = await dutyViews.ReadAsync(entry, Run, User, cancellationToken);
    }

    private async Task<IReadOnlyList<EarlierRun>> DescribeAsync(IEnumerable<WorkflowInstanceSummary> runs, CancellationToken cancellationToken)
    {
        var earlier = new List<EarlierRun>();
        foreach (var run in runs)
        {
            if (await runtime.FindAsync(run.Id, cancellationToken) is { } instance)
            {
                earlier.Add(new EarlierRun(instance.Id, instance.CreatedAt, Wording.OfResult(RunReports.ResultOf(instance))));
            }
        }

        return earlier;
    }

    private static string PathOf(string entryId) => $"/failover-log/{Uri.EscapeDataString(entryId)}";

    private async Task<bool> MayAsync() => (await authorization.AuthorizeAsync(User, Permissions.Operate)).Succeeded;
}
