namespace FailbackWorkflows.Recorders.Material;

/// <summary>What became of a record that was imported.</summary>
public enum ImportOutcome
{
    /// <summary>It was not there.</summary>
    Created,

    /// <summary>What is there now is later than what was there: the incoming revision, or both merged so that no acknowledgement is lost.</summary>
    Updated,

    /// <summary>It is there as it is.</summary>
    Identical,

    /// <summary>A later revision is there and stays.</summary>
    Older,

    /// <summary>The same revision with another content is there and stays; or ordinary material is there and what came is disputed.</summary>
    Conflict,

    /// <summary>It cannot be stored by anybody; the reason says why.</summary>
    Rejected,
}

/// <summary>Outcome of one line of <c>POST /v1/records/{kind}:import</c>.</summary>
/// <param name="Id">Null when the line had none that could be read.</param>
/// <param name="Reason">Why it was rejected, or what conflicts; null otherwise.</param>
public sealed record RecordImportResult(string? Id, ImportOutcome Outcome, string? Reason);

/// <summary>Answer of <c>POST /v1/records/{kind}:import</c>: one item per line, in order.</summary>
public sealed record RecordImportAnswer(IReadOnlyList<RecordImportResult> Items);
