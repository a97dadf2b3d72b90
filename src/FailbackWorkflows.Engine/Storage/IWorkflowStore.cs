using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Journal;

namespace FailbackWorkflows.Engine.Storage;

/// <summary>A change of the host's own data that a step wants made in its transaction. The engine carries it, the store knows what it means.</summary>
public interface IDomainChange;

/// <summary>
/// Where instances live. One truth: whatever a step leads to is written by one <see cref="CommitAsync"/> in one transaction, durable when it
/// returns. Implementations are safe for use by many threads.
/// </summary>
public interface IWorkflowStore
{
    /// <summary>
    /// Writes one step in one transaction. Throws <see cref="LeaseLostException"/> when the lease is no longer the caller's (nothing is
    /// written), <see cref="StartKeyTakenException"/> when a new instance's start key is known, and whatever a domain change throws when the
    /// domain refuses it (nothing is written).
    /// </summary>
    Task CommitAsync(StepCommit commit, CancellationToken cancellationToken);

    /// <summary>The stored instance, or null. Reads a consistent snapshot.</summary>
    Task<StoredInstance?> FindInstanceAsync(string instanceId, CancellationToken cancellationToken);

    /// <summary>The instance that was started with this key, or null.</summary>
    Task<string?> FindInstanceByStartKeyAsync(string startKey, CancellationToken cancellationToken);

    /// <summary>Events after a sequence number, in order, at most <paramref name="take"/>.</summary>
    Task<IReadOnlyList<JournalEvent>> ReadJournalAsync(string instanceId, long afterSequence, int take, CancellationToken cancellationToken);

    /// <summary>
    /// Puts a message into the inbox of every instance with a bookmark of the stimulus' key (and of its instance and correlation id, when it
    /// names them) and wakes them, all in one transaction. The payload is a plain value. Answers with the instances reached.
    /// </summary>
    Task<IReadOnlyList<string>> PostStimulusAsync(Stimulus stimulus, DateTimeOffset at, CancellationToken cancellationToken);

    /// <summary>Puts a message into the inbox of one instance and wakes it. False when there is no such instance.</summary>
    Task<bool> PostAsync(string instanceId, InboxMessage message, DateTimeOffset at, CancellationToken cancellationToken);

    /// <summary>
    /// Leases up to <paramref name="max"/> instances that are runnable (woken, due, or with a lease that ran out) to this node.
    /// Each lease has a fence larger than any before it on that instance.
    /// </summary>
    Task<IReadOnlyList<Lease>> ClaimRunnableAsync(string node, DateTimeOffset now, TimeSpan leaseDuration, int max, CancellationToken cancellationToken);

    /// <summary>Messages waiting for an instance, oldest first.</summary>
    Task<IReadOnlyList<InboxMessage>> ReadInboxAsync(string instanceId, CancellationToken cancellationToken);

    /// <summary>Prolongs a lease. False when it is no longer the caller's.</summary>
    Task<bool> RenewLeaseAsync(Lease lease, DateTimeOffset until, CancellationToken cancellationToken);

    /// <summary>Gives a lease back; the instance stays runnable when it was not suspended or finished by a commit. Harmless when it is lost.</summary>
    Task ReleaseLeaseAsync(Lease lease, CancellationToken cancellationToken);

    /// <summary>
    /// Gives back every lease that an earlier life of this node held; called once when a node starts. The instances are runnable at once
    /// instead of after their lease.
    /// </summary>
    Task ReleaseLeasesOfAsync(string node, CancellationToken cancellationToken);

    /// <summary>
    /// Publishes a definition. Publishing the same content again stores nothing and makes that version the published one; new content is
    /// stored under the next free version number, or the given one when that is higher (<c>id = definitionId:version</c>). Answers with
    /// what is stored.
    /// </summary>
    Task<StoredDefinition> PublishDefinitionAsync(StoredDefinition definition, CancellationToken cancellationToken);

    /// <summary>The published version of a definition, or null.</summary>
    Task<StoredDefinition?> FindPublishedDefinitionAsync(string definitionId, CancellationToken cancellationToken);

    /// <summary>Ids of the published versions of some definitions, by definition; what is not published is missing. Their content, which may be large, is not read.</summary>
    Task<IReadOnlyDictionary<string, string>> FindPublishedVersionsAsync(IReadOnlyCollection<string> definitionIds, CancellationToken cancellationToken);

    /// <summary>Triggers of published definitions with one of these keys, by definition.</summary>
    Task<IReadOnlyList<StoredTrigger>> FindTriggersAsync(IReadOnlyCollection<string> keys, CancellationToken cancellationToken);

    /// <summary>Triggers of published definitions whose key begins with one of these texts, with when the definition was published, by definition.</summary>
    Task<IReadOnlyList<ScheduledTrigger>> ListTriggersAsync(IReadOnlyCollection<string> prefixes, CancellationToken cancellationToken);

    /// <summary>The published version of every definition, by definition.</summary>
    Task<IReadOnlyList<StoredDefinition>> ListPublishedDefinitionsAsync(CancellationToken cancellationToken);

