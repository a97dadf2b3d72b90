using System.Security.Cryptography;
using System.Text;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;

namespace FailbackWorkflows.Failback.MaterialCopy;

/// <summary>
/// What the management server knows of a material copy task: the mirror of the task in the target's own queue, and what was wished for it.
/// There is one per failover log entry and source, whatever it is started by and how often, and beside it one for the disputed material once
/// somebody has asked for that.
/// </summary>
public sealed record MaterialCopyTask
{
    private static readonly TimeSpan Stale = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan RepeatWishAfter = TimeSpan.FromSeconds(30);

    /// <summary>Derived from entry and source (<see cref="IdOf"/>).</summary>
    public required string TaskId { get; init; }

    /// <summary>
    /// It brings what was recorded without authority, on an operator's request, beside the ordinary and marked. It says nothing about what is
    /// owed: neither the entry nor the hold depends on it.
    /// </summary>
    public bool IsDisputed { get; init; }

    public required string EntryId { get; init; }

    /// <summary>The recorded identity whose material comes home; also the server it comes home to.</summary>
    public required string Identity { get; init; }

    /// <summary>The failover server that owes the material.</summary>
    public required string SourceServerId { get; init; }

    /// <summary>The failed server that pulls it.</summary>
    public required string TargetServerId { get; init; }

    /// <summary>What the target is (to be) told, the same each time: period, periods of channels, source machine. Null until the run has worked it out.</summary>
    public StartDataCopy? Definition { get; init; }

    /// <summary>Limits as wished now.</summary>
    public CopyLimits Limits { get; init; } = new();

    /// <summary>An operator wants it paused.</summary>
    public bool IsPauseWished { get; init; }

    /// <summary>What the target was told last because an operator wanted it, and when; spaces out repeats of an order it does not follow at once.</summary>
    public CopyWish? ToldWish { get; init; }

    public DateTimeOffset? ToldWishAt { get; init; }

    /// <summary>The run that works on it; null when none does.</summary>
    public string? RunId { get; init; }

    /// <summary>The newest run that worked on it.</summary>
    public string? LastRunId { get; init; }

    /// <summary>The run that an incident stopped while it worked on this; it may be redriven as long as no other run took over.</summary>
    public string? StoppedRunId { get; init; }

    /// <summary>How many runs have worked on it.</summary>
    public int Runs { get; init; }

    /// <summary>Generation of the read token; 0: none was drawn yet.</summary>
    public int TokenGeneration { get; init; }

    /// <summary>The read token, encrypted; null when it is not known or was ended.</summary>
    public string? ProtectedToken { get; init; }

    public DateTimeOffset? TokenDrawnAt { get; init; }

    /// <summary>How often in a row the source refused a token; spaces out further ones, so that no account is locked.</summary>
    public int TokenRefusals { get; init; }

    /// <summary>The token could not be ended at the source; it is told when it is seen again.</summary>
    public bool IsRevocationOwed { get; init; }

    /// <summary>The cancellation (or accepted loss) could not be told to the target; it is told when it is seen again.</summary>
    public bool IsCancellationOwed { get; init; }

    /// <summary>Address of the source as the target was told.</summary>
    public Uri? ToldSourceUrl { get; init; }

    /// <summary>The task as the target last reported it; null before the first report.</summary>
    public CopyTask? Reported { get; init; }

    public DateTimeOffset? ReportedAt { get; init; }

    /// <summary>The reported state that the run has taken notice of.</summary>
    public CopyTaskState? NotedState { get; init; }

    public CopyPauseReason? NotedPauseReason { get; init; }

    /// <summary>The connection to the target was lost since the states were last merged.</summary>
    public bool IsOutOfTouch { get; init; }

    /// <summary>The target does not know the task (any more): it lost its queue.</summary>
    public bool IsUnknownAtTarget { get; init; }

    /// <summary>A server that has to answer before the run can go on; null when it waits for none.</summary>
    public string? WaitsForServerId { get; init; }

