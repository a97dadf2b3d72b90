using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Failback.SettingsCache;

public sealed class RefreshSettingsTests
{
    private static ISettingsCache Cache(FailbackWorld world) => world.Get<ISettingsCache>();

    [Fact]
    public async Task Settings_OfWhoeverHasTheDuty_AreKeptFresh()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await RefreshAsync(world);
        world.FailoverDuty.Activate(FakeSettings.Content(3));
        world.Time.Advance(TimeSpan.FromMinutes(1));
        await RefreshAsync(world);

        var newest = await Cache(world).FindNewestAsync(FailbackWorld.Failed, default);
        (newest!.SourceServerId, newest.Sha256, newest.TakenAt, newest.Epoch).ShouldBe((FailbackWorld.Failover, world.FailoverDuty.Sha256, world.Time.GetUtcNow(), FailbackWorld.FailoverEpoch));
        (await world.NewsAsync()).Where(n => n.Kind == "settings").Select(n => n.Text).ShouldBe([$"The settings of {FailbackWorld.Failed} were changed at Recorder 2."]);
    }

    // Nobody changed anything: the recorder is asked and gives no content, and nothing is written.
    [Fact]
    public async Task Settings_Unchanged_CostNoContentAndNoRow()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await RefreshAsync(world);
        var rows = await Cache(world).ListAsync(FailbackWorld.Failed, null, 100, default);
        world.Recorders.ForgetCalls();

        for (var i = 0; i < 5; i++)
        {
            world.Time.Advance(TimeSpan.FromMinutes(1));
            await RefreshAsync(world);
        }

        world.Recorders.Calls.ShouldNotContain(c => c.Name == "GetSettings");
        world.Recorders.Calls.Count(c => c.Name == "FindChangedSettings").ShouldBe(5 * 4);
        (await Cache(world).ListAsync(FailbackWorld.Failed, null, 100, default)).ShouldBe(rows);
        var age = await AgeAsync(world);
        (age.ConfirmedAt, age.Age, age.IsStale).ShouldBe((world.Time.GetUtcNow(), TimeSpan.Zero, false));
    }

    // What only this process knows is written down now and then, and when the server is gone.
    [Fact]
    public async Task Confirmation_IsWrittenNowAndThenAndWhenTheServerIsLost()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await RefreshAsync(world);
        var first = (await AgeAsync(world)).Newest.TakenAt;
        await AdvanceAsync(world, SettingsAges.WrittenEvery - TimeSpan.FromSeconds(1));
        (await AgeAsync(world)).Newest.TakenAt.ShouldBe(first);
        await AdvanceAsync(world, TimeSpan.FromSeconds(1));
        (await AgeAsync(world)).Newest.TakenAt.ShouldBe(world.Time.GetUtcNow());
        await AdvanceAsync(world, TimeSpan.FromMinutes(2));
        var seen = world.Time.GetUtcNow();

        world.FailoverRecorder.IsCutOff = true;
        await world.Node.Get<PollRecorders>().ExecuteAsync(default);
        await AdvanceAsync(world, TimeSpan.FromMinutes(6));

        var age = await AgeAsync(world);
        (age.Newest.TakenAt, age.ConfirmedAt, age.Age, age.IsStale).ShouldBe((seen, seen, TimeSpan.FromMinutes(6), true));
    }

    // The failed server has settings of its own that a failback will overwrite: they are kept, and never taken for the duty's.
    [Fact]
    public async Task FailedServersOwnCopy_IsKeptForPeopleOnly()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedDuty.Activate(FakeSettings.Content(4));

        await RefreshAsync(world);

        (await Cache(world).FindNewestAsync(FailbackWorld.Failed, default))!.Sha256.ShouldBe(world.FailoverDuty.Sha256);
        var own = (await Cache(world).ListLatestAsync(default)).Single(r => r is { Identity: FailbackWorld.Failed, SourceServerId: FailbackWorld.Failed, IsOfHolder: false });
        (own.Sha256, own.Revision).ShouldBe((world.FailedDuty.Sha256, 2));
    }

    // The same settings under a new epoch are the settings of the new holder.
    [Fact]
    public async Task Epoch_Grown_IsSeenUnderTheNewOne()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await RefreshAsync(world);
        await world.ApplyAsync(new GrantEpoch(FailbackWorld.Failed, FailbackWorld.Failover, 7, "x"));
        world.FailoverDuty.Become(DutyRole.Recorder, 7, "x", isRecording: true);

        await RefreshAsync(world);

        (await Cache(world).FindNewestAsync(FailbackWorld.Failed, default))!.Epoch.ShouldBe(7);
    }

    [Fact]
    public async Task DamagedSettings_AreNotCachedAndSaidOnce()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await RefreshAsync(world);
        var good = (await AgeAsync(world)).Newest;
        world.FailoverDuty.Activate(FakeSettings.Content(3));
        world.FailoverRecorder.StatesDigest = new string('a', 64);

        await RefreshAsync(world);
        await RefreshAsync(world);

        var age = await AgeAsync(world);
        age.Newest.ShouldBe(good);
        age.Problem!.ShouldContain("damaged");
        world.Node.Complaints.Count(c => c.Contains("could not be read", StringComparison.Ordinal) && c.Contains(FailbackWorld.Failed, StringComparison.Ordinal)).ShouldBe(1);

        world.FailoverRecorder.StatesDigest = null;
        await RefreshAsync(world);
        (age = await AgeAsync(world)).Problem.ShouldBeNull();
        age.Newest.Sha256.ShouldBe(world.FailoverDuty.Sha256);
    }

    // One that does not answer does not keep the others from being asked.
    [Fact]
    public async Task Recorder_DyingDuringTheRefresh_DoesNotHurtTheOthers()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedRecorder.Die();

        await RefreshAsync(world);

        (await world.ServerAsync()).Connection.ShouldBe(ConnectionState.Connected);
        (await Cache(world).FindNewestAsync(FailbackWorld.Spare, default)).ShouldNotBeNull();
        (await Cache(world).FindNewestAsync(FailbackWorld.Failed, default))!.SourceServerId.ShouldBe(FailbackWorld.Failover);
    }

    // One that comes and goes answers all the same while it is there.
    [Fact]
    public async Task Recorder_Unstable_IsAskedAsWell()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await RefreshAsync(world);
        for (var i = 0; i < PollRecorder.FlapsUntilUnstable; i++)
        {
            world.FailoverRecorder.IsCutOff = true;
            await world.Node.Get<PollRecorders>().ExecuteAsync(default);
            world.FailoverRecorder.IsCutOff = false;
            await world.Node.Get<PollRecorders>().ExecuteAsync(default);
        }

        (await world.ServerAsync(FailbackWorld.Failover)).Connection.ShouldBe(ConnectionState.Unstable);
        world.FailoverDuty.Activate(FakeSettings.Content(3));
        await AdvanceAsync(world, TimeSpan.FromMinutes(1));

        (await Cache(world).FindNewestAsync(FailbackWorld.Failed, default))!.Sha256.ShouldBe(world.FailoverDuty.Sha256);
    }

    // A recorder set back to a backup: another content under a number that was used. Nothing is lost, and somebody is told.
    [Fact]
    public async Task Recorder_SetBack_RaisesAnAlarmAndKeepsBoth()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await RefreshAsync(world);
        world.FailoverDuty.SetBack(FakeSettings.Content(9));

        await RefreshAsync(world);

        (await world.AlarmsAsync()).Single().ShouldContain("set back");
        (await Cache(world).ListAsync(FailbackWorld.Failed, null, 10, default)).Select(r => r.Revision).Take(1).ShouldBe([1]);
        (await Cache(world).FindNewestAsync(FailbackWorld.Failed, default))!.Sha256.ShouldBe(world.FailoverDuty.Sha256);
    }

    // A recorder that hangs costs a round its patience and no more; while it hangs, nobody asks it again.
    [Fact]
    public async Task Recorder_ThatHangs_HasATimeToAnswer_AndIsLeftOutWhileItHangs()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await RefreshAsync(world);
        world.Time.Advance(TimeSpan.FromSeconds(30));
        world.Recorders.ForgetCalls();
        var (asked, hang) = (NewSource(), NewSource());
        world.Recorders.Before(FailbackWorld.Failover, "FindChangedSettings", async () =>
        {
            asked.TrySetResult();
            await hang.Task;
        });
        var options = world.Node.Get<RefreshSettingsOptions>();

        var round = RefreshAsync(world);
        await asked.Task.WaitAsync(Patience);
        world.Time.Advance(options.Patience);
        await round.WaitAsync(Patience);
        var hanging = world.Node.Get<RefreshSettings>().Punctual();
        world.Time.Advance(TimeSpan.FromSeconds(30));
        await RefreshAsync(world).WaitAsync(Patience);

        hanging.InFlight.ShouldBeInRange(1, 2, "the failover server has two duties, and one of its answers is held back");
        world.Node.Get<RefreshSettings>().Punctual().Skipped.ShouldBe(hanging.InFlight);
        world.Recorders.Calls.Count(c => c.ServerId == FailbackWorld.Spare && c.Name == "FindChangedSettings").ShouldBe(2);
        var problems = (await world.Node.Get<SettingsAges>().ListAsync(default)).Values.Where(a => a.Problem is not null).ToList();
        problems.ShouldNotBeEmpty();
        problems.ShouldAllBe(a => a.Problem!.Contains("did not say within 10 s", StringComparison.Ordinal));

        hang.SetResult();
        while (world.Node.Get<RefreshSettings>().Punctual().InFlight > 0)
        {
            await Task.Yield();
        }

        world.Time.Advance(TimeSpan.FromSeconds(30));
        await RefreshAsync(world);
        world.Node.Get<RefreshSettings>().Punctual().ShouldSatisfyAllConditions(p => p.Skipped.ShouldBe(0), p => p.Copies.ShouldBe(4));
        (await world.Node.Get<SettingsAges>().ListAsync(default)).Values.ShouldAllBe(a => a.Problem == null);
    }

    // With more that hang than a round has time for, it ends all the same, says how late it is, and the next one begins with what it left out.
    [Fact]
    public async Task Round_HasAnEnd_AndWhatItLeftOutIsFirstInTheNext()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await RefreshAsync(world);
        world.Time.Advance(TimeSpan.FromSeconds(30));
        var options = world.Node.Get<RefreshSettingsOptions>();
        options.MaxConcurrency = 1;
        options.Interval = TimeSpan.FromSeconds(5);
        var (asked, hang) = (NewSource(), NewSource());
        var order = new List<string>();
        foreach (var id in new[] { FailbackWorld.Failed, FailbackWorld.Failover, FailbackWorld.Spare })
        {
            world.Recorders.Before(id, "FindChangedSettings", async () =>
            {
                order.Add(id);
                if (asked.TrySetResult())
                {
                    await hang.Task;
                }
            }, times: 100);
        }

        var round = RefreshAsync(world);
        await asked.Task.WaitAsync(Patience);
        world.Time.Advance(options.Patience);
        await round.WaitAsync(Patience);

        order.Count.ShouldBe(1);
        var punctual = world.Node.Get<RefreshSettings>().Punctual();
        (punctual.Copies, punctual.Skipped, punctual.LastRound).ShouldBe((4, 3, options.Patience));
        punctual.LongestLag.ShouldBe(TimeSpan.FromSeconds(30) + options.Patience - options.Interval);

        await RefreshAsync(world).WaitAsync(Patience);
        order.Count.ShouldBe(4, "the three that were left out; the one that hangs is not asked again");
        world.Node.Get<RefreshSettings>().Punctual().LongestLag.ShouldBe(options.Patience - options.Interval);
        hang.SetResult();
    }

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static Task RefreshAsync(FailbackWorld world) => world.Node.Get<RefreshSettings>().ExecuteAsync(default);

    private static async Task AdvanceAsync(FailbackWorld world, TimeSpan time)
    {
        world.Time.Advance(time);
        await RefreshAsync(world);
    }

    private static async Task<SettingsAge> AgeAsync(FailbackWorld world) => (await world.Node.Get<SettingsAges>().ListAsync(default))[FailbackWorld.Failed];
}
