using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Expressions;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Values;

namespace FailbackWorkflows.Engine.Interpretation;

/// <summary>
/// The deterministic half of the engine: (definition, state, fact) → (state', decisions). It has no clock, does no I/O and draws nothing at
/// random; every time it writes down is the fact's. What activities do happens elsewhere and comes back as facts.
/// </summary>
internal sealed partial class Interpreter(WorkflowDefinition definition, string instanceId)
{
    /// <summary>More activities than this cannot start for one fact: a loop without an activity that runs code would never let go.</summary>
    private const int MaxStartsPerFact = 5_000;

    private static readonly string[] Done = ["Done"];

    private readonly Flowcharts _flowcharts = new();

    /// <summary>Takes in a fact and decides what follows. Appends the fact and all decisions to <paramref name="journal"/>, numbered.</summary>
    public void Apply(InstanceState state, JournalEvent fact, List<JournalEvent> journal)
    {
        var step = new Step(state, fact.At, journal);
        step.Append(fact);
        switch (fact)
        {
            case InstanceStarted started:
                Start(step, started);
                break;
            case ActivityCompleted completed:
                Complete(step, Require(state, completed.ExecutionId), completed);
                break;
            case ActivityFaulted faulted:
                Fault(step, Require(state, faulted.ExecutionId), faulted);
                break;
            case ActivitySuspended suspended:
                Suspend(step, Require(state, suspended.ExecutionId), suspended);
                break;
            case ActivityBranched branched:
                Branch(step, Require(state, branched.ExecutionId), branched);
                break;
            case BookmarkDue due:
                Wake(step, Require(state, due.ExecutionId), due.BookmarkId, null);
                break;
            case StimulusReceived stimulus:
                Wake(step, Require(state, stimulus.ExecutionId), stimulus.BookmarkId, stimulus);
                break;
            case CancelRequested cancel:
                Cancel(step, cancel.IsFinal);
                break;
            case RedriveRequested:
                Redrive(step);
                break;
            default:
                throw new InvalidOperationException($"{fact.GetType().Name} is a decision, not a fact.");
        }

        Advance(step);
    }

    public ActivityNode NodeOf(Execution execution) => definition.Nodes[execution.NodeId];

    private static Execution Require(InstanceState state, string executionId) => state.Find(executionId)
        ?? throw new InvalidOperationException($"There is no activity execution {executionId}.");

    private void Start(Step step, InstanceStarted started)
    {
        step.State.Started = started;
        step.State.SubStatus = WorkflowSubStatus.Executing;
        foreach (var variable in definition.Variables)
        {
            step.State.Variables[variable.Name] = variable.InitialValue;
        }

        Schedule(step, definition.Root, null);
    }

    /// <summary>Runs what can be decided without an activity: starts what is ready until an activity's result is awaited or nothing is left.</summary>
    private void Advance(Step step)
    {
        var state = step.State;
        var starts = 0;
        while (!state.HasEnded && state.Current is null && state.Ready.Count > 0)
        {
            var execution = Require(state, state.Ready[0]);
            state.Ready.RemoveAt(0);
            if (++starts > MaxStartsPerFact)
            {
                FaultInstance(step, execution, new("workflow.endless", "The workflow goes round in a loop in which no activity does anything.", false));
                return;
            }

            if (execution.Phase == ExecutionPhase.Resumed)
            {
                execution.Phase = ExecutionPhase.Running;
                state.Current = execution.Id;
            }
            else
            {
                Begin(step, execution);
            }
        }

        if (state.HasEnded)
        {
            return;
        }

        if (state.Current is not null)
        {
            state.SubStatus = WorkflowSubStatus.Executing;
        }
        else if (state.Executions.Exists(e => e.Phase == ExecutionPhase.Suspended))
        {
            state.SubStatus = WorkflowSubStatus.Suspended;
        }
        else
        {
            // Elsa would leave a suspended instance that nothing can ever wake; here it stops in sight.
            var stuck = state.Executions[^1];
            FaultInstance(step, stuck, new("workflow.stuck", "Nothing can make this workflow go on: a merge waits for a branch that will never come.", false));
        }
    }

