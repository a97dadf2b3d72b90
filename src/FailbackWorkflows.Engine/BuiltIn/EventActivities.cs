using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Engine.BuiltIn;

/// <summary>Waits for an event; as a trigger it starts the workflow by one.</summary>
[Activity("Elsa.Event", Category = "Events", Description = "Waits until an event of this name is published. With 'Can start workflow' the event starts it.")]
[Trigger("Event", "eventName")]
internal sealed class Event : CodeActivity
{
    [Input(DisplayName = "Event name", Description = "Name of the event.")]
    public required Input<string> EventName { get; init; }

    [Output(Description = "What came with the event.")]
    public Output<object?>? Result { get; init; }

    protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken) => ValueTask.FromResult(
        context.Trigger is { } trigger
            ? ActivityResult.Completed().With(Result, trigger.Payload is IReadOnlyDictionary<string, object?> given ? given.GetValueOrDefault("payload") : trigger.Payload)
            : ActivityResult.Suspended(null, new BookmarkRequest("Event", $"Event:{context.Get(EventName)}", null, RunsAgain: false)));
}

/// <summary>
/// Publishes an event. Runs that wait for it are woken in the transaction of this step, so each gets it once; definitions that begin with it
/// are started with a key of this execution, so each starts once.
/// </summary>
[Activity("Elsa.PublishEvent", DisplayName = "Publish event", Category = "Events", Description = "Publishes an event: to all runs that wait for it, to those with a correlation id, or to this run only.")]
internal sealed class PublishEvent(IWorkflowRuntime runtime) : CodeActivity
{
    [Input(DisplayName = "Event name", Description = "Name of the event.")]
    public required Input<string> EventName { get; init; }

    [Input(DisplayName = "Correlation id", Description = "Only runs with this correlation id get the event; a run it starts has it.")]
    public Input<string>? CorrelationId { get; init; }

    [Input(DisplayName = "Local event", Description = "Only this run gets the event.", UIHint = "checkbox", DefaultValue = false)]
    public Input<bool>? IsLocalEvent { get; init; }

    [Input(Description = "What comes with the event.")]
    public Input<object>? Payload { get; init; }

    protected internal override async ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        var name = context.Get(EventName);
        var payload = context.GetOrDefault(Payload);
        var correlationId = context.GetOrDefault(CorrelationId) is { Length: > 0 } given ? given : null;
        var actor = context.Run.StartedBy;
        if (context.GetOrDefault(IsLocalEvent))
        {
            return ActivityResult.Completed().WithStimulus(Stimulus.Event(name, actor, payload, context.InstanceId));
        }

        // Nobody waits for this key: it is for the triggers alone. Those who wait are told in the step's transaction.
        var id = context.CallKey("event");
        await runtime.ResumeAsync(new Stimulus($"PublishEvent:{id}", actor) { Occurrence = Stimulus.EventOccurrence(id, name, payload, correlationId) }, cancellationToken);
        return ActivityResult.Completed().WithStimulus(Stimulus.Event(name, actor, payload) with { CorrelationId = correlationId });
    }
}

/// <summary>Asks somebody outside to do something and waits until they say that it is done.</summary>
[Activity("Elsa.RunTask", DisplayName = "Run task", Category = "Events", Description = "Asks a person or a program to do something and waits until it is completed (POST /api/v1/tasks/{taskId}/complete).")]
internal sealed class RunTask : CodeActivity
{
    public const string BookmarkName = "RunTask";
    private const string Prefix = "Task:";

    [Input(DisplayName = "Task name", Description = "What is to be done.")]
    public required Input<string> TaskName { get; init; }

    [Input(Description = "What whoever does it needs to know.")]
    public Input<object>? Payload { get; init; }

    [Output(Description = "What whoever completed it had to say.")]
    public Output<object>? Result { get; init; }

    protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
    {
        _ = context.Get(TaskName);
        return ValueTask.FromResult(ActivityResult.Suspended(null, new BookmarkRequest(BookmarkName, $"{Prefix}{context.InstanceId}-{context.ExecutionId}", null, RunsAgain: false)));
    }

    public static OpenTask Describe(StoredBookmark bookmark, StoredInstance instance, IReadOnlyDictionary<string, object?> inputs) => new(
        bookmark.Key![Prefix.Length..],
        Values.PlainValue.ToText(inputs.GetValueOrDefault("taskName")),
        inputs.GetValueOrDefault("payload"),
        instance.Id,
        instance.Name ?? instance.DefinitionId,
        instance.CorrelationId,
        bookmark.CreatedAt);
}
