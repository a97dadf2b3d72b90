using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Server.Api.Runs;

namespace FailbackWorkflows.Server.Api.MaterialCopy;

/// <summary>The material copy of a failover log entry as it stands.</summary>
/// <param name="OwesMaterial">Something of the period is neither home nor given up.</param>
/// <param name="Task">Null as long as no copy was ever started.</param>
public sealed record MaterialCopyResponse(
    string EntryId, MaterialCopyState State, bool OwesMaterial, string? Message, CopyTaskResponse? Task, IReadOnlyDictionary<string, string> Links)
{
    internal static MaterialCopyResponse From(FailoverLogEntry entry, MaterialCopyTask? task, DateTimeOffset now)
    {
        var path = $"/api/v1/failover-log/{Uri.EscapeDataString(entry.Id)}";
        var links = new Dictionary<string, string> { ["entry"] = path, ["page"] = $"/failover-log/{Uri.EscapeDataString(entry.Id)}" };
        if ((task?.RunId ?? task?.LastRunId) is { } runId)
        {
            links["run"] = RunLinks.Run(runId);
        }

        if (task?.CoverageSha256 is not null)
        {
            links["coverage"] = $"{path}/material-copy/coverage";
        }

        return new(entry.Id, entry.MaterialCopy, entry.OwesMaterial, entry.Message, task is null ? null : CopyTaskResponse.From(task, now), links);
    }
}

/// <summary>What the failed server was last heard to do; its credential is not part of it.</summary>
/// <param name="RunId">The run that works on it; null when none does.</param>
/// <param name="ReportedState">As the failed server reports it; null before its first report.</param>
/// <param name="ReportedAt">When that was heard. With <paramref name="IsOutOfTouch"/> it may have gone on since.</param>
/// <param name="SecondsLeft">Estimate including the verification; null when nothing can be said honestly.</param>
/// <param name="WaitsForServerId">A server that has to answer before it goes on.</param>
/// <param name="IsPauseWished">An operator wants it paused; the state says whether it is.</param>
public sealed record CopyTaskResponse(
    string TaskId,
    string SourceServerId,
    string TargetServerId,
    string? RunId,
    CopyPeriod? Period,
    IReadOnlyList<CopyPeriod> ChannelPeriods,
    CopyTaskState? ReportedState,
    CopyPauseReason? PauseReason,
    string? Phase,
    string? LastError,
    DateTimeOffset? ReportedAt,
    bool IsOutOfTouch,
    string? WaitsForServerId,
    bool IsPauseWished,
    CopyLimits Limits,
    long SegmentsDone,
    long RecordsDone,
    long AlreadyThere,
    long BytesDone,
    long? BytesTotal,
    long BytesVerified,
    long BytesPerSecond,
    long? SecondsLeft,
    IReadOnlyList<CopyChannelProgress> Channels,
    string? CoverageSha256,
    DateTimeOffset CreatedAt,
    DateTimeOffset? EndedAt)
{
    internal static CopyTaskResponse From(MaterialCopyTask task, DateTimeOffset now)
    {
        var report = task.Reported;
        return new(
            task.TaskId,
            task.SourceServerId,
            task.TargetServerId,
            task.RunId,
            task.Definition?.Period,
            task.Definition?.Channels ?? [],
            report?.State,
            report?.PauseReason,
            report?.Phase,
            report?.LastError,
            task.ReportedAt,
            task.IsOutOfTouch,
            task.WaitsForServerId,
            task.IsPauseWished,
            task.Limits,
            report?.SegmentsDone ?? 0,
            report?.RecordsDone ?? 0,
            report?.AlreadyThere ?? 0,
            report?.BytesDone ?? 0,
            report?.BytesTotal,
            report?.BytesVerified ?? 0,
            report?.BytesPerSecond ?? 0,
            task.SecondsLeft(now),
            report?.Channels ?? [],
            task.CoverageSha256,
            task.CreatedAt,
            task.EndedAt);
    }
}

/// <summary>Starts a material copy.</summary>
/// <param name="RequestId">Made by the caller once; the same id again starts nothing new.</param>
public sealed record StartCopyRequest(string? RequestId, string? Reason = null);

/// <summary>Why somebody pauses, resumes or cancels.</summary>
public sealed record CopyOrderRequest(string? Reason = null);