    /// <summary>An instance that stands in the way of another one by a definition's activation strategy, or null.</summary>
    Task<string?> FindRunningAsync(Activation activation, string exceptInstanceId, CancellationToken cancellationToken);

    /// <summary>Bookmarks of a name, oldest first.</summary>
    Task<IReadOnlyList<StoredBookmark>> ListBookmarksAsync(string name, int take, CancellationToken cancellationToken);

    /// <summary>The version of a definition with this content, whether it is published or not; null: the content is not known.</summary>
    Task<StoredDefinition?> FindDefinitionByContentAsync(string definitionId, string sha256, CancellationToken cancellationToken);

    /// <summary>A definition version by its version id, or null. A draft is none.</summary>
    Task<StoredDefinition?> FindDefinitionVersionAsync(string definitionVersionId, CancellationToken cancellationToken);
}

/// <summary>A published, immutable definition version.</summary>
/// <param name="Id">definitionVersionId.</param>
/// <param name="Sha256">Lower-case hex over <paramref name="Json"/>.</param>
public sealed record StoredDefinition(string Id, string DefinitionId, int Version, string Name, string Json, string Sha256, DateTimeOffset PublishedAt, string PublishedBy)
{
    /// <summary>Who publishes what a file of the workflow folder says.</summary>
    public const string FromFile = "file";

    /// <summary>What it does, as its author says.</summary>
    public string? Description { get; init; }

    /// <summary>A sentence when it met with somebody else's change; null otherwise.</summary>
    public string? Conflict { get; init; }

    /// <summary>True: it is stored, but what was published stays published.</summary>
    public bool IsKeptBack { get; init; }

    /// <summary>Its triggers; they count from the moment it is published until another version is.</summary>
    public IReadOnlyList<TriggerDefinition> Triggers { get; init; } = [];
}

/// <summary>A trigger of a published definition.</summary>
public sealed record StoredTrigger(string DefinitionId, string NodeId, string Key);

/// <summary>A trigger of a published definition that a schedule starts.</summary>
/// <param name="PublishedAt">When its version was published: the schedule counts from then.</param>
public sealed record ScheduledTrigger(string DefinitionId, string NodeId, string Key, DateTimeOffset PublishedAt);

/// <summary>What may run only once at a time; see <see cref="ActivationStrategy"/>.</summary>
public sealed record Activation(ActivationStrategy Strategy, string DefinitionId, string? CorrelationId);

/// <summary>Another run stands in the way by the definition's activation strategy.</summary>
public sealed class AlreadyRunningException(string instanceId)
    : WorkflowRefusedException("already-running", $"Another run of this kind is under way ({instanceId}), and the workflow allows one at a time.")
{
    public string InstanceId { get; } = instanceId;
}

/// <summary>One node's right to run one instance. Checked in every commit.</summary>
/// <param name="Fence">Grows with every acquisition; a node with an older fence can no longer write.</param>
/// <param name="Seen">Wake-up count that the holder has taken notice of.</param>
public sealed record Lease(string InstanceId, string Node, long Fence, DateTimeOffset Until, long Seen);

/// <summary>
/// For what a node writes about an instance outside its steps: keeps the lease until the commit. Throws <see cref="LeaseLostException"/>, and nothing is written, when it
/// is another's by now, or was given back.
/// </summary>
public sealed record RequireLease(Lease Lease) : IDomainChange;

/// <summary>What waits in the inbox of an instance until its runner takes notice.</summary>
public sealed record InboxMessage(long Id, InboxMessageKind Kind, string? BookmarkKey, object? Payload, Actor Actor, string? Reason);

/// <summary>Kinds of inbox messages.</summary>
public enum InboxMessageKind
{
    Stimulus,
    Cancel,
    Redrive,

    /// <summary>Ends the instance as it stands: nothing is undone, no activity runs any more, and one that an incident stopped cannot be redriven.</summary>
    End,
}

/// <summary>Everything one step writes, in one transaction.</summary>
public sealed class StepCommit
{
    private IReadOnlyList<ChainedEvent>? _chained;

    /// <summary>The lease under which the step ran. For a new instance: the lease its starter takes.</summary>
    public required Lease Lease { get; init; }

    /// <summary>The instance as it is after the step, but for <see cref="StoredInstance.ChainHead"/>, which is that of before.</summary>
    public required StoredInstance Instance { get; init; }

    /// <summary>True when this commit creates the instance.</summary>
    public bool IsStart { get; init; }

    /// <summary>New journal events, in order.</summary>
    public required IReadOnlyList<JournalEvent> Events { get; init; }

    /// <summary>The events as they are stored, chained onto <see cref="StoredInstance.ChainHead"/>. Made when first read: a store that keeps no chain pays for none.</summary>
    public IReadOnlyList<ChainedEvent> Chained => _chained ??= IsChained
        ? JournalChain.Append(Instance.Id, Instance.DefinitionVersionId, Instance.ChainHead, Events)
        : JournalChain.Loose(Events);

