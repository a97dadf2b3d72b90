using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Settings;

namespace FailbackWorkflows.Failback.SettingsCache;

/// <summary>Settings of a recorded identity as seen at a server, about to be cached or read from the cache.</summary>
/// <param name="SourceServerId">The recorder they were read from.</param>
/// <param name="Epoch">Epoch under which the source held the duty; 0 when it did not: such a bundle is kept for people, and never taken for the newest.</param>
/// <param name="Revision">Revision on that recorder.</param>
/// <param name="Sha256">Digest of the content; the same content is stored once, whoever has it.</param>
/// <param name="TakenAt">When it was last confirmed to be the active one; its age is shown.</param>
public sealed record CachedSettings(string Identity, string SourceServerId, long Epoch, long Revision, string Sha256, DateTimeOffset TakenAt, SettingsContent Content)
{
    /// <summary>Who made this revision, when and why, as far as it is known.</summary>
    public SettingsProvenance Provenance { get; init; } = SettingsProvenance.Unknown;

    /// <summary>A bundle as a recorder gave it.</summary>
    /// <exception cref="RecorderException">The content does not have the digest stated for it: it was damaged on the way or at the recorder.</exception>
    public static CachedSettings From(SettingsBundle bundle, string sourceServerId, long epoch, DateTimeOffset takenAt)
    {
        if (SettingsDigest.FindMismatch(bundle.Content, bundle.Sha256) is { } mismatch)
        {
            throw new RecorderException(
                RecorderErrorKind.Rejected,
                $"The settings of {bundle.Identity} came from {sourceServerId} damaged: {mismatch}. Save them again at that recorder, or check its storage and the network.",
                RecorderProblems.DigestMismatch);
        }

        return new(bundle.Identity, sourceServerId, epoch, bundle.Revision, bundle.Sha256, takenAt, bundle.Content)
        {
            Provenance = SettingsProvenance.Unknown with { ActivatedAt = bundle.ActivatedAtUtc?.ToUniversalTime() },
        };
    }
}

/// <summary>Where a revision of settings comes from. A change made at the recorder itself has no name and no reason here: the recorder does not tell.</summary>
/// <param name="ActivatedAt">When it became the active one, by the recorder's clock.</param>
/// <param name="ChangedBy">Who had it applied.</param>
/// <param name="Reason">Why, as that person put it.</param>
/// <param name="RunId">The workflow instance that applied it.</param>
public sealed record SettingsProvenance(DateTimeOffset? ActivatedAt, string? ChangedBy, string? Reason, string? RunId)
{
    public static SettingsProvenance Unknown { get; } = new(null, null, null, null);
}

/// <summary>One row of the history of an identity's settings, without the content.</summary>
/// <param name="Number">Place in the history of the identity, from 1, in the order in which the management server learned of it. What people and links name it by.</param>
/// <param name="Epoch">As <see cref="CachedSettings.Epoch"/>.</param>
/// <param name="SeenAt">When it was first seen.</param>
/// <param name="TakenAt">When it was last written down that it is the active one there.</param>
public sealed record CachedRevision(
    long Number,
    string Identity,
    string SourceServerId,
    long Epoch,
    long Revision,
    string Sha256,
    DateTimeOffset SeenAt,
    DateTimeOffset TakenAt,
    SettingsProvenance Provenance)
{
    /// <summary>Seen at the server that held the duty then.</summary>
    public bool IsOfHolder => Epoch > 0;
}

/// <summary>Reads the settings cache.</summary>
public interface ISettingsCache
{
    /// <summary>The newest bundle of the duty, or null: that of the highest epoch, then the one that was seen last (revisions of different recorders cannot be compared).</summary>
    Task<CachedSettings?> FindNewestAsync(string identity, CancellationToken cancellationToken);

    /// <summary>A bundle by digest, or null when it was never seen for the identity.</summary>
    Task<CachedSettings?> FindAsync(string identity, string sha256, CancellationToken cancellationToken);

    /// <summary>A row of the history by its number, or null.</summary>
    Task<CachedRevision?> FindRevisionAsync(string identity, long number, CancellationToken cancellationToken);

    /// <summary>The history of an identity, newest first.</summary>
    /// <param name="before">Read on below this number; null: from the newest.</param>
    /// <param name="take">1–1000.</param>
    Task<IReadOnlyList<CachedRevision>> ListAsync(string identity, long? before, int take, CancellationToken cancellationToken);

    /// <summary>For every identity and every server its settings were seen at: the last one under the highest epoch, and the last one seen while the server did not hold the duty.</summary>
    Task<IReadOnlyList<CachedRevision>> ListLatestAsync(CancellationToken cancellationToken);

    /// <summary>As <see cref="ListLatestAsync(CancellationToken)"/>, of one identity.</summary>
    Task<IReadOnlyList<CachedRevision>> ListLatestAsync(string identity, CancellationToken cancellationToken);

    /// <summary>As <see cref="ListLatestAsync(CancellationToken)"/>, of these identities.</summary>
    Task<IReadOnlyList<CachedRevision>> ListLatestAsync(IReadOnlyCollection<string> identities, CancellationToken cancellationToken);
}

/// <summary>
/// Adds a bundle to the history, or confirms the one there is: when the last one of the same identity, source and epoch has the same revision
/// and digest, its time moves on and what was not known of its origin is added. The content must have its digest (<see cref="CachedSettings.From"/>).
/// </summary>
public sealed record SaveSettings(CachedSettings Settings) : IDomainChange;

/// <summary>Writes down that a revision still was the active one then. Harmless to repeat; the time never moves back.</summary>
public sealed record ConfirmSettings(string Identity, long Number, DateTimeOffset At) : IDomainChange;
