using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Journal;

namespace FailbackWorkflows.Engine.BuiltIn;

/// <summary>Marks where a flowchart starts.</summary>
[Activity("Elsa.Start", Category = "Flow", Description = "Marks where a flowchart starts.", IsStart = true)]
[Rehearsal(RehearsalMode.Executes)]
internal sealed class Start : CodeActivity
{
    protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken) =>
        ValueTask.FromResult(ActivityResult.Completed());
}

/// <summary>Ends the enclosing flowchart.</summary>
[Activity("Elsa.End", Category = "Flow", Description = "Ends the enclosing flowchart.", IsTerminal = true)]
[Rehearsal(RehearsalMode.Executes)]
internal sealed class End : CodeActivity
{
    protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken) =>
        ValueTask.FromResult(ActivityResult.Completed().EndingContainer());
}

/// <summary>Ends the enclosing composite with outcomes.</summary>
[Activity("Elsa.Complete", Category = "Flow", Description = "Ends the enclosing container with the given outcomes.", IsTerminal = true)]
[Rehearsal(RehearsalMode.Executes)]
internal sealed class Complete : CodeActivity
{
    /// <summary>One outcome or a list of them.</summary>
    [Input(Description = "One outcome or a list of them.")]
    public Input<object>? Outcomes { get; init; }

    protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        string[] outcomes = context.GetOrDefault(Outcomes) switch
        {
            string one => [one],
            IReadOnlyList<object?> many => [.. many.OfType<string>()],
            _ => [],
        };
        return ValueTask.FromResult(ActivityResult.Completed(outcomes).EndingContainer());
    }
}

/// <summary>Ends the workflow at once.</summary>
[Activity("Elsa.Finish", Category = "Flow", Description = "Ends the workflow at once.", IsTerminal = true)]
[Rehearsal(RehearsalMode.Executes)]
internal sealed class Finish : CodeActivity
{
    protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken) =>
        ValueTask.FromResult(ActivityResult.Completed().EndingWorkflow());
}

/// <summary>Leaves by True or False.</summary>
[Activity("Elsa.FlowDecision", DisplayName = "Decision", Category = "Branching", Description = "Leaves by True or False.")]
[FlowNode("True", "False")]
[Rehearsal(RehearsalMode.Executes)]
internal sealed class FlowDecision : CodeActivity
{
    [Input(Description = "Which way to go.")]
    public required Input<object> Condition { get; init; }

    protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken) =>
        ValueTask.FromResult(ActivityResult.Completed(Values.PlainValue.IsTrue(context.GetOrDefault(Condition)) ? "True" : "False"));
}

/// <summary>Leaves by the label of a matching case.</summary>
internal sealed class FlowSwitch : CodeActivity
{
    public Input<FlowSwitchBranches>? Cases { get; init; }

    public Input<string>? Mode { get; init; }

    protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var labels = context.GetOrDefault(Cases)?.Labels ?? [];
        string[] outcomes = labels.Count == 0 ? ["Default"]
            : string.Equals(context.GetOrDefault(Mode), "MatchAny", StringComparison.OrdinalIgnoreCase) ? [.. labels]
            : [labels[0]];
        return ValueTask.FromResult(ActivityResult.Completed(outcomes));
    }
}

/// <summary>Stops the workflow with a fault.</summary>
[Activity("Elsa.Fault", Category = "Flow", Description = "Stops the workflow with a fault.", IsTerminal = true)]
[Rehearsal(RehearsalMode.Executes)]
internal sealed class Fault : CodeActivity
{
    [Input(Description = "A stable word for the fault.")]
    public Input<string>? Code { get; init; }

    [Input(Description = "A sentence for the operator.")]
    public Input<string>? Message { get; init; }

    protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken) =>
        throw new ActivityFaultException(context.GetOrDefault(Code) ?? "fault", context.GetOrDefault(Message) ?? "The workflow was stopped by a Fault activity.", false);
}

/// <summary>Ends the loop around it.</summary>
[Activity("Elsa.Break", Category = "Looping", Description = "Ends the loop around it.", IsTerminal = true)]
[Rehearsal(RehearsalMode.Executes)]
internal sealed class Break : CodeActivity
{
    protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken) =>
        ValueTask.FromResult(ActivityResult.Completed().EndingLoop());
}

/// <summary>Leaves by every branch at once.</summary>
[Activity("Elsa.FlowFork", DisplayName = "Fork (flow)", Category = "Branching", Description = "Leaves by all its branches, which go on side by side.")]
[FlowNode(OutcomesFromInput = "branches")]
[Rehearsal(RehearsalMode.Executes)]
internal sealed class FlowFork : CodeActivity
{
    [Input(Description = "Names of the branches.", UIHint = "dynamic-outcomes")]
    public Input<IReadOnlyList<string>>? Branches { get; init; }

    protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken) =>
        ValueTask.FromResult(ActivityResult.Completed([.. context.GetOrDefault(Branches) ?? []]));
}

/// <summary>Where branches of a flowchart meet. How it waits is its merge mode, which the reader makes of its mode.</summary>
[Activity("Elsa.FlowJoin", DisplayName = "Join (flow)", Category = "Branching", Description = "Waits for the branches that lead to it.")]
[Rehearsal(RehearsalMode.Executes)]
internal sealed class FlowJoin : CodeActivity
{
    [Input(Description = "WaitAny: the first branch goes on and ends the others. WaitAll: every branch has to come. WaitAllActive: every branch that was taken.", UIHint = "dropdown", DefaultValue = "WaitAny", Options = ["WaitAny", "WaitAll", "WaitAllActive"])]
    public Input<string>? Mode { get; init; }

    protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken) =>
        ValueTask.FromResult(ActivityResult.Completed());
}
