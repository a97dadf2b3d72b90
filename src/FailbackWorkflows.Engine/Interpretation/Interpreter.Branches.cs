using System.Security.Cryptography;
using System.Text;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Expressions;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Values;

namespace FailbackWorkflows.Engine.Interpretation;

/// <summary>Branches, loops and ports; how a branch ends before its time; what the journal shows.</summary>
internal sealed partial class Interpreter
{
    /// <summary>Runs made by an activity that waits for them are kept in its progress under this name.</summary>
    internal const string ChildrenInProgress = "children";

    public static bool HasChildren(Step step, Execution container) => step.State.HasChildren(container.Id);

    internal void ScheduleIn(Step step, Execution container, ActivityNode child, Dictionary<string, object?>? variables = null) => Schedule(step, child, container, variables);

    /// <summary>An input evaluated anew, as a loop does before each round.</summary>
    internal object? Evaluate(Step step, Execution execution, ActivityNode node, string input)
    {
        foreach (var candidate in node.Inputs)
        {
            if (candidate.Descriptor.Name == input)
            {
                try
                {
                    return PlainValue.From(candidate.Expression!.Evaluate(new ScopeOfExecution(definition, step.State, instanceId, execution.Id)));
                }
                catch (ExpressionException exception)
                {
                    throw new RoundException("expression", $"The input '{candidate.Descriptor.DisplayName}' could not be evaluated: {exception.Message}");
                }
            }
        }

        return null;
    }

    /// <summary>Puts an output of a container that still runs where the definition wants it.</summary>
    internal void Capture(Step step, Execution execution, ActivityNode node, string output, object? value)
    {
        if (node.Outputs.Count > 0)
        {
            ApplyOutputs(step, execution, node, new Dictionary<string, object?> { [output] = value });
        }
    }

    internal void FlowchartStuck(Step step, Execution flowchart, ActivityNode waiting)
    {
        var fault = new ActivityFault("workflow.stuck", $"'{waiting.DisplayText}' waits for a branch that will never come.", false);
        if (definition.Incidents == IncidentStrategy.ContinueWithIncidents)
        {
            step.State.Incidents.Add(new(flowchart.Id, flowchart.NodeId, fault, step.At));
            CompleteContainer(step, flowchart, Done);
            return;
        }

        FaultContainer(step, flowchart, fault);
    }

    /// <summary>A container begins or goes on; it completes when it has nothing to run, and a fault of it is a fault like any other.</summary>
    private void RunContainer(Step step, Execution container, ActivityNode node, bool begins)
    {
        bool isGoingOn;
        try
        {
            isGoingOn = begins ? Containers.Begin(this, step, container, node) : Containers.GoesOn(this, step, container, node);
        }
        catch (RoundException exception)
        {
            FaultContainer(step, container, exception.Fault);
            return;
        }

        if (isGoingOn)
        {
            return;
        }

        if (container.HasStopped && !Containers.IsWaitAny(container, node))
        {
            StopContainer(step, container);
            return;
        }

        EndContainer(step, container, Done);
    }

    private void FaultContainer(Step step, Execution container, ActivityFault fault)
    {
        var faulted = new ActivityFaulted { At = step.At, ExecutionId = container.Id, NodeId = container.NodeId, Attempt = 1, Fault = fault };
        step.Append(faulted);
        Fault(step, container, faulted);
    }

    /// <summary>The activity's code has run; what it holds in the ports runs now.</summary>
    private void Branch(Step step, Execution execution, ActivityBranched branched)
    {
        var node = NodeOf(execution);
        execution.Phase = branched.Bookmarks is null ? ExecutionPhase.Running : ExecutionPhase.Suspended;
        execution.Progress = branched.Progress;
        execution.Attempt = 1;
        execution.Outcomes = branched.Outcomes;
        step.State.Current = null;
        ApplyOutputs(step, execution, node, branched.Outputs);
        AddBookmarks(step, execution, branched.Bookmarks ?? []);
        foreach (var entered in branched.Ports)
        {
            if (node.Ports.TryGetValue(entered.Port, out var activity))
            {
                Schedule(step, activity, execution, entered.Variables is { } variables ? new(variables, StringComparer.Ordinal) : null);
            }
        }

        PortCompleted(step, execution);
    }

