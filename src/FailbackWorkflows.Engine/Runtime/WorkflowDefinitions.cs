using System.Collections.Concurrent;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Engine.Runtime;

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
    public async Task<WorkflowDefinition> PublishAsync(string json, string publishedBy, CancellationToken cancellationToken)
    {
        var definition = reader.Read(json);
        var current = await store.FindPublishedDefinitionAsync(definition.DefinitionId, cancellationToken);
        if (current is not null && current.Sha256 == definition.Sha256)
        {
            return Identified(definition, current);
        }

        var stored = await store.PublishDefinitionAsync(
            new StoredDefinition(definition.Id, definition.DefinitionId, definition.Version, definition.Name, json, definition.Sha256, time.GetUtcNow(), publishedBy)
            {
                Triggers = definition.Triggers,
            },
            cancellationToken);
        return Identified(definition, stored);
    }

    /// <summary>Publishes every <c>*.json</c> below a folder, in the order of their paths. Answers with what is published now.</summary>
    public async Task<IReadOnlyList<WorkflowDefinition>> ImportFolderAsync(string folder, CancellationToken cancellationToken)
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
                definition = reader.Read(json);
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

        var published = new List<WorkflowDefinition>();
        foreach (var (_, json) in newest.Values)
        {
            published.Add(await PublishAsync(json, "file", cancellationToken));
        }

        return published;
    }

    /// <summary>The published version, or null.</summary>
    public async Task<WorkflowDefinition?> FindPublishedAsync(string definitionId, CancellationToken cancellationToken) =>
        await store.FindPublishedDefinitionAsync(definitionId, cancellationToken) is { } stored ? Get(stored) : null;

    /// <summary>A version by its id; throws when it is gone, because instances are pinned to it.</summary>
    public async Task<WorkflowDefinition> GetVersionAsync(string definitionVersionId, CancellationToken cancellationToken)
    {
        if (_read.TryGetValue(definitionVersionId, out var known))
        {
            return known;
        }

        var stored = await store.FindDefinitionVersionAsync(definitionVersionId, cancellationToken)
            ?? throw new InvalidOperationException($"Workflow definition version {definitionVersionId} is not in the database.");
        return Get(stored);
    }

    private WorkflowDefinition Get(StoredDefinition stored) => _read.TryGetValue(stored.Id, out var known) ? known : Identified(reader.Read(stored.Json), stored);

    private WorkflowDefinition Identified(WorkflowDefinition definition, StoredDefinition stored) =>
        _read.GetOrAdd(stored.Id, definition with { Id = stored.Id, Version = stored.Version });
}
