using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Persistence.Workflows;
using FailbackWorkflows.Server.Resources;

namespace FailbackWorkflows.Server.Pages.History;

/// <summary>What a run is about and who started it.</summary>
/// <param name="About">The entry or the server; null: it is about none, or about one that nobody knows.</param>
/// <param name="Address">The page of it.</param>
/// <param name="StartedBy">Null: the journal does not say.</param>
public sealed record RunSubject(string? About, string? Address, string? StartedBy);

/// <summary>Finds that for a page of runs: by three questions to the database for all of them together, each by key.</summary>
internal static class RunSubjects
{
    public static async Task<IReadOnlyDictionary<string, RunSubject>> FindAsync(
        IReadOnlyList<WorkflowInstanceSummary> runs, IWorkflowInstances instances, IFailoverLog log, IVmsServers servers, CancellationToken cancellationToken)
    {
        if (runs.Count == 0)
        {
            return new Dictionary<string, RunSubject>();
        }

        var starts = await instances.ListStartsAsync([.. runs.Select(run => run.Id)], cancellationToken);
        var entryIds = runs.ToDictionary(run => run.Id, run => EntryOf(run, starts.GetValueOrDefault(run.Id)), StringComparer.Ordinal);
        var failedServers = await log.ListFailedServersAsync([.. entryIds.Values.OfType<string>().Distinct()], cancellationToken);
        var serverIds = runs.ToDictionary(
            run => run.Id, run => entryIds[run.Id] is { } entry && failedServers.TryGetValue(entry, out var failed) ? failed : ServerOf(starts.GetValueOrDefault(run.Id)), StringComparer.Ordinal);
        var names = await servers.ListNamesAsync([.. serverIds.Values.OfType<string>().Distinct()], cancellationToken);
        return runs.ToDictionary(run => run.Id, run => Of(entryIds[run.Id], serverIds[run.Id], starts.GetValueOrDefault(run.Id)), StringComparer.Ordinal);

        RunSubject Of(string? entry, string? server, InstanceStarted? started)
        {
            var name = server is null ? null : names.GetValueOrDefault(server, server);
            return entry is not null && failedServers.ContainsKey(entry) ? new(Texts.Of("Entry of {0}", name), $"/failover-log/{Uri.EscapeDataString(entry)}", started?.Actor.Name)
                : server is not null && names.ContainsKey(server) ? new(name, $"/servers/{Uri.EscapeDataString(server)}", started?.Actor.Name)
                : new(name, null, started?.Actor.Name);
        }
    }

    private static string? EntryOf(WorkflowInstanceSummary run, InstanceStarted? started) => run.CorrelationId ?? (started is null ? null : RunInputs.EntryOf(started));

    private static string? ServerOf(InstanceStarted? started) => started is null ? null : RunInputs.ServerOf(started);
}
