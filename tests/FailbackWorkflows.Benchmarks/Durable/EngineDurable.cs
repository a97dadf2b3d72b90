using System.Diagnostics;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Persistence;
using Npgsql;

namespace FailbackWorkflows.Benchmarks.Durable;

/// <summary>
/// What a durable run costs: the eleven steps over a real database, every step committed and synced to disk. A run's time is from the call
/// of Start until the commit of its last step has returned.
/// </summary>
internal static class EngineDurable
{
    private const int Steps = 11;
    private const int WarmUps = 2_000;
    private const double LeastRunsPerSecond = 400;
    private const double AimedRunsPerSecond = 750;
    private const double MostMilliseconds = 6;
    private const double MostChainingRatio = 0.1;

    public static async Task<int> RunAsync(Options options)
    {
        var product = options.Text("database", "sqlite");
        var rounds = Math.Max(1, options.Number("rounds", 3));
        var seconds = TimeSpan.FromSeconds(Math.Max(1, options.Number("seconds", 10)));
        var chain = options.Text("chain", "on");
        var atATime = options.Numbers("at-a-time", product == "sqlite" ? [1, 8] : [1, 8, 16]);
        Console.WriteLine($"Flowchart of {Steps} trivial code activities, {rounds} rounds of {seconds.TotalSeconds:N0} s each, medians; {Environment.ProcessorCount} cores for all of it");
        var cheapest = 0.0;
        for (var i = 0; i < atATime.Count; i++)
        {
            await using var node = await DurableNode.StartAsync(product, ElevenSteps.Json, c => c.Add<ElevenSteps.Nothing>());
            if (i == 0)
            {
                Console.WriteLine(node.Description);
                if (node.ConnectionString is { } connectionString)
                {
                    cheapest = await CheapestCommit.MeasureAsync(connectionString);
                    Console.WriteLine(FormattableString.Invariant($"A transaction of one row, with nothing of ours in it, takes {cheapest:N2} ms here"));
                }
            }

            await MeasureAsync(node, atATime[i], rounds, seconds, chain, cheapest);
        }

        return 0;
    }

    private static async Task MeasureAsync(DurableNode node, int atATime, int rounds, TimeSpan duration, string chain, double cheapest)
    {
        node.Store.IsChained = chain != "off";
        await Task.WhenAll(Enumerable.Range(0, atATime).Select(_ => Task.Run(async () =>
        {
            for (var run = 0; run < WarmUps / atATime; run++)
            {
                await RunOnceAsync(node);
            }
        })));

        var measured = new List<Round>();
        var loose = new List<Round>();
        for (var round = 0; round < rounds; round++)
        {
            if (chain == "both")
            {
                // Taking turns: what else this machine does meanwhile falls on both.
                node.Store.IsChained = false;
                loose.Add(await MeasureRoundAsync(node, atATime, duration));
                node.Store.IsChained = true;
            }

            measured.Add(await MeasureRoundAsync(node, atATime, duration));
        }

        double Median(Func<Round, double> of) => measured.Select(of).ToList().Median();
        var (rate, p50) = (Median(r => r.RunsPerSecond), Median(r => r.P50));
        Console.WriteLine(FormattableString.Invariant(
            $"{atATime,2} at a time   {rate,7:N1} runs/s   p50 {p50,6:N1} ms   p99 {Median(r => r.P99),6:N1} ms   per step: {Median(r => r.Steps),5:N2} commits in {Median(r => r.Transactions),5:N2} transactions, {Median(r => r.JournalRows),5:N2} journal rows, {Median(r => r.ProcessorMicroseconds),4:N0} µs of this process ({measured.Sum(r => r.Runs)} runs)"));
        if (loose.Count > 0)
        {
            // On a machine that others use too, what was spent says more than how fast it went.
            double LooseMedian(Func<Round, double> of) => loose.Select(of).ToList().Median();
            var looseRate = LooseMedian(r => r.RunsPerSecond);
            var (spent, looseSpent) = (Median(r => r.ProcessorMicroseconds + r.Server.ProcessorMicroseconds), LooseMedian(r => r.ProcessorMicroseconds + r.Server.ProcessorMicroseconds));
            Console.WriteLine(FormattableString.Invariant(
                $"               without chains {looseRate,7:N1} runs/s, p50 {LooseMedian(r => r.P50),6:N1} ms, {looseSpent:N0} µs of all processors per step instead of {spent:N0}, {LooseMedian(r => r.Server.LogBytes):N0} bytes of log: chaining costs {1 - (rate / looseRate):P1} of the rate and {(spent / looseSpent) - 1:P1} more processor time, target {MostChainingRatio:P0}: {Figures.Verdict(1 - (rate / looseRate) <= MostChainingRatio)}"));
        }

        if (node.ConnectionString is null)
        {
            return;
        }

        Console.WriteLine(FormattableString.Invariant(
            $"               per step: {Median(r => r.Server.Rows),5:N2} rows written, {Median(r => r.Server.Syncs),5:N2} syncs of the log, {Median(r => r.Server.LogBytes),5:N0} bytes of log, {Median(r => r.Server.ProcessorMicroseconds),4:N0} µs of the server's processes"));

        // Where the time goes: what follows one another waits for the disk each time; what runs side by side shares the processors.
        var spentPerRun = Steps * Median(r => r.ProcessorMicroseconds + r.Server.ProcessorMicroseconds);
        Console.WriteLine(FormattableString.Invariant(
            $"               of a run's {p50:N1} ms, its {Steps * Median(r => r.Steps):N0} commits one after the other take at least {Steps * Median(r => r.Steps) * cheapest:N1} ms; all processes together spend {spentPerRun / 1000:N1} ms of processor on it: {Environment.ProcessorCount} cores do at most {Environment.ProcessorCount * 1_000_000 / spentPerRun:N0} runs/s, {rate * spentPerRun / 1_000_000 / Environment.ProcessorCount:P0} of them are at work"));
        if (atATime == 1)
        {
            Console.WriteLine(FormattableString.Invariant($"               target p50 alone {MostMilliseconds:N0} ms: {Figures.Verdict(p50 <= MostMilliseconds)}"));
        }
        else if (atATime == 8)
        {
            Console.WriteLine(FormattableString.Invariant(
                $"               target {LeastRunsPerSecond:N0} runs/s: {Figures.Verdict(rate >= LeastRunsPerSecond)}, aim {AimedRunsPerSecond:N0} runs/s: {Figures.Verdict(rate >= AimedRunsPerSecond)}"));
        }
    }

