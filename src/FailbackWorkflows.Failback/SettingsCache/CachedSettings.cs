using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Recorders.Settings;

namespace FailbackWorkflows.Failback.SettingsCache;

/// <summary>Settings of a recorded identity as last seen at whoever held its duty.</summary>
/// <param name="SourceServerId">The recorder they were read from.</param>
/// <param name="Revision">Revision on that recorder.</param>
/// <param name="Sha256">Digest of the content; the same content is stored once.</param>
/// <param name="TakenAt">When it was last confirmed to be the active one; its age is shown.</param>
/// <param name="Epoch">Epoch under which the source held the duty; the newest bundle is that of the highest epoch, then the one seen last (revisions of different recorders cannot be compared).</param>
public sealed record CachedSettings(string Identity, string SourceServerId, long Epoch, long Revision, string Sha256, DateTimeOffset TakenAt, SettingsContent Content);

/// <summary>Reads the settings cache.</summary>
public interface ISettingsCache
{
    /// <summary>The newest bundle of the duty, or null.</summary>
    Task<CachedSettings?> FindNewestAsync(string identity, CancellationToken cancellationToken);

    /// <summary>A bundle by digest, or null.</summary>
    Task<CachedSettings?> FindAsync(string identity, string sha256, CancellationToken cancellationToken);
}

/// <summary>Adds a bundle to the cache, or confirms the one there is (same identity, source, epoch, revision and digest: only the time moves on).</summary>
public sealed record SaveSettings(CachedSettings Settings) : IDomainChange;
