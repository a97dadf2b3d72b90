using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Library;
using Microsoft.EntityFrameworkCore;

namespace FailbackWorkflows.Persistence.Workflows;

/// <inheritdoc cref="ILibraryChange"/>
internal sealed class LibraryChange(FailbackDbContext db, string definitionId, List<WorkflowVersion> versions, long lastRevision) : ILibraryChange
{
    public IReadOnlyList<WorkflowVersion> Versions => versions;

    public long LastRevision { get; private set; } = lastRevision;

    public async Task<IReadOnlyList<DraftRevision>> ListRevisionsAfterAsync(long revision, CancellationToken cancellationToken) =>
        await Heads(db.DraftRevisions.AsNoTracking().Where(r => r.DefinitionId == definitionId && r.Revision > revision).OrderBy(r => r.Revision)).ToListAsync(cancellationToken);

    public Task<string> ReadJsonAsync(string versionId, CancellationToken cancellationToken) =>
        db.WorkflowDefinitions.Where(r => r.Id == versionId).Select(r => r.Json).SingleAsync(cancellationToken);

    public Task<int> CountInstancesAsync(string versionId, CancellationToken cancellationToken) =>
        db.WorkflowInstances.CountAsync(r => r.DefinitionId == definitionId && r.DefinitionVersionId == versionId, cancellationToken);

    public async Task PutAsync(WorkflowVersion version, CancellationToken cancellationToken)
    {
        if (version.Json.Length == 0)
        {
            throw new ArgumentException("A version without its text must not take the place of one with it.", nameof(version));
        }

        if (await db.WorkflowDefinitions.FindAsync([version.Id], cancellationToken) is { } row)
        {
            row.Take(version);
        }
        else
        {
            db.Add(WorkflowDefinitionRow.From(version));
        }

        await db.SaveChangesAsync(cancellationToken);
        versions.RemoveAll(v => v.Version == version.Version);
        versions.Insert(versions.FindIndex(v => v.Version > version.Version) is var place and >= 0 ? place : versions.Count, version with { Json = "" });
    }

    public async Task RemoveDraftAsync(CancellationToken cancellationToken)
    {
        db.RemoveRange(await db.WorkflowDefinitions.Where(r => r.DefinitionId == definitionId && r.IsDraft).ToListAsync(cancellationToken));
        await db.SaveChangesAsync(cancellationToken);
        versions.RemoveAll(v => v.IsDraft);
    }

    public async Task AddRevisionAsync(DraftRevision revision, CancellationToken cancellationToken)
    {
        db.Add(DraftRevisionRow.From(revision));
        await db.SaveChangesAsync(cancellationToken);
        LastRevision = revision.Revision;
    }

    public async Task RemoveRevisionAsync(long revision, CancellationToken cancellationToken)
    {
        db.RemoveRange(await db.DraftRevisions.Where(r => r.DefinitionId == definitionId && r.Revision == revision).ToListAsync(cancellationToken));
        await db.SaveChangesAsync(cancellationToken);
    }

    public async Task SetTriggersAsync(IReadOnlyList<TriggerDefinition> triggers, CancellationToken cancellationToken)
    {
        db.RemoveRange(await db.WorkflowTriggers.Where(r => r.DefinitionId == definitionId).ToListAsync(cancellationToken));
        await db.SaveChangesAsync(cancellationToken);
        db.AddRange(triggers.Select(trigger => new WorkflowTriggerRow { DefinitionId = definitionId, NodeId = trigger.NodeId, Key = trigger.Key }));
        await db.SaveChangesAsync(cancellationToken);
    }

    public static IQueryable<DraftRevision> Heads(IQueryable<DraftRevisionRow> rows) =>
        rows.Select(r => new DraftRevision(r.DefinitionId, r.Revision, r.Kind, r.Version, r.AuthorId, r.AuthorName, r.SavedAt, r.Sha256, ""));

    /// <summary>The draft under another number, in its text, too.</summary>
    public static WorkflowDefinitionRow Renumber(WorkflowDefinitionRow draft, int number)
    {
        var json = DefinitionText.Write(DefinitionText.Normalise(DefinitionText.Parse(draft.Json), draft.DefinitionId, number, isPublished: false, null));
        return WorkflowDefinitionRow.From(WorkflowLibrary.ToVersion(draft) with { Id = $"{draft.DefinitionId}:{number}", Version = number, Json = json, Sha256 = DefinitionText.Sha256(json) });
    }
}
