using System.Collections.Concurrent;
using System.Diagnostics;
using FailbackWorkflows.Engine.Storage;

namespace FailbackWorkflows.Benchmarks.Durable;

/// <summary>
/// How soon what was woken goes on: from the moment the wake-up is durable until the first step of the instance is. Once with the message posted
/// through the runtime of the node that runs it, and once posted past it, as another node would.
/// </summary>
internal static class Dispatch
{
    private const int WarmUps = 200;

    public static async Task<int> RunAsync(Options options)
    {
        var rounds = Math.Max(1, options.Number("rounds", 3));
        var wakeUps = Math.Max(10, options.Number("wake-ups", 500));
        await using var node = await DurableNode.StartAsync(options.Text("database", "postgres"), WaitingWorkflow.Json, _ => { });
        Console.WriteLine($"One waiting workflow after the other, {rounds} rounds of {wakeUps} wake-ups, medians");
        Console.WriteLine(node.Description);
        var stepped = new ConcurrentDictionary<string, long>(StringComparer.Ordinal);
        node.Store.Stepped = step => stepped.TryAdd(step.Instance.Id, Stopwatch.GetTimestamp());
        var instance = await WaitingWorkflow.StartAsync(node);
        await MeasureAsync("posted on the node itself", ThroughRuntimeAsync);
        await MeasureAsync("posted by another node", PastRuntimeAsync);
        return 0;

        async Task ThroughRuntimeAsync() => await node.Runtime.ResumeAsync(WaitingWorkflow.Wake(instance), CancellationToken.None);

        async Task PastRuntimeAsync()
        {
            var wake = WaitingWorkflow.Wake(instance);
            await node.Get<IWorkflowStore>().PostStimulusAsync(wake, TimeProvider.System.GetUtcNow(), CancellationToken.None);
        }

        async Task MeasureAsync(string how, Func<Task> postAsync)
        {
            for (var i = 0; i < WarmUps; i++)
            {
                await WakeAsync(ThroughRuntimeAsync);
            }

            var (p50, p99) = (new List<double>(), new List<double>());
            for (var round = 0; round < rounds; round++)
            {
                var latencies = new List<double>(wakeUps);
                for (var i = 0; i < wakeUps; i++)
                {
                    latencies.Add(await WakeAsync(postAsync));
                }

                p50.Add(latencies.Median());
                p99.Add(latencies.At(0.99));
            }

            Console.WriteLine(FormattableString.Invariant($"{how,-26} p50 {p50.Median(),6:N1} ms   p99 {p99.Median(),6:N1} ms"));
        }

        async Task<double> WakeAsync(Func<Task> postAsync)
        {
            stepped.Clear();
            await postAsync();
            var posted = Stopwatch.GetTimestamp();
            await node.Store.RestedAsync(instance);

            // The step may be durable before whoever posted has been told that the wake-up is.
            return Math.Max(0, Stopwatch.GetElapsedTime(posted, stepped[instance]).TotalMilliseconds);
        }
    }
}
