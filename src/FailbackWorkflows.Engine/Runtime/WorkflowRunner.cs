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
    WorkflowMetrics metrics,
    ILogger<WorkflowRunner> logger)
{
    private const int MaxCommitRefusals = 5;

    /// <summary>Called when a step that did not end its run has told other instances something.</summary>
    public Action? Told { get; set; }

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
        using var burst = WorkflowTracing.Burst(live, options.Node);
        object? hostFacts = null;
        var isAcquired = false;
        var refusals = 0;
        var refusesRedrive = false;
        while (true)
        {
            var step = await TakeInAsync(live, refusesRedrive, cancellationToken);
            if (step.Events.Count == 0 && !live.State.HasEnded && live.State.Current is not null)
            {
                if (!isAcquired)
                {
                    // Only once something is about to run: a message that came too late wakes an instance that has ended, and that takes up nothing.
                    try
                    {
                        hostFacts = await hooks.AcquiredAsync(new(live.Definition, lease, live.State.Started!.Input), cancellationToken);
                    }
                    catch (WorkflowNotNowException notNow)
                    {
                        logger.LogInformation("Workflow {InstanceId} does not go on now: {Reason}", lease.InstanceId, notNow.Message);
                        await CommitAsync(lease, live, step, releases: true, cancellationToken, notNow.Until);
                        return notNow.Until;
                    }

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
                if (live.State.HasEnded && step.Events.Count > 0)
                {
                    WorkflowTracing.Ended(live);
                    metrics.Ended(live);
                }
            }
            catch (AlreadyRunningException exception)
            {
                // A redrive, and meanwhile another run of a definition that allows one at a time has begun. Nothing was written; the request is let go of.
                logger.LogWarning("Workflow {InstanceId} is not retried: {Reason}", lease.InstanceId, exception.Message);
                refusesRedrive = true;
                live.Reset(await store.FindInstanceAsync(live.Stored.Id, cancellationToken) ?? throw new InvalidOperationException($"Workflow instance {live.Stored.Id} vanished."));
                continue;
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
    private async Task<PendingStep> TakeInAsync(LiveInstance live, bool refusesRedrive, CancellationToken cancellationToken)
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

                if (!refusesRedrive || message.Kind != InboxMessageKind.Redrive)
                {
                    TakeIn(live, step, message);
                }

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

    private void WakeDue(LiveInstance live, PendingStep step)
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

    private void TakeIn(LiveInstance live, PendingStep step, InboxMessage message)
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
            case InboxMessageKind.End when !live.State.HasEnded || live.State.SubStatus == WorkflowSubStatus.Faulted:
                Apply(live, step, new CancelRequested { At = step.At, IsFact = true, Actor = message.Actor, Reason = message.Reason, IsFinal = true });
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
            new(live.Definition.DefinitionId, live.Definition.Id, live.Definition.Version, started.Actor, started.Reason, started.At, state.CorrelationId) { Depth = started.Parent?.Depth ?? 0 },
            IsTrigger(started, node, execution) ? new(started.TriggerPayload) : null)
        {
            Node = node,
        };
        using var span = WorkflowTracing.Step(node, execution);
        var begunAt = time.GetTimestamp();
        var witness = ActivityWitness.Listen();
        try
        {
            if (!mayChange)
            {
                throw new ActivityFaultException("commit.refused", "What this activity wanted to write was refused again and again. The log of the management server says why.", false);
            }

            var result = await activity.ExecuteAsync(context, cancellationToken);
            metrics.Stepped(live.Definition, node.Descriptor.Type, time.GetElapsedTime(begunAt), null);
            step.At = time.GetUtcNow();
            step.Changes.AddRange(result.Changes);
            step.Stimuli = result.Stimuli ?? step.Stimuli;
            Apply(live, step, witness.Told(FactOf(live, node, execution, result, step.At)));
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
            WorkflowTracing.Faulted(span, fault);
            metrics.Stepped(live.Definition, node.Descriptor.Type, time.GetElapsedTime(begunAt), fault);
            var delay = fault.IsTransient ? node.Retry.DelayAfter(execution.Attempt) : null;
            logger.LogWarning(
                exception,
                "Workflow {InstanceId}: activity {NodeId} failed in attempt {Attempt} ({FaultKind}); next attempt in {RetryDelay}",
                live.Stored.Id, node.NodeId, execution.Attempt, fault.Kind, delay);
            Apply(live, step, witness.Told(new ActivityFaulted
            {
                At = step.At,
                IsFact = true,
                ExecutionId = execution.Id,
                NodeId = node.NodeId,
                Fault = fault,
                Attempt = execution.Attempt,
                RetryAt = step.At + delay,
            }));
        }
    }

    /// <summary>What the activity's result is as an event.</summary>
    internal static ActivityEvent FactOf(LiveInstance live, Definitions.ActivityNode node, Execution execution, ActivityResult result, DateTimeOffset at)
    {
        var outputs = Outputs(live.Stored.Id, node, execution, result.Outputs);
        if (node.Ports.Count > 0)
        {
            var ports = (result.Ports ?? []).Where(p => node.Ports.ContainsKey(p.Port)).ToList();
            if (ports.Count > 0 || live.State.HasChildren(execution.Id))
            {
                return new ActivityBranched
                {
                    At = at,
                    IsFact = true,
                    ExecutionId = execution.Id,
                    NodeId = node.NodeId,
                    Ports = ports,
                    Bookmarks = result.Bookmarks,
                    Progress = result.Progress,
                    Outcomes = result.Outcomes,
                    Outputs = outputs,
                    Notes = result.Notes,
                };
            }
        }

        if (result.Bookmarks is { } bookmarks)
        {
            return new ActivitySuspended { At = at, IsFact = true, ExecutionId = execution.Id, NodeId = node.NodeId, Bookmarks = bookmarks, Progress = result.Progress, Notes = result.Notes };
        }

        return new ActivityCompleted
        {
            At = at,
            IsFact = true,
            ExecutionId = execution.Id,
            NodeId = node.NodeId,
            Outcomes = result.Outcomes!,
            Outputs = outputs,
            Variables = result.Variables,
            WorkflowOutputs = result.WorkflowOutputs,
            Cancellation = result.Cancellation,
            Notes = result.Notes,
            Ends = result.Ends,
            InstanceName = result.InstanceName,
            CorrelationId = result.CorrelationId,
        };
    }

    private static IReadOnlyDictionary<string, object?>? Outputs(string instanceId, Definitions.ActivityNode node, Execution execution, IReadOnlyDictionary<string, object?>? outputs)
    {
        if (outputs is null || node.Hidden.Outputs.Count == 0)
        {
            return outputs;
        }

        return outputs.ToDictionary(o => o.Key, o => node.Hidden.Outputs.Contains(o.Key) ? Interpreter.Hide(instanceId, execution.Id, o.Key, o.Value) : o.Value);
    }

    /// <summary>Executions are numbered: the trigger is the first in its container, or the first of all. Coming back to it later is to wait there.</summary>
    private static bool IsTrigger(InstanceStarted started, Definitions.ActivityNode node, Execution execution) =>
        started.TriggerNodeId == node.NodeId && execution.Id == (node.Parent is null ? "1" : "2");

    /// <param name="until">When an instance that is to go on is taken up again; null: by what it waits for itself.</param>
    private async Task CommitAsync(Lease lease, LiveInstance live, PendingStep step, bool releases, CancellationToken cancellationToken, DateTimeOffset? until = null)
    {
        if (step.Events.Count == 0 && !releases && step.Consumed.Count == 0)
        {
            return;
        }

        var row = live.Row(step.At);
        var bookmarks = step.Events.Count == 0 ? null : live.Changed(live.State.HasEnded && live.State.SubStatus != WorkflowSubStatus.Faulted ? [] : live.Bookmarks());
        var begunAt = time.GetTimestamp();
        var tellsOthers = step.Stimuli.Count > 0;
        var commit = new StepCommit
        {
            Lease = lease,
            Instance = step.Events.Count == 0 ? row with { UpdatedAt = live.Stored.UpdatedAt, FinishedAt = live.Stored.FinishedAt } : row,
            Events = step.Events,
            Bookmarks = bookmarks,
            ConsumedInbox = step.Consumed,
            Stimuli = live.State.HasEnded && step.Events.Count > 0 ? [.. step.Stimuli, new Stimulus(WorkflowEnded.KeyOf(live.Stored.Id), Actor.System)] : step.Stimuli,
            Cancels = await FindCancelledChildrenAsync(live, step, cancellationToken),
            Activation = ActivationOf(live, step),
            IsRelabelled = row.Name != live.Stored.Name || row.CorrelationId != live.Stored.CorrelationId,
            Changes = step.Changes,
            Releases = releases,
            DueAt = releases ? until ?? live.NextDueAt() : null,
            At = step.At,
            LeaseUntil = step.At + options.LeaseDuration,
        };
        await store.CommitAsync(commit, cancellationToken);
        metrics.Committed(time.GetElapsedTime(begunAt));
        live.Committed(commit, row);
        if (tellsOthers)
        {
            // It may have told itself.
            live.Signal();
            Told?.Invoke();
        }
    }

    /// <summary>
    /// Runs that what was cancelled had started and waited for. An activity that a dead node was at has not said which those are; they are found by
    /// their start keys.
    /// </summary>
    private async ValueTask<IReadOnlyList<string>> FindCancelledChildrenAsync(LiveInstance live, PendingStep step, CancellationToken cancellationToken)
    {
        List<string>? children = null;
        foreach (var item in step.Events)
        {
            if (item is ActivityCancelled cancelled && live.Definition.Nodes[cancelled.NodeId].Descriptor.CancelsChildren)
            {
                (children ??= []).AddRange(cancelled.Children ?? []);
                if (cancelled.Children is null)
                {
                    var key = BuiltIn.ChildActivity.StartKeyOf(live.Stored.Id, cancelled.ExecutionId);
                    if (await store.FindInstanceByStartKeyAsync(key, cancellationToken) is { } only)
                    {
                        children.Add(only);
                    }

                    for (var i = 0; await store.FindInstanceByStartKeyAsync(BuiltIn.ChildActivity.StartKeyOf(key, i), cancellationToken) is { } one; i++)
                    {
                        children.Add(one);
                    }
                }
            }
        }

        return children is null ? [] : children;
    }

    /// <summary>A run that goes on after an incident counts again.</summary>
    private static Activation? ActivationOf(LiveInstance live, PendingStep step) =>
        live.Definition.Activation != Definitions.ActivationStrategy.AllowAlways && step.Events.Exists(e => e is RedriveRequested)
            ? new(live.Definition.Activation, live.Stored.DefinitionId, live.State.CorrelationId)
            : null;

    private void Apply(LiveInstance live, PendingStep step, JournalEvent fact) => live.Interpreter.Apply(live.State, fact with { WrittenBy = options.Node }, step.Events);

    /// <summary>What the next commit will write.</summary>
    private sealed class PendingStep(DateTimeOffset at)
    {
        public DateTimeOffset At { get; set; } = at;

        public List<JournalEvent> Events { get; } = [];

        public List<IDomainChange> Changes { get; } = [];

        public List<long> Consumed { get; } = [];

        /// <summary>Most steps tell nobody anything.</summary>
        public IReadOnlyList<Stimulus> Stimuli { get; set; } = [];
    }
}
