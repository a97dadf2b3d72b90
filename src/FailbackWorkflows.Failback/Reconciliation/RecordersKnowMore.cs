using System.Collections.Concurrent;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders.Duties;

namespace FailbackWorkflows.Failback.Reconciliation;

/// <summary>Why the database is not believed about a duty.</summary>
public enum DoubtKind
{
    /// <summary>
    /// Not every recorder has been asked since the start, and there is no checkpoint to compare with or it may not be complete (there are other management servers). Ends by
    /// itself within a poll interval, or when somebody is on watch and has asked all of them.
    /// </summary>
    NotAskedYet,

    /// <summary>The checkpoint outside of the database knows a larger epoch.</summary>
    Checkpoint,

    /// <summary>A recorder knows a larger epoch.</summary>
    Epoch,

    /// <summary>A recorder has the duty under the same epoch by another allocation.</summary>
    Allocation,

    /// <summary>A recorder was told by a run that the database does not know.</summary>
    Fence,

    /// <summary>A recorder fulfils a duty that the database does not know at all.</summary>
    UnknownDuty,
}

/// <summary>The database is not believed about a duty.</summary>
/// <param name="Sentence">What was found; for the operator.</param>
public sealed record Doubt(string Identity, DoubtKind Kind, string Sentence);

/// <summary>
/// Finds the duties of which recorders, or the checkpoint of epochs, know more than the database: it was restored from a backup. As long as
/// this management server writes what it is about to tell before it tells it, that cannot be otherwise. Derived at each look from the table, the checkpoint and what recorders have said, to this
/// server or to whoever is on watch, so that each of several servers knows of it.
/// While a duty is in doubt nothing that happens by itself touches it.
/// </summary>
public sealed class RecordersKnowMore(IVmsServers servers, IDuties duties, IReconciliations reconciliations, SeenDuties seen, IRecorderWords words, IEpochCheckpoint checkpoint, IWatch watch, TimeProvider time)
{
    private const string NotAsked = "Not every recorder was asked since this management server started.";
    private static readonly TimeSpan LookAgainSoon = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, bool> _suspects = new(StringComparer.Ordinal);
    private volatile bool _isCompared;
    private volatile bool _isEverybodyAsked;
    private volatile bool _isRoundDone;
    private long _readIn;

    /// <summary>Since when this process looks. What began before is from an earlier life, or from a backup.</summary>
    public DateTimeOffset Since { get; } = time.GetUtcNow();

    /// <summary>Takes notice of what a server said, and looks at the duties of which that is more than what is known here.</summary>
    /// <param name="known">A duty as it was known a moment ago; what was granted since makes it be looked at for nothing.</param>
    /// <param name="askedAt">When it was asked.</param>
    public void Hear(string serverId, IReadOnlyList<DutyState> told, Func<string, Duty?> known, DateTimeOffset askedAt)
    {
        seen.Notice(serverId, told, askedAt);
        foreach (var duty in told)
        {
            var isMore = known(duty.Identity) is { } granted
                ? duty.Epoch > granted.Epoch || duty.Fence > granted.Fence || IsOtherAllocation(duty, granted)
                : duty.AssignedRole == DutyRole.Recorder && duty.Identity != serverId;
            if (isMore)
            {
                _suspects[duty.Identity] = true;
            }
        }
    }

    /// <summary>Takes notice that a server was asked and said nothing.</summary>
    public void HearNothing(string serverId) => seen.NoticeSilence(serverId);

    /// <summary>Why the database is not believed about a duty; null: it is.</summary>
    public async Task<Doubt?> FindAsync(string identity, CancellationToken cancellationToken)
    {
        var doubt = await LookAsync(identity, cancellationToken);
        if (doubt is { Kind: not DoubtKind.NotAskedYet })
        {
            _suspects[identity] = true;
        }

        return doubt;
    }

    /// <summary>All duties in doubt, by identity; those left out that are only waiting for recorders to be asked.</summary>
    public async Task<IReadOnlyList<Doubt>> ListAsync(CancellationToken cancellationToken)
    {
        if (!_isCompared)
        {
            // Once: what the checkpoint knew at the start does not change, and whatever recorders say makes a suspect of its own.
            foreach (var duty in await duties.ListAsync(cancellationToken))
            {
                if (checkpoint.AtStart(duty.Identity)?.Epoch > duty.Epoch)
                {
                    _suspects[duty.Identity] = true;
                }
            }

            _isCompared = true;
        }

        // Whoever polls has found everything that is not written, and reads once what those wrote that polled before; the others hear of it by what is written only.
        var term = watch.Term;
        if (term == 0 || Interlocked.Read(ref _readIn) != term)
        {
            foreach (var identity in await words.ListAheadAsync(cancellationToken))
            {
                _suspects[identity] = true;
            }

            // After the read: one that failed is made again.
            Interlocked.Exchange(ref _readIn, term);
        }

        var doubts = new List<Doubt>();
        foreach (var identity in _suspects.Keys.Order(StringComparer.Ordinal))
        {
            if (await LookAsync(identity, cancellationToken) is not { } doubt)
            {
                _suspects.TryRemove(identity, out _);
            }
            else if (doubt.Kind != DoubtKind.NotAskedYet)
            {
                doubts.Add(doubt);
            }
        }

        return doubts;
    }

    /// <summary>Whether the server answered when it was asked last, by this process or by whoever is on watch; null: it is not known to have been asked.</summary>
    internal bool? HasAnswered(VmsServer server) => watch.IsOurs ? seen.HasAnswered(server.Id) : watch.Report is { HasAskedEverybody: true, IsOver: false } ? server.Answers : null;