    private static async Task<Round> MeasureRoundAsync(DurableNode node, int atATime, TimeSpan duration)
    {
        var database = node.Get<IDatabase>();
        var (commits, transactions, journalRows) = (node.Store.Commits, database.Commits, node.Store.JournalRows);
        var server = await ServerCounts.ReadAsync(node);
        var latencies = new List<double>();
        var processor = Environment.CpuUsage.TotalTime;
        var started = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, atATime).Select(_ => Task.Run(async () =>
        {
            while (Stopwatch.GetElapsedTime(started) < duration)
            {
                var begun = Stopwatch.GetTimestamp();
                await RunOnceAsync(node);
                lock (latencies)
                {
                    latencies.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
                }
            }
        })));
        var elapsed = Stopwatch.GetElapsedTime(started).TotalSeconds;
        processor = Environment.CpuUsage.TotalTime - processor;
        var steps = latencies.Count * (double)Steps;
        return new(
            latencies.Count,
            latencies.Count / elapsed,
            latencies.At(0.5),
            latencies.At(0.99),
            (node.Store.Commits - commits) / steps,
            (database.Commits - transactions) / steps,
            (node.Store.JournalRows - journalRows) / steps,
            processor.TotalMicroseconds / steps,
            (await ServerCounts.ReadAsync(node)).Since(server, steps));
    }

    private static async Task RunOnceAsync(DurableNode node)
    {
        var started = await node.Runtime.StartAsync(new StartWorkflow(ElevenSteps.DefinitionId, Actor.System), CancellationToken.None);
        await node.Store.RestedAsync(started.InstanceId);
    }

    private sealed record Round(
        int Runs, double RunsPerSecond, double P50, double P99, double Steps, double Transactions, double JournalRows, double ProcessorMicroseconds, ServerCounts Server);

    /// <summary>What the PostgreSQL server says it has done.</summary>
    private sealed record ServerCounts(double Rows, double Syncs, double LogBytes, double ProcessorMicroseconds)
    {
        public static async Task<ServerCounts> ReadAsync(DurableNode node)
        {
            if (node.ConnectionString is not { } connectionString)
            {
                return new(0, 0, 0, 0);
            }

            // Sessions tell the server what they have done at most once a second.
            await Task.Delay(TimeSpan.FromSeconds(1.5));
            await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false }.ToString());
            await connection.OpenAsync();
            await using var command = new NpgsqlCommand(
                """
                SELECT tup_inserted + tup_updated + tup_deleted, wal_sync, wal_bytes::bigint,
                    (SELECT array_agg(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND (datname = current_database() OR backend_type <> 'client backend'))
                FROM pg_stat_database, pg_stat_wal WHERE datname = current_database()
                """,
                connection);
            await using var reader = await command.ExecuteReaderAsync();
            await reader.ReadAsync();
            return new(reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetFieldValue<int[]>(3).Sum(ProcessorTimeOf));
        }

        public ServerCounts Since(ServerCounts before, double steps) => new(
            (Rows - before.Rows) / steps,
            (Syncs - before.Syncs) / steps,
            (LogBytes - before.LogBytes) / steps,
            (ProcessorMicroseconds - before.ProcessorMicroseconds) / steps);

        /// <summary>None when the server is on another machine, or the process has ended.</summary>
        private static double ProcessorTimeOf(int processId)
        {
            try
            {
                using var process = Process.GetProcessById(processId);
                return process.TotalProcessorTime.TotalMicroseconds;
            }
            catch (Exception exception) when (exception is ArgumentException or InvalidOperationException or System.ComponentModel.Win32Exception)
            {
                return 0;
            }
        }
    }
}
