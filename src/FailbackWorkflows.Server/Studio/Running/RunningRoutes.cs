using System.Globalization;
using System.Security.Claims;
using System.Text.Json;
using System.Text.Json.Nodes;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Engine.Values;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Studio.Definitions;

namespace FailbackWorkflows.Server.Studio.Running;

/// <summary>Starting workflows from the designer. It reads only headers of the answer: the instance it goes to, or that nothing was started.</summary>
internal static class RunningRoutes
{
    private const string InstanceHeader = "x-elsa-workflow-instance-id";
    private const string CannotStartHeader = "x-elsa-workflow-cannot-start";

    public static void MapRunning(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/workflow-definitions/{definitionId}/execute", ExecuteAsync);
        routes.MapPost("/workflow-definitions/{definitionId}/dispatch", ExecuteAsync);
    }

    /// <summary>Nothing is run by a test: it belongs to editing.</summary>
    public static void MapTests(this IEndpointRouteBuilder routes) => routes.MapPost("/tests/activities", ActivityTests.TestAsync);

    private static async Task<IResult> ExecuteAsync(
        string definitionId,
        HttpContext context,
        IWorkflowLibrary library,
        WorkflowEditing editing,
        RunPermits permits,
        IWorkflowRuntime runtime,
        CancellationToken cancellationToken)
    {
        var reason = StudioHeaders.ReasonOf(context);
        context.Audit(definitionId, reason);
        var request = await StudioJson.ReadAsync<ExecuteRequest>(context);
        var options = VersionOptions.Parse(request.VersionOptions, VersionChoice.Latest);
        if (await library.FindAsync(definitionId, options.Choice, options.Version, cancellationToken) is not { DeletedAt: null } version)
        {
            return NotStarted(context, new StudioMessage("bad", "There is no such version of the workflow."));
        }

        var effects = await permits.FindEffectsAsync(version.Json, cancellationToken);
        if (effects.Changes.Count > 0 && Refusal(version, effects, context.User, reason) is { } refusal)
        {
            context.Audit(version.Id).Result = "not started: it changes something";
            return NotStarted(context, refusal);
        }

        try
        {
            version = version.IsDraft ? await editing.FreezeAsync(definitionId, CurrentActor.Of(context), cancellationToken) : version;
            var started = await runtime.StartAsync(
                new StartWorkflow(definitionId, CurrentActor.Of(context))
                {
                    DefinitionVersionId = version.Id,
                    Input = (request.Input ?? []).ToDictionary(i => i.Key, i => PlainValue.From(i.Value)),
                    Reason = reason,
                    CorrelationId = string.IsNullOrEmpty(request.CorrelationId) ? null : request.CorrelationId,
                },
                cancellationToken);
            context.Audit(version.Id).Result = $"started {started.InstanceId}";
            context.Response.Headers[InstanceHeader] = started.InstanceId;
            return StudioJson.Ok(new { WorkflowInstanceId = started.InstanceId });
        }
        catch (DefinitionInvalidException invalid)
        {
            var model = DefinitionText.Parse(version.Json);
            return NotStarted(context, [.. invalid.Problems.Take(5).Select(p => new StudioMessage("bad", ProblemSentences.Of(p, model)))]);
        }
        catch (WorkflowRefusedException refused)
        {
            return NotStarted(context, new StudioMessage("bad", refused.Message));
        }
    }

    /// <summary>Whether a published version is not run from here whatever the reason. The right to run a workflow is not the right to what it starts.</summary>
    public static bool IsRefused(RunEffects effects, ClaimsPrincipal user) => effects.Own is not null || (effects.IsOpen && !user.May(Permissions.Administer));

    private static StudioMessage? Refusal(WorkflowVersion version, RunEffects effects, ClaimsPrincipal user, string? reason)
    {
        var what = string.Join(", ", effects.Changes.Take(4)) + (effects.Changes.Count > 4 ? ", …" : "");
        if (!version.IsPublished)
        {
            return new(
                "bad",
                $"Version {version.Version.ToString(CultureInfo.InvariantCulture)} of “{version.Name}” is not published and commands recorders or changes the failover log ({what}), so it is not run by a click. The readiness check of a server plays the published workflow without changing anything.",
                "/servers",
                "Check readiness");
        }

        if (effects.Own is { } own)
        {
            return new("bad", $"“{version.Name}” is not run from here. {own.What} is started on its own page, where roles and maintenance mode are checked.", own.Page, own.PageName);
        }

        return IsRefused(effects, user) ? new("bad", $"Which workflow “{version.Name}” starts is only known when it runs ({what}), so running it needs the role {Permissions.RolesText(Permissions.Administer)}.")
            : reason is null ? new("bad", $"“{version.Name}” commands recorders or changes the failover log ({what}), so it is run only with a reason.")
            : null;
    }

    private static IResult NotStarted(HttpContext context, params StudioMessage[] messages)
    {
        StudioHeaders.Tell(context, messages);
        context.Response.Headers[CannotStartHeader] = "true";
        return Results.Ok();
    }

    private sealed record ExecuteRequest(string? CorrelationId, string? VersionOptions, Dictionary<string, JsonElement>? Input);
}
