using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Interpretation;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Values;

namespace FailbackWorkflows.Engine.BuiltIn;

/// <summary>
/// Starts other runs. A child has a start key made of this execution, so that executing again after a crash finds the child instead of starting
/// another one. Children that are waited for end with their parent: when it is cancelled, they are asked to cancel in the same commit.
/// </summary>
internal abstract class ChildActivity(IWorkflowRuntime runtime) : CodeActivity
{
    /// <summary>Runs started inside one another; more is a loop of definitions that start each other.</summary>
    private const int MostDepth = 20;

    private const string FailedInProgress = "failed";

    protected IWorkflowRuntime Runtime => runtime;

    /// <summary>Start key of the only child of an execution.</summary>
    internal static string StartKeyOf(string instanceId, string executionId) => $"{instanceId}/{executionId}/child";

    /// <summary>Start key of one of several children.</summary>
    internal static string StartKeyOf(string only, int index) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{only}/{index}");

    protected async ValueTask<string> StartAsync(
        ActivityExecutionContext context, string definitionId, IReadOnlyDictionary<string, object?> input, string? correlationId, int? index, CancellationToken cancellationToken)
    {
        if (context.Run.Depth >= MostDepth)
        {
            throw new ActivityFaultException("child.tooDeep", $"Workflows start one another more than {MostDepth} deep; this looks like a loop.", false);
        }

        try
        {
            var started = await runtime.StartAsync(
                new StartWorkflow(definitionId, context.Run.StartedBy)
                {
                    Input = input,
                    StartKey = index is { } one ? StartKeyOf(StartKeyOf(context.InstanceId, context.ExecutionId), one) : StartKeyOf(context.InstanceId, context.ExecutionId),
                    CorrelationId = correlationId,
                    Reason = $"Started by '{context.Run.DefinitionId}' ({context.InstanceId})",
                    Parent = new(context.InstanceId, context.ExecutionId, context.Run.Depth + 1),
                },
                cancellationToken);
            return started.InstanceId;
        }
        catch (WorkflowRefusedException refusal)
        {
            throw new ActivityFaultException("child.refused", $"The workflow '{definitionId}' could not be started: {refusal.Message}", false, refusal);
        }
    }

    protected static ActivityResult WaitFor(IReadOnlyList<string> children, string next, int failed = 0) => ActivityResult.Suspended(
        new Dictionary<string, object?> { [Interpreter.ChildrenInProgress] = children.Cast<object?>().ToList(), [FailedInProgress] = failed },
        new BookmarkRequest("Child", WorkflowEnded.KeyOf(next), null, RunsAgain: true));

    protected static IReadOnlyList<string>? ChildrenIn(object? progress) =>
        progress is IReadOnlyDictionary<string, object?> map && map.GetValueOrDefault(Interpreter.ChildrenInProgress) is IReadOnlyList<object?> children ? [.. children.OfType<string>()] : null;

    /// <summary>Children that had not finished well when the activity last looked.</summary>
    protected static int FailedIn(object? progress) =>
        progress is IReadOnlyDictionary<string, object?> map && map.GetValueOrDefault(FailedInProgress) is long failed ? (int)failed : 0;

    /// <summary>The outputs of a child that has finished; null while it runs. A child that did not finish is a fault of its parent.</summary>
    protected async ValueTask<IReadOnlyDictionary<string, object?>?> ResultAsync(string childId, CancellationToken cancellationToken)
    {
        if (await runtime.FindAsync(childId, cancellationToken) is not { } child)
        {
            throw new ActivityFaultException("child.gone", $"The run {childId} is no longer there.", false);
        }

        return child.SubStatus switch
        {
            WorkflowSubStatus.Finished => child.Output,
            WorkflowSubStatus.Faulted => throw new ActivityFaultException("child.faulted", $"The run {childId} of '{child.DefinitionId}' was stopped by an incident: {child.Incidents.LastOrDefault()?.Fault.Message}", false),
            WorkflowSubStatus.Cancelled => throw new ActivityFaultException("child.cancelled", $"The run {childId} of '{child.DefinitionId}' was cancelled.", false),
            _ => null,
        };
    }

