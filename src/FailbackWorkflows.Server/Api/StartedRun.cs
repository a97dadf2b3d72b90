using FailbackWorkflows.Failback;
using Microsoft.AspNetCore.Http.HttpResults;

namespace FailbackWorkflows.Server.Api;

/// <summary>A run that was asked for and runs.</summary>
/// <param name="AlreadyStarted">True when an earlier request with the same request id had started it.</param>
public sealed record StartedRun(string RunId, string? EntryId, bool AlreadyStarted, IReadOnlyDictionary<string, string> Links)
{
    /// <summary>The answer to a request that starts a run: 202 with the run, 404, or 409 that names the run in the way.</summary>
    internal static Results<Accepted<StartedRun>, Problem> Answer(StartRunResult result, ProblemKind unknown) => result.Outcome switch
    {
        StartRunOutcome.Started or StartRunOutcome.AlreadyStarted when result.RunId is { } runId => TypedResults.Accepted(
            RunLinks.Run(runId),
            new StartedRun(runId, result.EntryId, result.Outcome == StartRunOutcome.AlreadyStarted, RunLinks.Of(runId, result.EntryId))),
        StartRunOutcome.Unknown => new Problem(unknown, result.Message ?? "Check the id."),
        StartRunOutcome.Busy => new Problem(Problems.RunInTheWay, result.Message ?? "Another run is in the way.")
        {
            RunId = result.RunId,
            Links = result.RunId is { } inTheWay ? RunLinks.Of(inTheWay, null) : null,
        },
        _ => new Problem(Problems.Refused, result.Message ?? "That is not possible now."),
    };
}
