using System.Collections.Concurrent;
using System.Diagnostics;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Persistence;

namespace FailbackWorkflows.Benchmarks.Durable;

/// <summary>1,000 starts at the same moment on one node: how soon all are accepted and how soon all have ended; none is lost and none runs twice.</summary>
internal static class Burst
{
    private const int WarmUps = 100;
    private const int Steps = 11;
    private static readonly ConcurrentDictionary<string, int> Executions = new(StringComparer.Ordinal);

    public static async Task<int> RunAsync(Options options)
    {
        var starts = Math.Max(1, options.Number("starts", 1_000));
        var rounds = Math.Max(1, options.Number("rounds", 3));
        await using var node = await DurableNode.StartAsync(options.Text("database", "postgres"), ElevenSteps.Json, c => c.Add<Counted>());
        Console.WriteLine($"{starts} starts at once of a flowchart of {Steps} trivial code activities on one node, {rounds} rounds, medians");
        Console.WriteLine(node.Description);
        await StartAsync(node, WarmUps, "warm-up");
        var (accepted, ended) = (new List<double>(), new List<double>());
        for (var round = 0; round < rounds; round++)
        {
            var times = await StartAsync(node, starts, $"round-{round}");
            accepted.Add(times.Accepted.TotalSeconds);
            ended.Add(times.Ended.TotalSeconds);
        }

        Console.WriteLine(FormattableString.Invariant($"all accepted after {accepted.Median():N2} s, all ended after {ended.Median():N2} s: {starts / ended.Median():N1} runs/s, none lost, none twice"));
        return 0;
    }

    private static async Task<(TimeSpan Accepted, TimeSpan Ended)> StartAsync(DurableNode node, int starts, string round)
    {
        Executions.Clear();
        var started = Stopwatch.GetTimestamp();
        var instances = await Task.WhenAll(Enumerable.Range(0, starts).Select(i => Task.Run(() =>
            node.Runtime.StartAsync(new StartWorkflow(ElevenSteps.DefinitionId, Actor.System) { StartKey = $"{round}/{i}" }, CancellationToken.None))));
        var accepted = Stopwatch.GetElapsedTime(started);
        await Task.WhenAll(instances.Select(i => node.Store.RestedAsync(i.InstanceId)));
        var ended = Stopwatch.GetElapsedTime(started);

        // By what was executed here and by what the database says.
        if (Executions.Count != starts || Executions.Values.Any(count => count != Steps))
        {
            throw new InvalidOperationException($"{Executions.Count} of {starts} instances ran, with {Executions.Values.Sum()} executions of {starts * Steps} activities.");
        }

        await RequireAsync(node, $"SELECT count(*) FROM workflow_instances WHERE start_key LIKE '{round}/%' AND sub_status = 'Finished'", starts);
        await RequireAsync(node, $"SELECT count(*) FROM journal j JOIN workflow_instances i ON i.id = j.instance_id WHERE i.start_key LIKE '{round}/%' AND j.kind = 'activityCompleted' AND j.node_id LIKE '%step%'", (long)starts * Steps);
        await RequireAsync(node, "SELECT count(*) FROM wake_ups", 0);
        return (accepted, ended);
    }

    private static async Task RequireAsync(DurableNode node, string query, long expected)
    {
        await using var session = await node.Get<IDatabase>().BeginWriteAsync(CancellationToken.None);
        await using var command = session.Command(query);
        var found = Convert.ToInt64(await command.ExecuteScalarAsync(), System.Globalization.CultureInfo.InvariantCulture);
        if (found != expected)
        {
            throw new InvalidOperationException($"{found} instead of {expected}: {query}");
        }
    }

    [Activity("Benchmark.Nothing")]
    public sealed class Counted : CodeActivity
    {
        protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
        {
            Executions.AddOrUpdate(context.InstanceId, 1, static (_, count) => count + 1);
            return ValueTask.FromResult(ActivityResult.Completed());
        }
    }
}