    /// <summary>Digest of the newest coverage report kept; null when there is none.</summary>
    public string? CoverageSha256 { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When the newest run ended.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>Optimistic concurrency: grows by one with every change; 0 = not stored yet.</summary>
    public long Revision { get; init; }

    /// <summary>What a waiting run is woken by.</summary>
    public string StimulusKey => StimulusKeyOf(TaskId);

    /// <summary>The next thing the target has to be told because an operator wants it; null when it is as wished.</summary>
    public CopyWish? OpenWish => Reported switch
    {
        null => null,
        { } task when CopyTaskStates.HasEnded(task.State) => null,
        { State: not CopyTaskState.Paused } or { PauseReason: not CopyPauseReason.Operator } when IsPauseWished => CopyWish.Pause,
        { State: CopyTaskState.Paused, PauseReason: CopyPauseReason.Operator } when !IsPauseWished => CopyWish.Resume,
        { } task when task.Limits != Limits => CopyWish.Limits,
        _ => null,
    };

    /// <summary>When an order that the target has not followed yet is repeated; null when nothing stands in the way of giving it now.</summary>
    public DateTimeOffset? RepeatWishAt => OpenWish is { } wish && wish == ToldWish ? ToldWishAt + RepeatWishAfter : null;

    /// <summary>Something has happened that the run has not taken notice of. True until it has, so a lost wake-up is made up for by the next look.</summary>
    public bool HasNews => IsUnknownAtTarget || IsOutOfTouch || (OpenWish is { } wish && wish != ToldWish) || Reported?.State != NotedState || Reported?.PauseReason != NotedPauseReason;

    /// <summary>The source refuses the token, or asks to wait.</summary>
    public bool IsRefusedBySource => Reported is { State: CopyTaskState.Paused, PauseReason: CopyPauseReason.Source };

    /// <summary>When the next token may be drawn after one was refused: at once, then after 1, 5 and 15 min, then hourly.</summary>
    public DateTimeOffset NextTokenAt => (TokenDrawnAt ?? CreatedAt) + TokenRefusals switch
    {
        0 => TimeSpan.Zero,
        1 => TimeSpan.FromMinutes(1),
        2 => TimeSpan.FromMinutes(5),
        3 => TimeSpan.FromMinutes(15),
        _ => TimeSpan.FromHours(1),
    };

    /// <summary>The target's estimate, verification included; null when it works no more, gives none, or was last heard too long ago to be honest about it.</summary>
    public long? SecondsLeft(DateTimeOffset now) =>
        Reported is { State: CopyTaskState.Running or CopyTaskState.Verifying, SecondsLeft: { } left } && !IsOutOfTouch && now - ReportedAt < Stale ? left : null;

    /// <summary>The id of the one task of an entry and a source: letters and digits, always the same.</summary>
    /// <param name="isDisputed">Of the task that brings the disputed material.</param>
    public static string IdOf(string entryId, string sourceServerId, bool isDisputed = false) =>
        $"copy-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{entryId}\n{sourceServerId}{(isDisputed ? "\ndisputed" : "")}")).AsSpan(0, 16))}";

    public static string StimulusKeyOf(string taskId) => $"MaterialCopy:{taskId}";

    /// <summary>A report arrived.</summary>
    public MaterialCopyTask WithReport(CopyTask report, DateTimeOffset at) => this with { Reported = report, ReportedAt = at, IsUnknownAtTarget = false };

    /// <summary>The run has taken notice of what is reported.</summary>
    public MaterialCopyTask Noted() => this with { NotedState = Reported?.State, NotedPauseReason = Reported?.PauseReason };
}

/// <summary>What an operator wants of a task that works.</summary>
public enum CopyWish
{
    Pause,
    Resume,
    Limits,
}

/// <summary>Reading of the recorder's task states.</summary>
public static class CopyTaskStates
{
    /// <summary>The task is over; only <c>:retry</c> would make it go on.</summary>
    public static bool HasEnded(CopyTaskState state) => state >= CopyTaskState.Copied;
}

/// <summary>A coverage report as it was kept.</summary>
/// <param name="Sha256">The report's own digest, verified when it arrived.</param>
public sealed record KeptCoverage(string TaskId, string EntryId, string Sha256, CoverageReport Report, DateTimeOffset KeptAt);

