using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.Failback.MaterialCopy;

/// <summary>What became of an operator's wish.</summary>
public enum ControlOutcome
{
    /// <summary>Noted durably; the run tells the recorder.</summary>
    Accepted,

    /// <summary>There is no such entry, or nothing was ever copied for it.</summary>
    Unknown,

    /// <summary>It cannot be done as things are; the message says why and what to do.</summary>
    Refused,
}

/// <summary>Answer to an operator's wish.</summary>
public sealed record ControlResult(ControlOutcome Outcome, string? Message);

/// <summary>
/// Pause, resume, cancel and limits of a material copy. A wish is written down before anybody is told, so neither a busy run nor a recorder
/// that is away loses it.
/// </summary>
public sealed class ControlMaterialCopy(IFailoverLog log, IMaterialCopies copies, IDomainWriter writer, IWorkflowRuntime runtime, TimeProvider time)
{
    /// <summary>Least bandwidth limit, in bytes per second.</summary>
    public const long LeastBytesPerSecond = 65_536;

    private const int MostAttempts = 5;

    private bool _isDisputed;

    /// <summary>The same for the copy of an entry's disputed material, which is a task of its own.</summary>
    public ControlMaterialCopy OfDisputed => new(log, copies, writer, runtime, time) { _isDisputed = true };

    public Task<ControlResult> PauseAsync(string entryId, Actor actor, CancellationToken cancellationToken) => WishAsync(
        entryId,
        actor,
        task => task.IsPauseWished ? "It is paused already, or about to be." : null,
        task => task with { IsPauseWished = true, ToldWish = null },
        "The material copy is to pause.",
        cancellationToken);

    public Task<ControlResult> ResumeAsync(string entryId, Actor actor, CancellationToken cancellationToken) => WishAsync(
        entryId,
        actor,
        task => task switch
        {
            { IsPauseWished: true } or { Reported: { State: CopyTaskState.Paused, PauseReason: CopyPauseReason.Operator } } => null,
            { Reported: { State: CopyTaskState.Paused, PauseReason: { } reason } } => $"It was not paused by an operator but because of '{reason}'; that ends by itself.",
            _ => "It is not paused.",
        },
        task => task with { IsPauseWished = false, ToldWish = null },
        "The material copy is to go on.",
        cancellationToken);

    /// <summary>Limits of bandwidth and time of day; null members lift them.</summary>
    public Task<ControlResult> LimitAsync(string entryId, CopyLimits limits, Actor actor, CancellationToken cancellationToken) =>
        limits.MaxBytesPerSecond < LeastBytesPerSecond
            ? Task.FromResult(new ControlResult(ControlOutcome.Refused, $"A limit must be at least {LeastBytesPerSecond} bytes per second; pause the copy instead."))
            : limits.WindowFrom is null != limits.WindowTo is null || (limits.WindowFrom is not null && limits.WindowFrom == limits.WindowTo)
                ? Task.FromResult(new ControlResult(ControlOutcome.Refused, "A daily window needs a start and another end, or neither."))
                : WishAsync(entryId, actor, _ => null, task => task with { Limits = limits, ToldWish = null }, "The limits of the material copy were changed.", cancellationToken);

    /// <summary>Ends the copy; what is copied stays, the rest is still owed.</summary>
    public async Task<ControlResult> CancelAsync(string entryId, Actor actor, string? reason, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            if (await log.FindAsync(entryId, cancellationToken) is not { } entry)
            {
                return new(ControlOutcome.Unknown, $"There is no failover log entry '{entryId}'.");
            }

            if ((await FindTaskAsync(entry, cancellationToken))?.RunId is { } runId)
            {
                try
                {
                    await runtime.CancelAsync(runId, actor, reason, cancellationToken);
                    return new(ControlOutcome.Accepted, null);
                }
                catch (WorkflowRefusedException refusal)
                {
                    return new(ControlOutcome.Refused, refusal.Message);
                }
            }

            if (_isDisputed)
            {
                return new(ControlOutcome.Refused, "The disputed material of this entry is not being copied, so there is nothing to cancel.");
            }

            if (!entry.IsCopying)
            {
                return new(ControlOutcome.Refused, "No material copy is queued or running for this entry, so there is nothing to cancel.");
            }

            // Queued, and no run has taken it up.
            try
            {
                var cancelled = entry.MaterialCopyCancelled($"The queued material copy was cancelled by {actor.Name}. The material is still owed.");
                await writer.ApplyAsync(
                    [new SaveFailoverLogEntry(cancelled), new Notify(new ChangeNotification("failoverLog", entryId, cancelled.Message, time.GetUtcNow()))], cancellationToken);
                return new(ControlOutcome.Accepted, null);
            }
            catch (ConcurrentChangeException) when (attempt < MostAttempts)
            {
                // A run has just taken it up, or it changed otherwise: look again.
            }
        }
    }

    private Task<MaterialCopyTask?> FindTaskAsync(FailoverLogEntry entry, CancellationToken cancellationToken) => _isDisputed
        ? copies.FindAsync(MaterialCopyTask.IdOf(entry.Id, entry.FailoverServerId, isDisputed: true), cancellationToken)
        : copies.FindByEntryAsync(entry.Id, cancellationToken);

    private async Task<ControlResult> WishAsync(
        string entryId, Actor actor, Func<MaterialCopyTask, string?> whyNot, Func<MaterialCopyTask, MaterialCopyTask> wish, string news, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            if (await log.FindAsync(entryId, cancellationToken) is not { } entry)
            {
                return new(ControlOutcome.Unknown, $"There is no failover log entry '{entryId}'.");
            }

            if (await FindTaskAsync(entry, cancellationToken) is not { RunId: { } runId } task)
            {
                return new(
                    ControlOutcome.Refused,
                    _isDisputed ? "The disputed material of this entry is not being copied. Ask for it first." : "No material copy is running for this entry. Start it first.");
            }

            if (whyNot(task) is { } sentence)
            {
                return new(ControlOutcome.Refused, sentence);
            }

            try
            {
                await writer.ApplyAsync(
                    [new SaveCopyTask(wish(task)), new Notify(new ChangeNotification("materialCopy", entryId, $"{news} ({actor.Name})", time.GetUtcNow()))], cancellationToken);
            }
            catch (ConcurrentChangeException) when (attempt < MostAttempts)
            {
                continue;
            }

            await runtime.ResumeAsync(new Stimulus(task.StimulusKey, actor, null, runId), cancellationToken);
            return new(ControlOutcome.Accepted, null);
        }
    }
}
