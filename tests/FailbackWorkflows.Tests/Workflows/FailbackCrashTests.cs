using FailbackWorkflows.Failback;
using FailbackWorkflows.Testing.Engine;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>
/// Scenario 26: the management server is killed at every commit of a failback, just before it and just after it. Its next life brings the
/// run to the same end, and each command took effect at the recorders once.
/// </summary>
public sealed class FailbackCrashTests
{
    private static readonly Lazy<Task<Reference>> Done = new(() => RunUndisturbedAsync("done"));
    private static readonly Lazy<Task<Reference>> Undone = new(() => RunUndisturbedAsync("undone"));

    [Theory]
    [InlineData("done", CrashMoment.BeforeCommit)]
    [InlineData("done", CrashMoment.AfterCommit)]
    [InlineData("undone", CrashMoment.BeforeCommit)]
    [InlineData("undone", CrashMoment.AfterCommit)]
    public async Task Manager_KilledAtEachCommit_EndsTheSameAndCommandsOnce(string ending, CrashMoment moment)
    {
        var reference = await (ending == "done" ? Done : Undone).Value;
        for (var commit = 1; commit <= reference.Commits; commit++)
        {
            var (run, effects) = await CrashAtAsync(ending, moment, commit);
            run.ShouldBe(ending, $"{moment} {commit}");
            effects.ShouldBe(reference.Effects, $"{moment} {commit}");
        }
    }

    private static async Task<(string Result, IReadOnlyList<string> Effects)> CrashAtAsync(string ending, CrashMoment moment, int commit)
    {
        await using var world = await ArrangeAsync(ending);
        var crashing = new CrashingWorkflowStore(world.Store, moment, commit);
        var first = await world.StartNodeAsync(behind: crashing);
        try
        {
            await world.StartFailbackAsync(node: first);
        }
        catch (NodeDiedException)
        {
            // The start itself was the commit it died at; the operator clicks again.
        }

        await crashing.Died.WaitAsync(TimeSpan.FromSeconds(30));
        await first.StopAsync();
        var second = await world.StartNodeAsync();
        var started = await world.StartFailbackAsync(node: second);
        var run = await world.EndAsync(started.RunId!);
        await CheckAsync(world, ending, run);
        return (run.Result, world.EffectsOf(run.Id));
    }

    private static async Task<Reference> RunUndisturbedAsync(string ending)
    {
        await using var world = await ArrangeAsync(ending);
        await world.StartNodeAsync();
        var run = await world.FailBackAsync();
        await CheckAsync(world, ending, run);
        return new(world.Store.Commits.Count, world.EffectsOf(run.Id));
    }

    private static async Task<FailbackWorld> ArrangeAsync(string ending)
    {
        var world = await FailbackWorld.CreateAsync(startsNode: false);
        if (ending == "undone")
        {
            // Dark from the first look on, and nobody waits for it.
            await world.SetPolicyAsync(new() { ConfirmTimeout = TimeSpan.FromSeconds(1) });
            world.FailedRecorder.DarkChannels.Add("video-1");
        }

        return world;
    }

    private static async Task CheckAsync(FailbackWorld world, string ending, EndedRun run)
    {
        if (ending == "done")
        {
            await world.ShouldBeDoneAsync(run);
        }
        else
        {
            await world.ShouldBeUndoneAsync(run, FailbackWorld.FailoverEpoch + 2);
            world.ShouldStandByAsBefore();
        }
    }

    private sealed record Reference(int Commits, IReadOnlyList<string> Effects);
}
