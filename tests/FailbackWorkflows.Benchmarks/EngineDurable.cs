using System.Diagnostics;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Persistence;
using FailbackWorkflows.Testing.Engine;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace FailbackWorkflows.Benchmarks;

/// <summary>
/// What a durable run costs: the eleven steps over a real database, every step committed and synced to disk. A run's time is from the call
/// of Start until the commit of its last step has returned.
/// </summary>
internal static class EngineDurable
{
    public static async Task<int> RunAsync(Options options)
    {
        if (options.Text("database", "sqlite") != "sqlite")
        {
            Console.Error.WriteLine("The only database so far is sqlite.");
            return 2;
        }

        var seconds = TimeSpan.FromSeconds(Math.Max(1, options.Number("seconds", 20)));
        var folder = Directory.CreateTempSubdirectory("engine-durable-");
        try
        {
            Console.WriteLine($"Flowchart of 11 trivial code activities, SQLite in {folder.FullName}, {seconds.TotalSeconds:N0} s each");
            await MeasureAsync(Path.Combine(folder.FullName, "one.db"), 1, seconds);
            await MeasureAsync(Path.Combine(folder.FullName, "eight.db"), 8, seconds);
            return 0;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task MeasureAsync(string file, int atATime, TimeSpan duration)
    {
        var services = new ServiceCollection();
        services.AddLogging();
        services.AddSingleton(TimeProvider.System);
        services.AddPersistence(file);
        var inner = services.Last(s => s.ServiceType == typeof(IWorkflowStore)).ImplementationType!;
        services.AddSingleton(provider => new WatchedStore((IWorkflowStore)ActivatorUtilities.CreateInstance(provider, inner)));
        services.AddSingleton<IWorkflowStore>(provider => provider.GetRequiredService<WatchedStore>());
        services.AddWorkflowEngine(catalog => catalog.Add<ElevenSteps.Nothing>());
        await using var provider = services.BuildServiceProvider();
        await provider.GetRequiredService<IDatabase>().MigrateAsync(CancellationToken.None);
        await provider.GetRequiredService<WorkflowDefinitions>().PublishAsync(ElevenSteps.Json, "benchmark", CancellationToken.None);
        var hosted = provider.GetServices<IHostedService>().ToList();
        foreach (var service in hosted)
        {
            await service.StartAsync(CancellationToken.None);
        }

        var store = provider.GetRequiredService<WatchedStore>();
        var runtime = provider.GetRequiredService<IWorkflowRuntime>();
        for (var i = 0; i < 20; i++)
        {
            await RunOnceAsync(store, runtime);
        }

        store.Reset();
        var latencies = new List<double>();
        var started = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, atATime).Select(_ => Task.Run(async () =>
        {
            while (Stopwatch.GetElapsedTime(started) < duration)
            {
                var begun = Stopwatch.GetTimestamp();
                await RunOnceAsync(store, runtime);
                lock (latencies)
                {
                    latencies.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
                }
            }
        })));
        var elapsed = Stopwatch.GetElapsedTime(started).TotalSeconds;
        foreach (var service in hosted)
        {
            await service.StopAsync(CancellationToken.None);
        }

        latencies.Sort();
        var steps = latencies.Count * 11.0;
        Console.WriteLine(FormattableString.Invariant(
            $"{atATime} at a time   {latencies.Count / elapsed,7:N1} runs/s   p50 {At(0.5),7:N1} ms   p99 {At(0.99),7:N1} ms   per step: {store.Transactions / steps:N2} transactions, {store.JournalRows / steps:N2} journal rows ({latencies.Count} runs)"));

        double At(double share) => latencies[(int)Math.Min(latencies.Count - 1, latencies.Count * share)];
    }

    private static async Task RunOnceAsync(WatchedStore store, IWorkflowRuntime runtime)
    {
        var started = await runtime.StartAsync(new StartWorkflow(ElevenSteps.DefinitionId, Actor.System), CancellationToken.None);
        await store.EndedAsync(started.InstanceId);
    }

    /// <summary>Counts what is written and tells when an instance has ended for good.</summary>
    private sealed class WatchedStore(IWorkflowStore inner) : DelegatingWorkflowStore(inner)
    {
        private readonly Lock _lock = new();
        private readonly Dictionary<string, TaskCompletionSource> _ends = [];

        public long Transactions { get; private set; }

        public long JournalRows { get; private set; }

        public void Reset()
        {
            lock (_lock)
            {
                Transactions = 0;
                JournalRows = 0;
            }
        }

        public async Task EndedAsync(string instanceId)
        {
            await End(instanceId).Task;
            lock (_lock)
            {
                _ends.Remove(instanceId);
            }
        }

        public override async Task CommitAsync(StepCommit step, CancellationToken cancellationToken)
        {
            await base.CommitAsync(step, cancellationToken);
            lock (_lock)
            {
                Transactions++;
                JournalRows += step.Events.Count;
            }

            if (step.Releases)
            {
                End(step.Instance.Id).TrySetResult();
            }
        }

        public override async Task<IReadOnlyList<Lease>> ClaimRunnableAsync(string node, DateTimeOffset now, TimeSpan leaseDuration, int max, CancellationToken cancellationToken)
        {
            var leases = await base.ClaimRunnableAsync(node, now, leaseDuration, max, cancellationToken);
            Count(leases.Count > 0);
            return leases;
        }

        public override async Task<bool> RenewLeaseAsync(Lease lease, DateTimeOffset until, CancellationToken cancellationToken)
        {
            Count(true);
            return await base.RenewLeaseAsync(lease, until, cancellationToken);
        }

        private void Count(bool wrote)
        {
            lock (_lock)
            {
                Transactions += wrote ? 1 : 0;
            }
        }

        private TaskCompletionSource End(string instanceId)
        {
            lock (_lock)
            {
                return _ends.TryGetValue(instanceId, out var end)
                    ? end
                    : _ends[instanceId] = new(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }
    }
}
