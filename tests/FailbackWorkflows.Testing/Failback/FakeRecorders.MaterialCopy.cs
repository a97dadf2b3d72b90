using System.Text.Json;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.Testing.Failback;

/// <summary>Material copy between <see cref="FakeRecorder"/>s. Targets do one step of work when told by <see cref="WorkCopies"/>.</summary>
public sealed partial class FakeRecorders : IMaterialCopyClient
{
    /// <summary>Every reachable or cut-off recorder works on its copy queue for a step; only the dead do not.</summary>
    public void WorkCopies()
    {
        lock (_lock)
        {
            foreach (var recorder in _recorders.Values.Where(r => !r.IsDead))
            {
                recorder.Copies.Work(_recorders.Values);
            }
        }
    }

    public Task<ReadToken> IssueReadTokenAsync(
        RecorderEndpoint source, string tokenId, ReadTokenRequest request, CopyAuthority authority, string idempotencyKey, CancellationToken cancellationToken) =>
        CopyCommandAsync(source, "IssueReadToken", request.Identity, tokenId, authority, idempotencyKey, request, r => r.Copies.Issue(tokenId, request), cancellationToken);

    public Task RevokeReadTokenAsync(RecorderEndpoint source, string tokenId, string identity, CopyAuthority authority, string idempotencyKey, CancellationToken cancellationToken) =>
        CopyCommandAsync(source, "RevokeReadToken", identity, tokenId, authority, idempotencyKey, identity, r => r.Copies.Revoke(tokenId), cancellationToken);

    public Task<RetentionHoldState> ReleaseRetentionHoldAsync(RecorderEndpoint source, ReleaseHoldCommand command, string idempotencyKey, CancellationToken cancellationToken) =>
        CopyCommandAsync(
            source, "ReleaseRetentionHold", command.Identity, command.TaskId, command.Authority, idempotencyKey, command with { Authority = new(0, 0) }, r => r.Release(command), cancellationToken);

    public Task<CopyTask> StartDataCopyAsync(RecorderEndpoint target, StartDataCopy command, CopyAuthority authority, string idempotencyKey, CancellationToken cancellationToken) =>
        CopyCommandAsync(target, "StartDataCopy", command.Identity, command.TaskId, authority, idempotencyKey, command, r => r.Copies.Start(command), cancellationToken);

    public Task<CopyTask> UpdateClientInfoAsync(
        RecorderEndpoint target, string taskId, UpdateClientInfo source, CopyAuthority authority, string idempotencyKey, CancellationToken cancellationToken) =>
        CopyCommandAsync(target, "UpdateClientInfo", null, taskId, authority, idempotencyKey, source, r => r.Copies.Inform(taskId, source), cancellationToken);

    public Task<MergedCopyTasks> UpdateFailoverTaskStatesAsync(RecorderEndpoint target, UpdateFailoverTaskStates known, long epoch, CancellationToken cancellationToken) =>
        ReadAsync(target, "UpdateFailoverTaskStates", known.Identity, r => r.Copies.Merge(known), cancellationToken);

    public Task<CopyTaskList> ListCopyTasksAsync(RecorderEndpoint target, CancellationToken cancellationToken) =>
        ReadAsync(target, "ListCopyTasks", null, r => new CopyTaskList(r.Copies.Tasks), cancellationToken);

    public Task<CopyTask> GetCopyTaskAsync(RecorderEndpoint target, string taskId, CancellationToken cancellationToken) =>
        ReadAsync(target, "GetCopyTask", null, r => r.Copies.Get(taskId), cancellationToken);

    public Task<CoverageReport> GetCoverageAsync(RecorderEndpoint target, string taskId, CancellationToken cancellationToken) =>
        ReadAsync(target, "GetCoverage", null, r => r.Copies.Report(taskId), cancellationToken);

    public Task<CopyTask> OrderAsync(RecorderEndpoint target, string taskId, CopyOrder order, CopyAuthority authority, string idempotencyKey, CancellationToken cancellationToken) =>
        CopyCommandAsync(target, $"{order}DataCopy", null, taskId, authority, idempotencyKey, order.ToString(), r => r.Copies.Order(taskId, order), cancellationToken);

    public Task<CopyTask> SetLimitsAsync(RecorderEndpoint target, string taskId, CopyLimits limits, CopyAuthority authority, string idempotencyKey, CancellationToken cancellationToken) =>
        CopyCommandAsync(target, "SetLimits", null, taskId, authority, idempotencyKey, limits, r => r.Copies.Limit(taskId, limits), cancellationToken);

    private Task<T> CopyCommandAsync<T>(
        RecorderEndpoint endpoint, string name, string? identity, string taskId, CopyAuthority authority, string key, object content, Func<FakeRecorder, T> effect, CancellationToken cancellationToken)
        where T : class =>
        CallAsync(
            endpoint,
            name,
            identity,
            key,
            new DutyAuthority(authority.Epoch, authority.CopyFence),
            r => r.RunCopy(taskId, authority, key, $"{name} {JsonSerializer.Serialize(content, content.GetType(), RecorderJson.Options)}", () => effect(r)),
            cancellationToken);
}
