using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.Failback.MaterialCopy;

/// <summary>
/// Step 1: the entry's failback is done and its material is owed. Works out the periods, once for all runs, and draws the generation of the
/// read token. From here a cancelled run tells the target to stop. Calls no recorder.
/// </summary>
[Activity("Failback.CheckMaterialCopy", Category = "Material copy", DisplayName = "Check the entry", Description = "Is material owed, and which periods are to be copied?")]
[FlowNode("Ready", "Refused")]
public sealed class CheckMaterialCopy(CopyCalls calls, IFailoverLog log, DisputedMaterial disputed) : CopyActivity
{
    [Input(DisplayName = "Failover log entry", Description = "Id of the entry.", UIHint = ActivityHints.FailoverLogEntry)]
    public required Input<string> EntryId { get; init; }

    [Output(Description = "How the copy ends when it is refused.")]
    public Output<string>? Ending { get; init; }

    [Output(Description = "Why it was refused.")]
    public Output<string>? Failure { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var entry = await log.GetAsync(context.Get(EntryId), cancellationToken);
        var task = await calls.GetTaskAsync(context, cancellationToken);
        var source = await calls.Servers.GetServerAsync(task.SourceServerId, cancellationToken);
        var sentence = (task.IsDisputed ? (await disputed.ReadAsync(entry, cancellationToken)).WhyNot : MaterialCopyHooks.WhyNot(entry))
            ?? (source.MachineId is null ? $"{source.Name} has never been seen, so its machine is not known. Bring it on the network, then start the copy again." : null);
        if (sentence is not null)
        {
            return ActivityResult.Completed("Refused").With(Ending, CopyEndings.Failed).With(Failure, sentence);
        }

        var now = context.Time.GetUtcNow();
        return ActivityResult.Completed("Ready")
            .WithCancellation(CancellationMode.Undo)
            .WithChanges(new SaveCopyTask(task with
            {
                Definition = task.Definition ?? Define(task, entry, source.MachineId!, context.Run.Reason),
                TokenGeneration = task.TokenGeneration + 1,
                ProtectedToken = null,
                TokenDrawnAt = now,
                TokenRefusals = 0,
            }));
    }

    private static StartDataCopy Define(MaterialCopyTask task, FailoverLogEntry entry, string sourceMachineId, string? reason)
    {
        var periods = task.IsDisputed ? MaterialCopyPeriods.OfDisputed(entry) : MaterialCopyPeriods.Of(entry);
        return new(
            task.TaskId,
            entry.Id,
            task.Identity,
            sourceMachineId,
            periods.Whole,
            periods.Channels,
            task.Limits,
            WithDisputed: task.IsDisputed,
            task.IsDisputed ? $"Disputed material of failover {entry.Id}: {reason}" : $"Material recorded during failover {entry.Id}");
    }
}

/// <summary>How a material copy ends, in the words of its runs.</summary>
public static class CopyEndings
{
    public const string Copied = "copied";
    public const string CopiedWithLosses = "copiedWithLosses";
    public const string NothingToCopy = "nothingToCopy";
    public const string Failed = "failed";
    public const string Cancelled = "cancelled";
}
