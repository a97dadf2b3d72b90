using System.Text.Json;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Values;
using Microsoft.EntityFrameworkCore;

namespace FailbackWorkflows.Persistence.Workflows;

/// <summary>A workflow instance as a list shows it.</summary>
public sealed record RunHead(
    string Id,
    string DefinitionId,
    string DefinitionVersionId,
    int DefinitionVersion,
    string? Name,
    string? CorrelationId,
    WorkflowStatus Status,
    WorkflowSubStatus SubStatus,
    int IncidentCount,
    DateTimeOffset CreatedAt,
    DateTimeOffset UpdatedAt,
    DateTimeOffset? FinishedAt,
    long LastSequence);

/// <summary>Which instant of an instance is meant.</summary>
public enum RunInstant
{
    Created,
    LastExecuted,
    Finished,
}

/// <summary>How an instant compares to a given one.</summary>
public enum InstantComparison
{
    Is,
    IsNot,
    LessThan,
    GreaterThan,
    LessThanOrEqual,
    GreaterThanOrEqual,
}

/// <summary>A condition on an instant.</summary>
public sealed record InstantFilter(RunInstant Instant, InstantComparison Comparison, DateTimeOffset At);

/// <summary>One page of instances that nobody has taken out of the lists. An empty collection is no condition.</summary>
public sealed record RunQuery
{
    public IReadOnlyCollection<string> DefinitionIds { get; init; } = [];

    public IReadOnlyCollection<WorkflowStatus> Statuses { get; init; } = [];

    public IReadOnlyCollection<WorkflowSubStatus> SubStatuses { get; init; } = [];

    public IReadOnlyCollection<InstantFilter> Instants { get; init; } = [];

    public string? CorrelationId { get; init; }

    public int? Version { get; init; }

    public bool? HasIncidents { get; init; }

    /// <summary>Part of the name or of the definition's id, or the id, the correlation id or the id of the version from its beginning.</summary>
    public string? SearchTerm { get; init; }

    /// <summary>Null: by name.</summary>
    public RunInstant? OrderBy { get; init; } = RunInstant.Created;

    public bool IsDescending { get; init; } = true;

    public int Skip { get; init; }

    /// <summary>1–1,000.</summary>
    public int Take { get; init; } = 50;
}

/// <summary>A page and how many there are in all.</summary>
public sealed record RunPage(IReadOnlyList<RunHead> Items, int TotalCount);

/// <summary>What an index says of an event: enough to choose by, without reading it.</summary>
public readonly record struct JournalMark(long Sequence, string Kind, string? NodeId, string? ExecutionId);

/// <summary>Reads instances and their journals for whoever looks at them, and takes instances out of the lists.</summary>
public interface IRunBrowser
{
    Task<RunPage> ListAsync(RunQuery query, CancellationToken cancellationToken);

    /// <summary>An instance, also when it was taken out of the lists; null: there is none.</summary>
    Task<RunHead?> FindAsync(string instanceId, CancellationToken cancellationToken);

    /// <summary>Those of the instances that exist.</summary>
    Task<IReadOnlyList<RunHead>> FindAsync(IReadOnlyCollection<string> instanceIds, CancellationToken cancellationToken);

    /// <summary>The marks of all events after a sequence number, in order.</summary>
    Task<IReadOnlyList<JournalMark>> ReadMarksAsync(string instanceId, long afterSequence, CancellationToken cancellationToken);

    /// <summary>The events with these numbers, in order.</summary>
    Task<IReadOnlyList<JournalEvent>> ReadEventsAsync(string instanceId, IReadOnlyCollection<long> sequences, CancellationToken cancellationToken);

    /// <summary>Takes instances that have ended out of the lists; they are kept. Answers with those that it did.</summary>
    Task<IReadOnlyList<string>> HideAsync(IReadOnlyCollection<string> instanceIds, string by, DateTimeOffset at, CancellationToken cancellationToken);
}

internal sealed class RunBrowser(IDatabase database) : IRunBrowser
{
    private const int MostPerPage = 1000;

