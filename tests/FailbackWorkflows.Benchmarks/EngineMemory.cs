using System.Diagnostics;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Testing.Engine;

namespace FailbackWorkflows.Benchmarks;

/// <summary>
/// What the engine itself costs: runs of the eleven steps, a few at a time on one core, over a store in memory that keeps nothing of a run
/// that ended, and over one that keeps every journal.
/// </summary>
internal static class EngineMemory
{
    private const int AtATime = 8;

    public static async Task<int> RunAsync(Options options)
    {
        var rounds = Math.Max(5, options.Number("rounds", 7));
        var runs = options.Number("runs", 20_000);
        if (OperatingSystem.IsLinux() || OperatingSystem.IsWindows())
        {
            using var process = Process.GetCurrentProcess();
            process.ProcessorAffinity = 1;
        }

        Console.WriteLine($"Flowchart of 11 trivial code activities, one core, {AtATime} at a time, {rounds} rounds of {runs} runs");
        await MeasureAsync("without a journal", keepsJournal: false, rounds, runs);
        await MeasureAsync("journal kept in memory", keepsJournal: true, rounds, runs);
        return 0;
    }

    private static async Task MeasureAsync(string name, bool keepsJournal, int rounds, int runs)
    {
        // The first round warms up and is not counted.
        var rates = new List<double>();
        var allocated = 0L;
        for (var round = 0; round <= rounds; round++)
        {
            var store = new InMemoryWorkflowStore { KeepsJournal = keepsJournal, KeepsSnapshots = false, KeepsCommits = false, ForgetsEnded = true };
            await using var host = await EngineHost.StartAsync(
                store, TimeProvider.System, c => c.Add<ElevenSteps.Nothing>(), o => o.PollInterval = TimeSpan.FromSeconds(10));
            await host.PublishAsync(ElevenSteps.Json);
            var before = GC.GetTotalAllocatedBytes();
            var started = Stopwatch.GetTimestamp();
            using var free = new SemaphoreSlim(AtATime);
            store.Ended = _ => free.Release();
            for (var run = 0; run < runs; run++)
            {
                await free.WaitAsync();
                await host.Runtime.StartAsync(new StartWorkflow(ElevenSteps.DefinitionId, Actor.System), CancellationToken.None);
            }

            for (var left = 0; left < AtATime; left++)
            {
                await free.WaitAsync();
            }

            if (round > 0)
            {
                rates.Add(runs / Stopwatch.GetElapsedTime(started).TotalSeconds);
                allocated = (GC.GetTotalAllocatedBytes() - before) / runs;
            }

            if (store.CommitCount != runs * 12L)
            {
                throw new InvalidOperationException($"{store.CommitCount} commits for {runs} runs.");
            }
        }

        rates.Sort();
        Console.WriteLine(FormattableString.Invariant(
            $"{name,-24} median {rates[rates.Count / 2],8:N0} runs/s   slowest {rates[0],8:N0}   fastest {rates[^1],8:N0}   {allocated / 1024.0,6:N1} KiB allocated per run"));
    }
}
