using FailbackWorkflows.Testing.Engine;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>
/// The management server is killed at every commit of a material copy, just before it and just after it. Its next life brings the copy home,
/// and each command took effect at the recorders once, under the same key.
/// </summary>
public sealed class MaterialCopyCrashTests
{
    [Theory]
    [InlineData(CrashMoment.BeforeCommit)]
    [InlineData(CrashMoment.AfterCommit)]
    public async Task Manager_KilledAtEachCommit_BringsTheMaterialHomeAndCommandsOnce(CrashMoment moment)
    {
        var reference = await RunUndisturbedAsync();
        for (var commit = 1; commit <= reference.Commits; commit++)
        {
            (await CrashAtAsync(moment, commit)).ShouldBe(reference.Effects, $"{moment} {commit}");
        }
    }

    private static async Task<IReadOnlyList<string>> CrashAtAsync(CrashMoment moment, int commit)
    {
        var play = await MaterialCopyPlay.CreateAsync(startsNode: false);
        await using var world = play.World;
        var crashing = new CrashingWorkflowStore(world.Store, moment, commit);
        var first = await world.StartNodeAsync(behind: crashing);
        var over = crashing.Died;
        try
        {
            // How often a run looks depends on what wakes it first, so one may need a commit less than the undisturbed one and outlive its fate.
            over = Task.WhenAny(crashing.Died, world.Store.EndedAsync((await play.StartAsync(node: first)).RunId!));
        }
        catch (NodeDiedException)
        {
            // The start itself was the commit it died at; the operator clicks again.
        }

        await over.WaitAsync(TimeSpan.FromSeconds(60));
        await first.StopAsync();
        var second = await world.StartNodeAsync();
        var started = await play.StartAsync(node: second);
        var run = await world.EndAsync(started.RunId!);
        await play.ShouldBeCopiedAsync(run);
        return EffectsOf(world, run.Id);
    }

    private static async Task<(int Commits, IReadOnlyList<string> Effects)> RunUndisturbedAsync()
    {
        var play = await MaterialCopyPlay.CreateAsync();
        await using var world = play.World;
        var before = world.Store.Commits.Count;
        var run = await play.CopyAsync();
        await play.ShouldBeCopiedAsync(run);
        return (world.Store.Commits.Count - before, EffectsOf(world, run.Id));
    }

    /// <summary>What the copy commanded, without the number of the execution: how often it looked in between depends on when it was woken.</summary>
    private static IReadOnlyList<string> EffectsOf(FailbackWorld world, string runId) =>
        [.. world.Recorders.Effects.Where(e => e.Key!.StartsWith(runId, StringComparison.Ordinal)).Select(e => $"{e.ServerId} {e.Name}")];
}
