using FailbackWorkflows.Recorders.Material;

namespace FailbackWorkflows.Recorders.MaterialCopy;

/// <summary>The caller's authority for one copy task: the epoch of the identity, and the fence of the task (which has nothing to do with the duty fence).</summary>
/// <param name="Epoch">Current epoch of the recorded identity.</param>
/// <param name="CopyFence">Which management-server run may act for the task; strictly growing per task, 1 or more. A lower one than seen is refused.</param>
public sealed record CopyAuthority(long Epoch, long CopyFence);

/// <summary>Where a task stands.</summary>
public enum CopyTaskState
{
    /// <summary>In the recorder's queue; tasks run one by one.</summary>
    Queued,

    /// <summary>Its source cannot be reached or no credential for it is known yet; the queue goes on with the next task.</summary>
    WaitingForSource,

    Running,

    /// <summary>See <see cref="CopyTask.PauseReason"/>.</summary>
    Paused,

    /// <summary>Everything is fetched; what was stored is being read again.</summary>
    Verifying,

    /// <summary>Ended: everything expected is stored and verified.</summary>
    Copied,

    /// <summary>Ended: something expected could not be had; the coverage report lists it.</summary>
    CopiedWithLosses,

    /// <summary>Ended: the source has nothing of the period that the target lacks or ever lacked.</summary>
    NothingToCopy,

    /// <summary>Ended by an error that repeating did not mend; position kept; <c>:retry</c> goes on from there.</summary>
    Failed,

    /// <summary>Ended by an operator; what is copied stays, the period remains owed; <c>:retry</c> goes on.</summary>
    Cancelled,
}

/// <summary>Why a task is paused. All but <see cref="Operator"/> end by themselves.</summary>
public enum CopyPauseReason
{
    Operator,

    /// <summary>The target does not hold the identity's current epoch.</summary>
    NoAuthority,

    /// <summary>The source refuses the credential, or asks to wait.</summary>
    Source,

    /// <summary>The target's disk would fall below its reserve.</summary>
    Reserve,

    /// <summary>Outside the daily window.</summary>
    Window,
}

/// <summary>What to copy of one channel, or of what belongs to no channel (<paramref name="ChannelId"/> null).</summary>
/// <param name="FromUtc">Start of the period at the source's clock.</param>
/// <param name="ToUtc">End, exclusive: <c>min(confirmed last time, authority end + margin)</c>.</param>
public sealed record CopyPeriod(string? ChannelId, DateTimeOffset FromUtc, DateTimeOffset ToUtc);

/// <summary>Limits; changeable while the task runs, effective within a second.</summary>
/// <param name="MaxBytesPerSecond">Null: as fast as recording allows. At least 65,536.</param>
/// <param name="WindowFrom">With <paramref name="WindowTo"/>: copies only between these times of day (UTC); a window may pass midnight. Null: always.</param>
public sealed record CopyLimits(long? MaxBytesPerSecond = null, TimeOnly? WindowFrom = null, TimeOnly? WindowTo = null);

/// <summary><c>StartDataCopy</c>, body of <c>POST /v1/copy-tasks</c>: adds a task to the durable queue. The same definition again is harmless.</summary>
/// <param name="TaskId">Derived from entry and source, so that starting twice is one task.</param>
/// <param name="SourceRecorderId">Machine id of the source; a source that answers with another id is not read.</param>
/// <param name="Period">The whole period; every channel with material at the source is copied in it.</param>
/// <param name="Channels">Narrower periods of single channels.</param>
/// <param name="WithDisputed">Also copy disputed material, marked, beside the ordinary; needs an operator's reason.</param>
public sealed record StartDataCopy(
    string TaskId,
    string EntryId,
    string Identity,
    string SourceRecorderId,
    CopyPeriod Period,
    IReadOnlyList<CopyPeriod> Channels,
    CopyLimits Limits,
    bool WithDisputed,
    string Reason);

