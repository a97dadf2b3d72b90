using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.Clocks;

namespace FailbackWorkflows.Failback.FailoverLog;

public enum FailoverState
{
    Running,
    Done,
    Failed,
}

public enum FailbackState
{
    NotStarted,
    Running,
    Done,
    Failed,
}

public enum MaterialCopyState
{
    NotStarted,
    Queued,
    Running,
    Paused,
    Copied,
    CopiedWithLosses,
    NothingToCopy,
    LossesAccepted,
    Failed,
    Cancelled,
}

/// <summary>
/// One failover, from the moment a server failed until its duty and its material are home. The transitions are those of the design's
/// table; an illegal one throws <see cref="InvalidOperationException"/>, because the check before it should have refused.
/// </summary>
public record FailoverLogEntry
{
    public required string Id { get; init; }

    /// <summary>The recorder whose duty was taken over; also the recorded identity.</summary>
    public required string FailedServerId { get; init; }

    public required string FailoverServerId { get; init; }

    public required FailoverState Failover { get; init; }

    public FailbackState Failback { get; init; }

    public MaterialCopyState MaterialCopy { get; init; }

    public required DateTimeOffset FailoverStartedAt { get; init; }

    public DateTimeOffset? FailoverEndedAt { get; init; }

    public DateTimeOffset? FailbackStartedAt { get; init; }

    public DateTimeOffset? FailbackEndedAt { get; init; }

    /// <summary>Workflow instance that performed the failover; null when another system did.</summary>
    public string? FailoverRunId { get; init; }

    /// <summary>Newest workflow instance that got past the checks of a failback of this entry.</summary>
    public string? FailbackRunId { get; init; }

    /// <summary>Who started the failover.</summary>
    public required string StartedBy { get; init; }

    public string? Reason { get; init; }

    /// <summary>Id given by the system that reported the failover; unique when present.</summary>
    public string? ExternalId { get; init; }

    /// <summary>What happened last, as a sentence for the operator.</summary>
    public string? Message { get; init; }

    /// <summary>The newer entry whose failback also ended this one.</summary>
    public string? ClosedByEntryId { get; init; }

    /// <summary>Last written time per channel on the failover server, by its clock, confirmed at the hand-over; of a failover that failed, once its server has said it.</summary>
    public IReadOnlyDictionary<string, DateTimeOffset>? LastTimes { get; init; }

    /// <summary>Per channel the failed server's first confirmed frame of the failback, by its clock: the end of the failover server's authority.</summary>
    public IReadOnlyDictionary<string, DateTimeOffset>? AuthorityEnds { get; init; }

    /// <summary>The recorders' clocks as they were measured; null before the first measurement. See <see cref="FailoverServerTimes"/>.</summary>
    public EntryClocks? Clocks { get; init; }

    /// <summary>Optimistic concurrency: grows by one with every change; 0 = not stored yet.</summary>
    public long Revision { get; init; }

    /// <summary>False once failback and material copy are done, or a newer entry closed it, or the failover failed and left nothing that is owed.</summary>
    public bool IsActive => !(Failover == FailoverState.Failed
        ? IsMaterialSettled
        : Failback == FailbackState.Done && (ClosedByEntryId is not null || IsMaterialSettled));

    /// <summary>A failback may start.</summary>
    public bool CanFailBack => Failover == FailoverState.Done && Failback is FailbackState.NotStarted or FailbackState.Failed;

    public FailoverLogEntry FailoverPerformed(DateTimeOffset at) =>
        Require(Failover == FailoverState.Running, "failover running") with { Failover = FailoverState.Done, FailoverEndedAt = at, Message = null };

    public FailoverLogEntry FailoverFailed(DateTimeOffset at, string message) =>
        Require(Failover == FailoverState.Running, "failover running") with { Failover = FailoverState.Failed, FailoverEndedAt = at, Message = message };

    /// <summary>The failover server recorded nothing in a failover that failed.</summary>
    public FailoverLogEntry NothingRecordedByFailedFailover() =>
        Require(IsUnsettled, "failover failed and not settled") with { MaterialCopy = MaterialCopyState.NothingToCopy };

    /// <summary>The failover server recorded something in a failover that failed.</summary>
    /// <param name="lastTimes">Last written time per channel; not empty.</param>
    public FailoverLogEntry MaterialRecordedByFailedFailover(IReadOnlyDictionary<string, DateTimeOffset> lastTimes) =>
        Require(IsUnsettled && lastTimes.Count > 0, "failover failed and not settled") with { LastTimes = lastTimes };

    public FailoverLogEntry FailbackStarted(string runId, DateTimeOffset at) =>
        Require(CanFailBack, "failover done and failback not started or failed") with
        {
            Failback = FailbackState.Running, FailbackStartedAt = at, FailbackEndedAt = null, FailbackRunId = runId, Message = null,
        };

