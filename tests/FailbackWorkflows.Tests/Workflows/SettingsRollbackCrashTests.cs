using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Testing.Engine;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>
/// The management server is killed at every commit of a settings rollback, just before it and just after it. Its next life brings the run to the
/// same end, and each command took effect at the recorder once.
/// </summary>
public sealed class SettingsRollbackCrashTests
{
    private const string Server = FailbackWorld.Spare;

    [Theory]
    [InlineData("done", CrashMoment.BeforeCommit)]
    [InlineData("done", CrashMoment.AfterCommit)]
    [InlineData("undone", CrashMoment.BeforeCommit)]
    [InlineData("undone", CrashMoment.AfterCommit)]
    public async Task Manager_KilledAtEachCommit_EndsTheSameAndCommandsOnce(string ending, CrashMoment moment)
    {
        var (commits, expected) = await RunUndisturbedAsync(ending);
        for (var commit = 1; commit <= commits; commit++)
        {
            (await CrashAtAsync(ending, moment, commit)).ShouldBe(expected, $"{moment} {commit}");
        }
    }

    private static async Task<IReadOnlyList<string>> CrashAtAsync(string ending, CrashMoment moment, int commit)
    {
        await using var world = await ArrangeAsync(ending);
        var crashing = new CrashingWorkflowStore(world.Store, moment, commit);
        var first = await world.StartNodeAsync(behind: crashing);
        var over = crashing.Died;
        try
        {
            // How often the run looks for pictures depends on what wakes it, so it may need a commit less and outlive its fate.
            over = Task.WhenAny(crashing.Died, world.Store.EndedAsync((await StartAsync(first)).RunId!));
        }
        catch (NodeDiedException)
        {
            // The start itself was the commit it died at; the administrator clicks again.
        }

        await over.WaitAsync(TimeSpan.FromSeconds(60));
        await first.StopAsync();
        var second = await world.StartNodeAsync();
        return await CheckAsync(world, ending, await world.EndAsync((await StartAsync(second)).RunId!));
    }

    private static async Task<(int Commits, IReadOnlyList<string> Effects)> RunUndisturbedAsync(string ending)
    {
        await using var world = await ArrangeAsync(ending);
        var run = await world.EndAsync((await StartAsync(await world.StartNodeAsync())).RunId!);
        return (world.Store.Commits.Count, await CheckAsync(world, ending, run));
    }

    private static async Task<FailbackWorld> ArrangeAsync(string ending)
    {
        var world = await FailbackWorld.CreateAsync(startsNode: false);
        await world.ApplyAsync(new SaveSettings(new CachedSettings(Server, Server, 1, 1, Outcomes.OldDigest, world.Time.GetUtcNow(), FakeSettings.Content(1))));
        world.Recorders[Server].Duty(Server).Activate(FakeSettings.Content(2));
        if (ending == "undone")
        {
            await world.SetPolicyAsync(new() { ConfirmTimeout = TimeSpan.FromSeconds(1) });
            world.Recorders.After(Server, "ActivateSettings", () => world.Recorders[Server].DarkChannels.Add("video-1"));
        }

        return world;
    }

    private static Task<StartRunResult> StartAsync(FailbackNode node) =>
        node.Get<StartSettingsRollback>().ExecuteAsync(new(Server, 1, "request-1", FailbackWorld.Operator, "Wrong mask."), default);

    private static async Task<IReadOnlyList<string>> CheckAsync(FailbackWorld world, string ending, EndedRun run)
    {
        run.Result.ShouldBe(ending, run.Message);
        var duty = world.Recorders[Server].Duty(Server);
        (duty.Sha256, duty.IsRecording).ShouldBe((ending == "done" ? Outcomes.OldDigest : Outcomes.NewDigest, true));
        (await world.ClaimsAsync()).ShouldBeEmpty();
        world.ShouldHaveCommandedOnce();
        (await world.Get<ISettingsCache>().FindNewestAsync(Server, default))!.Sha256.ShouldBe(duty.Sha256);
        return [.. world.Recorders.Effects.Select(e => $"{e.ServerId} {e.Name}")];
    }
}
