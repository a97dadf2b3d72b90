using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Testing.Engine;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>
/// Whoever takes a run over raises the fence at a recorder before it reads there what it decides by: a late call of the earlier holder
/// must not change what was read. Taken over at every commit of a failback.
/// </summary>
public sealed class FailbackFenceTests
{
    private static readonly string[] Reads = ["GetRecording", "GetSettings", "ValidateSettings"];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Run_TakenOver_RaisesTheNewFenceBeforeItsFirstRead(bool isUndone)
    {
        var readAfterTakeover = new HashSet<string>();
        var commits = await CountCommitsAsync(isUndone);
        for (var commit = 1; commit < commits; commit++)
        {
            await using var world = await ArrangeAsync(isUndone);
            var crashing = new CrashingWorkflowStore(world.Store, CrashMoment.AfterCommit, commit);
            var first = await world.StartNodeAsync(behind: crashing);
            try
            {
                await world.StartFailbackAsync(node: first);
            }
            catch (NodeDiedException)
            {
                // The start itself was the commit it died at.
            }

            await crashing.Died.WaitAsync(TimeSpan.FromSeconds(30));
            await first.StopAsync();
            var before = world.Recorders.Calls;
            var second = await world.StartNodeAsync();
            await world.EndAsync((await world.StartFailbackAsync(node: second)).RunId!);

            var oldFence = before.Where(c => c.Name == "RaiseFence" || c.Key is not null).Max(c => c.Authority?.Fence) ?? 0;
            var after = world.Recorders.Calls.Skip(before.Count).ToList();
            foreach (var server in new[] { FailbackWorld.Failed, FailbackWorld.Failover })
            {
                var calls = after.Where(c => c.ServerId == server && c.Identity == FailbackWorld.Failed).ToList();
                if (calls.Find(c => Reads.Contains(c.Name)) is { } read)
                {
                    readAfterTakeover.Add($"{server} {read.Name}");
                    calls.TakeWhile(c => c != read).ShouldContain(
                        c => c.Authority != null && c.Authority.Fence > oldFence,
                        $"After commit {commit}: {string.Join(", ", calls.Select(c => c.Name))}");
                }
            }
        }

        // Otherwise this would hold because nothing was looked at.
        readAfterTakeover.ShouldContain($"{FailbackWorld.Failed} GetRecording");
        readAfterTakeover.ShouldContain($"{FailbackWorld.Failover} GetSettings");
    }

    [Fact]
    public async Task Run_TakenOverWhileFramesAreAwaited_RaisesTheNewFenceAtTheFailedServerFirst()
    {
        await using var world = await FailbackWorld.CreateAsync(startsNode: false);
        world.FailedRecorder.DarkChannels.Add("video-1");
        await world.SetPolicyAsync(new() { ConfirmTimeout = TimeSpan.FromMinutes(5) });
        world.Store.MovesClock = false;
        var first = await world.StartNodeAsync();
        var waits = new TaskCompletionSource();
        world.Store.Waiting = _ =>
        {
            waits.TrySetResult();
            return Task.CompletedTask;
        };
        var started = await world.StartFailbackAsync(node: first);
        await waits.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await first.StopAsync();
        var before = world.Recorders.Calls.Count;
        world.FailedRecorder.DarkChannels.Clear();
        world.Store.MovesClock = true;
        world.Time.Advance(TimeSpan.FromSeconds(1));

        await world.StartNodeAsync("node-2");
        await world.ShouldBeDoneAsync(await world.EndAsync(started.RunId!));

        var calls = world.Recorders.Calls.Skip(before).Where(c => c.ServerId == FailbackWorld.Failed && c.Identity is not null).Select(c => c.Name).ToList();
        calls[..2].ShouldBe(["RaiseFence", "GetRecording"]);
    }

    // Its own fence would be above that of whoever has the run by then, and a recorder that heard of it would refuse what is right.
    [Fact]
    public async Task Run_TakenOverWhileItIsTakenUp_LeavesTheFenceToWhoeverHasIt()
    {
        await using var world = await FailbackWorld.CreateAsync(startsNode: false);
        var first = await world.StartNodeAsync();
        var takenOver = new TaskCompletionSource<IReadOnlyList<Lease>>();
        world.Recorders.Before(FailbackWorld.Failover, "GetStatus", () => TakeOverAsync().GetAwaiter().GetResult());

        var started = await world.StartFailbackAsync(node: first);
        (await takenOver.Task.WaitAsync(TimeSpan.FromSeconds(30))).ShouldHaveSingleItem().InstanceId.ShouldBe(started.RunId);
        await world.StartNodeAsync("node-2");
        await world.ShouldBeDoneAsync(await world.EndAsync(started.RunId!));

        (await world.DutyAsync()).Fence.ShouldBe(8, "node-2 has drawn the one after 7, and nobody another one");
        world.Recorders.Calls.Where(call => call.Name == "RaiseFence").ShouldAllBe(call => call.Authority!.Fence == 8);

        async Task TakeOverAsync()
        {
            var later = world.Clock.GetUtcNow().AddHours(1);
            var claimed = await world.Store.ClaimRunnableAsync("node-2", later, TimeSpan.FromSeconds(30), 1, CancellationToken.None);
            await world.ApplyAsync(new RaiseFence(FailbackWorld.Failed, 7));
            takenOver.TrySetResult(claimed);
        }
    }

    // An abandonment, or a reconciliation, takes the claim away from a run that somebody redrives at that moment.
    [Fact]
    public async Task Run_WhoseClaimIsTakenAwayWhileItIsTakenUp_DrawsNoFence()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.Before(FailbackWorld.Failover, "GetStatus", () => TakeAwayAsync().GetAwaiter().GetResult());

        var run = await world.FailBackAsync();

        (run.SubStatus, run.Report.Incidents.Single().Fault.Kind).ShouldBe((WorkflowSubStatus.Faulted, "claim.missing"));
        (await world.DutyAsync()).Fence.ShouldBe(1);
        world.Recorders.Calls.ShouldNotContain(call => call.Name == "RaiseFence");

        async Task TakeAwayAsync()
        {
            var claim = (await world.Get<IDuties>().ListClaimsAsync(CancellationToken.None)).First();
            await world.ApplyAsync(new ReleaseClaims(claim.InstanceId));
        }
    }

    private static async Task<int> CountCommitsAsync(bool isUndone)
    {
        await using var world = await ArrangeAsync(isUndone);
        await world.StartNodeAsync();
        await world.FailBackAsync();
        return world.Store.Commits.Count;
    }

    private static async Task<FailbackWorld> ArrangeAsync(bool isUndone)
    {
        var world = await FailbackWorld.CreateAsync(startsNode: false);
        if (isUndone)
        {
            await world.SetPolicyAsync(new() { ConfirmTimeout = TimeSpan.FromSeconds(1) });
            world.FailedRecorder.DarkChannels.Add("video-1");
        }

        return world;
    }
}
