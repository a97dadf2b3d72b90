using System.Collections.Concurrent;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Engine.Runtime;

/// <summary>A definition of a folder that was imported.</summary>
/// <param name="DefinitionId">Which definition.</param>
/// <param name="Published">What is published now; null: somebody has unpublished it, and it stays so.</param>
/// <param name="FolderVersion">The newest version in the folder.</param>
/// <param name="NewerBy">Who published a newer version than the folder has, so that it was left alone; null: the folder's newest is published.</param>
public sealed record ImportedDefinition(string DefinitionId, WorkflowDefinition? Published, int FolderVersion, string? NewerBy)
{
    /// <summary>A sentence when the file was changed and somebody had changed the definition, too; null otherwise.</summary>
    public string? Conflict { get; init; }

    /// <summary>It was not the published one before.</summary>
    public bool IsNew { get; init; }
}

/// <summary>
/// Publishes definitions and finds them, read and validated. A definition version never changes, so what was read once is kept.
/// </summary>
public sealed class WorkflowDefinitions(IWorkflowStore store, DefinitionReader reader, TimeProvider time)
{
    private readonly ConcurrentDictionary<string, WorkflowDefinition> _read = new(StringComparer.Ordinal);

    /// <summary>
    /// Validates and publishes. The same content again changes nothing; new content becomes the next version. Throws
    /// <see cref="DefinitionInvalidException"/> with every problem; nothing is stored then.
    /// </summary>
    public Task<WorkflowDefinition> PublishAsync(string json, string publishedBy, CancellationToken cancellationToken) => PublishAsync(json, publishedBy, null, cancellationToken);

    private async Task<WorkflowDefinition> PublishAsync(string json, string publishedBy, string? conflict, CancellationToken cancellationToken)
    {
        var definition = await ReadAsync(json, cancellationToken);
        var current = await store.FindPublishedDefinitionAsync(definition.DefinitionId, cancellationToken);
        if (current is not null && current.Sha256 == definition.Sha256)
        {
            return Identified(definition, current);
        }

        var stored = await store.PublishDefinitionAsync(
            new StoredDefinition(definition.Id, definition.DefinitionId, definition.Version, definition.Name, json, definition.Sha256, time.GetUtcNow(), publishedBy)
            {
                Description = definition.Description,
                Triggers = definition.Triggers,
                Conflict = conflict,
            },
            cancellationToken);
        return Identified(definition, stored);
    }

