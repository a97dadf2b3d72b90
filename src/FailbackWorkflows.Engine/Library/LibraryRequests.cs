using System.Text.Json.Nodes;
using FailbackWorkflows.Engine.Definitions;

namespace FailbackWorkflows.Engine.Library;

/// <summary>The library refuses what was asked of it. <see cref="WorkflowRefusedException.Code"/> is stable.</summary>
public sealed class LibraryRefusedException(string code, string message) : WorkflowRefusedException(code, message);

/// <summary>A definition as a client has it now.</summary>
/// <param name="DefinitionId">Null: a new one, whose id is made of its name.</param>
/// <param name="Model">The definition in Elsa's format.</param>
/// <param name="KnownRevision">The save that the client's was made from; null: it does not say.</param>
public sealed record SaveDefinition(string? DefinitionId, JsonObject Model, long? KnownRevision, Actor Author)
{
    public VersionOrigin Origin { get; init; } = VersionOrigin.Designer;
}

/// <summary>A wish to publish the latest version.</summary>
/// <param name="IsAdministrator">See <see cref="PublishCandidate"/>.</param>
public sealed record PublishDefinition(Actor Author, string? Reason, bool IsAdministrator)
{
    /// <summary>Publish although somebody else has published since the draft was made.</summary>
    public bool Overtakes { get; init; }
}

/// <summary>What became of a save or a wish to publish.</summary>
/// <param name="Version">As it is kept now.</param>
/// <param name="Errors">Why it was not published, each a sentence; the draft is kept all the same.</param>
/// <param name="Warnings">What should be known about what was published.</param>
/// <param name="WasPublishedAlready">The published version says the same; nothing was changed.</param>
public sealed record SavedDefinition(WorkflowVersion Version, IReadOnlyList<string> Errors, IReadOnlyList<string> Warnings, bool WasPublishedAlready)
{
    /// <summary>Per earlier version that still has running instances: how many.</summary>
    public IReadOnlyList<InstanceCount> Pinned { get; init; } = [];
}

/// <summary>Sentences about problems of definitions that name the activity as the designer shows it.</summary>
public static class ProblemSentences
{
    public static string Of(DefinitionProblem problem, JsonObject definition)
    {
        if (problem.ActivityId is not { } id || definition["root"] is not JsonObject root)
        {
            return problem.Message;
        }

        var activity = DefinitionText.Activities(root).FirstOrDefault(a => (string?)a["id"] == id);
        var name = activity?["metadata"] is JsonObject metadata && metadata["displayText"] is JsonValue text ? text.ToString() : activity?["name"]?.ToString();
        return name is null ? $"Activity {id}: {problem.Message}" : $"Activity “{name}” ({id}): {problem.Message}";
    }
}
