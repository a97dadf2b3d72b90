using FailbackWorkflows.Testing.Processes;

namespace FailbackWorkflows.Scenarios;

/// <summary>Everything a refused run must not have touched, as one text to compare. A raised fence is no change: it only keeps others out.</summary>
internal static class Touch
{
    public static async Task<string> LookAsync(Site site, string entryId)
    {
        var lines = new List<string>();
        foreach (var recorder in await site.ListAnsweringAsync())
        {
            var status = await recorder.GetStatusAsync();
            lines.AddRange(status.Duties.OrderBy(d => d.Identity).Select(d => $"{recorder.Id}: {d with { Fence = 0 }}"));
            if (status.Duties.Any(d => d.Identity == Site.MainId))
            {
                var settings = await recorder.GetSettingsAsync(Site.MainId);
                lines.Add($"{recorder.Id}: revision {settings.Revision} {settings.Sha256} frozen {settings.Frozen}");
            }
        }

        var entry = await site.Server.GetEntryAsync(entryId);
        lines.Add($"{entry.Failover} {entry.Failback} {entry.MaterialCopy} {entry.FailbackStartedAt:O} {entry.FailbackEndedAt:O}");
        return string.Join(Environment.NewLine, lines);
    }
}
