using FailbackWorkflows.Recorders.Duties;

namespace FailbackWorkflows.Recorders;

/// <summary>What <c>GET /v1/recorder</c> answers.</summary>
/// <param name="Id">The machine's own id, made once when its storage was created; never the address.</param>
/// <param name="BootId">New at every start of the recorder process.</param>
/// <param name="SoftwareVersion">Dotted version of the recorder software, e.g. <c>1.4.0</c>.</param>
/// <param name="ApiVersion">Version of this contract, <c>1</c>.</param>
/// <param name="TimeUtc">The recorder's clock.</param>
/// <param name="TimeResolution">Smallest difference of times it keeps; used as tolerance.</param>
public sealed record RecorderStatus(
    string Id,
    string BootId,
    string SoftwareVersion,
    string ApiVersion,
    DateTimeOffset TimeUtc,
    TimeSpan TimeResolution,
    IReadOnlyList<DutyState> Duties,
    IReadOnlyList<StorageState> Storage,
    RecorderCapabilities Capabilities);

/// <summary>One storage of a recorder; sizes in bytes. Recording stops before <paramref name="ReserveBytes"/> is touched.</summary>
/// <param name="HeldBytes">Material that holds, locks or copies keep: it gives way to nothing. Told by a probe only; null: not told.</param>
/// <param name="ClearableBytes">Material that the recorder removes by itself, the oldest first, when it needs the room. Told by a probe only; null: not told.</param>
public sealed record StorageState(string Id, long TotalBytes, long FreeBytes, long ReserveBytes, long? HeldBytes = null, long? ClearableBytes = null);

/// <summary>What a recorder can do.</summary>
/// <param name="RetentionHold">It can keep a range from its retention. Where not, a copy reads it oldest first.</param>
/// <param name="MaxChannels">Per identity.</param>
/// <param name="MaxParallelReads">Transfers of material it gives at a time.</param>
/// <param name="BackfillAnywhere">It takes material of any time. False: its timelines grow at their end only. Not stated: true.</param>
/// <param name="Digest">Who makes the digests of its segments. Not stated: the recorder.</param>
/// <param name="SideArchive">
/// What cannot go into its timelines it keeps as a linked side archive (<see cref="Material.SideArchive"/>). Only asked of a recorder that does not backfill
/// anywhere: without it nothing can be copied home there. Not stated: false.
/// </param>
public sealed record RecorderCapabilities(
    bool RetentionHold, int MaxChannels, int MaxParallelReads, bool BackfillAnywhere = true, DigestOrigin Digest = DigestOrigin.Recorder, bool SideArchive = false);

/// <summary>Who makes the sha256 of what a recorder holds.</summary>
public enum DigestOrigin
{
    /// <summary>The recorder: a whole segment without one is not taken from it.</summary>
    Recorder,

    /// <summary>It has none to give. Whoever copies reads each segment twice, compares, and says so in the coverage report.</summary>
    ComputedByCopier,
}

/// <summary>Result of a probe write: <paramref name="Writable"/> only when every storage took and gave back the probe and has more than its reserve free.</summary>
/// <param name="Channels">
/// The enabled channels of the identity that was asked about, each written where its material would go; null: none was asked about, or the recorder tests
/// its storages only. A storage may be well while the folder or the disk of one channel is not.
/// </param>
public sealed record ProbeResult(bool Writable, IReadOnlyList<StorageState> Storage, string? Reason, IReadOnlyList<ChannelProbe>? Channels = null);

/// <summary>Whether a channel could be written now. Its source is not opened: that may allow one session, which somebody else has.</summary>
/// <param name="Required">As its settings have it: a failback waits for its frames.</param>
/// <param name="Reason">Why not, as a sentence; null when it is writable.</param>
public sealed record ChannelProbe(string ChannelId, string Name, bool Required, bool Writable, string? Reason);
