using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Values;
using FailbackWorkflows.Testing.Failback;
using FailbackWorkflows.Testing.Persistence;
using Shouldly;
using Xunit;
using Xunit.Abstractions;

namespace FailbackWorkflows.Persistence.Tests.CrashPoints;

/// <summary>Twenty runs wait for one event, and the process dies at any durable write of its delivery: all of them get it, once.</summary>
public abstract class EventDeliveryCompliance(ITestOutputHelper output)
{
    private const int Waiting = 20;
    private const string Payload = "It opened at noon.";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private const string Definition =
        """
        {
          "definitionId": "waits",
          "name": "Waits for the door",
          "outputs": [{ "name": "Heard", "type": "Object" }],
          "root": {
            "id": "flow", "type": "Elsa.Flowchart",
            "activities": [
              { "id": "wait", "type": "Elsa.Event",
                "eventName": { "typeName": "String", "expression": { "type": "Literal", "value": "door" } },
                "result": { "typeName": "Object", "memoryReference": { "id": "Heard" } } },
              { "id": "said", "type": "Elsa.WriteLine", "text": { "typeName": "String", "expression": { "type": "Literal", "value": "It opened." } } }
            ],
            "connections": [{ "source": "wait", "target": "said" }]
          }
        }
        """;

    private protected abstract Task<FailbackWorld> BuildWorldAsync(ProcessLife life);

    /// <summary>Points that are tried when nobody says how many; null: all.</summary>
    private protected abstract int? UsualSample { get; }

    [Fact]
    public async Task Event_WhoseDeliveryIsCutShort_ReachesEveryInstanceOnce()
    {
        var writes = await DeliverAsync();
        writes.ShouldBeGreaterThan(2, "the delivery, and the steps of those it reached, which may share transactions");

        await CrashSweep.TryAsync(writes, UsualSample, KillAsync, output, leastDied: 0.5);
    }

    /// <summary>Undisturbed.</summary>
    private async Task<int> DeliverAsync()
    {
        var life = new ProcessLife();
        await using var world = await BuildWorldAsync(life);
        var waiting = await WaitAsync(world);
        life.Count();
        (await TellAsync(world)).Order(StringComparer.Ordinal).ShouldBe(waiting.Order(StringComparer.Ordinal));
        await EndAllAsync(world, waiting);
        var writes = life.Writes;
        (await DifferencesAsync(world, waiting)).ShouldBeEmpty();
        return writes;
    }

    private async Task<CrashResult> KillAsync(CrashPoint point)
    {
        var life = new ProcessLife();
        await using var world = await BuildWorldAsync(life);
        var waiting = await WaitAsync(world);
        life.EndAt(point.Moment, point.Write);
        var isAcknowledged = false;
        try
        {
            await TellAsync(world);
            isAcknowledged = true;
            await EndAllAsync(world, waiting);
        }
        catch (Exception) when (life.IsOver)
        {
            // Nobody hears it.
        }

        var (died, writes) = (life.IsOver, life.Writes);
        await world.RestartAsync();
        await world.StartNodeAsync();
        if (!isAcknowledged)
        {
            // Whoever was not told that it arrived tells it again.
            await TellAsync(world);
        }

        await EndAllAsync(world, waiting);
        return new(died, writes, await DifferencesAsync(world, waiting));
    }

    /// <summary>Starts the runs; they wait when it returns.</summary>
    private static async Task<IReadOnlyList<string>> WaitAsync(FailbackWorld world)
    {
        var waiting = new HashSet<string>(StringComparer.Ordinal);
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        world.Store.Committed = commit =>
        {
            lock (waiting)
            {
                if (commit.Releases && waiting.Add(commit.Instance.Id) && waiting.Count == Waiting)
                {
                    all.SetResult();
                }
            }

            return Task.CompletedTask;
        };
        await world.Node.Get<WorkflowDefinitions>().PublishAsync(Definition, "test", default);
        for (var i = 0; i < Waiting; i++)
        {
            await world.Node.Runtime.StartAsync(new StartWorkflow("waits", Actor.System), default);
        }

        await all.Task.WaitAsync(Patience);
        world.Store.Committed = null;
        return [.. waiting];
    }

    private static Task<IReadOnlyList<string>> TellAsync(FailbackWorld world) => world.NewestNode.Runtime.ResumeAsync(Stimulus.Event("door", FailbackWorld.Operator, Payload), default);

    private static async Task EndAllAsync(FailbackWorld world, IReadOnlyList<string> instances)
    {
        foreach (var id in instances)
        {
            await world.EndAsync(id);
        }
    }

    private static async Task<IReadOnlyList<string>> DifferencesAsync(FailbackWorld world, IReadOnlyList<string> instances)
    {
        var differences = new List<string>();
        if ((await CrashPlay.RunsAsync(world)).Count is var runs && runs != instances.Count)
        {
            differences.Add($"{runs} runs");
        }

        foreach (var id in instances)
        {
            // The world proves that the journal folds to what is stored.
            var run = await world.ReadAsync(id);
            var heard = run.Journal.OfType<StimulusReceived>().Select(s => s.Payload).ToList();
            var said = run.Journal.OfType<ActivityCompleted>().Count(a => a.NodeId.EndsWith("said", StringComparison.Ordinal));
            var output = (await world.NewestNode.Runtime.FindAsync(id, default))!.Output;
            if (heard is not [Payload] || said != 1 || run.SubStatus != WorkflowSubStatus.Finished || PlainValue.ToText(output?.GetValueOrDefault("Heard")) != Payload)
            {
                differences.Add($"{id}: {run.SubStatus}, heard {heard.Count} times, said {said} times, result {output?.GetValueOrDefault("Heard")}");
            }
        }

        return differences;
    }
}