    private void Begin(Step step, Execution execution)
    {
        var node = NodeOf(execution);
        var scope = new ScopeOfExecution(definition, step.State, instanceId, execution.Id);
        try
        {
            foreach (var input in node.Inputs)
            {
                try
                {
                    if (PlainValue.From(input.Expression!.Evaluate(scope)) is { } value)
                    {
                        execution.Inputs[input.Descriptor.Name] = value;
                    }
                }
                catch (ExpressionException exception)
                {
                    throw new ExpressionException($"The input '{input.Descriptor.DisplayName}' could not be evaluated: {exception.Message}");
                }
            }
        }
        catch (ExpressionException exception)
        {
            step.Append(Started(step, execution, node));
            execution.Phase = ExecutionPhase.Running;
            var faulted = new ActivityFaulted
            {
                At = step.At,
                ExecutionId = execution.Id,
                NodeId = execution.NodeId,
                Attempt = 1,
                Fault = new("expression", exception.Message, false),
            };
            step.Append(faulted);
            Fault(step, execution, faulted);
            return;
        }

        execution.Phase = ExecutionPhase.Running;
        step.Append(Started(step, execution, node));
        if (node.Variables.Count > 0 || node.Descriptor.Shape == ActivityShape.Composite)
        {
            // What the round of a loop brought along stays in sight.
            execution.Variables ??= new(StringComparer.Ordinal);
            foreach (var variable in node.Variables)
            {
                execution.Variables[variable.Name] = variable.InitialValue;
            }
        }

        switch (node.Descriptor.Shape)
        {
            case ActivityShape.Code:
                step.State.Current = execution.Id;
                break;
            case ActivityShape.Flowchart:
                execution.Tokens = [];
                ScheduleOrComplete(step, execution, TriggerIn(step.State, node) ?? node.Start);
                break;
            case ActivityShape.Sequence:
                ScheduleOrComplete(step, execution, node.Children.Count > 0 ? node.Children[0] : null);
                execution.Next = 1;
                break;
            case ActivityShape.If:
                var isTrue = execution.Inputs.TryGetValue("condition", out var condition) && PlainValue.IsTrue(condition);
                ScheduleOrComplete(step, execution, node.Ports.GetValueOrDefault(isTrue ? "then" : "else"));
                break;
            case ActivityShape.Composite:
                ScheduleOrComplete(step, execution, node.Children.Count > 0 ? node.Children[0] : null);
                break;
            default:
                RunContainer(step, execution, node, begins: true);
                break;
        }
    }

    /// <summary>An instance that a trigger has started begins there, whatever the flowchart's start is.</summary>
    private static ActivityNode? TriggerIn(InstanceState state, ActivityNode flowchart)
    {
        if (state.Started?.TriggerNodeId is not { } trigger)
        {
            return null;
        }

        foreach (var child in flowchart.Children)
        {
            if (child.NodeId == trigger)
            {
                return child;
            }
        }

        return null;
    }

    private ActivityStarted Started(Step step, Execution execution, ActivityNode node) => new()
    {
        At = step.At,
        ExecutionId = execution.Id,
        NodeId = execution.NodeId,
        ParentExecutionId = execution.ParentId,
        ActivityType = node.Descriptor.Type,
        Inputs = execution.Inputs.Count > 0 ? Shown(execution) : null,
    };

    private void ScheduleOrComplete(Step step, Execution container, ActivityNode? child)
    {
        if (child is null)
        {
            CompleteContainer(step, container, Done);
        }
        else
        {
            Schedule(step, child, container);
        }
    }

    private static void Schedule(Step step, ActivityNode node, Execution? parent, Dictionary<string, object?>? variables = null)
    {
        var execution = new Execution
        {
            Id = (++step.State.LastExecution).ToString(System.Globalization.CultureInfo.InvariantCulture),
            NodeId = node.NodeId,
            ParentId = parent?.Id,
            Variables = variables,
        };
        step.State.Executions.Add(execution);
        step.State.Ready.Add(execution.Id);
    }

