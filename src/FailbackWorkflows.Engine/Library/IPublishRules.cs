using FailbackWorkflows.Engine.Definitions;

namespace FailbackWorkflows.Engine.Library;

/// <summary>How much a finding weighs.</summary>
public enum FindingSeverity
{
    /// <summary>Told, and kept with the audit log; the definition is published all the same.</summary>
    Warning,

    /// <summary>The definition is not published.</summary>
    Error,
}

/// <summary>Something that a definition should not be.</summary>
/// <param name="Code">Stable name of the rule.</param>
/// <param name="Sentence">For the person who publishes: what is wrong, where, and what to do.</param>
public sealed record PublishFinding(FindingSeverity Severity, string Code, string Sentence);

/// <summary>A definition that somebody wants to publish.</summary>
/// <param name="Published">What it takes the place of; null: none is published.</param>
/// <param name="Reason">Why; null: none was given.</param>
/// <param name="IsAdministrator">Whether whoever publishes may take responsibility for what the rules forbid others.</param>
public sealed record PublishCandidate(WorkflowDefinition Definition, WorkflowDefinition? Published, string? Reason, bool IsAdministrator);

/// <summary>What the host demands of a definition beyond that the engine can run it.</summary>
public interface IPublishRules
{
    IReadOnlyList<PublishFinding> Check(PublishCandidate candidate);
}

/// <summary>A host that demands nothing.</summary>
public sealed class NoPublishRules : IPublishRules
{
    /// <inheritdoc/>
    public IReadOnlyList<PublishFinding> Check(PublishCandidate candidate) => [];
}
