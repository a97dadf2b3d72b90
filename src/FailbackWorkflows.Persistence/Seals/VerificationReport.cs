using System.Text.Json.Serialization;

namespace FailbackWorkflows.Persistence.Seals;

/// <summary>What is wrong with a history.</summary>
public enum FindingKind
{
    /// <summary>An event is not what it was when it was written, or not where it was.</summary>
    EventChanged,

    /// <summary>An event that was sealed is gone, or one before it is.</summary>
    EventMissing,

    /// <summary>Events are whole among themselves but not those that were sealed: they were changed and chained anew.</summary>
    ChainReplaced,

    /// <summary>A run that was sealed is gone.</summary>
    RunMissing,

    /// <summary>What a run's row says does not go with its journal.</summary>
    RunChanged,

    /// <summary>A definition is not the one that runs were pinned to.</summary>
    DefinitionChanged,

    /// <summary>A record of the audit log is not what it was, or not where it was.</summary>
    AuditChanged,

    /// <summary>Records of the audit log that were sealed are gone.</summary>
    AuditMissing,

    /// <summary>A checkpoint is gone, changed, or signed by nobody known.</summary>
    CheckpointWrong,

    /// <summary>Something is not sealed that should be: somebody has kept the sealing from it.</summary>
    NotSealed,
}

/// <summary>One thing that is wrong: of a run the first one, of the audit log each.</summary>
/// <param name="Chain">Id of the run, <see cref="AuditChain.Name"/>, a definition version, or <c>checkpoints</c>.</param>
/// <param name="Sequence">Number of the first wrong event, record or checkpoint, where one can be named.</param>
/// <param name="Message">A sentence for an auditor.</param>
public sealed record Finding(FindingKind Kind, string Chain, long? Sequence, string Message);

/// <summary>What a verification has looked at and found.</summary>
/// <param name="HasOutsideFile">False: there was no file of checkpoints outside of the database, so nothing but the database speaks for itself.</param>
/// <param name="UnsealedEvents">Events after the last seal of their run: their chain is whole, but nothing outside of the database vouches for them yet.</param>
/// <param name="OldestUnsealedAt">When the oldest of them was written; more than a minute or two ago means that sealing does not work.</param>
/// <param name="Keys">The keys that have signed.</param>
public sealed record VerificationReport(
    DateTimeOffset At,
    long Runs,
    long Events,
    long AuditRecords,
    long Checkpoints,
    DateTimeOffset? LastSealedAt,
    bool HasOutsideFile,
    long UnsealedEvents,
    long UnsealedAuditRecords,
    DateTimeOffset? OldestUnsealedAt,
    IReadOnlyList<IntroducedKey> Keys,
    IReadOnlyList<Finding> Findings)
{
    /// <summary>Nothing was found.</summary>
    public bool IsClean => Findings.Count == 0;

    /// <summary>There was no run to look at. Of one run this means that there is none of its id, and that none was sealed: nothing was verified.</summary>
    [JsonIgnore]
    public bool IsOfNoRun => Runs == 0 && IsClean;
}
