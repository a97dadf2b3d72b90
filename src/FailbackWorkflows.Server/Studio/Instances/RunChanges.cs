using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Persistence.Workflows;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Server.Studio.Definitions;

namespace FailbackWorkflows.Server.Studio.Instances;

/// <summary>Cancelling instances and taking them out of the lists.</summary>
internal static class RunChanges
{
    private const int MostTogether = 200;
    private const int MostPerQuery = 500;
    private const int MostOfAPlan = 2000;

    public static void MapRunChanges(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/cancel/workflow-instances/{id}", CancelAsync);
        routes.MapPost("/bulk-actions/cancel/workflow-instances", CancelManyAsync);
        routes.MapDelete("/workflow-instances/{id}", DeleteAsync);
        routes.MapPost("/bulk-actions/delete/workflow-instances/by-id", DeleteManyAsync);
        routes.MapPost("/bulk-actions/import/workflow-instances", Import);
        routes.MapPost("/alterations/submit", AlterManyAsync);
    }

    private static async Task<IResult> CancelAsync(string id, HttpContext context, IWorkflowRuntime runtime, CancellationToken cancellationToken)
    {
        context.Audit(id, StudioHeaders.ReasonOf(context));
        if (await runtime.FindAsync(id, cancellationToken) is null)
        {
            return Results.StatusCode(StatusCodes.Status404NotFound);
        }

        try
        {
            await runtime.CancelAsync(id, CurrentActor.Of(context), StudioHeaders.ReasonOf(context), cancellationToken);
            StudioHeaders.Tell(context, new StudioMessage("ok", "The run was asked to cancel. What it has begun is undone first where the workflow says so."));
        }
        catch (WorkflowRefusedException refused)
        {
            StudioHeaders.Tell(context, new StudioMessage("bad", refused.Message));
        }

        return Results.Ok();
    }

    private static async Task<IResult> CancelManyAsync(HttpContext context, IWorkflowRuntime runtime, IRunBrowser runs, IWorkflowLibrary library, CancellationToken cancellationToken)
    {
        var request = await StudioJson.ReadAsync<CancelRequest>(context);
        var ids = request.Ids is { Count: > 0 } given ? given : await FindRunningAsync(request, runs, library, cancellationToken);
        var cancelled = await CancelEachAsync([.. ids.Distinct(StringComparer.Ordinal).Take(MostTogether)], context, runtime, cancellationToken);
        return StudioJson.Ok(new { CancelledCount = cancelled });
    }

    /// <summary>
    /// How the designer cancels everything that its list finds, beyond the page that it shows: as a plan of alterations. Cancelling is the only one of them there is.
    /// </summary>
    private static async Task<IResult> AlterManyAsync(HttpContext context, IWorkflowRuntime runtime, IRunBrowser runs, CancellationToken cancellationToken)
    {
        var plan = await StudioJson.ReadAsync<AlterationPlan>(context);
        if (plan.Alterations is not { Count: > 0 } alterations || alterations.Any(a => StudioJson.Text(a["type"]) != "Cancel"))
        {
            context.Audit(null);
            return StudioJson.Refused("Runs can be cancelled, and retried on their own pages. Nothing else of a run is altered: its journal says what happened.");
        }

        if (plan.Filter is not { IsKnown: true } filter)
        {
            context.Audit(null);
            return StudioJson.Refused("The runs to cancel are chosen by workflow, status, incidents, time and search term. Nothing was cancelled.");
        }

        var going = new List<string>();
        var found = 0;
        for (var page = filter.AsksForGoing ? await ReadPageAsync() : null; page is not null; page = page.Items.Count == MostPerQuery && going.Count < MostOfAPlan ? await ReadPageAsync() : null)
        {
            going.AddRange(page.Items.Select(r => r.Id));
            found = page.TotalCount;
        }

        await CancelEachAsync([.. going.Take(MostOfAPlan)], context, runtime, cancellationToken, found);
        return StudioJson.Ok(new { PlanId = Guid.NewGuid().ToString("N") });

        Task<RunPage> ReadPageAsync() => runs.ListAsync(filter.ToQuery() with { Skip = going.Count, Take = MostPerQuery }, cancellationToken);
    }

    /// <summary>How many were asked to cancel. What has only a way forward says so.</summary>
    private static async Task<int> CancelEachAsync(IReadOnlyList<string> ids, HttpContext context, IWorkflowRuntime runtime, CancellationToken cancellationToken, int? found = null)
    {
        var (cancelled, messages) = (new List<string>(), new List<StudioMessage>());
        foreach (var id in ids)
        {
            try
            {
                await runtime.CancelAsync(id, CurrentActor.Of(context), StudioHeaders.ReasonOf(context), cancellationToken);
                cancelled.Add(id);
            }
            catch (WorkflowRefusedException refused)
            {
                messages.Add(new("bad", refused.Message));
            }
        }

        context.Audit(string.Join(", ", cancelled.Take(20)), StudioHeaders.ReasonOf(context));
        var left = (found ?? ids.Count) - ids.Count;
        StudioHeaders.Tell(
            context,
            [
                cancelled.Count switch
                {
                    0 => new("warn", ids.Count == 0 ? "No run that is going on was found, so none was cancelled." : "No run was cancelled."),
                    1 => new("ok", "One run was asked to cancel. What it has begun is undone first where the workflow says so."),
                    var count => new("ok", string.Create(CultureInfo.InvariantCulture, $"{count} runs were asked to cancel. What they have begun is undone first where the workflow says so.")),
                },
                .. left > 0 ? (IEnumerable<StudioMessage>)[new("warn", string.Create(CultureInfo.InvariantCulture, $"{left} more are going on: so many are not cancelled at once. Do it again for the rest."))] : [],
                .. messages.DistinctBy(m => m.Text).Take(4),
            ]);
        return cancelled.Count;
    }