    private void CompleteContainer(Step step, Execution container, IReadOnlyList<string> outcomes)
    {
        Dictionary<string, object?>? outputs = null;
        if (NodeOf(container) is { Descriptor: { Shape: ActivityShape.Composite, WorkflowDefinitionId: not null } })
        {
            outputs = container.Outputs;
            outcomes = outcomes.Contains(Done[0]) ? outcomes : [.. outcomes, Done[0]];
        }
        else if (NodeOf(container) is { Descriptor.Shape: ActivityShape.Composite } node)
        {
            // The inside's variables are gone with it; the composite's outputs were put aside when it ended.
            outputs = node.Descriptor.Outputs
                .Where(o => container.Variables!.ContainsKey(o.Name))
                .ToDictionary(o => o.Name, o => container.Variables![o.Name], StringComparer.Ordinal);
        }

        var completed = new ActivityCompleted { At = step.At, ExecutionId = container.Id, NodeId = container.NodeId, Outcomes = outcomes, Outputs = outputs };
        step.Append(completed);
        Complete(step, container, completed);
    }

    /// <summary>An execution has ended by itself: its results go where they belong, its container learns of it.</summary>
    private void Complete(Step step, Execution execution, ActivityCompleted completed)
    {
        var state = step.State;
        var node = NodeOf(execution);
        if (completed.Variables is { } variables)
        {
            var scope = new ScopeOfExecution(definition, state, instanceId, execution.Id);
            foreach (var (name, value) in variables)
            {
                scope.SetVariable(name, value);
            }
        }

        if (completed.WorkflowOutputs is { } workflowOutputs)
        {
            foreach (var (name, value) in workflowOutputs)
            {
                SetWorkflowOutput(step, execution, name, value);
            }
        }

        ApplyOutputs(step, execution, node, completed.Outputs);
        state.Name = completed.InstanceName ?? state.Name;
        state.GivenCorrelationId = completed.CorrelationId ?? state.GivenCorrelationId;
        state.Cancellation = completed.Cancellation ?? state.Cancellation;
        HandComposite(step, execution);
        CancelChildren(step, execution);
        Remove(state, execution);
        if (completed.Ends == Ending.Workflow || execution.ParentId is null)
        {
            CancelAll(step);
            Finish(step);
            return;
        }

        var parent = Require(state, execution.ParentId);
        switch (completed.Ends)
        {
            case Ending.Container:
                EndContainer(step, EnclosingFlowchart(state, parent), completed.Outcomes);
                break;
            case Ending.Loop:
                EndContainer(step, EnclosingLoop(state, parent), Done);
                break;
            default:
                ChildCompleted(step, parent, node, completed.Outcomes);
                break;
        }
    }

    private void ApplyOutputs(Step step, Execution execution, ActivityNode node, IReadOnlyDictionary<string, object?>? given)
    {
        var state = step.State;
        if (given is { Count: > 0 } outputs)
        {
            state.Results[node.NodeId] = new(outputs, StringComparer.Ordinal);
            state.LastResult = outputs.GetValueOrDefault("result");
            foreach (var output in node.Outputs)
            {
                if (outputs.TryGetValue(output.Name, out var value))
                {
                    if (output.IsWorkflowOutput)
                    {
                        SetWorkflowOutput(step, execution, output.Target, value);
                    }
                    else
                    {
                        new ScopeOfExecution(definition, state, instanceId, execution.ParentId).SetVariable(output.Target, value);
                    }
                }
            }
        }
    }

    private void EndContainer(Step step, Execution container, IReadOnlyList<string> outcomes)
    {
        CancelChildren(step, container);
        CompleteContainer(step, container, outcomes);
    }

    /// <summary>When the inside of a composite ends, the variables that are the composite's outputs move out to it.</summary>
    private void HandComposite(Step step, Execution inside)
    {
        if (inside.ParentId is { } parentId
            && Require(step.State, parentId) is { } parent
            && NodeOf(parent) is { Descriptor.Shape: ActivityShape.Composite } composite
            && inside.Variables is { } variables)
        {
            foreach (var output in composite.Descriptor.Outputs)
            {
                if (variables.TryGetValue(output.Name, out var value))
                {
                    parent.Variables![output.Name] = value;
                }
            }
        }
    }

