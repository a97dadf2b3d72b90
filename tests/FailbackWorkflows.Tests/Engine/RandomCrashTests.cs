using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Testing;
using FailbackWorkflows.Testing.Engine;
using Shouldly;
using Xunit;
using Xunit.Abstractions;

namespace FailbackWorkflows.Tests.Engine;

/// <summary>Random workflows over all containers, killed after every one of their steps: the next life comes to the very same state.</summary>
public sealed class RandomCrashTests(ITestOutputHelper output)
{
    private const int Workflows = 12;
    private const int MostCommits = 25;

    [Fact]
    public async Task Run_KilledAfterAnyStep_EndsInTheSameState()
    {
        // FAILBACK_SEED repeats a run that failed.
        var seed = int.TryParse(Environment.GetEnvironmentVariable("FAILBACK_SEED"), out var given) ? given : Random.Shared.Next();
        output.WriteLine($"FAILBACK_SEED={seed}");
        var catalog = new ActivityCatalog();
        TestHosts.AddTestActivities(catalog);
        var reader = new DefinitionReader(catalog);
        var lives = 0;
        for (var i = 0; i < Workflows; i++)
        {
            var workflow = new RandomWorkflow(unchecked(seed + i), reader, isStraight: true);
            var (undisturbed, commits) = await RunAsync(workflow.Text);
            for (var commit = 1; commit <= Math.Min(commits, MostCommits); commit++)
            {
                lives++;
                (await RunAsync(workflow.Text, commit)).Instance.Snapshot.ShouldBe(undisturbed.Snapshot, $"seed {seed} + {i}, killed at commit {commit} of {commits}");
            }
        }

        output.WriteLine($"{lives} lives were cut short");
        lives.ShouldBeGreaterThan(Workflows);
    }

    private static async Task<(StoredInstance Instance, long Commits)> RunAsync(string json, int? killedAt = null)
    {
        var store = new InMemoryWorkflowStore();
        var time = new FakeTimeProvider();
        if (killedAt is { } commit)
        {
            var crashing = new CrashingWorkflowStore(store, commit % 2 == 0 ? CrashMoment.BeforeCommit : CrashMoment.AfterCommit, commit);
            await using var first = await EngineHost.StartAsync(store, time, TestHosts.AddTestActivities, addServices: Behaving().AddTo, behind: crashing);
            await first.PublishAsync(json);
            try
            {
                await first.Runtime.StartAsync(Start, CancellationToken.None);
                await crashing.Died.WaitAsync(TimeSpan.FromSeconds(30));
            }
            catch (NodeDiedException) when (commit == 1)
            {
                // The start itself was the last thing this node did; its caller asks again.
            }
        }

        await using var host = await TestHosts.StartAsync(Behaving(), store, time);
        await host.PublishAsync(json);
        var started = await host.Runtime.StartAsync(Start, CancellationToken.None);
        var instance = await store.WaitForAsync(started.InstanceId, i => i.Status == WorkflowStatus.Finished);
        Folds.Check(host, instance);
        return (instance, store.CommitCount);
    }

    private static StartWorkflow Start => new("test", Actor.System) { StartKey = "once", Input = new Dictionary<string, object?> { ["In1"] = "given" } };

    private static Behaviours Behaving() => new Behaviours();
}
