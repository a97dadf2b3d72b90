using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Engine.Definitions;

/// <summary>Versions of workflows that a definition uses as activities, fetched before it is read.</summary>
internal interface IWorkflowVersions
{
    StoredDefinition? Find(string definitionVersionId);
}

/// <summary>For a reader that knows the definition alone.</summary>
internal sealed class NoWorkflowVersions : IWorkflowVersions
{
    public static NoWorkflowVersions Instance { get; } = new();

    public StoredDefinition? Find(string definitionVersionId) => null;
}
