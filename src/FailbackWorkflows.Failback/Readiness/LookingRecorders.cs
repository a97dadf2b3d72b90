using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Recording;
using FailbackWorkflows.Recorders.Settings;

namespace FailbackWorkflows.Failback.Readiness;

/// <summary>
/// Recorders for a dry run: what only reads is passed on, what would change something never leaves. A fence is not raised; the answer is what
/// the recorder says of the duty without it. A recorder that waits for its role is taken as told that it still has it. Every other command is
/// a mistake of whoever marked the activity as fit for a rehearsal, and throws.
/// </summary>
/// <param name="failedServer">A server that is taken as failed: it is not asked, as if it did not answer; null: none.</param>
internal sealed class LookingRecorders(IRecorderClient recorders, string? failedServer) : IRecorderClient
{
    private readonly HashSet<(string ServerId, string Identity)> _confirmed = [];
    private readonly List<string> _notes = [];

    /// <summary>What was assumed since the last time somebody asked.</summary>
    public IReadOnlyList<string> TakeNotes()
    {
        IReadOnlyList<string> notes = [.. _notes];
        _notes.Clear();
        return notes;
    }

    public Task<RecorderStatus> GetStatusAsync(RecorderEndpoint recorder, CancellationToken cancellationToken) => Of(recorder).GetStatusAsync(recorder, cancellationToken);

    public Task<ProbeResult> ProbeAsync(RecorderEndpoint recorder, string? identity, CancellationToken cancellationToken) => Of(recorder).ProbeAsync(recorder, identity, cancellationToken);

    public async Task<DutyState> RaiseFenceAsync(RecorderEndpoint recorder, string identity, long fence, CancellationToken cancellationToken) =>
        await FindDutyAsync(recorder, identity, cancellationToken) ?? new DutyState(identity, DutyRole.None, DutyRole.None, 0, null, 0, false, false);

    public async Task<DutyState> AssignDutyAsync(RecorderEndpoint recorder, string identity, DutyAssignment assignment, string idempotencyKey, CancellationToken cancellationToken)
    {
        var seen = await FindDutyAsync(recorder, identity, cancellationToken);
        if (seen is not { Role: DutyRole.AwaitingRole } || seen.Epoch != assignment.Epoch || seen.AllocationId != assignment.AllocationId || seen.AssignedRole != assignment.Role || assignment.Hold is not null)
        {
            throw Command(nameof(AssignDutyAsync));
        }

        _confirmed.Add((recorder.ServerId, identity));
        _notes.Add($"{recorder.ServerId} came up again and waits to be told that it still has the duty of {identity}. The next poll, or the run, tells it; whether it records then is seen only after that.");
        return seen with { Role = seen.AssignedRole, Recording = true, Disputed = false };
    }

    public async Task<RecordingState> GetRecordingAsync(RecorderEndpoint recorder, string identity, CancellationToken cancellationToken)
    {
        var recording = await Of(recorder).GetRecordingAsync(recorder, identity, cancellationToken);
        return _confirmed.Contains((recorder.ServerId, identity)) ? recording with { Channels = [.. recording.Channels.Select(c => c with { Recording = c.Enabled })] } : recording;
    }

    public Task<SettingsBundle> GetSettingsAsync(RecorderEndpoint recorder, string identity, CancellationToken cancellationToken) => Of(recorder).GetSettingsAsync(recorder, identity, cancellationToken);

    public Task<SettingsBundle?> FindChangedSettingsAsync(RecorderEndpoint recorder, string identity, long knownRevision, string knownSha256, CancellationToken cancellationToken) =>
        Of(recorder).FindChangedSettingsAsync(recorder, identity, knownRevision, knownSha256, cancellationToken);

    public Task<SettingsValidation> ValidateSettingsAsync(RecorderEndpoint recorder, string identity, SettingsContent content, CancellationToken cancellationToken) =>
        Of(recorder).ValidateSettingsAsync(recorder, identity, content, cancellationToken);

    public Task<RetentionHoldState?> FindRetentionHoldAsync(RecorderEndpoint recorder, string entryId, CancellationToken cancellationToken) => Of(recorder).FindRetentionHoldAsync(recorder, entryId, cancellationToken);

    public Task<IReadOnlyList<RetentionHoldState>> ListRetentionHoldsAsync(RecorderEndpoint recorder, CancellationToken cancellationToken) => Of(recorder).ListRetentionHoldsAsync(recorder, cancellationToken);

    public Task<RecordingState> StartRecordingAsync(RecorderEndpoint recorder, RecordingCommand command, string idempotencyKey, CancellationToken cancellationToken) => throw Command(nameof(StartRecordingAsync));

    public Task<RecordingState> StopRecordingAsync(RecorderEndpoint recorder, RecordingCommand command, string idempotencyKey, CancellationToken cancellationToken) => throw Command(nameof(StopRecordingAsync));

    public Task<RecordingState> ReleaseChannelsAsync(RecorderEndpoint recorder, ReleaseChannelsCommand command, string idempotencyKey, CancellationToken cancellationToken) => throw Command(nameof(ReleaseChannelsAsync));

    public Task<StagedSettings> StageSettingsAsync(RecorderEndpoint recorder, StageSettingsCommand command, string idempotencyKey, CancellationToken cancellationToken) => throw Command(nameof(StageSettingsAsync));

    public Task<SettingsRevision> ActivateSettingsAsync(RecorderEndpoint recorder, ActivateSettingsCommand command, string idempotencyKey, CancellationToken cancellationToken) => throw Command(nameof(ActivateSettingsAsync));

    public Task<SettingsRevision> RollBackSettingsAsync(RecorderEndpoint recorder, RollBackSettingsCommand command, string idempotencyKey, CancellationToken cancellationToken) => throw Command(nameof(RollBackSettingsAsync));

    public Task<SettingsRevision> FreezeSettingsAsync(RecorderEndpoint recorder, FreezeSettingsCommand command, string idempotencyKey, CancellationToken cancellationToken) => throw Command(nameof(FreezeSettingsAsync));

    public Task<RetentionHoldState> PutRetentionHoldAsync(RecorderEndpoint recorder, RetentionHoldCommand command, string idempotencyKey, CancellationToken cancellationToken) => throw Command(nameof(PutRetentionHoldAsync));

    private async Task<DutyState?> FindDutyAsync(RecorderEndpoint recorder, string identity, CancellationToken cancellationToken) =>
        (await Of(recorder).GetStatusAsync(recorder, cancellationToken)).Duties.FirstOrDefault(d => d.Identity == identity);

    private IRecorderClient Of(RecorderEndpoint recorder) => recorder.ServerId == failedServer
        ? throw new RecorderException(RecorderErrorKind.Unreachable, $"{recorder.ServerId} is taken as failed.")
        : recorders;

    private static InvalidOperationException Command(string name) => new($"A dry run does not command recorders, but {name} was called.");
}