/// <summary>Limits of a material copy; members left out lift them.</summary>
/// <param name="MaxBytesPerSecond">At least 65,536.</param>
/// <param name="WindowFrom">With <paramref name="WindowTo"/>: copies only between these times of day (UTC), e.g. <c>22:00:00</c>; may pass midnight.</param>
public sealed record CopyLimitsRequest(long? MaxBytesPerSecond = null, TimeOnly? WindowFrom = null, TimeOnly? WindowTo = null, string? Reason = null)
{
    internal CopyLimits ToLimits() => new(MaxBytesPerSecond, WindowFrom, WindowTo);
}

/// <summary>Gives up what is not home, or what is disputed.</summary>
/// <param name="Reason">Required; kept with the released hold, and with the entry when it is not home.</param>
public sealed record AcceptLossesRequest(string? Reason);

/// <summary>What of the period was recorded without authority.</summary>
/// <param name="Exists">There is such material, as far as is known.</param>
/// <param name="SegmentsAtSource">Segments that the copy of the entry has passed over. There may be more after its end, see <paramref name="TailSeconds"/>.</param>
/// <param name="TailSeconds">How long the failover server recorded on after the failed server had its duty back.</param>
/// <param name="SegmentsHere">Of the copy that was asked for: at the failed server, marked, read again and right.</param>
/// <param name="IsVerified">All of it that was asked for is here.</param>
/// <param name="WhyNot">Why it cannot be asked for now; null when it can.</param>
/// <param name="GivenUpAt">When it was decided that it may go; null while it is held.</param>
/// <param name="ReleasedAt">When the failover server released the hold on it; null while it has not been told.</param>
/// <param name="WhyNotRelease">Why it cannot be given up now; null when an administrator can.</param>
/// <param name="Task">Null as long as nobody has asked for it.</param>
public sealed record DisputedMaterialResponse(
    string EntryId,
    bool Exists,
    long SegmentsAtSource,
    long BytesAtSource,
    long RecordsAtSource,
    double TailSeconds,
    long SegmentsHere,
    long BytesHere,
    long RecordsHere,
    bool IsVerified,
    string? WhyNot,
    DateTimeOffset? GivenUpAt,
    DateTimeOffset? ReleasedAt,
    string? WhyNotRelease,
    CopyTaskResponse? Task,
    IReadOnlyDictionary<string, string> Links)
{
    internal static DisputedMaterialResponse From(FailoverLogEntry entry, DisputedMaterialState state, DateTimeOffset now)
    {
        var path = $"/api/v1/failover-log/{Uri.EscapeDataString(entry.Id)}";
        var links = new Dictionary<string, string> { ["entry"] = path, ["page"] = $"/failover-log/{Uri.EscapeDataString(entry.Id)}/coverage" };
        if ((state.Task?.RunId ?? state.Task?.LastRunId) is { } runId)
        {
            links["run"] = RunLinks.Run(runId);
        }

        if (state.Coverage is not null)
        {
            links["coverage"] = $"{path}/material-copy/disputed/coverage";
        }

        var here = state.Coverage is { } kept ? CoverageTotals.Of(kept.Report) : null;
        return new(
            entry.Id,
            state.Exists,
            state.AtSource.Segments,
            state.AtSource.Bytes,
            state.RecordsAtSource,
            state.Tail.TotalSeconds,
            here?.DisputedHere.Segments ?? 0,
            here?.DisputedHere.Bytes ?? 0,
            here?.RecordsDisputedHere ?? 0,
            state.Coverage?.Report is { IsVerified: true, Losses.Count: 0 },
            state.WhyNot,
            state.GivenUp?.OrderedAt,
            state.GivenUp?.ReleasedAt,
            AcceptLosses.WhyNotDisputed(entry, state),
            state.Task is { } task ? CopyTaskResponse.From(task, now) : null,
            links);
    }
}

/// <summary>Asks for the disputed material of an entry.</summary>
/// <param name="RequestId">Made by the caller once; the same id again starts nothing new.</param>
/// <param name="Reason">Required; kept with the run, the audit log and the task at the failed server.</param>
public sealed record CopyDisputedRequest(string? RequestId, string? Reason);