    private void ChildCompleted(Step step, Execution container, ActivityNode child, IReadOnlyList<string> outcomes)
    {
        var node = NodeOf(container);
        switch (node.Descriptor.Shape)
        {
            case ActivityShape.Flowchart:
                _flowcharts.ChildCompleted(this, step, container, node, child, outcomes);
                break;
            case ActivityShape.Sequence:
                if (container.Next < node.Children.Count)
                {
                    Schedule(step, node.Children[container.Next++], container);
                }
                else
                {
                    CompleteContainer(step, container, Done);
                }

                break;
            case ActivityShape.Composite:
                CompleteContainer(step, container, outcomes);
                break;
            case ActivityShape.If:
                CompleteContainer(step, container, Done);
                break;
            case ActivityShape.Code:
                PortCompleted(step, container);
                break;
            default:
                RunContainer(step, container, node, begins: false);
                break;
        }
    }

    internal void FlowchartEnded(Step step, Execution container) => CompleteContainer(step, container, Done);

    internal void CancelChild(Step step, Execution execution)
    {
        CancelChildren(step, execution);
        CancelExecution(step, execution);
    }

    private void Suspend(Step step, Execution execution, ActivitySuspended suspended)
    {
        execution.Phase = ExecutionPhase.Suspended;
        execution.Progress = suspended.Progress;
        execution.Attempt = 1;
        step.State.Current = null;
        AddBookmarks(step, execution, suspended.Bookmarks);
    }

    private static void AddBookmarks(Step step, Execution execution, IReadOnlyList<BookmarkRequest> requests)
    {
        execution.Bookmarks =
        [
            .. requests.Select(r => new Bookmark(
                (++step.State.LastBookmark).ToString(System.Globalization.CultureInfo.InvariantCulture), r.Name, r.Key, r.DueAt, r.RunsAgain, step.At)),
        ];
    }

    private void Wake(Step step, Execution execution, string bookmarkId, StimulusReceived? stimulus)
    {
        var bookmark = execution.Bookmarks.Find(b => b.Id == bookmarkId)
            ?? throw new InvalidOperationException($"There is no bookmark {bookmarkId}.");
        execution.Bookmarks = [];
        if (execution.Attempt == 1)
        {
            // The timer of a retry wakes nothing new: the activity tries again what woke it first.
            execution.Resumed = new(bookmark.Key, stimulus?.Payload, stimulus?.Actor);
        }

        if (bookmark.RunsAgain)
        {
            execution.Phase = ExecutionPhase.Resumed;
            step.State.Ready.Add(execution.Id);
            return;
        }

        var completed = new ActivityCompleted
        {
            At = step.At,
            ExecutionId = execution.Id,
            NodeId = execution.NodeId,
            Outcomes = Done,
            Outputs = stimulus is null ? null : new Dictionary<string, object?> { ["result"] = PlainValue.From(stimulus.Payload) },
        };
        step.Append(completed);
        Complete(step, execution, completed);
    }

    private void Fault(Step step, Execution execution, ActivityFaulted faulted)
    {
        var state = step.State;
        if (state.Current == execution.Id)
        {
            state.Current = null;
        }

        if (faulted.RetryAt is { } retryAt)
        {
            execution.Phase = ExecutionPhase.Suspended;
            execution.Attempt = faulted.Attempt + 1;
            AddBookmarks(step, execution, [new("Retry", null, retryAt, RunsAgain: true)]);
            return;
        }

        // The nearest activity, from the failed one outwards, that has its Failed port connected takes the run along that port. Past the point
        // of no return only the failed activity's own port counts: a port further out is the way back.
        for (var candidate = execution; candidate is not null; candidate = state.Find(candidate.ParentId))
        {
            if (candidate != execution && state.Cancellation == CancellationMode.Refuse)
            {
                break;
            }

            if (NodeOf(candidate).Outbound.Any(c => c.Port == FlowNodeAttribute.Failed))
            {
                CancelChildren(step, candidate);
                var completed = new ActivityCompleted
                {
                    At = step.At,
                    ExecutionId = candidate.Id,
                    NodeId = candidate.NodeId,
                    Outcomes = [FlowNodeAttribute.Failed],
                    Outputs = new Dictionary<string, object?> { ["failure"] = faulted.Fault.Message },
                    Fault = faulted.Fault,
                };
                step.Append(completed);
                Complete(step, candidate, completed);
                return;
            }
        }

        if (definition.Incidents == IncidentStrategy.ContinueWithIncidents)
        {
            StopBranch(step, execution, faulted.Fault);
            return;
        }

        FaultInstance(step, execution, faulted.Fault);
    }

