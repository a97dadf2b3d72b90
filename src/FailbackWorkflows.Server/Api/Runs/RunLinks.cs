namespace FailbackWorkflows.Server.Api.Runs;

/// <summary>Where a client finds what belongs to a run.</summary>
internal static class RunLinks
{
    public static string Run(string runId) => $"/api/v1/runs/{Uri.EscapeDataString(runId)}";

    public static string Entry(string entryId) => $"/api/v1/failover-log/{Uri.EscapeDataString(entryId)}";

    public static IReadOnlyDictionary<string, string> Of(string runId, string? entryId)
    {
        var links = new Dictionary<string, string>
        {
            ["run"] = Run(runId),
            ["journal"] = $"{Run(runId)}/journal",
            ["page"] = $"/runs/{Uri.EscapeDataString(runId)}",
        };
        if (entryId is not null)
        {
            links["entry"] = Entry(entryId);
        }

        return links;
    }
}