    /// <summary>Hash of the instance's last event after this step.</summary>
    public string? ChainHead => Events.Count == 0 ? Instance.ChainHead : Chained[^1].Hash;

    /// <summary><see cref="ChainHead"/> if the store has chained the events; else that of before.</summary>
    internal string? StoredChainHead => _chained is null ? Instance.ChainHead : ChainHead;

    /// <summary>False only in a benchmark that measures what chaining costs.</summary>
    internal bool IsChained { get; set; } = true;

    /// <summary>All bookmarks the instance has after the step; the store writes the difference. Null: unchanged.</summary>
    public IReadOnlyList<StoredBookmark>? Bookmarks { get; init; }

    /// <summary>Inbox messages that the events of this commit have taken in.</summary>
    public IReadOnlyList<long> ConsumedInbox { get; init; } = [];

    /// <summary>
    /// Stimuli posted to whoever waits for them, in this transaction. Whoever is to be woken by the end of an instance and comes too late is
    /// not left behind: a bookmark whose key is <see cref="WorkflowEnded.KeyOf"/> an instance that has ended is woken in the commit that makes it.
    /// </summary>
    public IReadOnlyList<Stimulus> Stimuli { get; init; } = [];

    /// <summary>Instances asked to cancel in this transaction: the children of what this step has cancelled. Those that are not there are left out.</summary>
    public IReadOnlyList<string> Cancels { get; init; } = [];

    /// <summary>
    /// When set, the commit is written only if no other instance stands in the way, which is looked at in its transaction, with others that ask the
    /// same kept out; else <see cref="AlreadyRunningException"/> is thrown and nothing is written. Null: nothing can stand in the way.
    /// </summary>
    public Activation? Activation { get; init; }

    /// <summary>True when the instance's name or correlation id is another than before.</summary>
    public bool IsRelabelled { get; init; }

    /// <summary>Changes of the host's data, applied in order.</summary>
    public IReadOnlyList<IDomainChange> Changes { get; init; } = [];

    /// <summary>When true the lease ends with this commit (suspended or finished); wake-ups newer than <see cref="Engine.Storage.Lease.Seen"/> make it runnable at once.</summary>
    public bool Releases { get; init; }

    /// <summary>With <see cref="Releases"/>: when the earliest bookmark is due, if any.</summary>
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>The time of the commit by the node's clock; the lease is prolonged to <see cref="LeaseUntil"/>.</summary>
    public required DateTimeOffset At { get; init; }

    public required DateTimeOffset LeaseUntil { get; init; }
}

/// <summary>An instance as stored: the columns lists are made of, and the snapshot.</summary>
public sealed record StoredInstance
{
    private string? _snapshot;

    public required string Id { get; init; }

    public required string DefinitionId { get; init; }

    public required string DefinitionVersionId { get; init; }

    public required int DefinitionVersion { get; init; }

    public string? Name { get; init; }

    public string? CorrelationId { get; init; }

    public string? StartKey { get; init; }

    public required WorkflowStatus Status { get; init; }

    public required WorkflowSubStatus SubStatus { get; init; }

    public required int IncidentCount { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public required DateTimeOffset UpdatedAt { get; init; }

    public DateTimeOffset? FinishedAt { get; init; }

    /// <summary>Sequence number of the last journal event.</summary>
    public required long LastSequence { get; init; }

    /// <summary>Hash of the last journal event, lower-case hex (<see cref="JournalChain"/>); null: there is none, or the store keeps no chain.</summary>
    public string? ChainHead { get; init; }

    /// <summary>
    /// The instance state as JSON; equal to the fold of the journal. In a commit it is made when first read, so a store that keeps no
    /// snapshot pays for none; a store reads it before <see cref="IWorkflowStore.CommitAsync"/> returns or not at all.
    /// </summary>
    public string Snapshot
    {
        get => _snapshot ??= SnapshotSource?.Invoke() ?? throw new InvalidOperationException("The instance has no snapshot.");
        init => _snapshot = value;
    }

    internal Func<string>? SnapshotSource
    {
        get;
        init
        {
            field = value;

            // A copy made with `with` also copies the text of the row it was made from, which is out of date now.
            _snapshot = null;
        }
    }
}

/// <summary>A bookmark row; found by key.</summary>
public sealed record StoredBookmark(string Id, string InstanceId, string NodeId, string Name, string? Key, DateTimeOffset? DueAt, DateTimeOffset CreatedAt);

/// <summary>Another node has taken the instance over; whatever this node was about to write is void.</summary>
public sealed class LeaseLostException(string instanceId)
    : Exception($"The lease on workflow instance {instanceId} was lost to another node.");

/// <summary>An instance with this start key exists already.</summary>
public sealed class StartKeyTakenException(string startKey, string instanceId)
    : Exception($"Workflow instance {instanceId} was already started for '{startKey}'.")
{
    public string InstanceId { get; } = instanceId;
}
