using System.Collections.Concurrent;

namespace FailbackWorkflows.Failback.SettingsCache;

/// <summary>How fresh the cached settings of an identity are.</summary>
/// <param name="Newest">The newest revision of the duty.</param>
/// <param name="ConfirmedAt">When a recorder last said that these are the active ones.</param>
/// <param name="Age">Time since then.</param>
/// <param name="IsStale">Older than <see cref="SettingsAges.StaleAfter"/>: what was changed since is not known here.</param>
/// <param name="Problem">Why the last look failed, as a sentence; null when it did not.</param>
public sealed record SettingsAge(CachedRevision Newest, DateTimeOffset ConfirmedAt, TimeSpan Age, bool IsStale, string? Problem);

/// <summary>
/// Ages of cached settings. That a recorder still has the settings known of it is kept in memory and written down only now and then, so that
/// a fleet whose settings do not change costs no writes; after a restart an age may therefore be too old by
/// <see cref="WrittenEvery"/>, never too young.
/// </summary>
public sealed class SettingsAges(ISettingsCache cache, TimeProvider time)
{
    /// <summary>Age from which cached settings are shown as stale.</summary>
    public static readonly TimeSpan StaleAfter = TimeSpan.FromMinutes(5);

    /// <summary>A confirmation is written down at least this often.</summary>
    public static readonly TimeSpan WrittenEvery = TimeSpan.FromMinutes(10);

    private readonly ConcurrentDictionary<(string Identity, string Source), Look> _looks = new();

    /// <summary>The age of every identity that has cached settings, by identity.</summary>
    public async Task<IReadOnlyDictionary<string, SettingsAge>> ListAsync(CancellationToken cancellationToken) => Of(await cache.ListLatestAsync(cancellationToken));

    /// <summary>The same of these identities.</summary>
    public async Task<IReadOnlyDictionary<string, SettingsAge>> ListAsync(IReadOnlyCollection<string> identities, CancellationToken cancellationToken) =>
        Of(await cache.ListLatestAsync(identities, cancellationToken));

    /// <summary>The age of one identity's cached settings; null: there are none.</summary>
    public async Task<SettingsAge?> FindAsync(string identity, CancellationToken cancellationToken)
    {
        var seen = (await cache.ListLatestAsync(identity, cancellationToken)).Where(r => r.IsOfHolder).ToList();
        return seen.Count == 0 ? null : Of(seen, time.GetUtcNow());
    }

    /// <summary>The newest of the duty among what was seen of one identity; null: nothing was.</summary>
    internal static CachedRevision? NewestOf(IEnumerable<CachedRevision> seen) =>
        seen.Where(r => r.IsOfHolder).OrderByDescending(r => r.Epoch).ThenByDescending(r => r.SeenAt).ThenByDescending(r => r.Number).FirstOrDefault();

    internal DateTimeOffset ConfirmedAt(CachedRevision revision) =>
        _looks.TryGetValue((revision.Identity, revision.SourceServerId), out var look) && look.Number == revision.Number && look.ConfirmedAt > revision.TakenAt
            ? look.ConfirmedAt.Value
            : revision.TakenAt;

    internal void Confirm(CachedRevision revision, DateTimeOffset at) => _looks[(revision.Identity, revision.SourceServerId)] = new(revision.Number, at, null);

    /// <summary>What was known of looks is out of date: the settings were written down anew.</summary>
    internal void Forget(string identity, string source) => _looks.TryRemove((identity, source), out _);

    /// <summary>Notes a look that failed. True when the look before it had not failed, or had for another reason.</summary>
    internal bool Fail(string identity, string source, string problem)
    {
        var before = _looks.GetValueOrDefault((identity, source));
        _looks[(identity, source)] = (before ?? new(0, null, null)) with { Problem = problem };
        return before?.Problem != problem;
    }

    private Dictionary<string, SettingsAge> Of(IReadOnlyList<CachedRevision> latest)
    {
        var now = time.GetUtcNow();
        return latest.Where(r => r.IsOfHolder).GroupBy(r => r.Identity).ToDictionary(identity => identity.Key, identity => Of([.. identity], now));
    }

    private SettingsAge Of(IReadOnlyList<CachedRevision> seen, DateTimeOffset now)
    {
        var newest = NewestOf(seen)!;

        // Whoever has the same content confirms it: a failback that was undone has left the failed server with settings that nobody asks it for any more.
        var same = seen.Where(r => r.Sha256 == newest.Sha256).ToList();
        var confirmedAt = same.Max(ConfirmedAt);
        var age = now > confirmedAt ? now - confirmedAt : TimeSpan.Zero;
        var problem = same.Select(r => _looks.GetValueOrDefault((r.Identity, r.SourceServerId))?.Problem).FirstOrDefault(p => p is not null);
        return new(newest, confirmedAt, age, age > StaleAfter, problem);
    }

    /// <param name="Number">The revision that was confirmed; 0 when none was.</param>
    private sealed record Look(long Number, DateTimeOffset? ConfirmedAt, string? Problem);
}
