using System.Diagnostics;
using FailbackWorkflows.Engine;

namespace FailbackWorkflows.Benchmarks.Durable;

/// <summary>
/// What it costs to wait and to be woken: from the call of Resume, over the durable message, the claim and the durable steps, until the commit
/// has returned with which the instance waits again.
/// </summary>
internal static class Resume
{
    private const int WarmUps = 300;
    private const double LeastPerSecond = 200;

    public static async Task<int> RunAsync(Options options)
    {
        var product = options.Text("database", "postgres");
        var rounds = Math.Max(1, options.Number("rounds", 3));
        var seconds = TimeSpan.FromSeconds(Math.Max(1, options.Number("seconds", 10)));
        Console.WriteLine($"One workflow that waits for an event again and again, {rounds} rounds of {seconds.TotalSeconds:N0} s each, medians");
        var isFirst = true;
        foreach (var atATime in options.Numbers("at-a-time", [1, 8]))
        {
            await using var node = await DurableNode.StartAsync(product, WaitingWorkflow.Json, _ => { });
            Console.Write(isFirst ? node.Description + Environment.NewLine : "");
            isFirst = false;
            var instances = new List<string>();
            for (var i = 0; i < atATime; i++)
            {
                instances.Add(await WaitingWorkflow.StartAsync(node));
            }

            await RepeatAsync(node, instances, since => since.Count < WarmUps);
            var (rates, p50, p99) = (new List<double>(), new List<double>(), new List<double>());
            for (var round = 0; round < rounds; round++)
            {
                var started = Stopwatch.GetTimestamp();
                var latencies = await RepeatAsync(node, instances, _ => Stopwatch.GetElapsedTime(started) < seconds);
                rates.Add(latencies.Count / Stopwatch.GetElapsedTime(started).TotalSeconds);
                p50.Add(latencies.Median());
                p99.Add(latencies.At(0.99));
            }

            Console.WriteLine(FormattableString.Invariant(
                $"{atATime,2} at a time   {rates.Median(),7:N1} resumes/s   p50 {p50.Median(),6:N1} ms   p99 {p99.Median(),6:N1} ms{(atATime == 1 ? $"   target {LeastPerSecond:N0}/s: {Figures.Verdict(rates.Median() >= LeastPerSecond)}" : "")}"));
        }

        return 0;
    }

    private static async Task<List<double>> RepeatAsync(DurableNode node, List<string> instances, Predicate<List<double>> goesOn)
    {
        var latencies = new List<double>();
        await Task.WhenAll(instances.Select(instance => Task.Run(async () =>
        {
            while (true)
            {
                lock (latencies)
                {
                    if (!goesOn(latencies))
                    {
                        return;
                    }
                }

                var begun = Stopwatch.GetTimestamp();
                var reached = await node.Runtime.ResumeAsync(WaitingWorkflow.Wake(instance), CancellationToken.None);
                if (reached.Count != 1)
                {
                    throw new InvalidOperationException($"Instance {instance} was not waiting.");
                }

                await node.Store.RestedAsync(instance);
                lock (latencies)
                {
                    latencies.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
                }
            }
        })));
        return latencies;
    }
}