    protected static IReadOnlyDictionary<string, object?> MapOf(object? input) => input switch
    {
        null => new Dictionary<string, object?>(),
        IReadOnlyDictionary<string, object?> map => map,
        string { Length: 0 } => new Dictionary<string, object?>(),
        string text when text.TrimStart().StartsWith('{') && Parsed(text) is { } map => map,
        _ => throw new ActivityFaultException("input.invalid", "The input for the workflow is no object, such as { \"name\": 1 }.", false),
    };

    private static IReadOnlyDictionary<string, object?>? Parsed(string text)
    {
        try
        {
            return PlainValue.Parse(text) as IReadOnlyDictionary<string, object?>;
        }
        catch (System.Text.Json.JsonException)
        {
            return null;
        }
    }
}

/// <summary>Runs another workflow and waits for its end.</summary>
[Activity("Elsa.ExecuteWorkflow", DisplayName = "Execute workflow", Category = "Composition", Description = "Runs another workflow and waits for its end. Its outputs are the result.")]
[FlowNode("Done", FlowNodeAttribute.Failed)]
internal sealed class ExecuteWorkflow(IWorkflowRuntime runtime) : ChildActivity(runtime)
{
    [Input(DisplayName = "Workflow", Description = "The published workflow to run.", UIHint = "workflow-definition-picker")]
    public required Input<string> WorkflowDefinitionId { get; init; }

    [Input(DisplayName = "Correlation id", Description = "Correlation id of the run.")]
    public Input<string>? CorrelationId { get; init; }

    [Input(Description = "Its inputs by name.", UIHint = "json-editor")]
    public Input<object>? Input { get; init; }

    [Output(Description = "Its outputs by name.")]
    public Output<object?>? Result { get; init; }

    protected internal override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var child = ChildrenIn(context.Progress)?.FirstOrDefault()
            ?? await StartAsync(context, context.Get(WorkflowDefinitionId), MapOf(context.GetOrDefault(Input)), context.GetOrDefault(CorrelationId), null, cancellationToken);
        return await ResultAsync(child, cancellationToken) is { } output ? ActivityResult.Completed().With(Result, output) : WaitFor([child], child);
    }
}

/// <summary>Starts another workflow, and waits for its end if asked to.</summary>
[Activity("Elsa.DispatchWorkflow", DisplayName = "Dispatch workflow", Category = "Composition", Description = "Starts another workflow and goes on, or waits for its end.")]
[FlowNode("Done", FlowNodeAttribute.Failed)]
internal sealed class DispatchWorkflow(IWorkflowRuntime runtime) : ChildActivity(runtime)
{
    [Input(DisplayName = "Workflow", Description = "The published workflow to start.", UIHint = "workflow-definition-picker")]
    public required Input<string> WorkflowDefinitionId { get; init; }

    [Input(DisplayName = "Correlation id", Description = "Correlation id of the run.")]
    public Input<string>? CorrelationId { get; init; }

    [Input(Description = "Its inputs by name.", UIHint = "json-editor")]
    public Input<object>? Input { get; init; }

    [Input(DisplayName = "Wait for completion", Description = "Go on only when the run has ended.", UIHint = "checkbox", DefaultValue = false)]
    public Input<bool>? WaitForCompletion { get; init; }

    [Output(Description = "Its outputs by name when it was waited for, else the id of the run.")]
    public Output<object?>? Result { get; init; }

    protected internal override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var child = ChildrenIn(context.Progress)?.FirstOrDefault()
            ?? await StartAsync(context, context.Get(WorkflowDefinitionId), MapOf(context.GetOrDefault(Input)), context.GetOrDefault(CorrelationId), null, cancellationToken);
        if (!context.GetOrDefault(WaitForCompletion))
        {
            return ActivityResult.Completed().With(Result, child);
        }

        return await ResultAsync(child, cancellationToken) is { } output ? ActivityResult.Completed().With(Result, output) : WaitFor([child], child);
    }
}

/// <summary>
/// Starts another workflow once for each item. Waiting, it looks at the children in the order of the items: for each one that has ended it runs
/// what is in the port for it, and it leaves when all have.
/// </summary>
[Activity("Elsa.BulkDispatchWorkflows", DisplayName = "Bulk dispatch workflows", Category = "Composition", Description = "Starts another workflow once for each item and waits for all of them, or goes on.")]
[FlowNode("Completed", "Done", FlowNodeAttribute.Failed)]
[Port("childCompleted", "Child completed", Variables = ["ChildInstanceId", "ChildOutput"])]
[Port("childFaulted", "Child faulted", Variables = ["ChildInstanceId", "ChildOutput"])]
internal sealed class BulkDispatchWorkflows(IWorkflowRuntime runtime) : ChildActivity(runtime)
{
    /// <summary>The children's ids are part of the instance's state as long as they are waited for.</summary>
    private const int MostItems = 1_000;

