using System.Globalization;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Library;
using Microsoft.EntityFrameworkCore;

namespace FailbackWorkflows.Persistence.Workflows;

/// <inheritdoc cref="IWorkflowLibrary"/>
internal sealed class WorkflowLibrary(IDatabase database) : IWorkflowLibrary
{
    private const int MostPerPage = 1000;

    public async Task<VersionPage> ListAsync(VersionQuery query, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        var rows = Filter(db.WorkflowDefinitions, query);
        var total = await rows.CountAsync(cancellationToken);
        var ordered = (query.OrderBy, query.IsDescending) switch
        {
            (VersionOrder.Name, false) => rows.OrderBy(r => r.Name.ToLower()).ThenBy(r => r.Id),
            (VersionOrder.Name, true) => rows.OrderByDescending(r => r.Name.ToLower()).ThenByDescending(r => r.Id),
            (VersionOrder.Version, false) => rows.OrderBy(r => r.Version).ThenBy(r => r.Id),
            (VersionOrder.Version, true) => rows.OrderByDescending(r => r.Version).ThenByDescending(r => r.Id),
            (_, false) => rows.OrderBy(r => r.PublishedAt).ThenBy(r => r.Id),
            (_, true) => rows.OrderByDescending(r => r.PublishedAt).ThenByDescending(r => r.Id),
        };
        var page = ordered.Skip(Math.Max(0, query.Skip)).Take(Math.Clamp(query.Take, 1, MostPerPage));
        return new(query.WithJson ? [.. (await page.ToListAsync(cancellationToken)).Select(ToVersion)] : await HeadsAsync(page, cancellationToken), total);
    }

    public async Task<WorkflowVersion?> FindAsync(string definitionId, VersionChoice choice, int? version, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        var rows = Filter(db.WorkflowDefinitions, new VersionQuery { Choice = choice, Version = version, DefinitionIds = [definitionId] });
        return await rows.OrderByDescending(r => r.Version).FirstOrDefaultAsync(cancellationToken) is { } row ? ToVersion(row) : null;
    }

    public async Task<WorkflowVersion?> FindByIdAsync(string versionId, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return await db.WorkflowDefinitions.FirstOrDefaultAsync(r => r.Id == versionId, cancellationToken) is { } row ? ToVersion(row) : null;
    }

    public async Task<IReadOnlyList<DraftRevision>> ListRevisionsAsync(string definitionId, int take, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return await LibraryChange.Heads(db.DraftRevisions.Where(r => r.DefinitionId == definitionId).OrderByDescending(r => r.Revision).Take(take)).ToListAsync(cancellationToken);
    }

    public async Task<DraftRevision?> FindRevisionAsync(string definitionId, long revision, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return await db.DraftRevisions.FirstOrDefaultAsync(r => r.DefinitionId == definitionId && r.Revision == revision && r.Json != "", cancellationToken) is { } row
            ? new(row.DefinitionId, row.Revision, row.Kind, row.Version, row.AuthorId, row.AuthorName, row.SavedAt, row.Sha256, row.Json)
            : null;
    }

    public async Task<bool> IsNameTakenAsync(string name, string? exceptDefinitionId, CancellationToken cancellationToken)
    {
        var wanted = name.Trim().ToLowerInvariant();
        await using var db = database.CreateReadContext();
        return await db.WorkflowDefinitions.AnyAsync(r => r.IsLatest && r.Name.ToLower() == wanted && r.DefinitionId != exceptDefinitionId, cancellationToken);
    }

    public async Task<IReadOnlyList<InstanceCount>> CountInstancesAsync(string definitionId, CancellationToken cancellationToken)
    {
        const string Running = nameof(WorkflowStatus.Running);
        await using var db = database.CreateReadContext();
        var counts = await db.WorkflowInstances
            .Where(r => r.DefinitionId == definitionId)
            .GroupBy(r => new { r.DefinitionVersionId, r.DefinitionVersion })
            .Select(g => new { g.Key.DefinitionVersionId, g.Key.DefinitionVersion, Running = g.Count(r => r.Status == Running), All = g.Count() })
            .OrderByDescending(g => g.DefinitionVersion)
            .ToListAsync(cancellationToken);
        return [.. counts.Select(c => new InstanceCount(c.DefinitionVersionId, c.DefinitionVersion, c.Running, c.All))];
    }

    public async Task<string> GetStampAsync(CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        var versions = await db.WorkflowDefinitions.CountAsync(cancellationToken);
        var newest = await db.WorkflowDefinitions.MaxAsync(r => (DateTimeOffset?)r.PublishedAt, cancellationToken);
        var revisions = await db.WorkflowDefinitions.SumAsync(r => r.Revision, cancellationToken);
        return string.Create(CultureInfo.InvariantCulture, $"{versions}-{revisions}-{newest?.UtcTicks}");
    }

