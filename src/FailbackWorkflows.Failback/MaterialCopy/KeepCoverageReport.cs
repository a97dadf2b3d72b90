using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.Failback.MaterialCopy;

/// <summary>
/// Reads the coverage report of a task that ended, checks its digest and keeps it. Only when everything expected is verified is the order to
/// release the hold written down, in the same transaction. A verified copy of disputed material releases nothing. From here there is only a way forward.
/// </summary>
[Activity("Failback.KeepCoverageReport", Category = "Material copy", DisplayName = "Read and keep the coverage report", Description = "Is everything expected home and verified?")]
[FlowNode("Verified", "Losses", "Disputed")]
[Retry(10, InitialDelayMilliseconds = 1000, MaxDelayMilliseconds = 60_000)]
public sealed class KeepCoverageReport(CopyCalls calls, IMaterialCopyClient recorders) : CopyActivity
{
    [Output(Description = "How the copy ends.")]
    public Output<string>? Ending { get; init; }

    [Output(Description = "What was lost.")]
    public Output<string>? Failure { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var task = await calls.GetTaskAsync(context, cancellationToken);
        CoverageReport report;
        try
        {
            report = await recorders.GetCoverageAsync(await calls.GetTargetAsync(task, cancellationToken), task.TaskId, cancellationToken);
        }
        catch (RecorderException exception) when (exception.Kind is RecorderErrorKind.Unreachable or RecorderErrorKind.Busy)
        {
            return WaitFor(context, task, task.TargetServerId);
        }

        RefuseUnusable(task, report);
        var now = context.Time.GetUtcNow();
        var coverage = CoverageTotals.Of(report);
        // Its word for the whole is not taken for its parts: a hold that was released does not come back.
        var isComplete = report.IsVerified && report.Losses.Count == 0 && report.Tracks.All(t => t.IsVerified) && report.Records.All(r => r.IsVerified)
            && task.Reported?.State != CopyTaskState.CopiedWithLosses;
        var changes = new List<IDomainChange>
        {
            new KeepCoverage(new KeptCoverage(task.TaskId, task.EntryId, report.Sha256!, report, now)),
            new SaveCopyTask(task with { CoverageSha256 = report.Sha256, WaitsForServerId = null }),
            Tell(context, "materialCopy", task.EntryId, $"The coverage report of the material copy of {task.Identity} is here."),
        };
        if (!isComplete)
        {
            return ActivityResult.Completed("Losses")
                .With(Ending, CopyEndings.CopiedWithLosses)
                .With(Failure, report.Losses.Count > 0 ? $"{report.Losses.Count} losses are listed in the coverage report." : "Not everything could be verified.")
                .WithCancellation(CancellationMode.Refuse)
                .WithChanges(changes);
        }

        if (task.IsDisputed)
        {
            // What is held does not depend on it: what is disputed is released by an administrator only.
            return ActivityResult.Completed("Disputed").With(Ending, CopyEndings.Copied).WithCancellation(CancellationMode.Refuse).WithChanges(changes);
        }

        // Disputed material is not part of what was expected and stays held after a verified copy; "nothing recorded" would let it go.
        var isNothing = coverage.IsNothingExpected && coverage.Disputed.Segments == 0 && coverage.RecordsDisputed == 0;
        changes.Add(new SaveHoldRelease(new HoldReleaseOrder(
            task.EntryId,
            task.SourceServerId,
            task.Identity,
            task.TaskId,
            isNothing ? HoldRelease.NothingRecorded : HoldRelease.VerifiedCopy,
            $"Coverage report {report.Sha256}",
            now)));
        return ActivityResult.Completed("Verified")
            .With(Ending, task.Reported?.State == CopyTaskState.NothingToCopy ? CopyEndings.NothingToCopy : CopyEndings.Copied)
            .WithCancellation(CancellationMode.Refuse)
            .WithChanges(changes);
    }

    private static void RefuseUnusable(MaterialCopyTask task, CoverageReport report)
    {
        if (!report.IsComplete || report.Sha256 is null)
        {
            throw new ActivityFaultException("coverage.incomplete", $"{task.TargetServerId} says that the copy has ended, but its coverage report is not complete.", true);
        }

        if (report.TaskId != task.TaskId || report.EntryId != task.EntryId || report.Identity != task.Identity)
        {
            throw new ActivityFaultException("coverage.foreign", $"{task.TargetServerId} answered with the coverage report of another copy ({report.TaskId}).", false);
        }

        if (!string.Equals(report.Sha256, CoverageDigest.Compute(report), StringComparison.OrdinalIgnoreCase))
        {
            throw new ActivityFaultException("coverage.digest", $"The coverage report of {task.TargetServerId} does not have the digest it states, so it is not believed and the hold stays.", true);
        }
    }
}

/// <summary>Sums of a coverage report.</summary>
/// <param name="RecordsSuperseded">Of which the target has a later state; no part of <paramref name="RecordsAlreadyThere"/>, as in the report.</param>
public sealed record CoverageTotals(
    Amount Expected,
    Amount Copied,
    Amount AlreadyThere,
    Amount Missing,
    Amount OutsideRetention,
    Amount Disputed,
    Amount Verified,
    long RecordsExpected,
    long RecordsCopied,
    long RecordsAlreadyThere,
    long RecordsSuperseded,
    long RecordsMissing,
    Amount DisputedHere,
    long RecordsDisputed,
    long RecordsDisputedHere,
    Amount Archived,
    long RecordsArchived)
{
    /// <summary>The source had nothing of the period.</summary>
    public bool IsNothingExpected => Expected.Segments == 0 && RecordsExpected == 0;

    public static CoverageTotals Of(CoverageReport report) => new(
        Sum(report, t => t.Expected),
        Sum(report, t => t.Copied),
        Sum(report, t => t.AlreadyThere),
        Sum(report, t => t.Missing),
        Sum(report, t => t.OutsideRetention),
        Sum(report, t => t.Disputed),
        Sum(report, t => t.Verified),
        report.Records.Sum(r => r.Expected),
        report.Records.Sum(r => r.Copied),
        report.Records.Sum(r => r.AlreadyThere),
        report.Records.Sum(r => r.Superseded),
        report.Records.Sum(r => r.Missing),
        Sum(report, t => t.DisputedHere ?? new(0, 0)),
        report.Records.Sum(r => r.Disputed),
        report.Records.Sum(r => r.DisputedHere),
        Sum(report, t => t.Archived ?? new(0, 0)),
        report.Records.Sum(r => r.Archived));

    private static Amount Sum(CoverageReport report, Func<TrackCoverage, Amount> read) => new(report.Tracks.Sum(t => read(t).Segments), report.Tracks.Sum(t => read(t).Bytes));
}