/// <summary>A hold that may end, and whether its server has been told.</summary>
/// <param name="Refusals">How often the server said no for good; each further attempt is a new command.</param>
/// <param name="LastError">Why it is not released yet; null when nobody has tried.</param>
/// <param name="ReleasedAt">Null while it is owed.</param>
/// <param name="Revision">Grows with each change; 0 for an order that is given now.</param>
public sealed record HoldReleaseOrder(
    string EntryId,
    string ServerId,
    string Identity,
    string TaskId,
    HoldRelease Release,
    string Reason,
    DateTimeOffset OrderedAt,
    int Refusals = 0,
    string? LastError = null,
    DateTimeOffset? ReleasedAt = null,
    long Revision = 0);

/// <summary>Reads material copies.</summary>
public interface IMaterialCopies
{
    Task<MaterialCopyTask?> FindAsync(string taskId, CancellationToken cancellationToken);

    /// <summary>The task of an entry; the newest when there are several sources. That of its disputed material is not meant.</summary>
    Task<MaterialCopyTask?> FindByEntryAsync(string entryId, CancellationToken cancellationToken);

    /// <summary>Tasks that a run works on, or whose recorder must still be told something; oldest first.</summary>
    Task<IReadOnlyList<MaterialCopyTask>> ListWatchedAsync(CancellationToken cancellationToken);

    /// <summary>Ids of entries whose copy is queued and on which no run works; oldest failover first.</summary>
    /// <param name="after">The last id of the page before; null for the first page. An entry that was removed since begins anew.</param>
    Task<IReadOnlyList<string>> ListDueEntriesAsync(string? after, int take, CancellationToken cancellationToken);

    /// <summary>The oldest entry of a failed server whose failback is done and whose material is owed, closed by a newer one or not.</summary>
    Task<string?> FindOldestOwedEntryAsync(string failedServerId, CancellationToken cancellationToken);

    /// <summary>Largest copy fence given out for a task; 0 when there was none. Outlives the task.</summary>
    Task<long> GetFenceAsync(string taskId, CancellationToken cancellationToken);

    /// <summary>The newest coverage report of an entry; that of its disputed material is not meant.</summary>
    Task<KeptCoverage?> FindCoverageAsync(string entryId, CancellationToken cancellationToken);

    /// <summary>The coverage report of a task.</summary>
    Task<KeptCoverage?> FindCoverageOfTaskAsync(string taskId, CancellationToken cancellationToken);

    Task<HoldReleaseOrder?> FindReleaseAsync(string entryId, string serverId, CancellationToken cancellationToken);

    /// <summary>Holds that may end and have not, oldest order first.</summary>
    Task<IReadOnlyList<HoldReleaseOrder>> ListOwedReleasesAsync(CancellationToken cancellationToken);

    /// <summary>The mirror of a hold, or null.</summary>
    Task<Duties.RetentionHold?> FindHoldAsync(string entryId, string serverId, CancellationToken cancellationToken);
}

/// <summary>Adds (revision 0) or changes a task. Throws <see cref="ConcurrentChangeException"/> when somebody else changed it since it was read.</summary>
public sealed record SaveCopyTask(MaterialCopyTask Task) : IDomainChange;

/// <summary>Raises the copy fence of a task. Throws <see cref="ConcurrentChangeException"/> unless it is larger than the stored one.</summary>
public sealed record RaiseCopyFence(string TaskId, long Fence) : IDomainChange;

/// <summary>Keeps a coverage report; it replaces an earlier one of the task.</summary>
public sealed record KeepCoverage(KeptCoverage Coverage) : IDomainChange;

/// <summary>
/// Gives the order that a hold may end (revision 0), or writes down what became of one that was read. A new order replaces an earlier one, but an
/// accepted loss stands: a weaker order does not replace it. What became of an order that was given anew meanwhile throws
/// <see cref="ConcurrentChangeException"/>: the newer one has not been delivered.
/// </summary>
public sealed record SaveHoldRelease(HoldReleaseOrder Order) : IDomainChange;
