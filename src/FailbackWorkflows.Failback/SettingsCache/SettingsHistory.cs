using FailbackWorkflows.Recorders.Settings;

namespace FailbackWorkflows.Failback.SettingsCache;

/// <summary>Two bundles of the history side by side.</summary>
public sealed record SettingsComparison(CachedRevision From, CachedRevision To, IReadOnlyList<SettingsChange> Changes);

/// <summary>Reads bundles of the history by their numbers.</summary>
public sealed class SettingsHistory(ISettingsCache cache)
{
    /// <summary>A bundle with its content, or null.</summary>
    public async Task<(CachedRevision Revision, SettingsContent Content)?> FindAsync(string identity, long number, CancellationToken cancellationToken) =>
        await cache.FindRevisionAsync(identity, number, cancellationToken) is { } revision
        && await cache.FindAsync(identity, revision.Sha256, cancellationToken) is { } settings
            ? (revision, settings.Content)
            : null;

    /// <summary>What leads from one bundle to another; null when one of them is not there.</summary>
    /// <param name="from">Number; null: the one before <paramref name="to"/>.</param>
    /// <param name="to">Number; null: the newest of the duty.</param>
    public async Task<SettingsComparison?> CompareAsync(string identity, long? from, long? to, CancellationToken cancellationToken)
    {
        to ??= (await cache.ListLatestAsync(identity, cancellationToken)).Where(r => r.IsOfHolder).MaxBy(r => (r.Epoch, r.SeenAt, r.Number))?.Number;
        from ??= to is { } newer ? (await cache.ListAsync(identity, newer, 1, cancellationToken)).FirstOrDefault()?.Number : null;
        if (from is null || to is null || await FindAsync(identity, from.Value, cancellationToken) is not { } old || await FindAsync(identity, to.Value, cancellationToken) is not { } @new)
        {
            return null;
        }

        return new(old.Revision, @new.Revision, old.Revision.Sha256 == @new.Revision.Sha256 ? [] : SettingsDiff.Compare(old.Content, @new.Content));
    }
}