    public async Task<RunPage> ListAsync(RunQuery query, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        var rows = Filter(db, query);
        var total = await rows.CountAsync(cancellationToken);
        var ordered = (query.OrderBy, query.IsDescending) switch
        {
            (null, false) => rows.OrderBy(r => r.Name).ThenBy(r => r.Id),
            (null, true) => rows.OrderByDescending(r => r.Name).ThenByDescending(r => r.Id),
            (RunInstant.LastExecuted, false) => rows.OrderBy(r => r.UpdatedAt).ThenBy(r => r.Id),
            (RunInstant.LastExecuted, true) => rows.OrderByDescending(r => r.UpdatedAt).ThenByDescending(r => r.Id),
            (RunInstant.Finished, false) => rows.OrderBy(r => r.FinishedAt).ThenBy(r => r.Id),
            (RunInstant.Finished, true) => rows.OrderByDescending(r => r.FinishedAt).ThenByDescending(r => r.Id),
            (_, false) => rows.OrderBy(r => r.CreatedAt).ThenBy(r => r.Id),
            (_, true) => rows.OrderByDescending(r => r.CreatedAt).ThenByDescending(r => r.Id),
        };
        return new(await HeadsAsync(ordered.Skip(Math.Max(0, query.Skip)).Take(Math.Clamp(query.Take, 1, MostPerPage)), cancellationToken), total);
    }

    public async Task<RunHead?> FindAsync(string instanceId, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return (await HeadsAsync(db.WorkflowInstances.Where(r => r.Id == instanceId), cancellationToken)).FirstOrDefault();
    }

    public async Task<IReadOnlyList<RunHead>> FindAsync(IReadOnlyCollection<string> instanceIds, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return await HeadsAsync(db.WorkflowInstances.Where(r => instanceIds.Contains(r.Id)), cancellationToken);
    }

    public async Task<IReadOnlyList<JournalMark>> ReadMarksAsync(string instanceId, long afterSequence, CancellationToken cancellationToken)
    {
        await using var db = database.CreateReadContext();
        return await db.Journal
            .Where(r => r.InstanceId == instanceId && r.Sequence > afterSequence)
            .OrderBy(r => r.Sequence)
            .Select(r => new JournalMark(r.Sequence, r.Kind, r.NodeId, r.ExecutionId))
            .ToListAsync(cancellationToken);
    }

    public async Task<IReadOnlyList<JournalEvent>> ReadEventsAsync(string instanceId, IReadOnlyCollection<long> sequences, CancellationToken cancellationToken)
    {
        if (sequences.Count == 0)
        {
            return [];
        }

        await using var db = database.CreateReadContext();
        var payloads = await db.Journal
            .Where(r => r.InstanceId == instanceId && sequences.Contains(r.Sequence))
            .OrderBy(r => r.Sequence)
            .Select(r => r.Payload)
            .ToListAsync(cancellationToken);
        return [.. payloads.Select(payload => JsonSerializer.Deserialize<JournalEvent>(payload, PlainValue.Json)!)];
    }

    public Task<IReadOnlyList<string>> HideAsync(IReadOnlyCollection<string> instanceIds, string by, DateTimeOffset at, CancellationToken cancellationToken) => database.WriteAsync<IReadOnlyList<string>>(
        async session =>
        {
            var ended = await session.Context.WorkflowInstances
                .Where(r => instanceIds.Contains(r.Id) && r.Status == nameof(WorkflowStatus.Finished))
                .Select(r => r.Id)
                .ToListAsync(cancellationToken);
            var hidden = await session.Context.HiddenInstances.Where(r => ended.Contains(r.InstanceId)).Select(r => r.InstanceId).ToListAsync(cancellationToken);
            session.Context.AddRange(ended.Except(hidden).Select(id => new HiddenInstanceRow { InstanceId = id, HiddenAt = at, HiddenBy = by }));
            await session.Context.SaveChangesAsync(cancellationToken);
            session.Context.ChangeTracker.Clear();
            return ended;
        },
        cancellationToken);

