using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Reconciliation;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Postgres;

/// <summary>Two nodes on one PostgreSQL database, of which one polls.</summary>
public sealed class PostgresOnePollTests
{
    [Fact]
    public async Task WhatTheOneOnWatchHears_TheOtherDoubtsByAndDrawsAbove_AndPollsThatFindNothingNewCommitNothing()
    {
        await using var world = await FailbackWorld.CreateOnPostgresAsync(startsNode: false);
        var nodes = new[] { await world.StartWatchingNodeAsync("node-a"), await world.StartWatchingNodeAsync("node-b") };
        await SweepAsync(TimeSpan.FromSeconds(10));
        var (before, words) = (world.Get<IDatabase>().Commits, await world.Words.ListAsync(default));
        world.Recorders.ForgetCalls();

        await SweepAsync(TimeSpan.FromSeconds(30));

        world.Recorders.Calls.Where(c => c.Name == "GetStatus").GroupBy(c => c.ServerId).Select(g => g.Count()).ShouldBe([6, 6, 6], "six intervals");
        (world.Get<IDatabase>().Commits - before).ShouldBeLessThanOrEqualTo(13, "twelve beats of the watch, and nothing else");
        (await world.Words.ListAsync(default)).Count.ShouldBe(words.Count);

        world.Recorders[FailbackWorld.Spare].Duty(FailbackWorld.Failed).Become(DutyRole.Standby, 9, "later", isRecording: false);
        await SweepAsync(TimeSpan.FromSeconds(6));
        world.Recorders[FailbackWorld.Spare].Die();

        nodes[1].Get<IWatch>().IsOurs.ShouldBeFalse();
        var doubt = await nodes[1].Get<RecordersKnowMore>().FindAsync(FailbackWorld.Failed, default);
        doubt.ShouldNotBeNull().Kind.ShouldBe(DoubtKind.Epoch);
        (await nodes[1].Get<RecordersKnowMore>().ListAsync(default)).ShouldBe([doubt]);
        var run = await world.EndAsync((await world.StartFailbackAsync(node: nodes[1])).RunId!);
        run.Result.ShouldBe("done", run.Message);
        (await world.DutyAsync()).Epoch.ShouldBeGreaterThan(9);

        async Task SweepAsync(TimeSpan length)
        {
            for (var i = 0; i < length / TimeSpan.FromMilliseconds(100); i++)
            {
                foreach (var node in nodes)
                {
                    await FailbackWorld.SweepAsync(node);
                }

                world.Time.Advance(TimeSpan.FromMilliseconds(100));
            }
        }
    }
}
