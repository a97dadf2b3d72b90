using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback.Clocks;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.Failback.MaterialCopy;

/// <summary>What the failover server of an entry recorded without authority, and what of it was asked for.</summary>
/// <param name="AtSource">Segments of the period that the copy has passed over. There may be more after its end, see <paramref name="Tail"/>.</param>
/// <param name="RecordsAtSource">Records that the copy has passed over.</param>
/// <param name="Tail">How long the failover server recorded on after the failed server had its duty back, of the channel where it was longest; zero: not at all.</param>
/// <param name="Task">The task that brings it; null when nobody has asked for it.</param>
/// <param name="Coverage">Report of that task; null before its first end.</param>
/// <param name="WhyNot">Why it cannot be asked for now; null when it can.</param>
public sealed record DisputedMaterialState(Amount AtSource, long RecordsAtSource, TimeSpan Tail, MaterialCopyTask? Task, KeptCoverage? Coverage, string? WhyNot)
{
    /// <summary>There is disputed material, as far as is known.</summary>
    public bool Exists => AtSource.Segments > 0 || RecordsAtSource > 0 || Tail > MaterialCopyPeriods.Margin;
}

/// <summary>
/// Disputed material: shown apart, and copied beside the ordinary, marked, only when somebody asks for it and says why. The failover log
/// entry and the hold do not depend on it.
/// </summary>
public sealed class DisputedMaterial(IMaterialCopies copies)
{
    public async Task<DisputedMaterialState> ReadAsync(FailoverLogEntry entry, CancellationToken cancellationToken)
    {
        var kept = await copies.FindCoverageAsync(entry.Id, cancellationToken);
        var taskId = MaterialCopyTask.IdOf(entry.Id, entry.FailoverServerId, isDisputed: true);
        var task = await copies.FindAsync(taskId, cancellationToken);
        var coverage = await copies.FindCoverageOfTaskAsync(taskId, cancellationToken);
        var totals = kept is null ? null : CoverageTotals.Of(kept.Report);
        var state = new DisputedMaterialState(totals?.Disputed ?? new(0, 0), totals?.RecordsDisputed ?? 0, TailOf(entry), task, coverage, null);
        return state with { WhyNot = WhyNot(entry, kept, state) };
    }

    private static string? WhyNot(FailoverLogEntry entry, KeptCoverage? kept, DisputedMaterialState state) => entry switch
    {
        { MaterialCopy: MaterialCopyState.LossesAccepted } => "The missing material of this entry was given up, and the disputed with it.",
        { IsCopying: true } => "The material copy is at work. Ask for the disputed material when it has ended.",
        _ when kept is null => "No material copy of this entry has ended yet, so it is not known what is disputed.",
        _ when !state.Exists => "Nothing of this period is disputed.",
        _ when state.Coverage?.Report is { IsVerified: true, Losses.Count: 0 } => "The disputed material is here already, and verified.",
        _ => null,
    };

    /// <summary>Beyond the authority's end, where the failover server had not stopped yet.</summary>
    private static TimeSpan TailOf(FailoverLogEntry entry) =>
        (from end in entry.AuthorityEnds ?? new Dictionary<string, DateTimeOffset>()
         where entry.LastTimes is not null && entry.LastTimes.ContainsKey(end.Key)
         select entry.LastTimes![end.Key] - new FailoverServerTimes(entry).AuthorityEnd(end.Value)).Append(TimeSpan.Zero).Max();
}

/// <summary>A wish to have the disputed material of an entry.</summary>
/// <param name="RequestId">Made by the caller once per click; the same id again starts nothing new. 1–64 characters.</param>
/// <param name="Reason">Why; required, kept with the run and with the task at the failed server. 1–1000 characters.</param>
public sealed record CopyDisputedMaterialRequest(string EntryId, string RequestId, Actor Actor, string Reason);

/// <summary>Starts the copy of an entry's disputed material. As with any material copy one runs, and who asks meanwhile learns which.</summary>
public sealed class CopyDisputedMaterial(IFailoverLog log, IMaterialCopies copies, IWorkflowRuntime runtime)
{
    public async Task<StartRunResult> ExecuteAsync(CopyDisputedMaterialRequest request, CancellationToken cancellationToken)
    {
        if (await log.FindAsync(request.EntryId, cancellationToken) is not { } entry)
        {
            return new(StartRunOutcome.Unknown, null, null, $"There is no failover log entry '{request.EntryId}'.");
        }

        if (string.IsNullOrWhiteSpace(request.Reason))
        {
            return new(StartRunOutcome.Refused, null, entry.Id, "Disputed material is copied only with a reason. Say why it is needed.");
        }

        try
        {
            var started = await runtime.StartAsync(
                new StartWorkflow(StartMaterialCopy.DefinitionId, request.Actor)
                {
                    Input = new Dictionary<string, object?> { ["EntryId"] = entry.Id, [MaterialCopyHooks.DisputedReason] = request.Reason.Trim() },
                    Reason = request.Reason.Trim(),
                    StartKey = $"disputed-material:{entry.Id}:{request.RequestId}",
                    CorrelationId = entry.Id,
                },
                cancellationToken);
            return new(started.AlreadyStarted ? StartRunOutcome.AlreadyStarted : StartRunOutcome.Started, started.InstanceId, entry.Id, null);
        }
        catch (CopyTaskTakenException taken)
        {
            return Busy(taken.RunId, entry);
        }
        catch (ConcurrentChangeException changed)
        {
            // Another start was committed between the look and the write.
            return (await copies.FindAsync(MaterialCopyTask.IdOf(entry.Id, entry.FailoverServerId, isDisputed: true), cancellationToken))?.RunId is { } runId
                ? Busy(runId, entry)
                : new(StartRunOutcome.Refused, null, entry.Id, $"{changed.Message} Look at the entry again, then ask again.");
        }
        catch (WorkflowRefusedException refusal)
        {
            return new(StartRunOutcome.Refused, null, entry.Id, refusal.Message);
        }
    }

    private static StartRunResult Busy(string runId, FailoverLogEntry entry) =>
        new(StartRunOutcome.Busy, runId, entry.Id, "The disputed material of this entry is being copied already. Open the run to see where it stands.");
}