    /// <summary>
    /// Publishes the newest version of every definition below a folder (<c>*.json</c>) whose content is not known yet. What somebody has published, rolled back or
    /// unpublished meanwhile is not taken back by a restart: known content is left as it stands. Content that is new meets with somebody's change in one of two ways:
    /// numbered higher, it is published, and the version says what it overtook; otherwise it is kept as a version that is not published, for a person to compare.
    /// </summary>
    public async Task<IReadOnlyList<ImportedDefinition>> ImportFolderAsync(string folder, CancellationToken cancellationToken)
    {
        if (!Directory.Exists(folder))
        {
            throw new DirectoryNotFoundException($"The workflow folder '{folder}' does not exist.");
        }

        // One file per version: the highest version of a definition is the published one.
        var newest = new Dictionary<string, (WorkflowDefinition Definition, string Json)>(StringComparer.Ordinal);
        foreach (var file in Directory.EnumerateFiles(folder, "*.json", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            var json = await File.ReadAllTextAsync(file, cancellationToken);
            WorkflowDefinition definition;
            try
            {
                definition = await ReadAsync(json, cancellationToken);
            }
            catch (DefinitionInvalidException exception)
            {
                throw new DefinitionInvalidException([.. exception.Problems.Select(p => p with { Path = $"{Path.GetFileName(file)} {p.Path}" })]);
            }

            if (!newest.TryGetValue(definition.DefinitionId, out var other) || other.Definition.Version < definition.Version)
            {
                newest[definition.DefinitionId] = (definition, json);
            }
        }

        var imported = new List<ImportedDefinition>();
        foreach (var (definition, json) in newest.Values)
        {
            imported.Add(await ImportAsync(definition, json, cancellationToken));
        }

        return imported;
    }

    private async Task<ImportedDefinition> ImportAsync(WorkflowDefinition definition, string json, CancellationToken cancellationToken)
    {
        var current = await store.FindPublishedDefinitionAsync(definition.DefinitionId, cancellationToken);
        var known = await store.FindDefinitionByContentAsync(definition.DefinitionId, definition.Sha256, cancellationToken);
        if (known is not null && (current is null || (current.Sha256 != definition.Sha256 && current.Version > definition.Version)))
        {
            return new(definition.DefinitionId, current is null ? null : await GetAsync(current, cancellationToken), definition.Version, current?.PublishedBy);
        }

        if (known is not null || current is null || current.PublishedBy == StoredDefinition.FromFile)
        {
            return new(definition.DefinitionId, await PublishAsync(json, StoredDefinition.FromFile, cancellationToken), definition.Version, null) { IsNew = current?.Sha256 != definition.Sha256 };
        }

        var isNewer = definition.Version > current.Version;
        var conflict = isNewer
            ? $"The file of version {definition.Version} came with a change of the workflow folder and took the place of version {current.Version}, which {current.PublishedBy} had published. Compare the two: what was changed there may be missing here."
            : $"The file in the workflow folder was changed, but {current.PublishedBy} has published version {current.Version} meanwhile, which stays in force. Compare the two and publish what you want.";
        if (isNewer)
        {
            return new(definition.DefinitionId, await PublishAsync(json, StoredDefinition.FromFile, conflict, cancellationToken), definition.Version, null) { Conflict = conflict, IsNew = true };
        }

        await store.PublishDefinitionAsync(
            new StoredDefinition(definition.Id, definition.DefinitionId, definition.Version, definition.Name, json, definition.Sha256, time.GetUtcNow(), StoredDefinition.FromFile)
            {
                Description = definition.Description,
                Conflict = conflict,
                IsKeptBack = true,
            },
            cancellationToken);
        return new(definition.DefinitionId, await GetAsync(current, cancellationToken), definition.Version, current.PublishedBy) { Conflict = conflict };
    }

    /// <summary>The published version, or null.</summary>
    public async Task<WorkflowDefinition?> FindPublishedAsync(string definitionId, CancellationToken cancellationToken) =>
        await store.FindPublishedDefinitionAsync(definitionId, cancellationToken) is { } stored ? await GetAsync(stored, cancellationToken) : null;

    /// <summary>Which versions of some definitions are published, by definition; what is not published is missing.</summary>
    public Task<IReadOnlyDictionary<string, string>> FindPublishedVersionsAsync(IReadOnlyCollection<string> definitionIds, CancellationToken cancellationToken) =>
        store.FindPublishedVersionsAsync(definitionIds, cancellationToken);

    /// <summary>A version of a definition by its id, or null.</summary>
    public async Task<WorkflowDefinition?> FindVersionAsync(string definitionId, string definitionVersionId, CancellationToken cancellationToken) =>
        await store.FindDefinitionVersionAsync(definitionVersionId, cancellationToken) is { } stored && stored.DefinitionId == definitionId ? await GetAsync(stored, cancellationToken) : null;

    /// <summary>A version by its id; throws when it is gone, because instances are pinned to it.</summary>
    public async Task<WorkflowDefinition> GetVersionAsync(string definitionVersionId, CancellationToken cancellationToken)
    {
        if (_read.TryGetValue(definitionVersionId, out var known))
        {
            return known;
        }

        var stored = await store.FindDefinitionVersionAsync(definitionVersionId, cancellationToken)
            ?? throw new InvalidOperationException($"Workflow definition version {definitionVersionId} is not in the database.");
        return await GetAsync(stored, cancellationToken);
    }

    /// <summary>Reads a definition as publishing would, with the workflows it uses as activities. Null when there are problems.</summary>
    public async Task<(WorkflowDefinition? Definition, IReadOnlyList<DefinitionProblem> Problems)> ValidateAsync(string json, CancellationToken cancellationToken)
    {
        var definition = reader.TryRead(json, await FetchAsync(json, cancellationToken), out var problems);
        return (definition, problems);
    }

    /// <summary>Published workflows that may be used as activities, as the designer offers them: each by its published version.</summary>
    public async Task<IReadOnlyList<ActivityDescriptor>> ListActivitiesAsync(CancellationToken cancellationToken) =>
        [.. (await store.ListPublishedDefinitionsAsync(cancellationToken)).Select(d => WorkflowActivities.Describe(d, null)).OfType<ActivityDescriptor>()];

    /// <summary>A workflow version as an activity, for drawing a definition that uses it; null when it is none.</summary>
    public async Task<ActivityDescriptor?> FindActivityAsync(string definitionVersionId, CancellationToken cancellationToken) =>
        await store.FindDefinitionVersionAsync(definitionVersionId, cancellationToken) is { } stored ? WorkflowActivities.Describe(stored, null) : null;

    private async Task<WorkflowDefinition> ReadAsync(string json, CancellationToken cancellationToken) => reader.Read(json, await FetchAsync(json, cancellationToken));

    /// <summary>The versions a definition uses as activities, and those that they use.</summary>
    private async Task<IWorkflowVersions> FetchAsync(string json, CancellationToken cancellationToken)
    {
        var wanted = new Queue<string>(WorkflowActivities.VersionsIn(json));
        if (wanted.Count == 0)
        {
            return NoWorkflowVersions.Instance;
        }

        var found = new FetchedVersions();
        while (wanted.TryDequeue(out var id))
        {
            if (found.Find(id) is null && await store.FindDefinitionVersionAsync(id, cancellationToken) is { } stored)
            {
                found.Add(stored);
                foreach (var inner in WorkflowActivities.VersionsIn(stored.Json))
                {
                    wanted.Enqueue(inner);
                }
            }
        }

        return found;
    }

    private async Task<WorkflowDefinition> GetAsync(StoredDefinition stored, CancellationToken cancellationToken) =>
        _read.TryGetValue(stored.Id, out var known) ? known : Identified(await ReadAsync(stored.Json, cancellationToken), stored);

    private WorkflowDefinition Identified(WorkflowDefinition definition, StoredDefinition stored) =>
        _read.GetOrAdd(stored.Id, definition with { Id = stored.Id, Version = stored.Version });

    private sealed class FetchedVersions : IWorkflowVersions
    {
        private readonly Dictionary<string, StoredDefinition> _byId = new(StringComparer.Ordinal);

        public void Add(StoredDefinition stored) => _byId[stored.Id] = stored;

        public StoredDefinition? Find(string definitionVersionId) => _byId.GetValueOrDefault(definitionVersionId);
    }
}