/// <summary><c>UpdateClientInfo</c>, body of <c>PUT /v1/copy-tasks/{id}/source</c>: address and read credential of the failover server. Also while the task runs.</summary>
public sealed record UpdateClientInfo(Uri Url, string Token)
{
    public override string ToString() => Url.ToString();
}

/// <summary>What the management server knows of a task.</summary>
/// <param name="State">Its last known state; <c>cancelled</c> is an order and wins, so does <paramref name="LossesAccepted"/>.</param>
/// <param name="KnownAtUtc">When it learned that.</param>
public sealed record KnownCopyTask(string TaskId, CopyTaskState State, DateTimeOffset KnownAtUtc, bool LossesAccepted);

/// <summary><c>UpdateFailoverTaskStates</c>, body of <c>POST /v1/copy-tasks:reconcile</c>: both sides' states are merged after a lost connection. The recorder's position wins, the manager's cancel or acceptance wins.</summary>
public sealed record UpdateFailoverTaskStates(string Identity, IReadOnlyList<KnownCopyTask> Tasks);

/// <summary>The answer: every task of the identity as it now is, and the ids the recorder does not know (it lost its queue; start those again).</summary>
public sealed record MergedCopyTasks(IReadOnlyList<CopyTask> Tasks, IReadOnlyList<string> UnknownTaskIds);

/// <summary>Progress of one channel (or of what belongs to no channel).</summary>
/// <param name="Kind"><c>video</c>, <c>audio</c>, or a record kind.</param>
/// <param name="Position">Everything up to here has been received and stored; null before the first.</param>
/// <param name="Total">Segments or records known to be needed; null while not listed yet.</param>
/// <param name="Error">
/// Why it is being retried or was given up; null when all is well. Under <c>locks</c> or <c>alarms</c> without a channel it may also say that
/// what they concern could not be put first, which loses nothing.
/// </param>
public sealed record CopyChannelProgress(string Kind, string? ChannelId, DateTimeOffset? Position, long Done, long? Total, long BytesDone, long? BytesTotal, int Attempts, string? Error);

/// <summary>A task as the recorder keeps it.</summary>
/// <param name="Phase">What it works on: <c>listing</c>, <c>evidence</c>, <c>copying</c>, <c>closing</c>, <c>verifying</c>; null when it does not run.</param>
/// <param name="BytesTotal">Bytes this run must fetch; null while listing.</param>
/// <param name="BytesPerSecond">Average of the last 10 s.</param>
/// <param name="SecondsLeft">Estimate including the verification; null when nothing can be said honestly.</param>
/// <param name="ClockOffset">Source's clock minus the target's, at the last measurement; null before the first.</param>
/// <param name="Revision">Grows with every change that a poller may care about.</param>
public sealed record CopyTask(
    string TaskId,
    string EntryId,
    string Identity,
    string SourceRecorderId,
    CopyPeriod Period,
    CopyTaskState State,
    CopyPauseReason? PauseReason,
    string? Phase,
    string? LastError,
    long SegmentsDone,
    long RecordsDone,
    long AlreadyThere,
    long BytesDone,
    long? BytesTotal,
    long BytesVerified,
    long BytesPerSecond,
    long? SecondsLeft,
    int Attempts,
    TimeSpan? ClockOffset,
    CopyLimits Limits,
    DateTimeOffset CreatedAt,
    DateTimeOffset? StartedAt,
    DateTimeOffset? EndedAt,
    DateTimeOffset? HeartbeatAt,
    long Revision,
    IReadOnlyList<CopyChannelProgress> Channels);

/// <summary>Answer of <c>GET /v1/copy-tasks</c>, in the order of the queue.</summary>
/// <param name="NextPageToken">Give it as <c>pageToken</c> to read on; null: these are all there are, or the last.</param>
public sealed record CopyTaskList(IReadOnlyList<CopyTask> Items, string? NextPageToken = null);
