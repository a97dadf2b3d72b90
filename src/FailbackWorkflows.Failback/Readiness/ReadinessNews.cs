using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.VmsServers;

namespace FailbackWorkflows.Failback.Readiness;

/// <summary>
/// A result is kept together with the news in it: that a server is not ready any more, and that it is ready again. Each change is told once, however often it
/// is looked at after that. What was found about another failover of the server is no earlier result of this one.
/// </summary>
internal static class ReadinessNews
{
    /// <summary>Kind of the change notification.</summary>
    public const string Kind = "readiness";

    /// <param name="former">What was kept of this server and kind until now; null: nothing.</param>
    public static IReadOnlyList<IDomainChange> Keep(VmsServer server, ReadinessResult result, ReadinessResult? former)
    {
        var before = former is not null && former.EntryId == result.EntryId ? former : null;
        var hasTurned = result.Outcome == ReadinessOutcome.NotReady && IsReady(before);
        var isReadyAgain = IsReady(result) && before?.TurnedNotReadyAt is not null;
        var what = result.Kind == ReadinessKind.Failback ? "failback" : "failover";
        var news = hasTurned ? $"{server.Name} is not ready for a {what} any more. {result.Sentence}"
            : isReadyAgain ? $"{server.Name} is ready for a {what} again."
            : null;
        var kept = result with
        {
            TurnedNotReadyAt = result.Outcome != ReadinessOutcome.NotReady ? null : hasTurned ? result.CheckedAt : before?.TurnedNotReadyAt,
        };
        return news is null ? [new SaveReadiness(kept)] : [new SaveReadiness(kept), new Notify(new ChangeNotification(Kind, server.Id, news, result.CheckedAt))];
    }

    private static bool IsReady(ReadinessResult? result) => result is { Outcome: ReadinessOutcome.Ready or ReadinessOutcome.ReadyWithWarnings };
}
