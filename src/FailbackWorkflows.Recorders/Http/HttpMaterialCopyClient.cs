using System.Text.Json;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.Recorders.Http;

/// <summary><see cref="IMaterialCopyClient"/> over HTTP. How calls travel is <see cref="RecorderTransport"/>'s.</summary>
public sealed class HttpMaterialCopyClient(RecorderTransport transport) : IMaterialCopyClient
{
    public Task<ReadToken> IssueReadTokenAsync(
        RecorderEndpoint source, string tokenId, ReadTokenRequest request, CopyAuthority authority, string idempotencyKey, CancellationToken cancellationToken) =>
        CallAsync<ReadToken>(
            source, "issue read token", (api, auth, ct) => api.IssueReadTokenAsync(auth, idempotencyKey, authority.Epoch, authority.CopyFence, tokenId, request, ct), cancellationToken);

    public Task RevokeReadTokenAsync(RecorderEndpoint source, string tokenId, string identity, CopyAuthority authority, string idempotencyKey, CancellationToken cancellationToken) =>
        transport.CallAsync<IMaterialCopyHttpApi>(
            source, "revoke read token", (api, auth, ct) => api.RevokeReadTokenAsync(auth, idempotencyKey, authority.Epoch, authority.CopyFence, tokenId, identity, ct), cancellationToken);

    public Task<RetentionHoldState> ReleaseRetentionHoldAsync(RecorderEndpoint source, ReleaseHoldCommand command, string idempotencyKey, CancellationToken cancellationToken) =>
        CallAsync<RetentionHoldState>(
            source,
            "release retention hold",
            (api, auth, ct) => api.ReleaseRetentionHoldAsync(
                auth,
                idempotencyKey,
                command.Authority.Epoch,
                command.Authority.CopyFence,
                command.EntryId,
                new ReleaseHoldBody(command.Identity, command.TaskId, command.Release, command.Reason),
                ct),
            cancellationToken);

    public Task<CopyTask> StartDataCopyAsync(RecorderEndpoint target, StartDataCopy command, CopyAuthority authority, string idempotencyKey, CancellationToken cancellationToken) =>
        CallAsync<CopyTask>(
            target, "StartDataCopy", (api, auth, ct) => api.StartDataCopyAsync(auth, idempotencyKey, authority.Epoch, authority.CopyFence, command, ct), cancellationToken);

    public Task<CopyTask> UpdateClientInfoAsync(
        RecorderEndpoint target, string taskId, UpdateClientInfo source, CopyAuthority authority, string idempotencyKey, CancellationToken cancellationToken) =>
        CallAsync<CopyTask>(
            target, "UpdateClientInfo", (api, auth, ct) => api.UpdateClientInfoAsync(auth, idempotencyKey, authority.Epoch, authority.CopyFence, taskId, source, ct), cancellationToken);

    public Task<MergedCopyTasks> UpdateFailoverTaskStatesAsync(RecorderEndpoint target, UpdateFailoverTaskStates known, long epoch, CancellationToken cancellationToken) =>
        CallAsync<MergedCopyTasks>(target, "UpdateFailoverTaskStates", (api, auth, ct) => api.UpdateFailoverTaskStatesAsync(auth, epoch, known, ct), cancellationToken);

    public Task<CopyTaskList> ListCopyTasksAsync(RecorderEndpoint target, CancellationToken cancellationToken) =>
        CallAsync<CopyTaskList>(target, "list copy tasks", (api, auth, ct) => api.ListCopyTasksAsync(auth, ct), cancellationToken);

    public Task<CopyTask> GetCopyTaskAsync(RecorderEndpoint target, string taskId, CancellationToken cancellationToken) =>
        CallAsync<CopyTask>(target, "read copy task", (api, auth, ct) => api.GetCopyTaskAsync(auth, taskId, ct), cancellationToken);

    public Task<CoverageReport> GetCoverageAsync(RecorderEndpoint target, string taskId, CancellationToken cancellationToken) =>
        CallAsync<CoverageReport>(target, "read coverage", (api, auth, ct) => api.GetCoverageAsync(auth, taskId, ct), cancellationToken);

    public Task<CopyTask> OrderAsync(RecorderEndpoint target, string taskId, CopyOrder order, CopyAuthority authority, string idempotencyKey, CancellationToken cancellationToken)
    {
        var verb = JsonNamingPolicy.CamelCase.ConvertName(order.ToString());
        return CallAsync<CopyTask>(
            target, $"{verb} copy task", (api, auth, ct) => api.OrderAsync(auth, idempotencyKey, authority.Epoch, authority.CopyFence, taskId, verb, ct), cancellationToken);
    }

    public Task<CopyTask> SetLimitsAsync(RecorderEndpoint target, string taskId, CopyLimits limits, CopyAuthority authority, string idempotencyKey, CancellationToken cancellationToken) =>
        CallAsync<CopyTask>(
            target, "set copy limits", (api, auth, ct) => api.SetLimitsAsync(auth, idempotencyKey, authority.Epoch, authority.CopyFence, taskId, limits, ct), cancellationToken);

    private Task<T> CallAsync<T>(
        RecorderEndpoint recorder,
        string call,
        Func<IMaterialCopyHttpApi, string, CancellationToken, Task<HttpResponseMessage>> send,
        CancellationToken cancellationToken)
        where T : class => transport.CallAsync<IMaterialCopyHttpApi, T>(recorder, call, send, cancellationToken);
}
