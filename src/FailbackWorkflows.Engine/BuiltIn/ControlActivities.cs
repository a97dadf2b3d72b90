using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Journal;

namespace FailbackWorkflows.Engine.BuiltIn;

/// <summary>Marks where a flowchart starts.</summary>
[Activity("Elsa.Start", Category = "Flow", Description = "Marks where a flowchart starts.")]
[Rehearsal(RehearsalMode.Executes)]
internal sealed class Start : CodeActivity
{
    protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken) =>
        ValueTask.FromResult(ActivityResult.Completed());
}

/// <summary>Ends the enclosing flowchart.</summary>
[Activity("Elsa.End", Category = "Flow", Description = "Ends the enclosing flowchart.")]
[Rehearsal(RehearsalMode.Executes)]
internal sealed class End : CodeActivity
{
    protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken) =>
        ValueTask.FromResult(ActivityResult.Completed().EndingContainer());
}

/// <summary>Ends the enclosing composite with outcomes.</summary>
[Activity("Elsa.Complete", Category = "Flow", Description = "Ends the enclosing container with the given outcomes.")]
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
[Activity("Elsa.Finish", Category = "Flow", Description = "Ends the workflow at once.")]
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
[Activity("Elsa.Fault", Category = "Flow", Description = "Stops the workflow with a fault.")]
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

/// <summary>Waits for an event.</summary>
[Activity("Elsa.Event", Category = "Events", Description = "Waits until an event of this name is published.")]
internal sealed class Event : CodeActivity
{
    [Input(DisplayName = "Event name", Description = "Name of the event.")]
    public required Input<string> EventName { get; init; }

    [Output(Description = "What came with the event.")]
    public Output<object>? Result { get; init; }

    protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken) =>
        ValueTask.FromResult(ActivityResult.Suspended(null, new BookmarkRequest("Event", $"Event:{context.Get(EventName)}", null, RunsAgain: false)));
}

/// <summary>Waits for a time.</summary>
[Activity("Elsa.Delay", Category = "Scheduling", Description = "Waits for a time.")]
[Rehearsal(RehearsalMode.PassesOver)]
internal sealed class Delay : CodeActivity
{
    [Input(DisplayName = "Time span", Description = "How long to wait, e.g. 00:10:00.", DefaultValue = "00:00:01")]
    public required Input<TimeSpan> TimeSpan { get; init; }

    protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken) =>
        ValueTask.FromResult(ActivityResult.Suspended(null, new BookmarkRequest("Delay", null, context.Time.GetUtcNow() + context.GetOrDefault(TimeSpan), RunsAgain: false)));
}
