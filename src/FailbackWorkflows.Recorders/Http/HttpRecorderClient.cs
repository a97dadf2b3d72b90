using System.Globalization;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Recording;
using FailbackWorkflows.Recorders.Settings;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Recorders.Http;

/// <summary><see cref="IRecorderClient"/> over HTTP. How calls travel is <see cref="RecorderTransport"/>'s.</summary>
public sealed class HttpRecorderClient : IRecorderClient, IDisposable
{
    private readonly RecorderTransport _transport;
    private readonly bool _ownsTransport;

    /// <summary>Over a transport that other clients use too.</summary>
    public HttpRecorderClient(RecorderTransport transport) => _transport = transport;

    /// <summary>Over a transport of its own.</summary>
    public HttpRecorderClient(RecorderClientOptions options, TimeProvider time, ILogger<HttpRecorderClient> logger)
        : this(new RecorderTransport(options, time, logger)) => _ownsTransport = true;

    public Task<RecorderStatus> GetStatusAsync(RecorderEndpoint recorder, CancellationToken cancellationToken) =>
        CallAsync<RecorderStatus>(recorder, "read status", (api, auth, ct) => api.GetStatusAsync(auth, ct), cancellationToken);

    public Task<ProbeResult> ProbeAsync(RecorderEndpoint recorder, string? identity, CancellationToken cancellationToken) =>
        CallAsync<ProbeResult>(recorder, "probe storage", (api, auth, ct) => api.ProbeAsync(auth, identity, ct), cancellationToken);

    public Task<DutyState> RaiseFenceAsync(RecorderEndpoint recorder, string identity, long fence, CancellationToken cancellationToken) =>
        CallAsync<DutyState>(recorder, "raise fence", (api, auth, ct) => api.RaiseFenceAsync(auth, identity, new FenceBody(fence), ct), cancellationToken);

    public Task<DutyState> AssignDutyAsync(RecorderEndpoint recorder, string identity, DutyAssignment assignment, string idempotencyKey, CancellationToken cancellationToken) =>
        CallAsync<DutyState>(recorder, "assign duty", (api, auth, ct) => api.AssignDutyAsync(auth, idempotencyKey, identity, assignment, ct), cancellationToken);

    public Task<RecordingState> GetRecordingAsync(RecorderEndpoint recorder, string identity, CancellationToken cancellationToken) =>
        CallAsync<RecordingState>(recorder, "read recording", (api, auth, ct) => api.GetRecordingAsync(auth, identity, ct), cancellationToken);

    public Task<RecordingState> StartRecordingAsync(RecorderEndpoint recorder, RecordingCommand command, string idempotencyKey, CancellationToken cancellationToken) =>
        CallAsync<RecordingState>(
            recorder,
            "start recording",
            (api, auth, ct) => api.StartRecordingAsync(auth, idempotencyKey, command.Authority.Epoch, command.Authority.Fence, new RecordingBody(command.Identity, command.AuthorityEnds), ct),
            cancellationToken);

    public Task<RecordingState> StopRecordingAsync(RecorderEndpoint recorder, RecordingCommand command, string idempotencyKey, CancellationToken cancellationToken) =>
        CallAsync<RecordingState>(
            recorder,
            "stop recording",
            (api, auth, ct) => api.StopRecordingAsync(auth, idempotencyKey, command.Authority.Epoch, command.Authority.Fence, new RecordingBody(command.Identity, command.AuthorityEnds), ct),
            cancellationToken);

    public Task<RecordingState> ReleaseChannelsAsync(RecorderEndpoint recorder, ReleaseChannelsCommand command, string idempotencyKey, CancellationToken cancellationToken) =>
        CallAsync<RecordingState>(
            recorder,
            "release channels",
            (api, auth, ct) => api.ReleaseChannelsAsync(auth, idempotencyKey, command.Authority.Epoch, command.Authority.Fence, new ReleaseBody(command.Identity, command.ChannelIds), ct),
            cancellationToken);

    public Task<SettingsBundle> GetSettingsAsync(RecorderEndpoint recorder, string identity, CancellationToken cancellationToken) =>
        CallAsync<SettingsBundle>(recorder, "read settings", (api, auth, ct) => api.GetSettingsAsync(auth, identity, ct), cancellationToken);

    public Task<SettingsBundle?> FindChangedSettingsAsync(RecorderEndpoint recorder, string identity, long knownRevision, string knownSha256, CancellationToken cancellationToken) =>
        _transport.FindChangedAsync<IRecorderHttpApi, SettingsBundle>(
            recorder, "read changed settings", (api, auth, ct) => api.GetChangedSettingsAsync(auth, SettingsTag.Of(knownRevision, knownSha256), identity, ct), cancellationToken);

