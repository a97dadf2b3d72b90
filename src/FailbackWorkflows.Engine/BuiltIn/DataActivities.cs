using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Values;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Engine.BuiltIn;

/// <summary>Sets a variable.</summary>
[Activity("Elsa.SetVariable", Category = "Primitives", Description = "Sets a variable.")]
[Rehearsal(RehearsalMode.Executes)]
internal sealed class SetVariable : CodeActivity
{
    [Input(Description = "The variable to set.", UIHint = "variable-picker")]
    public required Input<VariableReference> Variable { get; init; }

    [Input(Description = "Its new value.")]
    public Input<object>? Value { get; init; }

    protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken) =>
        ValueTask.FromResult(ActivityResult.Completed().WithVariable(context.Get(Variable).Name, context.GetOrDefault(Value)));
}

/// <summary>Sets an output of the workflow.</summary>
[Activity("Elsa.SetOutput", Category = "Primitives", Description = "Sets an output of the workflow.")]
[Rehearsal(RehearsalMode.Executes)]
internal sealed class SetOutput : CodeActivity
{
    [Input(DisplayName = "Output", Description = "Name of the workflow output.")]
    public required Input<string> OutputName { get; init; }

    [Input(DisplayName = "Value", Description = "Its value.")]
    public Input<object>? OutputValue { get; init; }

    protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken) =>
        ValueTask.FromResult(ActivityResult.Completed().WithWorkflowOutput(context.Get(OutputName), context.GetOrDefault(OutputValue)));
}

/// <summary>Names the run.</summary>
[Activity("Elsa.SetName", DisplayName = "Set name", Category = "Primitives", Description = "Gives the run a name.")]
[Rehearsal(RehearsalMode.Executes)]
internal sealed class SetName : CodeActivity
{
    [Input(Description = "The name, up to 200 characters.")]
    public required Input<string> Value { get; init; }

    protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken) =>
        ValueTask.FromResult(ActivityResult.Completed().NamingInstance(Label.Of(context.Get(Value), "name")));
}

/// <summary>Gives the run a correlation id.</summary>
[Activity("Elsa.Correlate", Category = "Primitives", Description = "Gives the run a correlation id, by which it is found and events reach it.")]
[Rehearsal(RehearsalMode.Executes)]
internal sealed class Correlate : CodeActivity
{
    [Input(DisplayName = "Correlation id", Description = "The correlation id, up to 200 characters.")]
    public required Input<string> CorrelationId { get; init; }

    protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken) =>
        ValueTask.FromResult(ActivityResult.Completed().Correlating(Label.Of(context.Get(CorrelationId), "correlation id")));
}

/// <summary>Texts that go into a column of the list of runs.</summary>
internal static class Label
{
    private const int Most = 200;

    public static string Of(string text, string what) => text.Length is > 0 and <= Most
        ? text
        : throw new ActivityFaultException("input.invalid", $"A {what} has 1 to {Most} characters; this one has {text.Length}.", false);
}

/// <summary>Writes a line to the server's log.</summary>
[Activity("Elsa.WriteLine", DisplayName = "Write line", Category = "Primitives", Description = "Writes a line to the server's log.")]
[Rehearsal(RehearsalMode.PassesOver)]
internal sealed class WriteLine(ILogger<WriteLine> logger) : CodeActivity
{
    [Input(Description = "The text.")]
    public required Input<object> Text { get; init; }

    protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        if (logger.IsEnabled(LogLevel.Information))
        {
            logger.LogInformation("Workflow {InstanceId} says: {Text}", context.InstanceId, PlainValue.ToText(context.GetOrDefault(Text)));
        }

        return ValueTask.FromResult(ActivityResult.Completed());
    }
}
