using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Recorders.Settings;

namespace FailbackWorkflows.Failback.SettingsCache;

/// <summary>A change that a failback overwrites, or has overwritten, at the failed server.</summary>
/// <param name="Change">What somebody had changed at the failed server meanwhile.</param>
/// <param name="Winner">What was changed of the same item at the failover server, and wins; null: the item goes back to how it was before the failover.</param>
public sealed record OverwrittenChange(SettingsChange Change, SettingsChange? Winner);

/// <summary>What became of the settings of a duty during a failover.</summary>
/// <param name="Before">What the failover server began with; null when the cache does not know it.</param>
/// <param name="Now">What comes home, or came home when the failback is done; null when the cache knows nothing of the failover server.</param>
/// <param name="Changes">What was changed at the failover server during the failover. It goes back with the failback.</param>
/// <param name="AtFailedServer">What the failed server had of its own, when that is something else than before the failover.</param>
/// <param name="Overwritten">What of it the failback overwrites. The newest settings of the duty win; what loses is listed here and stays in the history.</param>
public sealed record EntrySettingsReport(
    CachedRevision? Before,
    CachedRevision? Now,
    IReadOnlyList<SettingsChange> Changes,
    CachedRevision? AtFailedServer,
    IReadOnlyList<OverwrittenChange> Overwritten);

/// <summary>Reads what became of the settings during a failover, from the cache alone.</summary>
public sealed class EntrySettings(ISettingsCache cache)
{
    /// <summary>Rows looked through; what lies further back belongs to earlier failovers.</summary>
    private const int MostRows = 1000;

    public async Task<EntrySettingsReport> ReadAsync(FailoverLogEntry entry, CancellationToken cancellationToken)
    {
        var identity = entry.FailedServerId;
        var history = await cache.ListAsync(identity, null, MostRows, cancellationToken);
        var until = entry.FailbackEndedAt ?? DateTimeOffset.MaxValue;
        var before = FindBefore(entry, history);
        var now = FindNow(entry, history, until);
        if (before is null || now is null)
        {
            return new(before, now, [], null, []);
        }

        var contents = new Dictionary<string, SettingsContent?>(StringComparer.Ordinal);
        var changes = await CompareAsync(before, now);
        var acting = history.Where(r => r.IsOfHolder).Select(r => r.Sha256).ToHashSet(StringComparer.Ordinal);
        var own = history.FirstOrDefault(r =>
            !r.IsOfHolder && r.SourceServerId == identity && r.TakenAt >= entry.FailoverStartedAt && r.SeenAt <= until && r.Sha256 != before.Sha256 && !acting.Contains(r.Sha256));
        var overwritten = own is null ? [] : await CompareAsync(before, own);
        return new(before, now, changes, own, [.. overwritten.Select(change => new OverwrittenChange(change, changes.FirstOrDefault(c => c.ConcernsTheSameAs(change))))]);

        async Task<IReadOnlyList<SettingsChange>> CompareAsync(CachedRevision from, CachedRevision to) =>
            from.Sha256 != to.Sha256 && await ContentAsync(from) is { } a && await ContentAsync(to) is { } b ? SettingsDiff.Compare(a, b) : [];

        async Task<SettingsContent?> ContentAsync(CachedRevision revision)
        {
            if (!contents.TryGetValue(revision.Sha256, out var content))
            {
                contents[revision.Sha256] = content = (await cache.FindAsync(identity, revision.Sha256, cancellationToken))?.Content;
            }

            return content;
        }
    }

    /// <summary>What the failover applied; for a failover that another system did, the last that was seen before it.</summary>
    private static CachedRevision? FindBefore(FailoverLogEntry entry, IReadOnlyList<CachedRevision> history) =>
        (entry.FailoverRunId is { } runId ? history.FirstOrDefault(r => r.Provenance.RunId == runId && r.SourceServerId == entry.FailoverServerId) : null)
        ?? history.FirstOrDefault(r => r.IsOfHolder && r.SeenAt <= entry.FailoverStartedAt)
        ?? history.LastOrDefault(r => r.IsOfHolder && r.SourceServerId == entry.FailoverServerId);

    /// <summary>What the failback applied; else the newest that the failover server had under its own epoch.</summary>
    private static CachedRevision? FindNow(FailoverLogEntry entry, IReadOnlyList<CachedRevision> history, DateTimeOffset until) =>
        (entry is { Failback: FailbackState.Done, FailbackRunId: { } runId } ? history.FirstOrDefault(r => r.Provenance.RunId == runId && r.SourceServerId == entry.FailedServerId) : null)
        ?? history
            .Where(r => r.IsOfHolder && r.SourceServerId == entry.FailoverServerId && r.SeenAt >= entry.FailoverStartedAt && r.SeenAt <= until)
            .MaxBy(r => (r.Epoch, r.SeenAt, r.Number));
}
