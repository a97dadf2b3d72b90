using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>Another name, another address, and taking a server off the list: what is asked first, and what stands in the way.</summary>
public sealed class RegistryTests
{
    private static readonly Uri Elsewhere = new("https://rec-1.new.example/");

    [Fact]
    public async Task Address_OfTheSameMachine_IsTaken_OfAnotherOneOrOfNobodyIsNot()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var change = world.Node.Get<ChangeAddress>();

        world.FailedRecorder.MachineId = "another-machine";
        var other = await change.ExecuteAsync(FailbackWorld.Failed, "Hall", Elsewhere, default);
        world.FailedRecorder.MachineId = "machine-of-rec-1";
        world.FailedRecorder.IsCutOff = true;
        var nobody = await change.ExecuteAsync(FailbackWorld.Failed, "Hall", Elsewhere, default);
        var untouched = await world.ServerAsync();
        var renamed = await change.ExecuteAsync(FailbackWorld.Failed, "Hall", untouched.BaseUrl, default);
        world.FailedRecorder.IsCutOff = false;
        var moved = await change.ExecuteAsync(FailbackWorld.Failed, "Hall", Elsewhere, default);
        var again = await change.ExecuteAsync(FailbackWorld.Failed, "Hall", Elsewhere, default);

        other.Message!.ShouldContain("replace the machine instead");
        nobody.Message!.ShouldContain("Check address and network");
        untouched.BaseUrl.ShouldNotBe(Elsewhere);
        renamed.Server!.Name.ShouldBe("Hall", "a name needs nobody's answer");
        moved.Server!.BaseUrl.ShouldBe(Elsewhere);
        again.Server!.Revision.ShouldBe(moved.Server.Revision);
        (await change.ExecuteAsync("nobody", "Hall", Elsewhere, default)).IsUnknown.ShouldBeTrue();
    }

    [Fact]
    public async Task Removal_WhileAnythingDependsOnTheServer_IsRefusedWithWhatToDo()
    {
        await using var world = await FailbackWorld.CreateAsync();

        (await RemoveAsync(world, FailbackWorld.Failed)).Message!.ShouldContain("elsewhere");
        (await RemoveAsync(world, FailbackWorld.Failover)).Message!.ShouldContain($"acts as {FailbackWorld.Failed}");
        await world.ShouldBeDoneAsync(await world.FailBackAsync());
        (await RemoveAsync(world, FailbackWorld.Failover)).Message!.ShouldContain("active failovers");
        (await RemoveAsync(world, FailbackWorld.Failed)).Message!.ShouldContain("active failovers");
        await world.ApplyAsync(new TakeClaims("run", "failover", [DutyClaim.Recorder(FailbackWorld.Spare)], world.Time.GetUtcNow()));
        var busy = await RemoveAsync(world, FailbackWorld.Spare);

        busy.RunId.ShouldBe("run");
        (await world.Get<IVmsServers>().CountAsync(default)).ShouldBe(3);
        (await world.ClaimsAsync()).Count.ShouldBe(1);
    }

    [Fact]
    public async Task Removal_OfAServerThatIsFree_LeavesItsHistoryAndTellsTheRecorderNothing()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.ShouldBeDoneAsync(await world.FailBackAsync());
        var entry = await world.EntryAsync();
        await world.ApplyAsync(new SaveFailoverLogEntry(entry with { MaterialCopy = MaterialCopyState.NothingToCopy }));
        var epoch = (await world.DutyAsync()).Epoch;
        world.Recorders.ForgetCalls();

        (await RemoveAsync(world, FailbackWorld.Failed)).IsRemoved.ShouldBeTrue();

        (await RemoveAsync(world, FailbackWorld.Failed)).IsUnknown.ShouldBeTrue();
        (await world.Get<IVmsServers>().FindAsync(FailbackWorld.Failed, default)).ShouldBeNull();
        (await world.EntryAsync()).FailedServerId.ShouldBe(FailbackWorld.Failed);
        (await world.DutyAsync()).Epoch.ShouldBe(epoch, "whoever is added under this id must not begin below it");
        (await world.ClaimsAsync()).ShouldBeEmpty();
        await world.PollAsync();
        world.Recorders.Calls.ShouldNotContain(call => call.ServerId == FailbackWorld.Failed);
        (await world.NewsAsync()).ShouldContain(n => n.Kind == "server" && n.Text!.EndsWith("was removed.", StringComparison.Ordinal));
    }

    private static Task<RemoveVmsServerResult> RemoveAsync(FailbackWorld world, string serverId) => world.Node.Get<RemoveVmsServer>().ExecuteAsync(serverId, default);
}
