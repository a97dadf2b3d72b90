using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing.Failback;
using FailbackWorkflows.Failback.Duties;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Failback.VmsServers;

public sealed class RegisterVmsServerTests
{
    [Fact]
    public async Task Recorder_ThatAnswers_IsRegisteredWithItsDutyAndSettings()
    {
        await using var world = await FailbackWorld.CreateEmptyAsync();
        world.Recorders.Add("new").Duty("new").Become(DutyRole.Recorder, 7, "factory", isRecording: true).Activate(FakeSettings.Content(1));

        var result = await RegisterAsync(world, "new");

        (result.Message, result.IsDuplicate).ShouldBe((null, false));
        var server = await world.ServerAsync("new");
        (server.MachineId, server.State, server.Connection, server.SoftwareVersion).ShouldBe(("machine-of-new", VmsServerState.Ok, ConnectionState.Connected, "1.4.0"));
        server.ProtectedCredential.ShouldBe("protected:token-of-new");
        result.Server.ShouldBe(server);
        (await world.DutyAsync("new")).ShouldBe(new Duty("new", "new", 7, "factory", 0));
        (await world.Get<ISettingsCache>().FindNewestAsync("new", default))!.Sha256.ShouldBe(Workflows.Outcomes.OldDigest);
    }

    [Fact]
    public async Task Recorder_WithoutADutyOfItsOwn_IsRegisteredAsAFailoverServer()
    {
        await using var world = await FailbackWorld.CreateEmptyAsync();
        world.Recorders.Add("new");

        (await RegisterAsync(world, "new")).Server.ShouldNotBeNull();

        (await world.Get<IDuties>().FindAsync("new", default)).ShouldBeNull();
    }

    [Theory]
    [InlineData("")]
    [InlineData("New")]
    [InlineData("-new")]
    [InlineData("../new")]
    [InlineData("nëw")]
    [InlineData("a23456789012345678901234567890123456789012345678901234567890123456")]
    public async Task Id_NotAllowed_IsRefusedWithTheRule(string id)
    {
        await using var world = await FailbackWorld.CreateEmptyAsync();

        var result = await RegisterAsync(world, id);

        (result.Server, result.IsDuplicate).ShouldBe((null, false));
        result.Message!.ShouldContain("1 to 64");
        world.Recorders.Calls.ShouldBeEmpty();
    }

    [Fact]
    public async Task Recorder_ThatDoesNotAnswer_IsNotRegistered()
    {
        await using var world = await FailbackWorld.CreateEmptyAsync();
        world.Recorders.Add("new").IsCutOff = true;

        (await RegisterAsync(world, "new")).Message!.ShouldContain("could not be asked");

        (await world.Get<IVmsServers>().ListAsync(default)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Id_Taken_IsADuplicate()
    {
        await using var world = await FailbackWorld.CreateAsync();

        (await RegisterAsync(world, FailbackWorld.Failed)).IsDuplicate.ShouldBeTrue();
    }

    [Fact]
    public async Task Machine_RegisteredUnderAnotherId_IsADuplicateThatIsNamed()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.Add("new").MachineId = "machine-of-rec-2";

        var result = await RegisterAsync(world, "new");

        result.IsDuplicate.ShouldBeTrue();
        result.Message!.ShouldContain("'rec-2'");
    }

    [Fact]
    public async Task Id_RegisteredTwiceAtTheSameMoment_OneIsADuplicate()
    {
        await using var world = await FailbackWorld.CreateEmptyAsync();
        world.Recorders.Add("new");

        var results = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => RegisterAsync(world, "new"))));

        results.Count(r => r.Server is not null).ShouldBe(1);
        results.Count(r => r.IsDuplicate).ShouldBe(3);
    }

    private static Task<RegisterVmsServerResult> RegisterAsync(FailbackWorld world, string id) =>
        world.Node.Get<RegisterVmsServer>().ExecuteAsync(new(id, "New recorder", new Uri("http://127.0.0.1:5109/"), $"token-of-{id}", null, true, false), default);
}
