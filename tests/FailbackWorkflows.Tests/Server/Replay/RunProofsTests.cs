using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Persistence;
using FailbackWorkflows.Server.Replay;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server.Replay;

/// <summary>A run is proven by deriving it again, and what does not follow is named.</summary>
public sealed class RunProofsTests
{
    [Fact]
    public async Task Prove_ARunAsItWas_FindsTheSameDecisionsAndState()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var run = await world.FailBackAsync();
        var proof = (await ProofsOf(world).ProveAsync(run.Id, CancellationToken.None)).ShouldNotBeNull();
        (proof.IsProven, proof.Events, proof.Difference).ShouldBe((true, run.Journal.Count, null));
        (await ProofsOf(world).ProveAsync("no such run", CancellationToken.None)).ShouldBeNull();
    }

    [Theory]
    [InlineData("UPDATE journal SET payload = replace(payload, '\"Valid\"', '\"Invalid\"') WHERE sequence = 4", false)]
    [InlineData("UPDATE workflow_instances SET snapshot = replace(snapshot, 'rec-2', 'rec-9')", true)]
    public async Task Prove_ARunThatWasChanged_NamesTheDifference(string change, bool onlyTheState)
    {
        await using var world = await FailbackWorld.CreateAsync();
        var run = await world.FailBackAsync();
        await using (var session = await world.Get<IDatabase>().BeginWriteAsync(CancellationToken.None))
        {
            (await session.ExecuteAsync(change, CancellationToken.None)).ShouldBe(1);
            await session.CommitAsync(CancellationToken.None);
        }

        var proof = (await ProofsOf(world).ProveAsync(run.Id, CancellationToken.None))!;
        proof.IsProven.ShouldBeFalse();
        (proof.Difference is null).ShouldBe(onlyTheState);
    }

    private static RunProofs ProofsOf(FailbackWorld world) => new(world.Store, world.Node.Get<WorkflowDefinitions>());
}
