using System.Diagnostics;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Persistence.Seals;
using FailbackWorkflows.Testing.Persistence;

namespace FailbackWorkflows.Benchmarks.Evidence;

/// <summary>How long it takes to verify a whole history; one thread does it.</summary>
internal static class Verify
{
    private const int EventsPerRun = 100;
    private const double MostSeconds = 5;

    public static async Task<int> RunAsync(Options options)
    {
        var product = options.Text("database", "sqlite");
        var events = Math.Max(EventsPerRun, options.Number("events", 1_000_000));
        var rounds = Math.Max(1, options.Number("rounds", 3));
        await using var database = product == "sqlite" ? await TestDatabase.CreateSqliteAsync() : await TestDatabase.CreatePostgresAsync();
        var store = database.Get<IWorkflowStore>();
        const string Json = """{"definitionId":"failback"}""";
        var definition = await store.PublishDefinitionAsync(
            new("failback:1", "failback", 1, "Failback", Json, JournalChain.Hash(Json), DateTimeOffset.UnixEpoch, "benchmark"), CancellationToken.None);
        var startedAt = new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
        for (var run = 0; run < events / EventsPerRun; run++)
        {
            var at = startedAt.AddSeconds(run);
            await store.CommitAsync(LongHistory.EndedRun(Guid.CreateVersion7(at).ToString("N"), definition, at, EventsPerRun), CancellationToken.None);
        }

        var begun = Stopwatch.GetTimestamp();
        var chains = 0;
        while (await database.Get<IHistorySeals>().SealAsync(CancellationToken.None) is { } checkpoint)
        {
            chains += checkpoint.Heads.Count;
        }

        Console.WriteLine(FormattableString.Invariant($"{product}: {events / EventsPerRun} runs with {EventsPerRun} events each; sealing all of them for the first time took {Stopwatch.GetElapsedTime(begun).TotalSeconds:N2} s ({chains} chains)"));
        begun = Stopwatch.GetTimestamp();
        await database.Get<IHistorySeals>().SealAsync(CancellationToken.None);
        Console.WriteLine(FormattableString.Invariant($"a seal that finds nothing new: {Stopwatch.GetElapsedTime(begun).TotalMilliseconds:N1} ms"));
        var (seconds, spent) = (new List<double>(), new List<double>());
        for (var round = 0; round < rounds; round++)
        {
            var processor = Environment.CpuUsage.TotalTime;
            begun = Stopwatch.GetTimestamp();
            var report = await database.Get<IHistoryVerifications>().VerifyAsync(null, CancellationToken.None);
            seconds.Add(Stopwatch.GetElapsedTime(begun).TotalSeconds);
            spent.Add((Environment.CpuUsage.TotalTime - processor).TotalSeconds);
            Console.WriteLine(FormattableString.Invariant($"{report.Events} events verified in {seconds[^1]:N2} s, {spent[^1]:N2} s of processor time; {report.Findings.Count} findings"));
        }

        // One thread does it: on a machine that others use too, the processor time is what a core of its own would take.
        Console.WriteLine(FormattableString.Invariant($"median {seconds.Median():N2} s, of one core {spent.Median():N2} s, target {MostSeconds:N0} s: {Figures.Verdict(events > 1_000_000 || spent.Median() <= MostSeconds)}"));
        return 0;
    }
}
