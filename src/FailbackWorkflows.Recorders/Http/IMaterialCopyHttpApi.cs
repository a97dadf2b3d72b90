using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using RestEase;

namespace FailbackWorkflows.Recorders.Http;

/// <summary>
/// The recorder's routes of material copy as the management server uses them; raw answers, judged in <see cref="RecorderTransport"/>.
/// RestEase implements the interface at run time, which is why it is public.
/// </summary>
[AllowAnyStatusCode]
public interface IMaterialCopyHttpApi
{
    [Put("v1/read-tokens/{tokenId}")]
    Task<HttpResponseMessage> IssueReadTokenAsync(
        [Header("Authorization")] string authorization,
        [Header(RecorderHeaders.IdempotencyKey)] string idempotencyKey,
        [Header(RecorderHeaders.DutyEpoch)] long epoch,
        [Header(RecorderHeaders.CopyFence)] long copyFence,
        [Path] string tokenId,
        [Body] ReadTokenRequest body,
        CancellationToken cancellationToken);

    [Delete("v1/read-tokens/{tokenId}")]
    Task<HttpResponseMessage> RevokeReadTokenAsync(
        [Header("Authorization")] string authorization,
        [Header(RecorderHeaders.IdempotencyKey)] string idempotencyKey,
        [Header(RecorderHeaders.DutyEpoch)] long epoch,
        [Header(RecorderHeaders.CopyFence)] long copyFence,
        [Path] string tokenId,
        [Query] string identity,
        CancellationToken cancellationToken);

    [Post("v1/retention-holds/{entryId}:release")]
    Task<HttpResponseMessage> ReleaseRetentionHoldAsync(
        [Header("Authorization")] string authorization,
        [Header(RecorderHeaders.IdempotencyKey)] string idempotencyKey,
        [Header(RecorderHeaders.DutyEpoch)] long epoch,
        [Header(RecorderHeaders.CopyFence)] long copyFence,
        [Path] string entryId,
        [Body] ReleaseHoldBody body,
        CancellationToken cancellationToken);

    [Post("v1/copy-tasks")]
    Task<HttpResponseMessage> StartDataCopyAsync(
        [Header("Authorization")] string authorization,
        [Header(RecorderHeaders.IdempotencyKey)] string idempotencyKey,
        [Header(RecorderHeaders.DutyEpoch)] long epoch,
        [Header(RecorderHeaders.CopyFence)] long copyFence,
        [Body] StartDataCopy body,
        CancellationToken cancellationToken);

    [Put("v1/copy-tasks/{taskId}/source")]
    Task<HttpResponseMessage> UpdateClientInfoAsync(
        [Header("Authorization")] string authorization,
        [Header(RecorderHeaders.IdempotencyKey)] string idempotencyKey,
        [Header(RecorderHeaders.DutyEpoch)] long epoch,
        [Header(RecorderHeaders.CopyFence)] long copyFence,
        [Path] string taskId,
        [Body] UpdateClientInfo body,
        CancellationToken cancellationToken);

    [Post("v1/copy-tasks:reconcile")]
    Task<HttpResponseMessage> UpdateFailoverTaskStatesAsync(
        [Header("Authorization")] string authorization,
        [Header(RecorderHeaders.DutyEpoch)] long epoch,
        [Body] UpdateFailoverTaskStates body,
        CancellationToken cancellationToken);

    [Get("v1/copy-tasks")]
    Task<HttpResponseMessage> ListCopyTasksAsync([Header("Authorization")] string authorization, CancellationToken cancellationToken);

    [Get("v1/copy-tasks/{taskId}")]
    Task<HttpResponseMessage> GetCopyTaskAsync([Header("Authorization")] string authorization, [Path] string taskId, CancellationToken cancellationToken);

    [Get("v1/copy-tasks/{taskId}/coverage")]
    Task<HttpResponseMessage> GetCoverageAsync([Header("Authorization")] string authorization, [Path] string taskId, CancellationToken cancellationToken);

    [Post("v1/copy-tasks/{taskId}:{order}")]
    Task<HttpResponseMessage> OrderAsync(
        [Header("Authorization")] string authorization,
        [Header(RecorderHeaders.IdempotencyKey)] string idempotencyKey,
        [Header(RecorderHeaders.DutyEpoch)] long epoch,
        [Header(RecorderHeaders.CopyFence)] long copyFence,
        [Path] string taskId,
        [Path] string order,
        CancellationToken cancellationToken);

    [Put("v1/copy-tasks/{taskId}/limits")]
    Task<HttpResponseMessage> SetLimitsAsync(
        [Header("Authorization")] string authorization,
        [Header(RecorderHeaders.IdempotencyKey)] string idempotencyKey,
        [Header(RecorderHeaders.DutyEpoch)] long epoch,
        [Header(RecorderHeaders.CopyFence)] long copyFence,
        [Path] string taskId,
        [Body] CopyLimits body,
        CancellationToken cancellationToken);
}
