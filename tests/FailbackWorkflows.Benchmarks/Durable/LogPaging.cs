using System.Diagnostics;
using System.Globalization;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Persistence;
using FailbackWorkflows.Persistence.Workflows;
using FailbackWorkflows.Testing.Persistence;

namespace FailbackWorkflows.Benchmarks.Durable;

/// <summary>
/// How long any page takes when a large site has kept everything for years, read through the stores the server reads with: pages of the failover
/// log, of the list of runs and of the journal, from the newest to the oldest.
/// </summary>
internal static class LogPaging
{
    private const int PageSize = 50;
    private const int JournalPageSize = 500;
    private const double MostMilliseconds = 50;

    public static async Task<int> RunAsync(Options options)
    {
        var entries = options.Number("entries", 1_000_000);
        var events = options.Number("events", 10_000_000);
        var pages = Math.Max(2, options.Number("pages", 40));
        var connectionString = await PostgresDatabases.TakeAsync();
        await using var database = await TestDatabase.CreateAsync(
            services => services.AddPostgresPersistence(connectionString, Path.GetTempPath()), async () => await PostgresDatabases.DropAsync(connectionString));
        var loading = Stopwatch.StartNew();
        await LargeSite.LoadLogAsync(database, entries);
        await LargeSite.LoadRunsAsync(database, entries, events);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"log-paging: {entries:N0} entries, {events:N0} journal events, loaded in {loading.Elapsed.TotalSeconds:N0} s; {pages} pages of each kind from the newest to the oldest, target {MostMilliseconds:N0} ms for each"));
        var log = database.Get<IFailoverLog>();
        foreach (var view in Enum.GetValues<FailoverLogView>())
        {
            await MeasureAsync($"log, {view}", pages, at => log.ListAsync(new(view) { Before = view == FailoverLogView.Active ? Mark(entries, Math.Min(LargeSite.ActiveEntries, entries), at) : Mark(entries, entries, at) }, CancellationToken.None));
        }

        await MeasureAsync("log, a recorder", pages, at => log.ListAsync(new(FailoverLogView.All) { ServerIds = [$"vms-{(int)(at * (LargeSite.Recorders - 1))}"] }, CancellationToken.None));
        await MeasureAsync("log, a recorder, deep", pages, at => log.ListAsync(new(FailoverLogView.Finalized) { Before = Mark(entries, entries, at), ServerIds = ["vms-7"] }, CancellationToken.None));
        await MeasureAsync("log, a failover server", pages, at => log.ListAsync(new(FailoverLogView.All) { Before = Mark(entries, entries, at), ServerIds = [$"failover-{(int)(at * (LargeSite.FailoverServers - 1))}"] }, CancellationToken.None));
        await MeasureAsync("log, an unknown server", 2, _ => log.ListAsync(new(FailoverLogView.All) { ServerIds = ["nobody"] }, CancellationToken.None));
        await MeasureAsync("log, what is open", pages, _ => log.ListOpenAsync(CancellationToken.None));
        await MeasureAsync("log, servers to fail back", pages, _ => log.ListServersToFailBackAsync(CancellationToken.None));
        await MeasureAsync("log, failovers to settle", pages, _ => log.ListUnsettledAsync(PageSize, CancellationToken.None));
        await MeasureAsync<KeyValuePair<string, int>>("log, periods owed", pages, async _ => [.. await log.CountOwedPeriodsAsync(CancellationToken.None)]);

        var instances = database.Get<IWorkflowInstances>();
        var runs = LargeSite.Runs(events);
        await MeasureAsync("runs, all", pages, at => instances.ListAsync(new(Before: RunMark(runs, at)), CancellationToken.None));
        await MeasureAsync("runs, of a workflow", pages, at => instances.ListAsync(new(DefinitionId: "failback", Before: RunMark(runs, at)), CancellationToken.None));
        await MeasureAsync("runs, of an entry", pages, at => instances.ListAsync(new(CorrelationId: LargeSite.EntryId((int)(at * (entries - 1)))), CancellationToken.None));
        await MeasureAsync("runs, still running", pages, at => instances.ListAsync(new(Status: Engine.WorkflowStatus.Running, Before: RunMark(runs, at)), CancellationToken.None));
        await MeasureAsync("runs, ended", pages, at => instances.ListAsync(new(Status: Engine.WorkflowStatus.Finished, Before: RunMark(runs, at)), CancellationToken.None));

        var store = database.Get<IWorkflowStore>();
        await MeasureAsync("journal of a run", pages, at => store.ReadJournalAsync(LargeSite.RunId((int)(at * (runs - 1))), 0, JournalPageSize, CancellationToken.None));
        await MeasureAsync("journal of a long run", pages, at => store.ReadJournalAsync(LargeSite.LongRun, (long)(at * (LargeSite.LongRunEvents(events) - JournalPageSize)), JournalPageSize, CancellationToken.None));
        return 0;
    }

    /// <summary>
    /// Each page twice: the second time the server may have it in memory. The slower one counts. Before the first one page is read for nothing: the
    /// first of all waits until its query is compiled, once in the life of a management server.
    /// </summary>
    private static async Task MeasureAsync<T>(string what, int pages, Func<double, Task<IReadOnlyList<T>>> readAsync)
    {
        var times = new List<double>();
        var rows = 0L;
        await readAsync(1);
        for (var page = 0; page < pages; page++)
        {
            var slower = 0.0;
            for (var i = 0; i < 2; i++)
            {
                var begun = Stopwatch.GetTimestamp();
                rows += (await readAsync(page / (double)(pages - 1))).Count;
                slower = Math.Max(slower, Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
            }

            times.Add(slower);
        }

        var (first, last) = (times[0], times[^1]);
        Console.WriteLine(FormattableString.Invariant(
            $"  {what,-28} median {times.Median(),7:N1} ms   first {first,7:N1} ms   last {last,7:N1} ms   slowest {times.Max(),7:N1} ms: {Figures.Verdict(times.Max() <= MostMilliseconds)}   ({rows / (2.0 * pages),5:N1} rows a page)"));
    }

    /// <summary>Entries are numbered from the oldest on, and the newest ones are active.</summary>
    private static string? Mark(int entries, int newest, double at) => at == 0 ? null : LargeSite.EntryId(entries - 1 - (int)(at * Math.Max(0, newest - PageSize - 1)));

    private static string? RunMark(int runs, double at) => at == 0 ? null : LargeSite.RunId(runs - 1 - (int)(at * Math.Max(0, runs - PageSize - 1)));
}
