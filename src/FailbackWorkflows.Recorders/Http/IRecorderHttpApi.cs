using FailbackWorkflows.Recorders.Duties;
using RestEase;

namespace FailbackWorkflows.Recorders.Http;

/// <summary>
/// The recorder's routes as the client uses them. Answers come back raw: status, size and meaning are judged in
/// <see cref="RecorderTransport"/>. Nothing here that Refit could not express. RestEase implements the interface at run time,
/// which is why it is public.
/// </summary>
[AllowAnyStatusCode]
public interface IRecorderHttpApi
{
    [Get("v1/recorder")]
    Task<HttpResponseMessage> GetStatusAsync([Header("Authorization")] string authorization, CancellationToken cancellationToken);

    [Post("v1/recorder:probe")]
    Task<HttpResponseMessage> ProbeAsync([Header("Authorization")] string authorization, [Query] string? identity, CancellationToken cancellationToken);

    [Post("v1/duties/{identity}:fence")]
    Task<HttpResponseMessage> RaiseFenceAsync([Header("Authorization")] string authorization, [Path] string identity, [Body] FenceBody body, CancellationToken cancellationToken);

    [Put("v1/duties/{identity}")]
    Task<HttpResponseMessage> AssignDutyAsync(
        [Header("Authorization")] string authorization,
        [Header(RecorderHeaders.IdempotencyKey)] string idempotencyKey,
        [Path] string identity,
        [Body] DutyAssignment body,
        CancellationToken cancellationToken);

    [Get("v1/duties/{identity}/recording")]
    Task<HttpResponseMessage> GetRecordingAsync([Header("Authorization")] string authorization, [Path] string identity, CancellationToken cancellationToken);

    [Post("v1/recording:start")]
    Task<HttpResponseMessage> StartRecordingAsync(
        [Header("Authorization")] string authorization,
        [Header(RecorderHeaders.IdempotencyKey)] string idempotencyKey,
        [Header(RecorderHeaders.DutyEpoch)] long epoch,
        [Header(RecorderHeaders.DutyFence)] long fence,
        [Body] RecordingBody body,
        CancellationToken cancellationToken);

    [Post("v1/recording:stop")]
    Task<HttpResponseMessage> StopRecordingAsync(
        [Header("Authorization")] string authorization,
        [Header(RecorderHeaders.IdempotencyKey)] string idempotencyKey,
        [Header(RecorderHeaders.DutyEpoch)] long epoch,
        [Header(RecorderHeaders.DutyFence)] long fence,
        [Body] RecordingBody body,
        CancellationToken cancellationToken);

    [Post("v1/recording:release")]
    Task<HttpResponseMessage> ReleaseChannelsAsync(
        [Header("Authorization")] string authorization,
        [Header(RecorderHeaders.IdempotencyKey)] string idempotencyKey,
        [Header(RecorderHeaders.DutyEpoch)] long epoch,
        [Header(RecorderHeaders.DutyFence)] long fence,
        [Body] ReleaseBody body,
        CancellationToken cancellationToken);

    [Get("v1/duties/{identity}/config")]
    Task<HttpResponseMessage> GetSettingsAsync([Header("Authorization")] string authorization, [Path] string identity, CancellationToken cancellationToken);

    [Get("v1/duties/{identity}/config")]
    Task<HttpResponseMessage> GetChangedSettingsAsync(
        [Header("Authorization")] string authorization, [Header("If-None-Match")] string knownTag, [Path] string identity, CancellationToken cancellationToken);

    [Post("v1/duties/{identity}/config:validate")]
    Task<HttpResponseMessage> ValidateSettingsAsync([Header("Authorization")] string authorization, [Path] string identity, [Body] SettingsBody body, CancellationToken cancellationToken);

    [Post("v1/duties/{identity}/config/staged")]
    Task<HttpResponseMessage> StageSettingsAsync(
        [Header("Authorization")] string authorization,
        [Header(RecorderHeaders.IdempotencyKey)] string idempotencyKey,
        [Header(RecorderHeaders.DutyEpoch)] long epoch,
        [Header(RecorderHeaders.DutyFence)] long fence,
        [Path] string identity,
        [Body] StageSettingsBody body,
        CancellationToken cancellationToken);

    [Post("v1/duties/{identity}/config/staged/{stagedId}:activate")]
    Task<HttpResponseMessage> ActivateSettingsAsync(
        [Header("Authorization")] string authorization,
        [Header(RecorderHeaders.IdempotencyKey)] string idempotencyKey,
        [Header(RecorderHeaders.DutyEpoch)] long epoch,
        [Header(RecorderHeaders.DutyFence)] long fence,
        [Header("If-Match")] string expectedRevision,
        [Path] string identity,
        [Path] string stagedId,
        CancellationToken cancellationToken);

    [Post("v1/duties/{identity}/config:rollback")]
    Task<HttpResponseMessage> RollBackSettingsAsync(
        [Header("Authorization")] string authorization,
        [Header(RecorderHeaders.IdempotencyKey)] string idempotencyKey,
        [Header(RecorderHeaders.DutyEpoch)] long epoch,
        [Header(RecorderHeaders.DutyFence)] long fence,
        [Path] string identity,
        [Body] RollBackBody body,
        CancellationToken cancellationToken);

    [Post("v1/duties/{identity}/config:freeze")]
    Task<HttpResponseMessage> FreezeSettingsAsync(
        [Header("Authorization")] string authorization,
        [Header(RecorderHeaders.IdempotencyKey)] string idempotencyKey,
        [Header(RecorderHeaders.DutyEpoch)] long epoch,
        [Header(RecorderHeaders.DutyFence)] long fence,
        [Path] string identity,
        CancellationToken cancellationToken);

    [Post("v1/duties/{identity}/config:unfreeze")]
    Task<HttpResponseMessage> UnfreezeSettingsAsync(
        [Header("Authorization")] string authorization,
        [Header(RecorderHeaders.IdempotencyKey)] string idempotencyKey,
        [Header(RecorderHeaders.DutyEpoch)] long epoch,
        [Header(RecorderHeaders.DutyFence)] long fence,
        [Path] string identity,
        CancellationToken cancellationToken);

    [Get("v1/retention-holds/{entryId}")]
    Task<HttpResponseMessage> GetRetentionHoldAsync([Header("Authorization")] string authorization, [Path] string entryId, CancellationToken cancellationToken);

    [Get("v1/retention-holds")]
    Task<HttpResponseMessage> ListRetentionHoldsAsync([Header("Authorization")] string authorization, CancellationToken cancellationToken);

    [Put("v1/retention-holds/{entryId}")]
    Task<HttpResponseMessage> PutRetentionHoldAsync(
        [Header("Authorization")] string authorization,
        [Header(RecorderHeaders.IdempotencyKey)] string idempotencyKey,
        [Header(RecorderHeaders.DutyEpoch)] long epoch,
        [Header(RecorderHeaders.DutyFence)] long fence,
        [Path] string entryId,
        [Body] RetentionHoldBody body,
        CancellationToken cancellationToken);
}
