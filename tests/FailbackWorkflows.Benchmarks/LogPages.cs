using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Testing.Persistence;

namespace FailbackWorkflows.Benchmarks;

/// <summary>How long a page of a failover log takes that has grown for years: the newest page of each half, and pages all the way back.</summary>
internal static class LogPages
{
    private const int PerBatch = 1_000;
    private const double MostMilliseconds = 200;

    public static async Task<int> RunAsync(Options options)
    {
        var entries = options.Number("entries", 10_000);
        await using var database = await TestDatabase.CreateSqliteAsync();
        var writer = database.Get<IDomainWriter>();
        var start = new DateTimeOffset(2016, 1, 1, 0, 0, 0, TimeSpan.Zero);
        for (var done = 0; done < entries; done += PerBatch)
        {
            await writer.ApplyAsync([.. Enumerable.Range(done, Math.Min(PerBatch, entries - done)).Select(n => new SaveFailoverLogEntry(Entry(n, n >= entries - 60, start)))], CancellationToken.None);
        }

        var log = database.Get<IFailoverLog>();
        await log.ListAsync(new(FailoverLogView.All), CancellationToken.None);
        Console.WriteLine(FormattableString.Invariant($"log-pages: {entries} entries, 50 a page, SQLite; aim {MostMilliseconds:N0} ms"));
        foreach (var view in Enum.GetValues<FailoverLogView>())
        {
            var times = new List<double>();
            string? before = null;
            do
            {
                var since = TimeProvider.System.GetTimestamp();
                var page = await log.ListAsync(new(view) { Before = before }, CancellationToken.None);
                times.Add(TimeProvider.System.GetElapsedTime(since).TotalMilliseconds);
                before = page.Count == 50 ? page[^1].Id : null;
            }
            while (before is not null);
            Console.WriteLine(FormattableString.Invariant($"  {view,-10} {times.Count,5} pages  first {times[0],6:N1} ms  last {times[^1],6:N1} ms  slowest {times.Max(),6:N1} ms: {(times.Max() < MostMilliseconds ? "met" : "missed")}"));
        }

        return 0;
    }

    private static FailoverLogEntry Entry(int n, bool isActive, DateTimeOffset start) => new()
    {
        Id = $"entry-{n:D6}",
        FailedServerId = $"vms-{n % 20}",
        FailoverServerId = $"vms-{20 + (n % 4)}",
        Failover = FailoverState.Done,
        Failback = isActive ? FailbackState.NotStarted : FailbackState.Done,
        MaterialCopy = isActive ? MaterialCopyState.NotStarted : MaterialCopyState.Copied,
        FailoverStartedAt = start.AddHours(8 * n),
        FailoverEndedAt = start.AddHours(8 * n).AddSeconds(5),
        StartedBy = "Olga Operator",
        Reason = "It did not answer any more.",
    };
}
