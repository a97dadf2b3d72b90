using FailbackWorkflows.Failback;
using Microsoft.AspNetCore.Http.HttpResults;

namespace FailbackWorkflows.Server.Api.Runs;

/// <summary>A run that was asked for and runs.</summary>
/// <param name="AlreadyStarted">True when an earlier request with the same request id had started it.</param>
public sealed record StartedRun(string RunId, string? EntryId, bool AlreadyStarted, IReadOnlyDictionary<string, string> Links)
{
    /// <summary>What every request that starts a run says of itself.</summary>
    internal static void Check(string? requestId, string? reason, FieldErrors errors)
    {
        errors.Required("requestId", requestId, 64);
        errors.Optional("reason", reason, 1000);
    }

    /// <summary>The answer to a request that starts a run: 202 with the run, 404, or 409 that names the run in the way.</summary>
    internal static Results<Accepted<StartedRun>, Problem> Answer(StartRunResult result, ProblemKind unknown) => result.Outcome switch
    {
        StartRunOutcome.Started or StartRunOutcome.AlreadyStarted when result.RunId is { } runId => TypedResults.Accepted(
            RunLinks.Run(runId),
            new StartedRun(runId, result.EntryId, result.Outcome == StartRunOutcome.AlreadyStarted, RunLinks.Of(runId, result.EntryId))),
        _ => Refusal(result, unknown),
    };

    /// <summary>Why no run started: 404, or 409 that names the run in the way.</summary>
    internal static Problem Refusal(StartRunResult result, ProblemKind unknown) => result.Outcome switch
    {
        StartRunOutcome.Unknown => new Problem(unknown, result.Message ?? "Check the id."),
        StartRunOutcome.Busy => new Problem(Problems.RunInTheWay, result.Message ?? "Another run is in the way.")
        {
            RunId = result.RunId,
            Links = result.RunId is { } inTheWay ? RunLinks.Of(inTheWay, null) : null,
        },
        StartRunOutcome.NobodyFit => new Problem(Problems.NoFailoverServer, result.Message ?? "Choose a failover server.")
        {
            Errors = result.Candidates.ToDictionary(candidate => candidate.ServerId, candidate => new[] { candidate.WhyNot ?? "" }),
        },
        StartRunOutcome.MaintenanceMode => new Problem(Problems.MaintenanceMode, result.Message ?? "Turn maintenance mode off, or override it."),
        _ => new Problem(Problems.Refused, result.Message ?? "That is not possible now."),
    };
}
