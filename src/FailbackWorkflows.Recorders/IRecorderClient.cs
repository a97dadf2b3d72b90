using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Recording;
using FailbackWorkflows.Recorders.Settings;

namespace FailbackWorkflows.Recorders;

/// <summary>
/// Everything the management server asks of a recorder. Every method throws <see cref="RecorderException"/> and nothing else
/// (besides <see cref="OperationCanceledException"/>). Every mutating call carries the authority of the caller for the recorded
/// identity (<see cref="DutyAuthority"/>) and an idempotency key: the recorder refuses an authority lower than one it has seen
/// (<see cref="RecorderErrorKind.StaleAuthority"/>), then answers a key it already knows with the answer it gave the first time.
/// </summary>
public interface IRecorderClient
{
    /// <summary>Identity, boot id, software version, duties, storage. Reads only.</summary>
    Task<RecorderStatus> GetStatusAsync(RecorderEndpoint recorder, CancellationToken cancellationToken);

    /// <summary>
    /// Writes and reads back a small file on every storage, and where the channels of <paramref name="identity"/> (null: none) would be written, and reports
    /// free space. Changes nothing that lasts.
    /// </summary>
    Task<ProbeResult> ProbeAsync(RecorderEndpoint recorder, string? identity, CancellationToken cancellationToken);

    /// <summary>
    /// Raises the fence of a recorded identity and answers with the duty as it is: from then on calls with a lower fence are refused.
    /// Does not change epoch or role. Safe to repeat with the same fence. Unknown identity: a duty of role <see cref="DutyRole.None"/>, epoch 0.
    /// </summary>
    Task<DutyState> RaiseFenceAsync(RecorderEndpoint recorder, string identity, long fence, CancellationToken cancellationToken);

    /// <summary>Gives or takes a duty: a larger epoch, or a repeat of the same assignment. Same epoch with other content: <see cref="RecorderErrorKind.Conflict"/>.</summary>
    Task<DutyState> AssignDutyAsync(RecorderEndpoint recorder, string identity, DutyAssignment assignment, string idempotencyKey, CancellationToken cancellationToken);

    /// <summary>Per channel of the identity: recording or not, first and last frame. Reads only.</summary>
    Task<RecordingState> GetRecordingAsync(RecorderEndpoint recorder, string identity, CancellationToken cancellationToken);

    /// <summary>Starts recording of the identity's enabled channels; needs the duty with role <see cref="DutyRole.Recorder"/> under the call's epoch. Repeating is harmless.</summary>
    Task<RecordingState> StartRecordingAsync(RecorderEndpoint recorder, RecordingCommand command, string idempotencyKey, CancellationToken cancellationToken);

    /// <summary>Stops recording of the identity and answers with the last written time per channel. Repeating is harmless.</summary>
    Task<RecordingState> StopRecordingAsync(RecorderEndpoint recorder, RecordingCommand command, string idempotencyKey, CancellationToken cancellationToken);

    /// <summary>
    /// Lets go of the sources of these channels and records the others on; answers with the last written time per channel. For cameras that allow
    /// one session, which the successor needs. It lasts until recording is started or the duty is assigned anew, or the recorder restarts.
    /// Repeating is harmless. A recorder that cannot do it answers <see cref="RecorderErrorKind.NotFound"/>.
    /// </summary>
    Task<RecordingState> ReleaseChannelsAsync(RecorderEndpoint recorder, ReleaseChannelsCommand command, string idempotencyKey, CancellationToken cancellationToken);

    /// <summary>The active duty settings of the identity, with revision and sha256. Reads only.</summary>
    Task<SettingsBundle> GetSettingsAsync(RecorderEndpoint recorder, string identity, CancellationToken cancellationToken);

    /// <summary>As <see cref="GetSettingsAsync"/>, or null when the active settings still are that revision with that digest: then nothing but a look is spent. A freeze alone is no change.</summary>
    Task<SettingsBundle?> FindChangedSettingsAsync(RecorderEndpoint recorder, string identity, long knownRevision, string knownSha256, CancellationToken cancellationToken);

    /// <summary>Dry run against this recorder: what would stand in the way of these settings. Reads only.</summary>
    Task<SettingsValidation> ValidateSettingsAsync(RecorderEndpoint recorder, string identity, SettingsContent content, CancellationToken cancellationToken);

    /// <summary>Uploads settings without activating them. Answers with the id to activate and the sha256 the recorder computed.</summary>
    Task<StagedSettings> StageSettingsAsync(RecorderEndpoint recorder, StageSettingsCommand command, string idempotencyKey, CancellationToken cancellationToken);

    /// <summary>Makes staged settings the active ones, all or nothing. <see cref="RecorderErrorKind.Conflict"/> when the active revision is not the expected one or the settings are frozen.</summary>
    Task<SettingsRevision> ActivateSettingsAsync(RecorderEndpoint recorder, ActivateSettingsCommand command, string idempotencyKey, CancellationToken cancellationToken);

    /// <summary>Makes an earlier revision active again (as a new revision number with the old content).</summary>
    Task<SettingsRevision> RollBackSettingsAsync(RecorderEndpoint recorder, RollBackSettingsCommand command, string idempotencyKey, CancellationToken cancellationToken);

    /// <summary>Freezes (true) or unfreezes (false) the identity's settings: while frozen they cannot be changed on that recorder.</summary>
    Task<SettingsRevision> FreezeSettingsAsync(RecorderEndpoint recorder, FreezeSettingsCommand command, string idempotencyKey, CancellationToken cancellationToken);

    /// <summary>The hold of a failover log entry as the recorder keeps it, also after its release; null: it has none. Reads only.</summary>
    Task<RetentionHoldState?> FindRetentionHoldAsync(RecorderEndpoint recorder, string entryId, CancellationToken cancellationToken);

    /// <summary>All holds the recorder keeps, released ones included. Reads only.</summary>
    Task<IReadOnlyList<RetentionHoldState>> ListRetentionHoldsAsync(RecorderEndpoint recorder, CancellationToken cancellationToken);

    /// <summary>Opens a retention hold or gives an open one its end. What is held is not deleted by retention.</summary>
    Task<RetentionHoldState> PutRetentionHoldAsync(RecorderEndpoint recorder, RetentionHoldCommand command, string idempotencyKey, CancellationToken cancellationToken);
}