    /// <summary>Whether every registered server was asked once since the start, by this process or by whoever is on watch.</summary>
    internal async Task<bool> IsEverybodyAskedAsync(CancellationToken cancellationToken)
    {
        if (!_isEverybodyAsked)
        {
            _isEverybodyAsked = watch.IsOurs
                ? (await servers.ListAsync(cancellationToken)).All(server => seen.HasAnswered(server.Id) is not null)
                : watch.Report is { HasAskedEverybody: true, IsOver: false };
        }

        return _isEverybodyAsked;
    }

    /// <summary>
    /// Whether each recorder had its turn once since the start, by whoever is on watch. On a database of its own this process polls them itself, beginning at its start, and does
    /// not wait for it.
    /// </summary>
    internal bool IsRoundDone() => _isRoundDone = _isRoundDone || !words.AreKept || (watch.IsOurs ? watch.MayDecide : watch.Report is { IsRoundDone: true, IsOver: false });

    /// <summary>Has a run wait until <see cref="IsRoundDone"/>.</summary>
    internal void RequireRoundDone()
    {
        if (!IsRoundDone())
        {
            throw new WorkflowNotNowException(NotAsked, time.GetUtcNow() + LookAgainSoon);
        }
    }

    private async Task<Doubt?> LookAsync(string identity, CancellationToken cancellationToken)
    {
        // What was heard is taken first: whatever a recorder was told was in the database before.
        var said = await seen.OfAsync(identity, cancellationToken);
        var (epoch, fence, last) = (said.LargestEpoch, said.LargestFence, said.Words);
        if (await duties.FindAsync(identity, cancellationToken) is not { } duty)
        {
            return await FindUnknownAsync(identity, last, cancellationToken);
        }

        if (epoch > duty.Epoch)
        {
            var teller = last.Where(l => l.Value.Epoch == epoch).Select(l => l.Key).Order(StringComparer.Ordinal).FirstOrDefault() ?? "A recorder";
            return Of(DoubtKind.Epoch, $"{teller} knows epoch {epoch} of this duty; the database knows {duty.Epoch}, with {duty.HolderServerId}.");
        }

        if (last.FirstOrDefault(l => IsOtherAllocation(l.Value, duty)) is { Key: { } other })
        {
            return Of(DoubtKind.Allocation, $"{other} has this duty under epoch {duty.Epoch} by an allocation that the database does not know.");
        }

        if (checkpoint.AtStart(identity) is { } drawn
            && drawn.Epoch > duty.Epoch
            && drawn.Epoch > await reconciliations.FindCheckpointAsync(identity, cancellationToken)
            && !await IsOfTheRunAtWorkAsync(identity, drawn, cancellationToken))
        {
            return Of(DoubtKind.Checkpoint, $"Epoch {drawn.Epoch} of this duty was drawn; the database knows {duty.Epoch}, with {duty.HolderServerId}.");
        }

        if (fence > duty.Fence)
        {
            return Of(DoubtKind.Fence, "Recorders were told about this duty by runs that the database does not know.");
        }

        if (checkpoint.Largest(identity) < duty.Epoch && !await IsEverybodyAskedAsync(cancellationToken))
        {
            return Of(DoubtKind.NotAskedYet, "There is no checkpoint of its epoch, and not every recorder was asked since the start.");
        }

        // The checkpoint is this node's: what others drew while this one was away may be missing in it. And nobody may be on watch yet.
        return IsRoundDone() ? null : Of(DoubtKind.NotAskedYet, NotAsked);

        Doubt Of(DoubtKind kind, string sentence) => new(identity, kind, sentence);
    }

    /// <summary>
    /// The run that drew it is at work by the database, too, and stands before that draw: this program was killed between note and commit, and nobody was told.
    /// If it is a backup of that moment all the same, whoever was told since says so, and the run's next draw is above the noted one.
    /// </summary>
    private async Task<bool> IsOfTheRunAtWorkAsync(string identity, NotedEpoch drawn, CancellationToken cancellationToken) =>
        drawn.DrawnBy is { } allocation
        && await duties.FindClaimAsync(DutyClaim.Identity(identity), cancellationToken) is { } claim
        && allocation.StartsWith($"{claim.InstanceId}/", StringComparison.Ordinal);

    private static bool IsOtherAllocation(DutyState told, Duty duty) => IsOtherAllocation(told.AssignedRole, told.Epoch, told.AllocationId, duty);

    /// <summary>A recorder said that it has the duty under the same epoch by another allocation.</summary>
    internal static bool IsOtherAllocation(RecorderWord told, Duty duty) => IsOtherAllocation(told.AssignedRole, told.Epoch, told.AllocationId, duty);

    private static bool IsOtherAllocation(DutyRole assigned, long epoch, string? allocationId, Duty duty) =>
        assigned == DutyRole.Recorder && epoch == duty.Epoch && allocationId is not null && allocationId != duty.AllocationId;

    /// <summary>A duty that another server fulfils was granted here once: a recorder that was merely never registered fulfils its own.</summary>
    private async Task<Doubt?> FindUnknownAsync(string identity, IReadOnlyDictionary<string, RecorderWord> last, CancellationToken cancellationToken)
    {
        if (last.FirstOrDefault(l => l.Key != identity && l.Value.AssignedRole == DutyRole.Recorder) is not { Key: { } holder } told)
        {
            return null;
        }

        var isRegistered = await servers.FindAsync(identity, cancellationToken) is not null;
        return new(identity, DoubtKind.UnknownDuty, $"{holder} fulfils the duty of {identity} under epoch {told.Value.Epoch}, and the database does not know {(isRegistered ? "that duty" : "that server")}.");
    }
}
