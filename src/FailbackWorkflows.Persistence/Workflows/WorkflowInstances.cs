using FailbackWorkflows.Engine;
using Microsoft.EntityFrameworkCore;

namespace FailbackWorkflows.Persistence.Workflows;

/// <summary>One line of a list of workflow instances.</summary>
public sealed record WorkflowInstanceSummary(
    string Id,
    string DefinitionId,
    int DefinitionVersion,
    string? Name,
    string? CorrelationId,
    WorkflowSubStatus SubStatus,
    DateTimeOffset CreatedAt,
    DateTimeOffset UpdatedAt,
    DateTimeOffset? FinishedAt);

/// <summary>One page of instances, newest first.</summary>
/// <param name="Before">Continue after this instance; null: from the newest.</param>
/// <param name="Take">1–200.</param>
public sealed record WorkflowInstanceQuery(string? DefinitionId = null, string? CorrelationId = null, WorkflowStatus? Status = null, string? Before = null, int Take = 50);

/// <summary>Lists workflow instances.</summary>
public interface IWorkflowInstances
{
    Task<IReadOnlyList<WorkflowInstanceSummary>> ListAsync(WorkflowInstanceQuery query, CancellationToken cancellationToken);
}

internal sealed class WorkflowInstances(IDatabase database) : IWorkflowInstances
{
    private const int MostPerPage = 200;

    public async Task<IReadOnlyList<WorkflowInstanceSummary>> ListAsync(WorkflowInstanceQuery query, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        IQueryable<WorkflowInstanceRow> rows = db.WorkflowInstances;
        if (query.DefinitionId is { } definitionId)
        {
            rows = rows.Where(r => r.DefinitionId == definitionId);
        }

        if (query.CorrelationId is { } correlationId)
        {
            rows = rows.Where(r => r.CorrelationId == correlationId);
        }

        if (query.Status?.ToString() is { } status)
        {
            rows = rows.Where(r => r.Status == status);
        }

        if (query.Before is { } before)
        {
            var mark = await db.WorkflowInstances.Where(r => r.Id == before).Select(r => new { r.CreatedAt, r.Id }).FirstOrDefaultAsync(cancellationToken);
            if (mark is null)
            {
                return [];
            }

            rows = rows.Where(r => r.CreatedAt < mark.CreatedAt || (r.CreatedAt == mark.CreatedAt && string.Compare(r.Id, mark.Id) < 0));
        }

        var page = await rows
            .OrderByDescending(r => r.CreatedAt)
            .ThenByDescending(r => r.Id)
            .Take(Math.Clamp(query.Take, 1, MostPerPage))
            .Select(r => new { r.Id, r.DefinitionId, r.DefinitionVersion, r.Name, r.CorrelationId, r.SubStatus, r.CreatedAt, r.UpdatedAt, r.FinishedAt })
            .ToListAsync(cancellationToken);
        return
        [
            .. page.Select(r => new WorkflowInstanceSummary(
                r.Id, r.DefinitionId, r.DefinitionVersion, r.Name, r.CorrelationId, Enum.Parse<WorkflowSubStatus>(r.SubStatus), r.CreatedAt, r.UpdatedAt, r.FinishedAt)),
        ];
    }
}
