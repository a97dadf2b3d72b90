using System.Globalization;
using FailbackWorkflows.Failback.FailoverLog;

namespace FailbackWorkflows.Server.Pages.FailoverLog;

/// <summary>What somebody looks for in the failover log: a server by part of its name, an entry by its id, a period of whole days in somebody's time zone.</summary>
/// <param name="Since">Begin of the first day.</param>
/// <param name="Until">End of the last day, which is part of the period.</param>
public sealed record LogFilter(string? Text, DateTimeOffset? Since, DateTimeOffset? Until)
{
    private const int MostCharacters = 128;
    private const string DayFormat = "yyyy-MM-dd";
    private const string InstantFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";

    /// <summary>What cannot be read is left out, and the form shows that it is.</summary>
    /// <param name="since">A day, which is one of UTC, or the instant at which somebody's day begins: a browser knows its zone, and this server does not.</param>
    /// <param name="until">A day of UTC, or the instant at which somebody's day ends.</param>
    public static LogFilter Read(string? text, string? since, string? until) =>
        new(
            string.IsNullOrWhiteSpace(text) || text.Length > MostCharacters ? null : text.Trim(),
            ReadDay(since) is { } first ? StartOf(first) : ReadInstant(since),
            ReadDay(until) is { } last ? last < DateOnly.MaxValue ? StartOf(last.AddDays(1)) : null : ReadInstant(until));

    public bool IsEmpty => Text is null && Since is null && Until is null;

    public string? SinceText => Write(Since);

    public string? UntilText => Write(Until);

    /// <summary>As a day of UTC, for who has no script.</summary>
    public string? FirstDay => Since?.UtcDateTime.ToString(DayFormat, CultureInfo.InvariantCulture);

    /// <inheritdoc cref="FirstDay"/>
    public string? LastDay => Until is { } end && end > DateTimeOffset.MinValue ? end.UtcDateTime.AddTicks(-1).ToString(DayFormat, CultureInfo.InvariantCulture) : null;

    /// <param name="servers">Ids of the servers that have the text in their name or id, those that begin with it first.</param>
    public FailoverLogQuery Narrow(FailoverLogQuery query, IEnumerable<string> servers) => query with
    {
        // A server that is not registered any more is found by its whole id.
        ServerIds = Text is null ? null : [.. servers, Text],
        Since = Since,
        Until = Until,
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

    private static DateTimeOffset? ReadInstant(string? text) =>
        DateTimeOffset.TryParseExact(text, InstantFormat, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at : null;

    private static string? Write(DateTimeOffset? at) => at?.UtcDateTime.ToString(InstantFormat, CultureInfo.InvariantCulture);
}
