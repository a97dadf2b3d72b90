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
