using System.Text.Json;
using System.Text.RegularExpressions;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Http.HttpResults;

namespace FailbackWorkflows.Server.Api.Events;

/// <summary>Publishes an event for workflows.</summary>
/// <param name="RequestId">The same for the same event: with it a workflow is started once, however often the request is repeated.</param>
/// <param name="Payload">What comes with it: a JSON object, or nothing.</param>
/// <param name="CorrelationId">Only runs with this correlation id get it; a run it starts has it.</param>
public sealed record EventRequest(string? RequestId, JsonElement? Payload = null, string? CorrelationId = null);

/// <summary>Whom the event reached: runs that waited for it, and runs it started.</summary>
public sealed record EventPublished(IReadOnlyList<string> RunIds);

/// <summary>A task that a run waits for.</summary>
public sealed record TaskItem(string TaskId, string Name, object? Payload, string RunId, string Workflow, string? CorrelationId, DateTimeOffset CreatedAt);

/// <summary>Open tasks, oldest first.</summary>
public sealed record TaskList(IReadOnlyList<TaskItem> Items);

/// <summary>A task is done.</summary>
/// <param name="Result">What the run gets as the task's result; any JSON.</param>
public sealed record TaskCompletionRequest(JsonElement? Result = null, string? Reason = null);

/// <summary>The run goes on.</summary>
public sealed record TaskCompletion(string TaskId, string RunId);

internal static partial class EventEndpoints
{
    public static void MapEvents(this IEndpointRouteBuilder api)
    {
        api.MapPost("/events/{name}", PublishAsync)
            .RequireAuthorization(Permissions.Operate)
            .WithTags("Workflows")
            .WithSummary("Publishes an event: runs that wait for it go on, workflows that begin with it start");
        var tasks = api.MapGroup("/tasks").WithTags("Workflows");
        tasks.MapGet("", ListAsync)
            .RequireAuthorization(Permissions.Read)
            .WithSummary("Tasks that runs wait for somebody to complete");
        tasks.MapPost("/{taskId}/complete", CompleteAsync)
            .RequireAuthorization(Permissions.Operate)
            .WithSummary("Completes a task; its run goes on with the result");
    }

    [GeneratedRegex(@"^\p{L}[\p{L}\p{Nd} ._:-]{0,199}\z", RegexOptions.CultureInvariant)]
    private static partial Regex EventName();

    private static async Task<Results<Ok<EventPublished>, Problem>> PublishAsync(
        string name, EventRequest request, HttpContext context, IWorkflowRuntime runtime, CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        if (!EventName().IsMatch(name))
        {
            errors.Add("name", "The name of an event begins with a letter and has up to 200 letters, digits, spaces and . _ : -.");
        }

        if (request.Payload is { ValueKind: not (JsonValueKind.Object or JsonValueKind.Null) })
        {
            errors.Add("payload", "It must be an object, such as { \"zone\": \"north\" }.");
        }

        errors.Required("requestId", request.RequestId, 64);
        errors.Optional("correlationId", request.CorrelationId, 200);
        if (errors.Any)
        {
            return errors.ToProblem();
        }

        context.Audit(name);
        var reached = await runtime.ResumeAsync(
            Stimulus.Published($"api/event/{name}/{request.RequestId}", name, CurrentActor.Of(context), request.Payload, request.CorrelationId), cancellationToken);
        return TypedResults.Ok(new EventPublished(reached));
    }

    private static async Task<Results<Ok<TaskList>, Problem>> ListAsync(IWorkflowRuntime runtime, CancellationToken cancellationToken, int take = 100)
    {
        var errors = new FieldErrors();
        errors.Between("take", take, 1, 1000);
        if (errors.Any)
        {
            return errors.ToProblem();
        }

        var tasks = await runtime.ListTasksAsync(take, cancellationToken);
        return TypedResults.Ok(new TaskList([.. tasks.Select(t => new TaskItem(t.TaskId, t.Name, t.Payload, t.InstanceId, t.WorkflowName, t.CorrelationId, t.CreatedAt))]));
    }

    private static async Task<Results<Ok<TaskCompletion>, Problem>> CompleteAsync(
        string taskId, TaskCompletionRequest request, HttpContext context, IWorkflowRuntime runtime, CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        errors.Optional("reason", request.Reason, 1000);
        if (errors.Any)
        {
            return errors.ToProblem();
        }

        context.Audit(taskId, request.Reason);
        var reached = await runtime.ResumeAsync(Stimulus.TaskCompleted(taskId, CurrentActor.Of(context), request.Result), cancellationToken);
        return reached.Count == 0
            ? new Problem(Problems.UnknownTask, "It is completed already, or its run has ended. GET /api/v1/tasks lists the tasks there are.")
            : TypedResults.Ok(new TaskCompletion(taskId, reached[0]));
    }
}