    [Input(DisplayName = "Workflow", Description = "The published workflow to start.", UIHint = "workflow-definition-picker")]
    public required Input<string> WorkflowDefinitionId { get; init; }

    [Input(Description = "A list; the workflow is started once for each item, up to 1,000.")]
    public required Input<IReadOnlyList<object?>> Items { get; init; }

    [Input(DisplayName = "Item input", Description = "The input of the workflow that gets the item. An item that is an object gives the inputs of its members' names.", DefaultValue = "Item")]
    public Input<string>? DefaultItemInputKey { get; init; }

    [Input(Description = "Further inputs by name, the same for all.", UIHint = "json-editor")]
    public Input<object>? Input { get; init; }

    [Input(DisplayName = "Correlation id", Description = "Correlation id of the runs.")]
    public Input<string>? CorrelationId { get; init; }

    [Input(DisplayName = "Wait for completion", Description = "Go on only when all runs have ended.", UIHint = "checkbox", DefaultValue = true)]
    public Input<bool>? WaitForCompletion { get; init; }

    protected internal override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var waiting = (ChildrenIn(context.Progress) ?? await StartAllAsync(context, cancellationToken)).ToList();
        if (!context.GetOrDefault(WaitForCompletion))
        {
            return ActivityResult.Completed("Done");
        }

        if (waiting.Count == 0)
        {
            return ActivityResult.Completed("Done");
        }

        var failed = FailedIn(context.Progress);
        var entered = new List<(string Port, string Child, object? Output)>();
        while (waiting.Count > 0 && await EndOfAsync(waiting[0], cancellationToken) is { } end)
        {
            failed += end.IsFinished ? 0 : 1;
            entered.Add((end.IsFinished ? "childCompleted" : "childFaulted", waiting[0], end.Output));
            waiting.RemoveAt(0);
        }

        if (waiting.Count == 0 && failed > 0 && !context.IsConnected("childFaulted"))
        {
            // Nobody looks at those that failed, so it is not to pass for success.
            throw new ActivityFaultException("child.faulted", $"{failed} of the runs of '{context.Get(WorkflowDefinitionId)}' did not finish. Their pages say why.", false);
        }

        var result = waiting.Count == 0 ? ActivityResult.Completed("Completed", "Done") : WaitFor(waiting, waiting[0], failed);
        foreach (var (port, child, output) in entered)
        {
            result.InPort(port, new Dictionary<string, object?> { ["ChildInstanceId"] = child, ["ChildOutput"] = output });
        }

        return result;
    }

    private async ValueTask<IReadOnlyList<string>> StartAllAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var items = context.Get(Items);
        if (items.Count > MostItems)
        {
            throw new ActivityFaultException("bulk.tooMany", $"There are {items.Count} items; at most {MostItems} runs are started at once.", false);
        }

        var children = new List<string>(items.Count);
        for (var i = 0; i < items.Count; i++)
        {
            var input = new Dictionary<string, object?>(MapOf(context.GetOrDefault(Input)), StringComparer.Ordinal);
            foreach (var (name, value) in items[i] as IReadOnlyDictionary<string, object?> ?? new Dictionary<string, object?> { [context.GetOrDefault(DefaultItemInputKey) ?? "Item"] = items[i] })
            {
                input[name] = value;
            }

            children.Add(await StartAsync(context, context.Get(WorkflowDefinitionId), input, context.GetOrDefault(CorrelationId), i, cancellationToken));
        }

        return children;
    }

    private async ValueTask<(bool IsFinished, object? Output)?> EndOfAsync(string childId, CancellationToken cancellationToken) =>
        await Runtime.FindAsync(childId, cancellationToken) switch
        {
            null => (false, null),
            { Status: WorkflowStatus.Finished } child => (child.SubStatus == WorkflowSubStatus.Finished, child.Output),
            _ => null,
        };
}
