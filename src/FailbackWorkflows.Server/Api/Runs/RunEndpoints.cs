using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.Http.HttpResults;

namespace FailbackWorkflows.Server.Api.Runs;

/// <summary>A part of a run's journal, oldest first.</summary>
/// <param name="NextAfter">Give it as <c>after</c> to read on.</param>
public sealed record JournalPage(IReadOnlyList<JournalEvent> Items, long NextAfter);

/// <summary>Why somebody cancels or retries a run.</summary>
public sealed record RunReasonRequest(string? Reason = null);

/// <summary>The wish was noted; the run shows what comes of it.</summary>
public sealed record RunAccepted(string RunId, IReadOnlyDictionary<string, string> Links);

internal static class RunEndpoints
{
    public static void MapRuns(this IEndpointRouteBuilder api)
    {
        var runs = api.MapGroup("/runs").WithTags("Runs");
        runs.MapGet("/{runId}", GetAsync)
            .RequireAuthorization(Permissions.Read)
            .WithSummary("A run with every step, executed or not, and its times");
        runs.MapGet("/{runId}/report.csv", GetCsvAsync)
            .RequireAuthorization(Permissions.Read)
            .Produces<string>(StatusCodes.Status200OK, CsvText.ContentType)
            .WithSummary("The same as a table: every step, executed or not, with its times and its duration in seconds");
        runs.MapGet("/{runId}/journal", ReadJournalAsync)
            .RequireAuthorization(Permissions.Read)
            .WithSummary("The journal of a run, oldest event first");
        runs.MapPost("/{runId}/cancel", CancelAsync)
            .RequireAuthorization(Permissions.Operate)
            .WithSummary("Asks a run to cancel; a failback is undone, and past its point of no return it refuses");
        runs.MapPost("/{runId}/redrive", RedriveAsync)
            .RequireAuthorization(Permissions.Operate)
            .WithSummary("Retries a faulted run from the activities that failed");
    }

    private static async Task<Results<Ok<RunReport>, Problem>> GetAsync(string runId, IRunReports reports, CancellationToken cancellationToken) =>
        await reports.FindAsync(runId, cancellationToken) is { } report ? TypedResults.Ok(report) : Unknown();

    private static async Task<IResult> GetCsvAsync(string runId, IRunReports reports, CancellationToken cancellationToken) =>
        await reports.FindAsync(runId, cancellationToken) is { } report
            ? TypedResults.File(System.Text.Encoding.UTF8.GetBytes(RunReportCsv.Write(report)), $"{CsvText.ContentType}; charset=utf-8", $"run-{report.RunId}.csv")
            : Unknown();

    private static async Task<Results<Ok<JournalPage>, Problem>> ReadJournalAsync(
        string runId,
        IWorkflowStore store,
        CancellationToken cancellationToken,
        long after = 0,
        int take = 200)
    {
        var errors = new FieldErrors();
        errors.Between("take", take, 1, 1000);
        if (after < 0)
        {
            errors.Add("after", "It must be 0 or more.");
        }

        if (errors.Any)
        {
            return errors.ToProblem();
        }

        if (await store.FindInstanceAsync(runId, cancellationToken) is null)
        {
            return Unknown();
        }

        var events = await store.ReadJournalAsync(runId, after, take, cancellationToken);
        return TypedResults.Ok(new JournalPage(events, events.Count == 0 ? after : events[^1].Sequence));
    }

    private static Task<Results<Accepted<RunAccepted>, Problem>> CancelAsync(
        string runId, RunReasonRequest request, HttpContext context, IWorkflowRuntime runtime, CancellationToken cancellationToken) =>
        AskAsync(runId, request, context, runtime, runtime.CancelAsync, cancellationToken);

    private static Task<Results<Accepted<RunAccepted>, Problem>> RedriveAsync(
        string runId, RunReasonRequest request, HttpContext context, IWorkflowRuntime runtime, CancellationToken cancellationToken) =>
        AskAsync(runId, request, context, runtime, runtime.RedriveAsync, cancellationToken);

    private static async Task<Results<Accepted<RunAccepted>, Problem>> AskAsync(
        string runId,
        RunReasonRequest request,
        HttpContext context,
        IWorkflowRuntime runtime,
        Func<string, Actor, string?, CancellationToken, Task> ask,
        CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        errors.Optional("reason", request.Reason, 1000);
        if (errors.Any)
        {
            return errors.ToProblem();
        }

        context.Audit(runId, request.Reason);
        if (await runtime.FindAsync(runId, cancellationToken) is null)
        {
            return Unknown();
        }

        try
        {
            await ask(runId, CurrentActor.Of(context), request.Reason, cancellationToken);
            return TypedResults.Accepted(RunLinks.Run(runId), new RunAccepted(runId, RunLinks.Of(runId, null)));
        }
        catch (WorkflowRefusedException refused)
        {
            return new Problem(Problems.Refused, refused.Message);
        }
    }

    private static Problem Unknown() => new(Problems.UnknownRun, "A run's id comes with the answer that started it and is shown in the failover log.");
}
