using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.FailoverLog;

namespace FailbackWorkflows.Failback.MaterialCopy;

/// <summary>
/// Writes to the failover log how the material copy ended. An entry whose losses were accepted meanwhile stays as it is, and so does one whose
/// disputed material was copied: how that ended stands with its run and task.
/// </summary>
[Activity("Failback.LogMaterialCopy", Category = "Material copy", DisplayName = "Log: how the copy ended", Description = "Writes to the failover log how the material copy ended.")]
public sealed class LogMaterialCopy(CopyCalls calls, IFailoverLog log, IMaterialCopies copies) : CopyActivity
{
    [Input(Description = "copied, copiedWithLosses, nothingToCopy, failed or cancelled.")]
    public required Input<string> Ending { get; init; }

    [Input(Description = "Why it failed, or what was lost.", UIHint = "multiline")]
    public Input<string>? Failure { get; init; }

    /// <inheritdoc/>
    protected override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var task = await calls.GetTaskAsync(context, cancellationToken);
        var entry = await log.GetAsync(task.EntryId, cancellationToken);
        var ending = context.Get(Ending);
        var failure = context.GetOrDefault(Failure);
        if (task.IsDisputed)
        {
            return LogDisputed(context, entry, ending, failure);
        }

        var isArchived = ending == CopyEndings.Copied && (await copies.FindCoverageOfTaskAsync(task.TaskId, cancellationToken))?.Report.UsesSideArchive == true;
        var logged = entry.IsCopying ? Log(entry, ending, failure, isArchived) : entry;
        var result = ActivityResult.Completed().WithWorkflowOutput(RunOutputs.Result, ending);
        if (logged.Message is not null && ending is CopyEndings.Failed or CopyEndings.Cancelled or CopyEndings.CopiedWithLosses)
        {
            result.WithWorkflowOutput(RunOutputs.Message, logged.Message);
        }

        if (logged == entry)
        {
            return result;
        }

        var changes = new List<IDomainChange> { new SaveFailoverLogEntry(logged), Tell(context, "failoverLog", entry.Id, isArchived ? logged.Message! : Sentence(entry, ending)) };
        if (ending is CopyEndings.Failed or CopyEndings.CopiedWithLosses)
        {
            changes.Add(Tell(context, "alarm", entry.Id, logged.Message!));
        }

        return result.WithChanges(changes);
    }

    private static ActivityResult LogDisputed(ActivityExecutionContext context, FailoverLogEntry entry, string ending, string? failure)
    {
        var isHome = ending is CopyEndings.Copied or CopyEndings.NothingToCopy;
        var sentence = isHome
            ? $"The disputed material of {entry.FailedServerId} is beside the ordinary, marked and verified."
            : $"The copy of disputed material of {entry.FailedServerId} ended as {ending}. {failure} It stays held at {entry.FailoverServerId}; ask for it again to go on.";
        var result = ActivityResult.Completed().WithWorkflowOutput(RunOutputs.Result, ending).WithChanges(Tell(context, "materialCopy", entry.Id, sentence));
        return isHome ? result : result.WithWorkflowOutput(RunOutputs.Message, sentence);
    }

    private static FailoverLogEntry Log(FailoverLogEntry entry, string ending, string? failure, bool isArchived) => ending switch
    {
        CopyEndings.Copied when isArchived => entry.Running().MaterialArchived(InSideArchive(entry)),
        CopyEndings.Copied => entry.Running().MaterialCopied(),
        CopyEndings.NothingToCopy => entry.Running().NoMaterialToCopy(),
        CopyEndings.CopiedWithLosses => entry.Running().MaterialCopiedWithLosses(
            $"The material was copied with losses. {failure} What is missing stays held at {entry.FailoverServerId}. Look at the coverage, then start the copy again or have the losses accepted."),
        CopyEndings.Cancelled => entry.MaterialCopyCancelled(
            $"The material copy was cancelled. {failure} What is copied stays; the rest is still owed by {entry.FailoverServerId}. Start the copy again to go on.".Replace("  ", " ", StringComparison.Ordinal)),
        CopyEndings.Failed => entry.MaterialCopyFailed($"The material copy failed. {failure} The material stays held at {entry.FailoverServerId}. Mend the cause, then start the copy again."),
        _ => throw new ActivityFaultException("input.invalid", $"A material copy does not end as '{ending}'.", false),
    };

    /// <summary>All of it is verified at the failed server, so the hold may end; but it is not where one would look first.</summary>
    private static string InSideArchive(FailoverLogEntry entry) =>
        $"The material is at {entry.FailedServerId}, verified, in a side archive beside its timelines, because these take material at their end only. The coverage report says what is where and plays it.";

    private static string Sentence(FailoverLogEntry entry, string ending) => ending switch
    {
        CopyEndings.Copied => $"The material of {entry.FailedServerId} is home and verified.",
        CopyEndings.NothingToCopy => $"There was no material to copy for {entry.FailedServerId}.",
        CopyEndings.CopiedWithLosses => $"The material of {entry.FailedServerId} was copied with losses.",
        CopyEndings.Cancelled => $"The material copy of {entry.FailedServerId} was cancelled.",
        _ => $"The material copy of {entry.FailedServerId} failed.",
    };
}

/// <summary>What cancelling does: the target is told to end the task, the credential is ended, the log says that the period is still owed.</summary>
[Activity("Failback.CancelMaterialCopy", Category = "Material copy", DisplayName = "Cancel the copy", Description = "Ends the task at the failed server; what is copied stays.")]
public sealed class CancelMaterialCopy : Composite
{
    /// <inheritdoc/>
    public override string DefinitionJson => """
        {
          "id": "flow", "type": "Elsa.Flowchart", "start": "cancel",
          "activities": [
            { "id": "cancel", "type": "Failback.CancelDataCopy", "metadata": { "displayText": "Tell the failed server" } },
            { "id": "revoke", "type": "Failback.RevokeReadToken", "metadata": { "displayText": "Revoke the read credential" } },
            { "id": "log", "type": "Failback.LogMaterialCopy", "metadata": { "displayText": "Log: cancelled" }, "ending": "cancelled" },
            { "id": "notify", "type": "Failback.NotifyClients", "metadata": { "displayText": "Notify clients" }, "text": "A material copy was cancelled." }
          ],
          "connections": [
            { "source": { "activity": "cancel" }, "target": { "activity": "revoke" } },
            { "source": { "activity": "cancel", "port": "Owed" }, "target": { "activity": "revoke" } },
            { "source": { "activity": "revoke" }, "target": { "activity": "log" } },
            { "source": { "activity": "log" }, "target": { "activity": "notify" } }
          ]
        }
        """;
}