    public Task<SettingsValidation> ValidateSettingsAsync(RecorderEndpoint recorder, string identity, SettingsContent content, CancellationToken cancellationToken) =>
        CallAsync<SettingsValidation>(recorder, "validate settings", (api, auth, ct) => api.ValidateSettingsAsync(auth, identity, new SettingsBody(content), ct), cancellationToken);

    public Task<StagedSettings> StageSettingsAsync(RecorderEndpoint recorder, StageSettingsCommand command, string idempotencyKey, CancellationToken cancellationToken) =>
        CallAsync<StagedSettings>(
            recorder,
            "stage settings",
            (api, auth, ct) => api.StageSettingsAsync(auth, idempotencyKey, command.Authority.Epoch, command.Authority.Fence, command.Identity, new StageSettingsBody(command.Content, command.Sha256), ct),
            cancellationToken);

    public Task<SettingsRevision> ActivateSettingsAsync(RecorderEndpoint recorder, ActivateSettingsCommand command, string idempotencyKey, CancellationToken cancellationToken)
    {
        var expected = string.Create(CultureInfo.InvariantCulture, $"\"{command.ExpectedRevision}\"");
        return CallAsync<SettingsRevision>(
            recorder,
            "activate settings",
            (api, auth, ct) => api.ActivateSettingsAsync(auth, idempotencyKey, command.Authority.Epoch, command.Authority.Fence, expected, command.Identity, command.StagedId, ct),
            cancellationToken);
    }

    public Task<SettingsRevision> RollBackSettingsAsync(RecorderEndpoint recorder, RollBackSettingsCommand command, string idempotencyKey, CancellationToken cancellationToken) =>
        CallAsync<SettingsRevision>(
            recorder,
            "roll back settings",
            (api, auth, ct) => api.RollBackSettingsAsync(auth, idempotencyKey, command.Authority.Epoch, command.Authority.Fence, command.Identity, new RollBackBody(command.ToRevision), ct),
            cancellationToken);

    public Task<SettingsRevision> FreezeSettingsAsync(RecorderEndpoint recorder, FreezeSettingsCommand command, string idempotencyKey, CancellationToken cancellationToken) =>
        CallAsync<SettingsRevision>(
            recorder,
            command.Frozen ? "freeze settings" : "unfreeze settings",
            (api, auth, ct) => command.Frozen
                ? api.FreezeSettingsAsync(auth, idempotencyKey, command.Authority.Epoch, command.Authority.Fence, command.Identity, ct)
                : api.UnfreezeSettingsAsync(auth, idempotencyKey, command.Authority.Epoch, command.Authority.Fence, command.Identity, ct),
            cancellationToken);

    public async Task<RetentionHoldState?> FindRetentionHoldAsync(RecorderEndpoint recorder, string entryId, CancellationToken cancellationToken)
    {
        try
        {
            return await CallAsync<RetentionHoldState>(recorder, "read retention hold", (api, auth, ct) => api.GetRetentionHoldAsync(auth, entryId, ct), cancellationToken);
        }
        catch (RecorderException exception) when (exception.Kind == RecorderErrorKind.NotFound)
        {
            return null;
        }
    }

    public async Task<IReadOnlyList<RetentionHoldState>> ListRetentionHoldsAsync(RecorderEndpoint recorder, CancellationToken cancellationToken) =>
        (await CallAsync<HoldList>(recorder, "list retention holds", (api, auth, ct) => api.ListRetentionHoldsAsync(auth, ct), cancellationToken)).Items;

    public Task<RetentionHoldState> PutRetentionHoldAsync(RecorderEndpoint recorder, RetentionHoldCommand command, string idempotencyKey, CancellationToken cancellationToken) =>
        CallAsync<RetentionHoldState>(
            recorder,
            "put retention hold",
            (api, auth, ct) => api.PutRetentionHoldAsync(
                auth,
                idempotencyKey,
                command.Authority.Epoch,
                command.Authority.Fence,
                command.EntryId,
                new RetentionHoldBody(command.Identity, command.FromUtc, command.ToUtc, command.Reason),
                ct),
            cancellationToken);

    public void Dispose()
    {
        if (_ownsTransport)
        {
            _transport.Dispose();
        }
    }

    private Task<T> CallAsync<T>(
        RecorderEndpoint recorder,
        string call,
        Func<IRecorderHttpApi, string, CancellationToken, Task<HttpResponseMessage>> send,
        CancellationToken cancellationToken)
        where T : class => _transport.CallAsync<IRecorderHttpApi, T>(recorder, call, send, cancellationToken);
}