    /// <param name="message">What the operator must know of a failback that was performed and yet did not end well; null otherwise.</param>
    public FailoverLogEntry FailbackPerformed(DateTimeOffset at, string? message = null) =>
        Require(Failback == FailbackState.Running, "failback running") with { Failback = FailbackState.Done, FailbackEndedAt = at, Message = message };

    public FailoverLogEntry FailbackFailed(DateTimeOffset at, string message) =>
        Require(Failback == FailbackState.Running, "failback running") with { Failback = FailbackState.Failed, FailbackEndedAt = at, Message = message };

    /// <summary>Closed by the failback of a newer entry of the same failed server.</summary>
    public FailoverLogEntry ClosedBy(FailoverLogEntry newer, DateTimeOffset at) =>
        Require(CanFailBack, "failback not started or failed") with { Failback = FailbackState.Done, FailbackEndedAt = at, ClosedByEntryId = newer.Id };

    /// <summary>The recorders say that a failover was performed of which the end was not written down here.</summary>
    public FailoverLogEntry FoundTakenOver(DateTimeOffset at, string message) =>
        Require(Failover == FailoverState.Running, "failover running") with { Failover = FailoverState.Done, FailoverEndedAt = at, Message = message };

    /// <summary>The recorders say that the duty is not with the failover server any more, and its own recorder has it: the failback was performed without its being written down here.</summary>
    public FailoverLogEntry FoundHome(DateTimeOffset at, string message) =>
        Require(Failover == FailoverState.Done && Failback != FailbackState.Done, "failover done and failback not done") with { Failback = FailbackState.Done, FailbackEndedAt = at, Message = message };

    /// <summary>The failover server says why it no longer holds the material: it is home, or was given up.</summary>
    public FailoverLogEntry FoundReleased(MaterialCopyState state) =>
        Require(state is MaterialCopyState.Copied or MaterialCopyState.LossesAccepted or MaterialCopyState.NothingToCopy, "a settled material copy") with { MaterialCopy = state };

    /// <summary>A failover that failed, and its failover server has not said yet whether it recorded anything.</summary>
    public bool IsUnsettled => Failover == FailoverState.Failed && MaterialCopy == MaterialCopyState.NotStarted && LastTimes is null;

    /// <summary>Its material was (or may have been) recorded and is neither home nor given up: the failover server still owes it.</summary>
    public bool OwesMaterial => Failover != FailoverState.Running && !IsMaterialSettled;

    /// <summary>Nobody records under this entry any more and its material is not settled: it can be brought home.</summary>
    public bool IsCopyDue => OwesMaterial && !IsUnsettled && (Failover == FailoverState.Failed || Failback == FailbackState.Done);

    private bool IsMaterialSettled => MaterialCopy is MaterialCopyState.Copied or MaterialCopyState.NothingToCopy or MaterialCopyState.LossesAccepted;

    /// <summary>A material copy is queued or at work.</summary>
    public bool IsCopying => MaterialCopy is MaterialCopyState.Queued or MaterialCopyState.Running or MaterialCopyState.Paused;

    /// <summary>A material copy may be queued: for the first time, or again after it failed, was cancelled or ended with losses.</summary>
    public bool CanQueueCopy =>
        MaterialCopy is MaterialCopyState.NotStarted or MaterialCopyState.Failed or MaterialCopyState.Cancelled or MaterialCopyState.CopiedWithLosses;

    public FailoverLogEntry MaterialCopyQueued() =>
        Require(CanQueueCopy, "material copy not started, failed, cancelled or copied with losses") with { MaterialCopy = MaterialCopyState.Queued };

    public FailoverLogEntry MaterialCopyRunning() =>
        Require(MaterialCopy is MaterialCopyState.Queued or MaterialCopyState.Paused, "material copy queued or paused") with { MaterialCopy = MaterialCopyState.Running };

    public FailoverLogEntry MaterialCopyPaused() =>
        Require(MaterialCopy == MaterialCopyState.Running, "material copy running") with { MaterialCopy = MaterialCopyState.Paused };

    /// <summary>Everything expected is home and verified.</summary>
    public FailoverLogEntry MaterialCopied() => MaterialCopyEnded(MaterialCopyState.Copied, null);

    /// <summary>Everything expected is verified at the failed server, in a side archive; the message says so.</summary>
    public FailoverLogEntry MaterialArchived(string message) => MaterialCopyEnded(MaterialCopyState.Copied, message);

    /// <summary>Something expected could not be had; the coverage report lists it and the hold stays.</summary>
    public FailoverLogEntry MaterialCopiedWithLosses(string message) => MaterialCopyEnded(MaterialCopyState.CopiedWithLosses, message);

    /// <summary>The failover server recorded nothing that the failed server lacked.</summary>
    public FailoverLogEntry NoMaterialToCopy() => MaterialCopyEnded(MaterialCopyState.NothingToCopy, null);

    public FailoverLogEntry MaterialCopyFailed(string message) => MaterialCopyBroken(MaterialCopyState.Failed, message);