    private static async Task<IReadOnlyList<string>> FindRunningAsync(CancelRequest request, IRunBrowser runs, IWorkflowLibrary library, CancellationToken cancellationToken)
    {
        var version = request switch
        {
            { DefinitionVersionId: { Length: > 0 } id } => await library.FindByIdAsync(id, cancellationToken),
            { DefinitionId: { Length: > 0 } id } when VersionOptions.Parse(request.VersionOptions, VersionChoice.Latest) is var options => await library.FindAsync(id, options.Choice, options.Version, cancellationToken),
            _ => null,
        };
        return version is null
            ? []
            : [.. (await runs.ListAsync(new RunQuery { DefinitionIds = [version.DefinitionId], Version = version.Version, Statuses = [WorkflowStatus.Running], Take = MostTogether }, cancellationToken)).Items.Select(r => r.Id)];
    }

    private static async Task<IResult> DeleteAsync(string id, HttpContext context, IRunBrowser runs, TimeProvider time, CancellationToken cancellationToken)
    {
        context.Audit(id);
        if (await runs.FindAsync(id, cancellationToken) is not { } run)
        {
            return Results.StatusCode(StatusCodes.Status404NotFound);
        }

        if (run.Status == WorkflowStatus.Running)
        {
            return StudioJson.Refused("The run is still going on. Cancel it first.");
        }

        await runs.HideAsync([id], CurrentActor.Of(context).Name, time.GetUtcNow(), cancellationToken);
        StudioHeaders.Tell(context, OutOfTheList(1));
        return Results.NoContent();
    }

    private static async Task<IResult> DeleteManyAsync(HttpContext context, IRunBrowser runs, TimeProvider time, CancellationToken cancellationToken)
    {
        var ids = ((await StudioJson.ReadAsync<RunIdsRequest>(context)).Ids ?? []).Distinct(StringComparer.Ordinal).Take(MostTogether).ToList();
        var hidden = await runs.HideAsync(ids, CurrentActor.Of(context).Name, time.GetUtcNow(), cancellationToken);
        context.Audit(string.Join(", ", hidden.Take(20)));
        StudioHeaders.Tell(
            context,
            [
                .. hidden.Count < ids.Count ? (IEnumerable<StudioMessage>)[new("warn", "Runs that are still going on were left in the list. Cancel them first.")] : [],
                .. hidden.Count > 0 ? (IEnumerable<StudioMessage>)[OutOfTheList(hidden.Count)] : [],
            ]);
        return StudioJson.Ok(new { Deleted = hidden.Count, DeletedCount = hidden.Count });
    }

    /// <summary>A run belongs to the history of the site: it is taken out of the lists, and kept.</summary>
    private static StudioMessage OutOfTheList(int count) => new("ok", count == 1
        ? "The run was taken out of the list. It and its journal are kept for the history."
        : string.Create(CultureInfo.InvariantCulture, $"{count} runs were taken out of the list. They and their journals are kept for the history."));

    /// <summary>A history that happened elsewhere would stand among ours as if it had happened here.</summary>
    private static IResult Import(HttpContext context)
    {
        context.Audit(null);
        return StudioJson.Refused("Runs are not imported: their journals are evidence of what happened on this site. Import the workflow and run it.");
    }

    private sealed record AlterationPlan(IReadOnlyList<JsonObject>? Alterations, AlterationFilter? Filter);

    /// <summary>The members that a plan's filter may have. One that is not looked at would choose more runs than were meant, so it must not be there.</summary>
    private sealed record AlterationFilter(
        string? SearchTerm,
        IReadOnlyList<string>? DefinitionIds,
        bool? HasIncidents,
        IReadOnlyList<string>? Statuses,
        IReadOnlyList<string>? SubStatuses,
        IReadOnlyList<TimestampFilter>? TimestampFilters,
        bool? IsSystem,
        bool EmptyFilterSelectsAll)
    {
        [JsonExtensionData]
        public Dictionary<string, JsonElement>? Others { get; init; }

        /// <summary>Every member, and every value of it, is one that is looked at.</summary>
        public bool IsKnown =>
            (Others ?? []).Values.All(v => v.ValueKind == JsonValueKind.Null || (v.ValueKind == JsonValueKind.Array && v.GetArrayLength() == 0))
            && IsSystem is not true
            && (Statuses ?? []).All(RunFilter.Knows<WorkflowStatus>)
            && (SubStatuses ?? []).All(RunFilter.Knows<WorkflowSubStatus>)
            && (TimestampFilters ?? []).All(t => RunFilter.ToInstant(t) is not null);

        /// <summary>A run that has ended is left alone, so whoever asks for those alone means none.</summary>
        public bool AsksForGoing => (EmptyFilterSelectsAll || !IsEmpty) && (Statuses is not { Count: > 0 } || Statuses.Contains(nameof(WorkflowStatus.Running)));

        private bool IsEmpty => string.IsNullOrWhiteSpace(SearchTerm) && HasIncidents is null && DefinitionIds is not { Count: > 0 } && Statuses is not { Count: > 0 } && SubStatuses is not { Count: > 0 } && TimestampFilters is not { Count: > 0 };

        public RunQuery ToQuery() => new RunFilter
        {
            SearchTerm = SearchTerm,
            DefinitionIds = DefinitionIds,
            HasIncidents = HasIncidents,
            Statuses = [nameof(WorkflowStatus.Running)],
            SubStatuses = SubStatuses,
            TimestampFilters = TimestampFilters,
        }.ToQuery();
    }

    private sealed record CancelRequest(IReadOnlyList<string>? Ids, string? DefinitionVersionId, string? DefinitionId, string? VersionOptions);
}
