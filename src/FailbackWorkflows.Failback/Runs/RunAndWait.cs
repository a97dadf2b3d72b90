using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Journal;

namespace FailbackWorkflows.Failback.Runs;

/// <summary>
/// An activity that starts another run, the very one that an operator starts, and waits for its end. Running it again after a crash starts
/// nothing new. It leaves by Done, Refused or Failed.
/// </summary>
public abstract class RunAndWait(IWorkflowRuntime runtime) : DutyActivity
{
    /// <summary>Waits for the end of the run, or leaves when it has ended.</summary>
    /// <param name="name">What the run does, as in "The failback ended: undone."</param>
    protected async ValueTask<ActivityResult> WaitAsync(string runId, string name, Output<string?>? output, CancellationToken cancellationToken)
    {
        if (await runtime.FindAsync(runId, cancellationToken) is not { FinishedAt: not null } run)
        {
            return Suspend(runId);
        }

        var result = RunReports.ResultOf(run);
        var message = run.SubStatus == WorkflowSubStatus.Faulted ? run.Incidents.LastOrDefault()?.Fault.Message : run.Output.GetValueOrDefault(RunOutputs.Message) as string;
        return result switch
        {
            RunOutputs.Done => Ended("Done", result, message, output, runId),
            RunOutputs.Refused => Ended("Refused", result, message, output, runId),
            _ => Ended("Failed", result, message ?? $"The {name} ended: {result}.", output, runId),
        };
    }

    /// <summary>Waits until the run has ended; it may have by now, then it is woken at once.</summary>
    protected ActivityResult Suspend(string runId) =>
        ActivityResult.Suspended(runId, new BookmarkRequest(GetType().Name, WorkflowEnded.KeyOf(runId), null, RunsAgain: true));

    /// <summary>Leaves by Refused: no run was started.</summary>
    protected static ActivityResult NotStarted(string? message, string name, Output<string?>? output) =>
        Ended("Refused", RunOutputs.Refused, message ?? $"The {name} could not be started.", output, null);

    private static ActivityResult Ended(string outcome, string result, string? message, Output<string?>? output, string? runId) => ActivityResult.Completed(outcome)
        .With(output, runId)
        .WithWorkflowOutput(RunOutputs.Result, result)
        .WithWorkflowOutput(RunOutputs.Message, message);
}