    private void FaultInstance(Step step, Execution execution, ActivityFault fault)
    {
        // A redrive replaces the execution, so nothing may be left that belongs to it.
        CancelChildren(step, execution);
        execution.Phase = ExecutionPhase.Faulted;
        step.State.Incidents.Add(new(execution.Id, execution.NodeId, fault, step.At));
        step.State.SubStatus = WorkflowSubStatus.Faulted;
        step.Append(new InstanceFaulted { At = step.At, ExecutionId = execution.Id, NodeId = execution.NodeId, Fault = fault });
    }

    private void Cancel(Step step, bool isFinal)
    {
        var state = step.State;
        if (isFinal)
        {
            state.IsCancelling = true;
            CancelAll(step);
            Finish(step);
            return;
        }

        if (state.Cancellation == CancellationMode.Refuse || (state.IsCancelling && state.Cancellation == CancellationMode.Undo))
        {
            step.Append(new CancelRefused { At = step.At });
            return;
        }

        state.IsCancelling = true;
        var root = state.Executions.Find(e => e.ParentId is null);
        if (state.Cancellation == CancellationMode.Undo && definition.CancelHandler is { } handler && root is not null)
        {
            CancelChildren(step, root);
            root.Tokens = [];
            Schedule(step, handler, root);
            state.SubStatus = WorkflowSubStatus.Executing;
            return;
        }

        CancelAll(step);
        Finish(step);
    }

    private void Redrive(Step step)
    {
        var state = step.State;
        state.SubStatus = WorkflowSubStatus.Executing;
        foreach (var faulted in state.Executions.Where(e => e.Phase == ExecutionPhase.Faulted).ToList())
        {
            // A new execution of the same activity: new idempotency keys, inputs evaluated anew.
            var again = new Execution
            {
                Id = (++state.LastExecution).ToString(System.Globalization.CultureInfo.InvariantCulture),
                NodeId = faulted.NodeId,
                ParentId = faulted.ParentId,

                // The variables of its round, if it is the body of a loop; its own begin anew.
                Variables = faulted.Variables,
            };
            Remove(state, faulted);
            state.Executions.Add(again);
            state.Ready.Insert(0, again.Id);
        }
    }

    private void Finish(Step step)
    {
        step.State.SubStatus = step.State.IsCancelling ? WorkflowSubStatus.Cancelled : WorkflowSubStatus.Finished;
        step.Append(new InstanceFinished
        {
            At = step.At,
            SubStatus = step.State.SubStatus,
            Output = step.State.Output.Count > 0 ? new Dictionary<string, object?>(step.State.Output, StringComparer.Ordinal) : null,
        });
    }

    private void CancelAll(Step step)
    {
        foreach (var root in step.State.Executions.Where(e => e.ParentId is null).ToList())
        {
            CancelChild(step, root);
        }
    }

    private void CancelChildren(Step step, Execution execution)
    {
        for (var i = step.State.Executions.Count - 1; i >= 0; i--)
        {
            // Cancelling a child can remove others behind it; the index is checked again each time.
            if (i < step.State.Executions.Count && step.State.Executions[i].ParentId == execution.Id)
            {
                CancelChild(step, step.State.Executions[i]);
            }
        }
    }

    private void CancelExecution(Step step, Execution execution)
    {
        if (execution.Phase != ExecutionPhase.Scheduled)
        {
            step.Append(new ActivityCancelled { At = step.At, ExecutionId = execution.Id, NodeId = execution.NodeId, Children = ChildrenOf(execution) });
        }

        Remove(step.State, execution);
    }

    private static void Remove(InstanceState state, Execution execution)
    {
        state.Executions.Remove(execution);
        state.Ready.Remove(execution.Id);

        // Whoever still holds the execution must not wake it any more.
        execution.Bookmarks = [];
        if (state.Current == execution.Id)
        {
            state.Current = null;
        }
    }
}

/// <summary>One application of a fact: the state it changes and the journal it writes, with the fact's time.</summary>
internal sealed class Step(InstanceState state, DateTimeOffset at, List<JournalEvent> journal)
{
    public InstanceState State => state;

    public DateTimeOffset At => at;

    public void Append(JournalEvent item)
    {
        item.Sequence = ++state.Sequence;
        journal.Add(item);
    }
}