    public FailoverLogEntry MaterialCopyCancelled(string message) => MaterialCopyBroken(MaterialCopyState.Cancelled, message);

    /// <summary>An administrator gives up what is not home.</summary>
    public FailoverLogEntry MaterialLossesAccepted(string message) => Require(
        MaterialCopy is not (MaterialCopyState.Copied or MaterialCopyState.NothingToCopy or MaterialCopyState.LossesAccepted),
        "material copy neither copied, nor nothing to copy, nor given up") with { MaterialCopy = MaterialCopyState.LossesAccepted, Message = message };

    private FailoverLogEntry MaterialCopyEnded(MaterialCopyState state, string? message) =>
        Require(MaterialCopy == MaterialCopyState.Running, "material copy running") with
        {
            // Why a failover failed is still to be read when what was recorded in it is home.
            MaterialCopy = state, Message = message ?? (Failover == FailoverState.Failed ? Message : null),
        };

    private FailoverLogEntry MaterialCopyBroken(MaterialCopyState state, string message) =>
        Require(MaterialCopy == MaterialCopyState.NotStarted || IsCopying, "material copy not started, queued, running or paused") with { MaterialCopy = state, Message = message };

    private FailoverLogEntry Require(bool condition, string needed) => condition
        ? this
        : throw new InvalidOperationException($"Failover log entry {Id} needs {needed}, but is failover {Failover}, failback {Failback}, copy {MaterialCopy}.");
}

/// <summary>Which half of the failover log.</summary>
public enum FailoverLogView
{
    Active,
    Finalized,
    All,
}

/// <summary>One page of the log, newest failover first.</summary>
public sealed record FailoverLogQuery(FailoverLogView View)
{
    /// <summary>Continue after this entry (keyset paging); null: from the newest.</summary>
    public string? Before { get; init; }

    /// <summary>1–200. Default: 50.</summary>
    public int Take { get; init; } = 50;

    /// <summary>Servers looked for at once; each costs a look of its own.</summary>
    public const int MostServers = 20;

    /// <summary>Only entries in which one of these is the failed or the failover server; the first <see cref="MostServers"/> count. Null: those of all servers.</summary>
    public IReadOnlyList<string>? ServerIds { get; init; }

    /// <summary>Only failovers that started at this instant or later.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>Only failovers that started before this instant.</summary>
    public DateTimeOffset? Until { get; init; }
}

/// <summary>Reads the failover log.</summary>
public interface IFailoverLog
{
    Task<FailoverLogEntry?> FindAsync(string entryId, CancellationToken cancellationToken);

    /// <summary>Of these entries, as far as there are such, the failed server by the id of the entry. For whoever only names them.</summary>
    Task<IReadOnlyDictionary<string, string>> ListFailedServersAsync(IReadOnlyCollection<string> entryIds, CancellationToken cancellationToken);

    Task<FailoverLogEntry?> FindByExternalIdAsync(string externalId, CancellationToken cancellationToken);

    Task<IReadOnlyList<FailoverLogEntry>> ListAsync(FailoverLogQuery query, CancellationToken cancellationToken);

    /// <summary>Entries with <see cref="FailoverLogEntry.IsUnsettled"/>, oldest failover first.</summary>
    Task<IReadOnlyList<FailoverLogEntry>> ListUnsettledAsync(int take, CancellationToken cancellationToken);

    /// <summary>Active entries of one failed server whose failback is not done, newest first.</summary>
    Task<IReadOnlyList<FailoverLogEntry>> ListOpenAsync(string failedServerId, CancellationToken cancellationToken);

    /// <summary>The same of several failed servers at once, newest first.</summary>
    Task<IReadOnlyList<FailoverLogEntry>> ListOpenAsync(IReadOnlyCollection<string> failedServerIds, CancellationToken cancellationToken);

    /// <summary>Active entries of all servers whose failback is not done, newest first.</summary>
    Task<IReadOnlyList<FailoverLogEntry>> ListOpenAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Of every server that is marked broken the newest entry of its own duty, as far as after that entry somebody may have to act: the failover failed, or the
    /// failback is done or failed.
    /// </summary>
    Task<IReadOnlyList<FailoverLogEntry>> ListNewestOfBrokenAsync(CancellationToken cancellationToken);

    /// <summary>Per failover server how many periods there are whose material it still owes (<see cref="FailoverLogEntry.OwesMaterial"/>).</summary>
    Task<IReadOnlyDictionary<string, int>> CountOwedPeriodsAsync(CancellationToken cancellationToken);

    /// <summary>Failed servers that are set to be failed back by themselves, with an entry whose failover is done and whose failback may start.</summary>
    Task<IReadOnlyList<string>> ListServersToFailBackAsync(CancellationToken cancellationToken);
}

/// <summary>Adds (revision 0) or changes an entry. Throws <see cref="ConcurrentChangeException"/> when somebody else changed it since it was read.</summary>
public sealed record SaveFailoverLogEntry(FailoverLogEntry Entry) : IDomainChange;
