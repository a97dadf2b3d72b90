using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Interpretation;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Engine.Runtime;

/// <summary>
/// Runs a leased instance until it waits or ends: run an activity, let the interpreter decide, commit, next. Every result is in exactly
/// one commit, together with the intent of what comes next.
/// </summary>
internal sealed class WorkflowRunner(
    IWorkflowStore store,
    WorkflowDefinitions definitions,
    ActivityCatalog catalog,
    IServiceProvider services,
    IWorkflowHooks hooks,
    TimeProvider time,
    WorkflowEngineOptions options,
    ILogger<WorkflowRunner> logger)
{
    private const int MaxCommitRefusals = 5;

    /// <summary>The instance as stored, ready to run; null when there is no such instance.</summary>
    public async Task<LiveInstance?> LoadAsync(string instanceId, CancellationToken cancellationToken)
    {
        var stored = await store.FindInstanceAsync(instanceId, cancellationToken);
        return stored is null
            ? null
            : new LiveInstance(await definitions.GetVersionAsync(stored.DefinitionVersionId, cancellationToken), InstanceState.FromJson(stored.Snapshot), stored);
    }

    /// <summary>Runs until a commit has given the lease back. Answers with when the instance is due next, if by time.</summary>
    public async Task<DateTimeOffset?> RunAsync(Lease lease, LiveInstance live, CancellationToken cancellationToken)
    {
        object? hostFacts = null;
        var isAcquired = false;
        var refusals = 0;
        while (true)
        {
            var step = await TakeInAsync(live, cancellationToken);
            if (step.Events.Count == 0 && !live.State.HasEnded && live.State.Current is not null)
            {
                if (!isAcquired)
                {
                    // Only once something is about to run: a message that came too late wakes an instance that has ended, and that takes up nothing.
                    hostFacts = await hooks.AcquiredAsync(new(live.Definition, lease.InstanceId, live.State.Started!.Input), cancellationToken);
                    isAcquired = true;
                }

                await RunActivityAsync(live, step, hostFacts, refusals < MaxCommitRefusals, cancellationToken);
            }

            var isAtRest = live.State.HasEnded || live.State.Current is null;
            if (live.State.HasEnded && step.Events.Count > 0)
            {
                step.Changes.AddRange(await hooks.EndingAsync(
                    new(live.Definition, lease.InstanceId, live.State.SubStatus, live.State.Cancellation, live.State.Output, step.At), cancellationToken));
            }

            try
            {
                await CommitAsync(lease, live, step, isAtRest, cancellationToken);
                refusals = 0;
            }
            catch (Exception exception) when (exception is not LeaseLostException and not OperationCanceledException && step.Changes.Count > 0 && refusals < MaxCommitRefusals)
            {
                // The domain refused a change (somebody else changed the row). Nothing was written: read again and let the activity decide anew.
                refusals++;
                logger.LogWarning(exception, "Workflow {InstanceId}: a step was refused at its commit and is decided again ({Refusals} of {MaxRefusals})", lease.InstanceId, refusals, MaxCommitRefusals);
                live.Reset(await store.FindInstanceAsync(live.Stored.Id, cancellationToken) ?? throw new InvalidOperationException($"Workflow instance {live.Stored.Id} vanished."));
                continue;
            }

            if (isAtRest)
            {
                return live.NextDueAt();
            }
        }
    }

    /// <summary>Takes in what arrived from outside: messages and due bookmarks.</summary>
    private async Task<PendingStep> TakeInAsync(LiveInstance live, CancellationToken cancellationToken)
    {
        var step = new PendingStep(time.GetUtcNow());
        if (live.TakeSignal())
        {
            var isKept = false;
            foreach (var message in await store.ReadInboxAsync(live.Stored.Id, cancellationToken))
            {
                if (IsKept(live, message))
                {
                    isKept = true;
                    continue;
                }

                TakeIn(live, step, message);
                step.Consumed.Add(message.Id);
            }

            if (isKept && !live.State.HasEnded)
            {
                // A redrive came after what was kept: that is taken in next.
                live.Signal();
            }
        }

        if (!live.State.HasEnded && live.NextDueAt() <= step.At)
        {
            WakeDue(live, step);
        }

        return step;
    }

    private static void WakeDue(LiveInstance live, PendingStep step)
    {
        foreach (var execution in live.State.Executions.ToList())
        {
            if (!live.State.HasEnded && execution.Bookmarks.Find(b => b.DueAt <= step.At) is { } due)
            {
                Apply(live, step, new BookmarkDue { At = step.At, IsFact = true, ExecutionId = execution.Id, NodeId = execution.NodeId, BookmarkId = due.Id });
            }
        }
    }

    /// <summary>While an incident stops the instance its other branches still wait; what they wait for is kept until a redrive.</summary>
    private static bool IsKept(LiveInstance live, InboxMessage message) =>
        message.Kind == InboxMessageKind.Stimulus
        && live.State.SubStatus == WorkflowSubStatus.Faulted
        && live.State.Executions.Exists(e => e.Bookmarks.Exists(b => b.Key == message.BookmarkKey));

    private static void TakeIn(LiveInstance live, PendingStep step, InboxMessage message)
    {
        switch (message.Kind)
        {
            case InboxMessageKind.Stimulus when !live.State.HasEnded:
                foreach (var execution in live.State.Executions.ToList())
                {
                    if (!live.State.HasEnded && execution.Bookmarks.Find(b => b.Key == message.BookmarkKey) is { } bookmark)
                    {
                        Apply(live, step, new StimulusReceived
                        {
                            At = step.At,
                            IsFact = true,
                            ExecutionId = execution.Id,
                            NodeId = execution.NodeId,
                            BookmarkId = bookmark.Id,
                            Payload = message.Payload,
                            Actor = message.Actor,
                        });
                    }
                }

                break;
            case InboxMessageKind.Cancel when !live.State.HasEnded:
                Apply(live, step, new CancelRequested { At = step.At, IsFact = true, Actor = message.Actor, Reason = message.Reason });
                break;
            case InboxMessageKind.Redrive when live.State.SubStatus == WorkflowSubStatus.Faulted:
                Apply(live, step, new RedriveRequested { At = step.At, IsFact = true, Actor = message.Actor, Reason = message.Reason });
                break;
            default:
                // It came too late to mean anything (the instance ended meanwhile); it is consumed.
                break;
        }
    }

    private async Task RunActivityAsync(LiveInstance live, PendingStep step, object? hostFacts, bool mayChange, CancellationToken cancellationToken)
    {
        var state = live.State;
        var execution = state.Find(state.Current)!;
        var node = live.Interpreter.NodeOf(execution);
        var started = state.Started!;
        var activity = catalog.Resolve(node.Descriptor, services);
        var context = new ActivityExecutionContext(
            live.Stored.Id,
            execution.Id,
            node.NodeId,
            execution.Attempt,
            execution.Inputs,
            execution.Progress,
            execution.Resumed is { } resumed ? new(resumed.Key, resumed.Payload, resumed.Actor) : null,
            time,
            hostFacts,
            new(live.Definition.DefinitionId, live.Definition.Id, live.Definition.Version, started.Actor, started.Reason, started.At, started.CorrelationId),
            IsTrigger(started, node, execution) ? new(started.TriggerPayload) : null);
        try
        {
            if (!mayChange)
            {
                throw new ActivityFaultException("commit.refused", "What this activity wanted to write was refused again and again. The log of the management server says why.", false);
            }

            var result = await activity.ExecuteAsync(context, cancellationToken);
            step.At = time.GetUtcNow();
            step.Changes.AddRange(result.Changes);
            if (result.Bookmarks is { } bookmarks)
            {
                Apply(live, step, new ActivitySuspended { At = step.At, IsFact = true, ExecutionId = execution.Id, NodeId = node.NodeId, Bookmarks = bookmarks, Progress = result.Progress, Notes = result.Notes });
            }
            else
            {
                Apply(live, step, new ActivityCompleted
                {
                    At = step.At,
                    IsFact = true,
                    ExecutionId = execution.Id,
                    NodeId = node.NodeId,
                    Outcomes = result.Outcomes!,
                    Outputs = result.Outputs,
                    Variables = result.Variables,
                    WorkflowOutputs = result.WorkflowOutputs,
                    Cancellation = result.Cancellation,
                    Notes = result.Notes,
                    Ends = result.Ends,
                });
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The node stops or lost the lease: the activity is not over, somebody executes it again.
            throw;
        }
        catch (Exception exception)
        {
            step.At = time.GetUtcNow();
            var fault = activity.DescribeFault(exception);
            var delay = fault.IsTransient ? node.Retry.DelayAfter(execution.Attempt) : null;
            logger.LogWarning(
                exception,
                "Workflow {InstanceId}: activity {NodeId} failed in attempt {Attempt} ({FaultKind}); next attempt in {RetryDelay}",
                live.Stored.Id, node.NodeId, execution.Attempt, fault.Kind, delay);
            Apply(live, step, new ActivityFaulted
            {
                At = step.At,
                IsFact = true,
                ExecutionId = execution.Id,
                NodeId = node.NodeId,
                Fault = fault,
                Attempt = execution.Attempt,
                RetryAt = step.At + delay,
            });
        }
    }

    /// <summary>Executions are numbered: the trigger is the first in its container, or the first of all. Coming back to it later is to wait there.</summary>
    private static bool IsTrigger(InstanceStarted started, Definitions.ActivityNode node, Execution execution) =>
        started.TriggerNodeId == node.NodeId && execution.Id == (node.Parent is null ? "1" : "2");

    private async Task CommitAsync(Lease lease, LiveInstance live, PendingStep step, bool releases, CancellationToken cancellationToken)
    {
        if (step.Events.Count == 0 && !releases && step.Consumed.Count == 0)
        {
            return;
        }

        var row = live.Row(step.At);
        await store.CommitAsync(
            new StepCommit
            {
                Lease = lease,
                Instance = step.Events.Count == 0 ? row with { UpdatedAt = live.Stored.UpdatedAt, FinishedAt = live.Stored.FinishedAt } : row,
                Events = step.Events,
                Bookmarks = step.Events.Count == 0 ? null : live.State.HasEnded && live.State.SubStatus != WorkflowSubStatus.Faulted ? [] : live.Bookmarks(),
                ConsumedInbox = step.Consumed,
                Stimuli = live.State.HasEnded && step.Events.Count > 0 ? [new Stimulus(WorkflowEnded.KeyOf(live.Stored.Id), Actor.System)] : [],
                Changes = step.Changes,
                Releases = releases,
                DueAt = releases ? live.NextDueAt() : null,
                At = step.At,
                LeaseUntil = step.At + options.LeaseDuration,
            },
            cancellationToken);
        live.Stored = row;
    }

    private static void Apply(LiveInstance live, PendingStep step, JournalEvent fact) => live.Interpreter.Apply(live.State, fact, step.Events);

    /// <summary>What the next commit will write.</summary>
    private sealed class PendingStep(DateTimeOffset at)
    {
        public DateTimeOffset At { get; set; } = at;

        public List<JournalEvent> Events { get; } = [];

        public List<IDomainChange> Changes { get; } = [];

        public List<long> Consumed { get; } = [];
    }
}
