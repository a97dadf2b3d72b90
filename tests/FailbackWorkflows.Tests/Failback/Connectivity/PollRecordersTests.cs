using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Failback.Connectivity;

public sealed class PollRecordersTests
{
    [Fact]
    public async Task Recorder_AwaitingARoleItStillHas_IsTold()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailoverRecorder.Boot();

        await PollAsync(world);

        var duty = world.FailoverDuty.ToState();
        (duty.Role, duty.Recording, duty.Epoch).ShouldBe((DutyRole.Recorder, true, FailbackWorld.FailoverEpoch));
        world.FailoverRecorder.State(FailbackWorld.Failover).Role.ShouldBe(DutyRole.Recorder);
    }

    [Fact]
    public async Task Recorder_RestartedTwice_IsToldTwice()
    {
        await using var world = await FailbackWorld.CreateAsync();
        for (var restart = 0; restart < 3; restart++)
        {
            world.FailoverRecorder.Boot();
            await PollAsync(world);
            world.FailoverDuty.ToState().Role.ShouldBe(DutyRole.Recorder);
        }
    }

    [Fact]
    public async Task Recorder_AwaitingARoleItHasLost_IsToldToStandBy()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedDuty.Become(DutyRole.Recorder, 1, "seed", isRecording: true);
        world.FailedRecorder.Boot();

        await PollAsync(world);

        var duty = world.FailedDuty.ToState();
        (duty.Role, duty.Recording, duty.Epoch, duty.AllocationId).ShouldBe((DutyRole.Standby, false, FailbackWorld.FailoverEpoch, "failover-run"));
    }

    [Fact]
    public async Task Recorder_RecordingUnderAnOldEpoch_IsToldToStandBy()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedDuty.Become(DutyRole.Recorder, 1, "seed", isRecording: true);

        await PollAsync(world);

        (world.FailedDuty.ToState().Role, world.FailedDuty.IsRecording).ShouldBe((DutyRole.Standby, false));
    }

    [Fact]
    public async Task Recorder_OfAClaimedDuty_IsLeftToTheRun()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedDuty.Become(DutyRole.Recorder, 1, "seed", isRecording: true);
        world.FailoverRecorder.Boot();
        await world.ApplyAsync(new TakeClaims("run", "failback", [DutyClaim.Identity(FailbackWorld.Failed)], world.Time.GetUtcNow()));

        await PollAsync(world);

        world.FailedDuty.IsRecording.ShouldBeTrue();
        world.FailoverDuty.ToState().Role.ShouldBe(DutyRole.AwaitingRole);
        world.Recorders.Effects.ShouldNotContain(c => c.Identity == FailbackWorld.Failed);
    }

    [Fact]
    public async Task Machine_WithAnotherId_IsToldAndBelievedNothing()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedDuty.Become(DutyRole.Recorder, 1, "seed", isRecording: true);
        world.FailedRecorder.MachineId = "another-machine";

        await PollAsync(world);

        var server = await world.ServerAsync();
        (server.Connection, server.MachineId).ShouldBe((ConnectionState.Disconnected, "machine-of-rec-1"));
        world.FailedDuty.IsRecording.ShouldBeTrue();
        (await world.NewsAsync()).ShouldContain(n => n.Subject == FailbackWorld.Failed && n.Text!.Contains("Another machine"));
    }

    [Fact]
    public async Task Connection_LostAndFoundAgain_IsNotedOnceEach()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedRecorder.IsCutOff = true;
        await PollAsync(world);
        await PollAsync(world);
        var lost = await world.ServerAsync();
        world.FailedRecorder.IsCutOff = false;
        world.FailedRecorder.SoftwareVersion = "1.5.0";
        await PollAsync(world);
        await PollAsync(world);
        var found = await world.ServerAsync();

        lost.Connection.ShouldBe(ConnectionState.Disconnected);
        (found.Connection, found.SoftwareVersion, found.Revision).ShouldBe((ConnectionState.Connected, "1.5.0", lost.Revision + 1));
        (await world.NewsAsync()).Where(n => n.Subject == FailbackWorld.Failed).Select(n => n.Text).ShouldBe(["The connection to Recorder 1 was lost.", "Recorder 1 is connected."]);
    }

    [Fact]
    public async Task Settings_OfWhoeverHasTheDuty_AreKeptFresh()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await PollAsync(world);
        world.FailoverDuty.Activate(FakeSettings.Content(3));
        world.FailedDuty.Activate(FakeSettings.Content(4));
        world.Time.Advance(TimeSpan.FromMinutes(1));
        await PollAsync(world);

        var newest = await world.Get<ISettingsCache>().FindNewestAsync(FailbackWorld.Failed, default);
        (newest!.SourceServerId, newest.Sha256, newest.TakenAt).ShouldBe((FailbackWorld.Failover, world.FailoverDuty.Sha256, world.Time.GetUtcNow()));
    }

    [Fact]
    public async Task Recorder_RefusingTheCredential_DoesNotKeepTheOthersFromBeingPolled()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedRecorder.Credential = "changed";
        world.FailoverRecorder.Boot();

        await PollAsync(world);

        (await world.ServerAsync()).Connection.ShouldBe(ConnectionState.Disconnected);
        world.FailoverDuty.ToState().Role.ShouldBe(DutyRole.Recorder);
    }

    private static Task PollAsync(FailbackWorld world) => world.PollAsync();
}
