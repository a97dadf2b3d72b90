using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Material;

namespace FailbackWorkflows.Recorders.MaterialCopy;

/// <summary>
/// What the management server asks of two recorders to bring material home. Throws what <see cref="IRecorderClient"/> throws; commands carry
/// the task's authority and an idempotency key, and may be repeated.
/// </summary>
public interface IMaterialCopyClient
{
    /// <summary>At the source: a credential for reading one identity and period. Repeating gives the same token; a larger generation a new one.</summary>
    Task<ReadToken> IssueReadTokenAsync(RecorderEndpoint source, string tokenId, ReadTokenRequest request, CopyAuthority authority, string idempotencyKey, CancellationToken cancellationToken);

    /// <summary>At the source: ends a credential. Harmless when it is gone.</summary>
    Task RevokeReadTokenAsync(RecorderEndpoint source, string tokenId, string identity, CopyAuthority authority, string idempotencyKey, CancellationToken cancellationToken);

    /// <summary>At the source: ends a hold whose material is home or whose loss is accepted. <see cref="RecorderErrorKind.Conflict"/> while the hold is open.</summary>
    Task<RetentionHoldState> ReleaseRetentionHoldAsync(RecorderEndpoint source, ReleaseHoldCommand command, string idempotencyKey, CancellationToken cancellationToken);

    Task<CopyTask> StartDataCopyAsync(RecorderEndpoint target, StartDataCopy command, CopyAuthority authority, string idempotencyKey, CancellationToken cancellationToken);

    Task<CopyTask> UpdateClientInfoAsync(RecorderEndpoint target, string taskId, UpdateClientInfo source, CopyAuthority authority, string idempotencyKey, CancellationToken cancellationToken);

    /// <summary>Merges both sides' task states. Safe to repeat by its nature; carries the epoch, no fence and no key.</summary>
    Task<MergedCopyTasks> UpdateFailoverTaskStatesAsync(RecorderEndpoint target, UpdateFailoverTaskStates known, long epoch, CancellationToken cancellationToken);

    /// <summary>Tasks of the recorder's queue, ended ones included. Reads only.</summary>
    Task<CopyTaskList> ListCopyTasksAsync(RecorderEndpoint target, CancellationToken cancellationToken);

    Task<CopyTask> GetCopyTaskAsync(RecorderEndpoint target, string taskId, CancellationToken cancellationToken);

    Task<CoverageReport> GetCoverageAsync(RecorderEndpoint target, string taskId, CancellationToken cancellationToken);

    /// <summary>Pause, resume, cancel or retry. Repeating is harmless; an order that the state does not allow is <see cref="RecorderErrorKind.Conflict"/>.</summary>
    Task<CopyTask> OrderAsync(RecorderEndpoint target, string taskId, CopyOrder order, CopyAuthority authority, string idempotencyKey, CancellationToken cancellationToken);

    Task<CopyTask> SetLimitsAsync(RecorderEndpoint target, string taskId, CopyLimits limits, CopyAuthority authority, string idempotencyKey, CancellationToken cancellationToken);
}

/// <summary>What an operator may tell a task: <c>POST /v1/copy-tasks/{id}:pause|resume|cancel|retry</c>.</summary>
public enum CopyOrder
{
    Pause,
    Resume,
    Cancel,
    Retry,
}

/// <summary>Why a hold may end.</summary>
public enum HoldRelease
{
    /// <summary>A copy of everything it covers is verified. Disputed material stays held.</summary>
    VerifiedCopy,

    /// <summary>An administrator accepted the loss, disputed material included.</summary>
    AcceptedLoss,

    /// <summary>Nothing was recorded under it.</summary>
    NothingRecorded,
}

/// <summary>Releases a hold: <c>POST /v1/retention-holds/{entryId}:release</c>, under the duty's epoch and the task's copy fence.</summary>
/// <param name="Reason">Kept with the hold; names the coverage report's digest or the administrator and their reason.</param>
public sealed record ReleaseHoldCommand(string EntryId, string Identity, string TaskId, CopyAuthority Authority, HoldRelease Release, string Reason);