    private static IQueryable<WorkflowInstanceRow> Filter(FailbackDbContext db, RunQuery query)
    {
        IQueryable<WorkflowInstanceRow> rows = db.WorkflowInstances.Where(r => !db.HiddenInstances.Any(h => h.InstanceId == r.Id));
        if (query.DefinitionIds.Count > 0)
        {
            rows = rows.Where(r => query.DefinitionIds.Contains(r.DefinitionId));
        }

        if (query.Statuses.Count > 0)
        {
            var statuses = query.Statuses.Select(s => s.ToString()).ToList();
            rows = rows.Where(r => statuses.Contains(r.Status));
        }

        if (query.SubStatuses.Count > 0)
        {
            var statuses = query.SubStatuses.Select(s => s.ToString()).ToList();
            rows = rows.Where(r => statuses.Contains(r.SubStatus));
        }

        if (query.CorrelationId is { Length: > 0 } correlation)
        {
            rows = rows.Where(r => r.CorrelationId == correlation);
        }

        if (query.Version is { } version)
        {
            rows = rows.Where(r => r.DefinitionVersion == version);
        }

        if (query.HasIncidents is { } incidents)
        {
            rows = incidents ? rows.Where(r => r.IncidentCount > 0) : rows.Where(r => r.IncidentCount == 0);
        }

        if (query.SearchTerm?.Trim() is { Length: > 0 } term)
        {
            var lower = term.ToLowerInvariant();
            rows = rows.Where(r => r.Id.StartsWith(term)
                || (r.Name != null && r.Name.ToLower().Contains(lower))
                || r.DefinitionId.ToLower().Contains(lower)
                || r.DefinitionVersionId.StartsWith(term)
                || (r.CorrelationId != null && r.CorrelationId.StartsWith(term)));
        }

        return query.Instants.Aggregate(rows, FilterByInstant);
    }

    private static IQueryable<WorkflowInstanceRow> FilterByInstant(IQueryable<WorkflowInstanceRow> rows, InstantFilter filter)
    {
        var at = filter.At;
        return (filter.Instant, filter.Comparison) switch
        {
            (RunInstant.Created, InstantComparison.Is) => rows.Where(r => r.CreatedAt == at),
            (RunInstant.Created, InstantComparison.IsNot) => rows.Where(r => r.CreatedAt != at),
            (RunInstant.Created, InstantComparison.LessThan) => rows.Where(r => r.CreatedAt < at),
            (RunInstant.Created, InstantComparison.LessThanOrEqual) => rows.Where(r => r.CreatedAt <= at),
            (RunInstant.Created, InstantComparison.GreaterThan) => rows.Where(r => r.CreatedAt > at),
            (RunInstant.Created, _) => rows.Where(r => r.CreatedAt >= at),
            (RunInstant.LastExecuted, InstantComparison.Is) => rows.Where(r => r.UpdatedAt == at),
            (RunInstant.LastExecuted, InstantComparison.IsNot) => rows.Where(r => r.UpdatedAt != at),
            (RunInstant.LastExecuted, InstantComparison.LessThan) => rows.Where(r => r.UpdatedAt < at),
            (RunInstant.LastExecuted, InstantComparison.LessThanOrEqual) => rows.Where(r => r.UpdatedAt <= at),
            (RunInstant.LastExecuted, InstantComparison.GreaterThan) => rows.Where(r => r.UpdatedAt > at),
            (RunInstant.LastExecuted, _) => rows.Where(r => r.UpdatedAt >= at),
            (_, InstantComparison.Is) => rows.Where(r => r.FinishedAt == at),
            (_, InstantComparison.IsNot) => rows.Where(r => r.FinishedAt != at),
            (_, InstantComparison.LessThan) => rows.Where(r => r.FinishedAt < at),
            (_, InstantComparison.LessThanOrEqual) => rows.Where(r => r.FinishedAt <= at),
            (_, InstantComparison.GreaterThan) => rows.Where(r => r.FinishedAt > at),
            _ => rows.Where(r => r.FinishedAt >= at),
        };
    }

    private static async Task<List<RunHead>> HeadsAsync(IQueryable<WorkflowInstanceRow> rows, CancellationToken cancellationToken)
    {
        var heads = await rows
            .Select(r => new { r.Id, r.DefinitionId, r.DefinitionVersionId, r.DefinitionVersion, r.Name, r.CorrelationId, r.Status, r.SubStatus, r.IncidentCount, r.CreatedAt, r.UpdatedAt, r.FinishedAt, r.LastSequence })
            .ToListAsync(cancellationToken);
        return
        [
            .. heads.Select(r => new RunHead(
                r.Id, r.DefinitionId, r.DefinitionVersionId, r.DefinitionVersion, r.Name, r.CorrelationId, Enum.Parse<WorkflowStatus>(r.Status),
                Enum.Parse<WorkflowSubStatus>(r.SubStatus), r.IncidentCount, r.CreatedAt, r.UpdatedAt, r.FinishedAt, r.LastSequence)),
        ];
    }
}
