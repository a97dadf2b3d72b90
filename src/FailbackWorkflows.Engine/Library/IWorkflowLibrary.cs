using FailbackWorkflows.Engine.Definitions;

namespace FailbackWorkflows.Engine.Library;

/// <summary>Where definitions are kept with all their versions and drafts. Safe for use by many threads.</summary>
public interface IWorkflowLibrary
{
    Task<VersionPage> ListAsync(VersionQuery query, CancellationToken cancellationToken);

    /// <summary>The version that is meant, with its definition; of several (LatestOrPublished) the latest. Null: there is none.</summary>
    Task<WorkflowVersion?> FindAsync(string definitionId, VersionChoice choice, int? version, CancellationToken cancellationToken);

    /// <summary>A version by its id, also when it is a draft or deleted; null: there is none.</summary>
    Task<WorkflowVersion?> FindByIdAsync(string versionId, CancellationToken cancellationToken);

    /// <summary>The kept saves of a definition, newest first.</summary>
    Task<IReadOnlyList<DraftRevision>> ListRevisionsAsync(string definitionId, int take, CancellationToken cancellationToken);

    /// <summary>A kept save with its content, or null.</summary>
    Task<DraftRevision?> FindRevisionAsync(string definitionId, long revision, CancellationToken cancellationToken);

    /// <summary>Whether another definition has the name, whatever the case of its letters.</summary>
    Task<bool> IsNameTakenAsync(string name, string? exceptDefinitionId, CancellationToken cancellationToken);

    /// <summary>Per version of a definition that has any: how many instances there are.</summary>
    Task<IReadOnlyList<InstanceCount>> CountInstancesAsync(string definitionId, CancellationToken cancellationToken);

    /// <summary>Another text whenever anything in the library was changed, by whichever node.</summary>
    Task<string> GetStampAsync(CancellationToken cancellationToken);

    /// <summary>Changes a definition in one transaction; changes of the library come one after the other. Nothing is written when <paramref name="change"/> throws.</summary>
    Task<T> ChangeAsync<T>(string definitionId, Func<ILibraryChange, Task<T>> change, CancellationToken cancellationToken);
}

/// <summary>A change of one definition, inside its transaction.</summary>
public interface ILibraryChange
{
    /// <summary>All versions of the definition by number, the draft and the deleted ones included, without their texts. What <see cref="PutAsync"/> changed is in it.</summary>
    IReadOnlyList<WorkflowVersion> Versions { get; }

    /// <summary>The number of the last save; 0: there was none.</summary>
    long LastRevision { get; }

    /// <summary>The kept saves after one, oldest first, without their texts.</summary>
    Task<IReadOnlyList<DraftRevision>> ListRevisionsAfterAsync(long revision, CancellationToken cancellationToken);

    /// <summary>The text of a version.</summary>
    Task<string> ReadJsonAsync(string versionId, CancellationToken cancellationToken);

    Task<int> CountInstancesAsync(string versionId, CancellationToken cancellationToken);

    /// <summary>Adds the version or replaces the one of its number.</summary>
    Task PutAsync(WorkflowVersion version, CancellationToken cancellationToken);

    /// <summary>Takes a draft away. Its saves are kept.</summary>
    Task RemoveDraftAsync(CancellationToken cancellationToken);

    Task AddRevisionAsync(DraftRevision revision, CancellationToken cancellationToken);

    Task RemoveRevisionAsync(long revision, CancellationToken cancellationToken);

    /// <summary>What starts the definition from now on.</summary>
    Task SetTriggersAsync(IReadOnlyList<TriggerDefinition> triggers, CancellationToken cancellationToken);
}