    public Task<T> ChangeAsync<T>(string definitionId, Func<ILibraryChange, Task<T>> change, CancellationToken cancellationToken) => database.WriteAsync(
        async session =>
        {
            await session.LockAsync(DatabaseLock.Publish, cancellationToken);
            var versions = await HeadsAsync(session.Context.WorkflowDefinitions.Where(r => r.DefinitionId == definitionId).OrderBy(r => r.Version), cancellationToken);
            var last = await session.Context.DraftRevisions.Where(r => r.DefinitionId == definitionId).MaxAsync(r => (long?)r.Revision, cancellationToken);
            var result = await change(new LibraryChange(session.Context, definitionId, versions, last ?? 0));
            session.Context.ChangeTracker.Clear();
            return result;
        },
        cancellationToken);

    internal static WorkflowVersion ToVersion(WorkflowDefinitionRow row) => new()
    {
        Id = row.Id,
        DefinitionId = row.DefinitionId,
        Version = row.Version,
        Name = row.Name,
        Description = row.Description,
        Json = row.Json,
        Sha256 = row.Sha256,
        IsDraft = row.IsDraft,
        IsLatest = row.IsLatest,
        IsPublished = row.IsPublished,
        Revision = row.Revision,
        SavedAt = row.PublishedAt,
        SavedBy = row.PublishedBy,
        Origin = row.Origin,
        Reason = row.Reason,
        BasedOn = row.BasedOn,
        Conflict = row.Conflict,
        DeletedAt = row.DeletedAt,
        DeletedBy = row.DeletedBy,
    };

    /// <summary>Without the definitions themselves, which are large.</summary>
    private static async Task<List<WorkflowVersion>> HeadsAsync(IQueryable<WorkflowDefinitionRow> rows, CancellationToken cancellationToken)
    {
        var heads = await rows
            .Select(r => new
            {
                r.Id, r.DefinitionId, r.Version, r.Name, r.Description, r.Sha256, r.IsDraft, r.IsLatest, r.IsPublished, r.Revision,
                r.PublishedAt, r.PublishedBy, r.Origin, r.Reason, r.BasedOn, r.Conflict, r.DeletedAt, r.DeletedBy,
            })
            .ToListAsync(cancellationToken);
        return
        [
            .. heads.Select(r => new WorkflowVersion
            {
                Id = r.Id,
                DefinitionId = r.DefinitionId,
                Version = r.Version,
                Name = r.Name,
                Description = r.Description,
                Json = "",
                Sha256 = r.Sha256,
                IsDraft = r.IsDraft,
                IsLatest = r.IsLatest,
                IsPublished = r.IsPublished,
                Revision = r.Revision,
                SavedAt = r.PublishedAt,
                SavedBy = r.PublishedBy,
                Origin = r.Origin,
                Reason = r.Reason,
                BasedOn = r.BasedOn,
                Conflict = r.Conflict,
                DeletedAt = r.DeletedAt,
                DeletedBy = r.DeletedBy,
            }),
        ];
    }

    private static IQueryable<WorkflowDefinitionRow> Filter(IQueryable<WorkflowDefinitionRow> rows, VersionQuery query)
    {
        if (!query.WithDeleted)
        {
            rows = rows.Where(r => r.DeletedAt == null);
        }

        if (query.DefinitionIds.Count > 0)
        {
            rows = rows.Where(r => query.DefinitionIds.Contains(r.DefinitionId));
        }

        if (query.Ids.Count > 0)
        {
            rows = rows.Where(r => query.Ids.Contains(r.Id));
        }

        if (query.SearchTerm?.Trim().ToLowerInvariant() is { Length: > 0 } term)
        {
            rows = rows.Where(r => r.Name.ToLower().Contains(term) || r.DefinitionId.ToLower().Contains(term) || (r.Description != null && r.Description.ToLower().Contains(term)));
        }

        return query.Choice switch
        {
            VersionChoice.Latest => rows.Where(r => r.IsLatest),
            VersionChoice.Published => rows.Where(r => r.IsPublished),
            VersionChoice.LatestOrPublished => rows.Where(r => r.IsLatest || r.IsPublished),
            VersionChoice.LatestAndPublished => rows.Where(r => r.IsLatest && r.IsPublished),
            VersionChoice.Draft => rows.Where(r => r.IsDraft),
            VersionChoice.Number => rows.Where(r => r.Version == query.Version),
            _ => rows,
        };
    }
}
