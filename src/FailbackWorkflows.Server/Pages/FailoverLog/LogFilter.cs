using System.Globalization;
using FailbackWorkflows.Failback.FailoverLog;

namespace FailbackWorkflows.Server.Pages.FailoverLog;

/// <summary>What somebody looks for in the failover log: a server by part of its name, an entry by its id, a period in days (UTC).</summary>
public sealed record LogFilter(string? Text, DateOnly? Since, DateOnly? Until)
{
    private const int MostCharacters = 128;
    private const string DayFormat = "yyyy-MM-dd";

    /// <summary>What cannot be read is left out, and the form shows that it is.</summary>
    public static LogFilter Read(string? text, string? since, string? until) =>
        new(string.IsNullOrWhiteSpace(text) || text.Length > MostCharacters ? null : text.Trim(), ReadDay(since), ReadDay(until));

    public bool IsEmpty => Text is null && Since is null && Until is null;

    public string? SinceText => Since?.ToString(DayFormat, CultureInfo.InvariantCulture);

    public string? UntilText => Until?.ToString(DayFormat, CultureInfo.InvariantCulture);

    /// <summary>The last day is part of the period.</summary>
    /// <param name="servers">Ids of the servers that have the text in their name or id, those that begin with it first.</param>
    public FailoverLogQuery Narrow(FailoverLogQuery query, IEnumerable<string> servers) => query with
    {
        // A server that is not registered any more is found by its whole id.
        ServerIds = Text is null ? null : [.. servers, Text],
        Since = Since is { } first ? StartOf(first) : null,
        Until = Until is { } last && last < DateOnly.MaxValue ? StartOf(last.AddDays(1)) : null,
    };

    /// <summary>The query string of a page with this filter, beginning with <c>?</c>; empty when there is nothing to say.</summary>
    public string ToQuery(bool isFinalized, string? before = null)
    {
        (string Name, string? Value)[] all = [("view", isFinalized ? "finalized" : null), ("q", Text), ("since", SinceText), ("until", UntilText), ("before", before)];
        var said = all.Where(pair => pair.Value is not null).Select(pair => $"{pair.Name}={Uri.EscapeDataString(pair.Value!)}").ToList();
        return said.Count == 0 ? string.Empty : "?" + string.Join('&', said);
    }

    private static DateTimeOffset StartOf(DateOnly day) => new(day.ToDateTime(TimeOnly.MinValue), TimeSpan.Zero);

    private static DateOnly? ReadDay(string? text) => DateOnly.TryParseExact(text, DayFormat, CultureInfo.InvariantCulture, DateTimeStyles.None, out var day) ? day : null;
}
