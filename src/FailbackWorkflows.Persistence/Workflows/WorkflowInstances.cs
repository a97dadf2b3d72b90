using System.Text.Json;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Values;
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

    /// <summary>How each of these instances was started, by its id; who started it and with what is in its journal only.</summary>
    Task<IReadOnlyDictionary<string, InstanceStarted>> ListStartsAsync(IReadOnlyCollection<string> ids, CancellationToken cancellationToken);

    /// <summary>How many wait for a node to take them up: woken, due, or left by a node that is gone.</summary>
    Task<int> CountRunnableAsync(DateTimeOffset now, CancellationToken cancellationToken);
}

internal sealed class WorkflowInstances(IDatabase database) : IWorkflowInstances
{
    private const int MostPerPage = 200;
    private const long First = 1;

    /// <summary>The first event of each, found by its key: however long the journals are, one statement with as many look-ups as ids.</summary>
    public async Task<IReadOnlyDictionary<string, InstanceStarted>> ListStartsAsync(IReadOnlyCollection<string> ids, CancellationToken cancellationToken)
    {
        if (ids.Count == 0)
        {
            return new Dictionary<string, InstanceStarted>();
        }

        await using var db = database.CreateReadContext();
        var rows = await db.Journal.Where(r => ids.Contains(r.InstanceId) && r.Sequence == First).Select(r => new { r.InstanceId, r.Payload }).ToListAsync(cancellationToken);
        return rows
            .Select(r => (r.InstanceId, Started: JsonSerializer.Deserialize<JournalEvent>(r.Payload, PlainValue.Json) as InstanceStarted))
            .Where(r => r.Started is not null)
            .ToDictionary(r => r.InstanceId, r => r.Started!, StringComparer.Ordinal);
    }

    public async Task<int> CountRunnableAsync(DateTimeOffset now, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return await db.WakeUps.CountAsync(w => (w.Owner == null && (w.Seq > w.Ran || w.DueAt <= now)) || (w.Owner != null && w.LeaseUntil < now), cancellationToken);
    }

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

            // The first condition says nothing new. It is where the index begins, also for a database that does not conclude it from the second.
            rows = rows.Where(r => r.CreatedAt <= mark.CreatedAt);
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