    /// <summary>An activity in a port has ended. The last one completes the activity, unless that still waits itself.</summary>
    private void PortCompleted(Step step, Execution execution)
    {
        if (execution.Outcomes is not { } outcomes || HasChildren(step, execution))
        {
            return;
        }

        if (execution.HasStopped)
        {
            StopContainer(step, execution);
            return;
        }

        var completed = new ActivityCompleted { At = step.At, ExecutionId = execution.Id, NodeId = execution.NodeId, Outcomes = outcomes };
        step.Append(completed);
        Complete(step, execution, completed);
    }

    /// <summary>An incident ends its branch and nothing else. What follows the activity does not run.</summary>
    private void StopBranch(Step step, Execution execution, ActivityFault fault)
    {
        step.State.Incidents.Add(new(execution.Id, execution.NodeId, fault, step.At));
        CancelChildren(step, execution);
        Remove(step.State, execution);
        Stopped(step, execution);
    }

    private void Stopped(Step step, Execution stopped)
    {
        if (step.State.Find(stopped.ParentId) is not { } parent)
        {
            CancelAll(step);
            Finish(step);
            return;
        }

        var node = NodeOf(parent);
        switch (node.Descriptor.Shape)
        {
            case ActivityShape.Flowchart:
                // The other branches go on; the flowchart completes when they have.
                _flowcharts.ChildCompleted(this, step, parent, node, NodeOf(stopped), []);
                break;
            case ActivityShape.Fork or ActivityShape.Parallel or ActivityShape.ParallelForEach or ActivityShape.Switch:
                parent.HasStopped = true;
                if (!HasChildren(step, parent))
                {
                    StopContainer(step, parent);
                }

                break;
            case ActivityShape.Code:
                parent.HasStopped = true;
                PortCompleted(step, parent);
                break;
            default:
                StopContainer(step, parent);
                break;
        }
    }

    private void StopContainer(Step step, Execution container)
    {
        CancelChild(step, container);
        Stopped(step, container);
    }

    /// <summary>What a Complete or End ends: the nearest flowchart, else the outermost container of the composite or workflow.</summary>
    private Execution EnclosingFlowchart(InstanceState state, Execution container)
    {
        while (NodeOf(container).Descriptor.Shape != ActivityShape.Flowchart
            && state.Find(container.ParentId) is { } outer
            && NodeOf(outer).Descriptor.Shape != ActivityShape.Composite)
        {
            container = outer;
        }

        return container;
    }

    /// <summary>The reader has made sure that there is one.</summary>
    private Execution EnclosingLoop(InstanceState state, Execution container)
    {
        while (!Containers.IsLoop(NodeOf(container).Descriptor.Shape) && state.Find(container.ParentId) is { } outer)
        {
            container = outer;
        }

        return container;
    }

    /// <summary>Inside a workflow used as an activity its outputs are those of the activity.</summary>
    private void SetWorkflowOutput(Step step, Execution execution, string name, object? value)
    {
        for (var outer = step.State.Find(execution.ParentId); outer is not null; outer = step.State.Find(outer.ParentId))
        {
            if (NodeOf(outer).Descriptor.WorkflowDefinitionId is not null)
            {
                (outer.Outputs ??= new(StringComparer.Ordinal))[name] = value;
                return;
            }
        }

        step.State.Output[name] = value;
    }

    /// <summary>Runs it started that are to end with it.</summary>
    private List<string>? ChildrenOf(Execution execution) =>
        NodeOf(execution).Descriptor.CancelsChildren
        && execution.Progress is IReadOnlyDictionary<string, object?> progress
        && progress.GetValueOrDefault(ChildrenInProgress) is IReadOnlyList<object?> { Count: > 0 } children
            ? [.. children.OfType<string>()]
            : null;

    /// <summary>
    /// Inputs as the journal shows them. Instead of one that is hidden it shows a hash: whoever folds the journal evaluates the input again
    /// and comes to the same hash, so the history stays provable without the value.
    /// </summary>
    internal Dictionary<string, object?> Shown(Execution execution)
    {
        var hidden = NodeOf(execution).Hidden.Inputs;
        if (hidden.Count == 0)
        {
            return execution.Inputs;
        }

        var shown = new Dictionary<string, object?>(execution.Inputs, StringComparer.Ordinal);
        foreach (var name in hidden)
        {
            if (shown.TryGetValue(name, out var value))
            {
                shown[name] = Hide(instanceId, execution.Id, name, value);
            }
        }

        return shown;
    }

    /// <summary>What is shown instead of a hidden value; the same for the same value only within one execution.</summary>
    internal static string Hide(string instanceId, string executionId, string name, object? value) =>
        $"(not shown, sha256 {Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{instanceId}/{executionId}/{name}/{PlainValue.ToJson(value)}")))[..16]})";
}
