using System.Text.Json;
using System.Text.Json.Nodes;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Studio.Definitions;
using FailbackWorkflows.Server.Studio.Instances;

namespace FailbackWorkflows.Server.Studio.Running;

/// <summary>
/// The designer's test of one activity: it is played alone, with the test values of the variables or else their first ones, and nothing of it is written. Only activities that decide and reckon can
/// be tested so; what waits or reaches outside cannot.
/// </summary>
internal static class ActivityTests
{
    /// <summary>Where the designer keeps what a person has given as <i>Test value</i> of variables: by their ids.</summary>
    private const string TestValues = "VariableTestValues";

    public static async Task<IResult> TestAsync(
        HttpContext context,
        IWorkflowLibrary library,
        WorkflowDefinitions definitions,
        RunPermits permits,
        WorkflowRehearsal rehearsal,
        IServiceProvider services,
        CancellationToken cancellationToken)
    {
        var request = await StudioJson.ReadAsync<TestRequest>(context);
        if (await FindAsync(request.WorkflowDefinitionHandle, library, cancellationToken) is not { } version)
        {
            return Results.StatusCode(StatusCodes.Status404NotFound);
        }

        context.Audit(version.Id);
        if (await permits.FindEffectsAsync(version.Json, cancellationToken) is { Changes: { Count: > 0 } changes })
        {
            StudioHeaders.Tell(context, new StudioMessage("bad", "Activities of this workflow are not tested one by one: it commands recorders or changes the failover log.", "/servers", "Check readiness"));
            return Answer("Faulted", $"This workflow commands recorders or changes the failover log ({string.Join(", ", changes.Take(4))}), so its activities are not tested by a click. The readiness check of a server plays the published workflow without changing anything.");
        }

        var model = DefinitionText.Parse(version.Json);
        var activity = model["root"] is JsonObject root ? FindActivity(root, request.ActivityHandle) : null;
        if (activity is null)
        {
            return Answer("Faulted", "The activity is not in the draft as it was saved last. Save it first.");
        }

        var (definition, problems) = await definitions.ValidateAsync(DefinitionText.Write(Alone(model, activity)), cancellationToken);
        if (definition is null)
        {
            return Answer("Faulted", string.Join(" ", problems.Select(p => p.Message)));
        }

        var played = await rehearsal.PlayAsync(definition, new StartWorkflow(definition.DefinitionId, CurrentActor.Of(context)), new Stage(services), cancellationToken);
        return ToAnswer(played);
    }

    private static async Task<WorkflowVersion?> FindAsync(DefinitionHandle? handle, IWorkflowLibrary library, CancellationToken cancellationToken) => handle switch
    {
        { DefinitionVersionId: { Length: > 0 } id } => await library.FindByIdAsync(id, cancellationToken),
        { DefinitionId: { Length: > 0 } id } when VersionOptions.Parse(handle.VersionOptions?.ToString(), VersionChoice.Latest) is var options =>
            await library.FindAsync(id, options.Choice, options.Version, cancellationToken),
        _ => null,
    };

    /// <summary>By its path, as the designer names it, or by its id.</summary>
    private static JsonObject? FindActivity(JsonObject root, ActivityHandle? handle)
    {
        DefinitionText.SetNodeIds(root);
        return DefinitionText.Activities(root).FirstOrDefault(a => handle switch
        {
            { ActivityNodeId: { Length: > 0 } nodeId } => StudioJson.Text(a["nodeId"]) == nodeId,
            { ActivityId: { Length: > 0 } id } => StudioJson.Text(a["id"]) == id,
            _ => false,
        });
    }

    /// <summary>The workflow with this activity in it and nothing else. Its inputs need no values for that.</summary>
    private static JsonObject Alone(JsonObject model, JsonObject activity)
    {
        var alone = (JsonObject)model.DeepClone();
        foreach (var input in (alone["inputs"] as JsonArray ?? []).OfType<JsonObject>())
        {
            input["isRequired"] = false;
        }

        var testValues = alone["customProperties"]?[TestValues] as JsonObject;
        foreach (var variable in (alone["variables"] as JsonArray ?? []).OfType<JsonObject>())
        {
            if (StudioJson.Text(variable["id"]) is { } id && testValues?[id] is { } value)
            {
                variable["value"] = value.GetValueKind() == JsonValueKind.String ? value.DeepClone() : value.ToJsonString();
            }
        }

        alone["root"] = new JsonObject
        {
            ["id"] = "test",
            ["type"] = "Elsa.Flowchart",
            ["version"] = 1,
            ["activities"] = new JsonArray(activity.DeepClone()),
            ["connections"] = new JsonArray(),
        };
        return alone;
    }

    private static IResult ToAnswer(RehearsedRun played)
    {
        var ours = played.Journal.OfType<ActivityEvent>().Where(e => e.NodeId.StartsWith("test:", StringComparison.Ordinal)).ToList();
        if (ours.OfType<ActivityStarted>().FirstOrDefault() is not { } started)
        {
            var fault = played.Journal.OfType<ActivityFaulted>().FirstOrDefault()?.Fault.Message;
            return Answer("Faulted", fault ?? "The activity was not reached.");
        }

        var run = ActivityRun.Of(played.Instance.Id, [.. ours.Where(e => e.ExecutionId == started.ExecutionId)], null);
        return played.EndedBefore is not null
            ? Answer("Running", "The activity waits for something or reaches outside this server, so a test does not execute it. What it would be given is shown.", run)
            : StudioJson.Ok(new { run.ActivityState, run.Payload, run.Outputs, run.Exception, run.Status });
    }

    private static IResult Answer(string status, string sentence, ActivityRun? run = null) => StudioJson.Ok(new
    {
        ActivityState = run?.ActivityState ?? new Dictionary<string, object?>(),
        Payload = new Dictionary<string, object?> { ["Message"] = sentence },
        Outputs = new Dictionary<string, object?>(),
        Exception = status == "Faulted" ? ActivityRun.ExceptionOf(new ActivityFault("notTested", sentence, false)) : null,
        Status = status,
    });

    private sealed class Stage(IServiceProvider services) : RehearsalStage
    {
        public override IServiceProvider Services => services;

        public override ValueTask<object?> StartAsync(string instanceId, IReadOnlyList<IDomainChange> changes, CancellationToken cancellationToken) => ValueTask.FromResult<object?>(null);

        public override RehearsalMode Enter(ActivityNode node) =>
            node.Descriptor.Rehearsal == RehearsalMode.Executes && !RunPermits.Changes(node.Descriptor) ? RehearsalMode.Executes : RehearsalMode.Ends;
    }

    private sealed record TestRequest(DefinitionHandle? WorkflowDefinitionHandle, ActivityHandle? ActivityHandle);

    private sealed record DefinitionHandle(string? DefinitionId, object? VersionOptions, string? DefinitionVersionId);

    private sealed record ActivityHandle(string? ActivityId, string? ActivityNodeId);
}
