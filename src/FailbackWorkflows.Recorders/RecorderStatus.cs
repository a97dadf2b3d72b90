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
public sealed record StorageState(string Id, long TotalBytes, long FreeBytes, long ReserveBytes);

/// <summary>What a recorder can do.</summary>
public sealed record RecorderCapabilities(bool RetentionHold, int MaxChannels, int MaxParallelReads);

/// <summary>Result of a probe write: <paramref name="Writable"/> only when every storage took and gave back the probe and has more than its reserve free.</summary>
public sealed record ProbeResult(bool Writable, IReadOnlyList<StorageState> Storage, string? Reason);
