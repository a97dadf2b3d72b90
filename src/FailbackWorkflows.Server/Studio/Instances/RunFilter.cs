using FailbackWorkflows.Engine;
using FailbackWorkflows.Persistence.Workflows;

namespace FailbackWorkflows.Server.Studio.Instances;

/// <summary>Which instances the designer's list shows, and which page of them.</summary>
internal sealed record RunFilter
{
    private const int MostPerPage = 1000;

    public int? Page { get; init; }

    public int? PageSize { get; init; }

    public string? SearchTerm { get; init; }

    public string? DefinitionId { get; init; }

    public IReadOnlyList<string>? DefinitionIds { get; init; }

    public string? CorrelationId { get; init; }

    public int? Version { get; init; }

    public bool? HasIncidents { get; init; }

    public string? Status { get; init; }

    public IReadOnlyList<string>? Statuses { get; init; }

    public string? SubStatus { get; init; }

    public IReadOnlyList<string>? SubStatuses { get; init; }

    public string? OrderBy { get; init; }

    public string? OrderDirection { get; init; }

    public IReadOnlyList<TimestampFilter>? TimestampFilters { get; init; }

    public RunQuery ToQuery()
    {
        var pageSize = Math.Clamp(PageSize ?? 50, 1, MostPerPage);
        return new RunQuery
        {
            DefinitionIds = [.. new[] { DefinitionId }.Concat(DefinitionIds ?? []).OfType<string>().Where(id => id.Length > 0)],
            Statuses = Read<WorkflowStatus>([Status, .. Statuses ?? []]),
            SubStatuses = Read<WorkflowSubStatus>([SubStatus, .. SubStatuses ?? []]),
            CorrelationId = CorrelationId,
            Version = Version,
            HasIncidents = HasIncidents,
            SearchTerm = SearchTerm,
            OrderBy = OrderBy switch { "LastExecuted" or "UpdatedAt" => RunInstant.LastExecuted, "Finished" => RunInstant.Finished, "Name" => null, _ => RunInstant.Created },
            IsDescending = !string.Equals(OrderDirection, "Ascending", StringComparison.OrdinalIgnoreCase),
            Skip = (int)Math.Min(int.MaxValue, (long)Math.Max(0, Page ?? 0) * pageSize),
            Take = pageSize,
            Instants = [.. (TimestampFilters ?? []).Select(ToInstant).OfType<InstantFilter>()],
        };
    }

    /// <summary>Whether the list looks at a status of this name; one it does not know it leaves out of the question.</summary>
    public static bool Knows<T>(string? name)
        where T : struct, Enum => Enum.TryParse<T>(name, ignoreCase: true, out _);

    /// <summary>Null: an operator or an instant that there is not.</summary>
    public static InstantFilter? ToInstant(TimestampFilter filter) =>
        Enum.TryParse<InstantComparison>(filter.Operator, ignoreCase: true, out var comparison) && filter.Timestamp is { } at
            ? new(filter.Column switch { "UpdatedAt" or "LastExecuted" => RunInstant.LastExecuted, "FinishedAt" or "Finished" => RunInstant.Finished, _ => RunInstant.Created }, comparison, at)
            : null;

    private static List<T> Read<T>(IEnumerable<string?> names)
        where T : struct, Enum => [.. names.Where(Knows<T>).Select(n => Enum.Parse<T>(n!, ignoreCase: true))];
}

internal sealed record TimestampFilter(string? Column, string? Operator, DateTimeOffset? Timestamp);
