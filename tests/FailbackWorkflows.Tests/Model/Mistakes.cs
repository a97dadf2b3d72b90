namespace FailbackWorkflows.Tests.Model;

/// <summary>Protocol mistakes put in on purpose: a model that does not find them would not find ours.</summary>
[Flags]
public enum Mistake
{
    None = 0,

    /// <summary>A run reads what it decides by without raising the duty fence there first.</summary>
    NoFenceBeforeReading = 1 << 0,

    /// <summary>The undo tells the failover server the present epoch instead of a new one.</summary>
    UndoKeepsEpoch = 1 << 1,

    /// <summary>Step 9e stops the failover server without having seen frames of the failed server.</summary>
    StopBeforeFrames = 1 << 2,

    /// <summary>The hold gets its end when the next epoch is granted, not at the last time written.</summary>
    HoldClosedAtGrant = 1 << 3,

    /// <summary>The claim is given up when the undo begins; the rest of it is done without.</summary>
    ClaimReleasedBeforeUndo = 1 << 4,

    /// <summary>An obligation stops the server although it holds the current epoch by now.</summary>
    ObligationStopsHolder = 1 << 5,

    /// <summary>A recorder commits the key before the effect.</summary>
    KeyOutsideEffect = 1 << 6,

    /// <summary>A restored database draws 1 + its own epoch.</summary>
    RestoredDrawsOldEpoch = 1 << 7,

    /// <summary>A recorder does not compare fences: a paused node's call is accepted.</summary>
    OldFenceAccepted = 1 << 8,

    /// <summary>A recorder takes the same epoch with another allocation id.</summary>
    OtherAllocationAccepted = 1 << 9,

    /// <summary>A failover forgets to write down that its former holder must be told.</summary>
    FormerHolderForgotten = 1 << 10,

    /// <summary>The failover server gets the duty first and the hold in a later command, which the run may not live to send.</summary>
    HoldAfterDuty = 1 << 11,

    // What the design said before ADR 6; each was found by this model.

    /// <summary>Only 9e looks for frames of the successor; obligations, undo and polls stop without looking.</summary>
    StopsUnseen = 1 << 16,

    /// <summary>The checkpoint of epochs is a periodic seal, so a draw may be newer.</summary>
    CheckpointLags = 1 << 17,

    /// <summary>An undo goes on under the fence of a call that was never answered.</summary>
    FenceKeptAfterNoAnswer = 1 << 18,

    /// <summary>A run that waits after 9d for two servers keeps its claims as long as neither answers.</summary>
    WaitKeepsClaims = 1 << 19,

    /// <summary>A restored database asks recorders for duties, but not for retention holds.</summary>
    HoldsNotReconciled = 1 << 20,

    /// <summary>A larger epoch seen after a restore is taken over together with the holder of the old one.</summary>
    RestoredKeepsHolder = 1 << 21,

    /// <summary>What is owed to a server is delivered under an epoch that was drawn for it and that it has not heard of.</summary>
    GrantNotFirst = 1 << 22,

    /// <summary>An adoption whose failed server does not answer after the draw ends without a result.</summary>
    AdoptionGivesUp = 1 << 23,
}

/// <summary>What may happen in one exploration, and how much of it. Bounds are on what goes wrong and on what people start, never on what the protocol does to get out.</summary>
/// <param name="Name">What is explored.</param>
/// <param name="Servers">2 or 3 recorders.</param>
/// <param name="Identities">1 or 2 recorded identities; identity i is the duty of server i.</param>
/// <param name="Nodes">1 or 2 nodes of the management server.</param>
/// <param name="Takers">Per identity, a bit per server that may become its failover server.</param>
/// <param name="Faults">Crashes, cuts, lost answers, delayed calls and pauses together along one path; repairs are free.</param>
/// <param name="InFlight">Delayed calls under way at the same time, 0 to 2.</param>
/// <param name="OpenEntries">Unfinished failover log entries per identity, 1 or 2; a failover beyond is not started.</param>
/// <param name="CanRestore">The database may be replaced by yesterday's once.</param>
public sealed record Bounds(
    string Name,
    int Servers,
    int Identities,
    int Nodes,
    Two<byte> Takers,
    int Faults,
    int InFlight,
    int OpenEntries,
    bool CanRestore = false,
    Mistake Mistakes = Mistake.None)
{
    /// <summary>A stop at this many states is a failure of the bounds, not a result.</summary>
    public int MaxStates { get; init; } = 30_000_000;

    /// <summary>Begins after a failover of A to B, A started again: what needs many faults is found with fewer.</summary>
    public bool StartsFailedOver { get; init; }

    /// <summary>Of the faults only recorders die: what needs many of those and nothing else is found sooner.</summary>
    public bool CrashesOnly { get; init; }

    /// <summary>Where epochs are no ranks, states with a larger one are not looked at: enough to find a mistake, never to show its absence.</summary>
    public int LargestEpoch { get; init; } = 4;

    public bool Has(Mistake mistake) => (Mistakes & mistake) != 0;

    /// <summary>
    /// Epochs only matter by their order as long as every draw is larger than all before; then they are renumbered without gaps and the
    /// state space is finite. It is not so when a restored database may draw a number twice.
    /// </summary>
    public bool EpochsAreRanks => !Has(Mistake.RestoredDrawsOldEpoch) && !Has(Mistake.CheckpointLags);
}
