using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback.AutomaticFailback;
using FailbackWorkflows.Failback.AutomaticFailover;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Maintenance;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing.Engine;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;
using static FailbackWorkflows.Tests.Workflows.AutomaticFailoverPlay;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>The duty of a recorder that is lost is taken over by itself: when, when not, by whom, and how often it is tried.</summary>
public sealed class AutomaticFailoverTests
{
    private static readonly Actor Admin = new(ActorKind.User, "admin", "Ada Admin");

    [Fact]
    public async Task Recorder_ThatFailedThreePolls_IsTakenOver()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var lost = await ArrangeAsync(world);
        lost.Die();

        await MissAsync(world, 2);
        (await StateAsync(world)).ShouldBeNull();
        await MissAsync(world, 1);

        var run = await LastRunAsync(world);
        run.Result.ShouldBe("done", run.Message);
        run.Report.StartedBy.Name.ShouldBe("Automatic failover");
        (await world.DutyAsync(Lost)).HolderServerId.ShouldBe(Standby);
        var entry = await EntryOfAsync(world, Lost);
        (entry.Failover, entry.FailoverServerId, entry.StartedBy).ShouldBe((FailoverState.Done, Standby, "Automatic failover"));
        entry.Reason!.ShouldContain("does not answer");
        world.Recorders[Standby].Holds[entry.Id].ToUtc.ShouldBeNull();

        // The very definition that an operator starts.
        var failover = await world.ReadAsync(entry.FailoverRunId!);
        (failover.Report.DefinitionId, failover.Result).ShouldBe((StartFailover.DefinitionId, "done"));
        var state = await StateAsync(world);
        (state!.Attempts, state.RunId, state.NextAt, state.LastMessage).ShouldBe((1, null, null, null));

        // It is somebody else's duty now: more missed polls of the dead server change nothing.
        await MissAsync(world, 3);
        (await StateAsync(world))!.Attempts.ShouldBe(1);
        (await world.ClaimsAsync()).ShouldBeEmpty();
    }

    // As after a failback whose server was left broken, or a failover that gave the duty back: it answers every poll, and nobody records.
    [Theory]
    [InlineData("gives no frames")]
    [InlineData("cannot begin")]
    public async Task Recorder_ThatAnswersButDoesNotRecord_IsTakenOverAfterSoManyPolls(string how)
    {
        await using var world = await FailbackWorld.CreateAsync();
        var lost = await ArrangeAsync(world);
        await world.ChangeServerAsync(Lost, server => server with { State = VmsServerState.Broken, FailoverAfterPolls = 4 });
        StopRecording(world, lost, how);

        await MissAsync(world, 3);
        (await StateAsync(world)).ShouldBeNull();
        (await world.Node.Get<AutomaticFailoverCheck>().DecideAsync(Lost, null, default)).Sentence.ShouldBe("Recorder 3 answers, but does not record: 3 of 4 polls have failed.");
        await MissAsync(world, 1);

        var run = await LastRunAsync(world);
        run.Result.ShouldBe("done", run.Message);
        (await world.DutyAsync(Lost)).HolderServerId.ShouldBe(Standby);
        (await world.ServerAsync(Lost)).Connection.ShouldBe(ConnectionState.Connected);
        var entry = await EntryOfAsync(world, Lost);
        (entry.Failover, entry.Reason).ShouldBe((FailoverState.Done, "Nobody records Recorder 3."));
        world.Recorders[Standby].Duty(Lost).IsRecording.ShouldBeTrue();
        world.Time.Advance(TimeSpan.FromSeconds(1));
        await world.PollAsync();
        (lost.Duty(Lost).ToState().Role, lost.Duty(Lost).IsRecording).ShouldBe((DutyRole.Standby, false));
        (await world.ClaimsAsync()).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("gives no frames")]
    [InlineData("cannot begin")]
    public async Task Recorder_ThatRecordsAgainWithinThePolls_IsNotTakenOver_AndIsCountedAnew(string how)
    {
        await using var world = await FailbackWorld.CreateAsync();
        var lost = await ArrangeAsync(world);
        await world.ChangeServerAsync(Lost, server => server with { State = VmsServerState.Broken });
        StopRecording(world, lost, how);
        await MissAsync(world, 2);
        world.Node.Get<FailedPolls>().Of(Lost).ShouldBe(2);

        lost.DarkChannels.Clear();
        lost.Duty(Lost).Become(DutyRole.Recorder, 1, "seed", isRecording: true);
        world.Time.Advance(TimeSpan.FromSeconds(1));
        await MissAsync(world, 1);

        (world.Node.Get<FailedPolls>().Of(Lost), (await world.ServerAsync(Lost)).State).ShouldBe((0, VmsServerState.Ok));
        (await StateAsync(world)).ShouldBeNull();
        (await world.DutyAsync(Lost)).HolderServerId.ShouldBe(Lost);
    }

    private static void StopRecording(FailbackWorld world, FakeRecorder recorder, string how)
    {
        if (how == "gives no frames")
        {
            recorder.DarkChannels.UnionWith(FakeSettings.Channels);
            return;
        }

        recorder.Duty(Lost).Become(DutyRole.Recorder, 1, "seed", isRecording: false);
        world.Recorders.Fail(Lost, "StartRecording", RecorderErrorKind.StorageFull, times: 1000);
    }

    // Scenario 8.
    [Fact]
    public async Task S08_Recorder_BackWithinThePolls_IsNotTakenOver_AndItsLossesAreCounted()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var lost = await ArrangeAsync(world);

        for (var i = 0; i < 10; i++)
        {
            lost.IsCutOff = true;
            await MissAsync(world, 2);
            lost.IsCutOff = false;
            await MissAsync(world, 1);
            world.Node.Get<FailedPolls>().Of(Lost).ShouldBe(0);
            world.Time.Advance(TimeSpan.FromMinutes(5));
        }

        (await StateAsync(world)).ShouldBeNull();
        (await world.DutyAsync(Lost)).HolderServerId.ShouldBe(Lost);
        (await world.Get<IConnectivityHistory>().CountLossesAsync(Lost, world.Time.GetUtcNow() - PollRecorder.FlapWindow, default)).ShouldBe(10);
        (await world.ServerAsync(Lost)).Connection.ShouldBe(ConnectionState.Unstable);
    }

    // Scenario 8: after the failover it flaps on.
    [Fact]
    public async Task S08_Recorder_FlappingAfterItsFailover_IsFailedBackOnlyOnceItIsSteady()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var lost = await ArrangeAsync(world);
        await world.ChangeServerAsync(Lost, server => server with { IsAutomaticFailbackEnabled = true, StabilityDelay = TimeSpan.FromMinutes(10) });
        lost.Die();
        await MissAsync(world, 3);
        (await LastRunAsync(world)).Result.ShouldBe("done");
        lost.Boot();
        await world.PollAsync();
        for (var i = 0; i < 5; i++)
        {
            lost.IsCutOff = true;
            await world.PollAsync();
            lost.IsCutOff = false;
            await world.PollAsync();
            world.Time.Advance(TimeSpan.FromMinutes(9));
            await world.PollAsync();
        }

        var entry = await EntryOfAsync(world, Lost);
        (await world.Get<IAutomaticFailbacks>().FindAsync(entry.Id, default)).ShouldBeNull();
        (await world.DutyAsync(Lost)).HolderServerId.ShouldBe(Standby);

        world.Time.Advance(TimeSpan.FromMinutes(1));
        await world.PollAsync();

        var state = await world.Get<IAutomaticFailbacks>().FindAsync(entry.Id, default);
        (await world.EndAsync(state!.LastRunId!)).Result.ShouldBe("done");
        (await world.DutyAsync(Lost)).HolderServerId.ShouldBe(Lost);
    }

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, false)]
    public async Task Recorder_NotEnabledForIt_IsLeftAlone_UntilItIsEnabled(bool isFailoverEnabled, bool isAutomatic)
    {
        await using var world = await FailbackWorld.CreateAsync();
        var lost = await ArrangeAsync(world);
        await world.ChangeServerAsync(Lost, server => server with { IsFailoverEnabled = isFailoverEnabled, IsAutomaticFailoverEnabled = isAutomatic });
        lost.Die();
        await MissAsync(world, 5);
        (await StateAsync(world)).ShouldBeNull();

        // Level-triggered: the polls were missed before.
        var change = world.Node.Get<ChangeGeneralSettings>();
        await change.ExecuteAsync(Lost, new GeneralSettings(true, false, null, TimeSpan.Zero), default);
        await change.ChangeFailoverAsync(Lost, new FailoverSettings(Group, true, 3, 1, 1_000_000_000), default);

        (await LastRunAsync(world)).Result.ShouldBe("done");
    }

    [Fact]
    public async Task Maintenance_On_DoesNotLeaveTheChannelsUnrecorded()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var lost = await ArrangeAsync(world);
        await world.Node.Get<ChangeMaintenanceMode>().TurnOnAsync(null, "New switches", null, Admin, default);
        lost.Die();

        await MissAsync(world, 3);

        (await LastRunAsync(world)).Result.ShouldBe("done");
    }

    [Fact]
    public async Task Licence_Missing_IsARefusalThatIsLoggedOncePerEpisodeAndUsesUpNoAttempt()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var lost = await ArrangeAsync(world);
        await world.ExpireLicenseAsync();
        lost.Die();
        await MissAsync(world, 6);

        var state = await StateAsync(world);
        (state!.Attempts, state.RunId, state.RefusalCode!.StartsWith("license:", StringComparison.Ordinal)).ShouldBe((0, null, true));
        (await RefusalsAsync(world)).ShouldBe(1);

        // Another loss is another episode.
        lost.Boot();
        await MissAsync(world, 2);
        lost.Die();
        await MissAsync(world, 4);
        (await RefusalsAsync(world)).ShouldBe(2);
    }

    [Fact]
    public async Task Candidates_NoneFit_IsRefusedWithTheReasonOfEach_AndTriedUntilOneIs()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var lost = await ArrangeAsync(world);
        world.Recorders[Standby].CannotWriteBecause = "the disk is full.";
        await world.ChangeServerAsync(Indebted, server => server with { MostDutiesOfOthers = 1 });
        lost.Die();
        await MissAsync(world, 6);

        var state = await StateAsync(world);
        (state!.Attempts, state.RunId).ShouldBe((0, null));
        state.Refusal!.ShouldContain("Recorder 4 cannot write: the disk is full.");
        state.Refusal!.ShouldContain("Recorder 2 has 1 duty of others and may have 1.");
        (await RefusalsAsync(world)).ShouldBe(1);
        var alert = (await world.Node.Get<FailoverAlerts>().ListAsync(default)).Single();
        (alert.Identity, alert.Sentence).ShouldBe((Lost, state.Refusal));
        alert.Title.ShouldBe("Recorder 3 is lost, and its duty is not taken over by itself");

        // Nobody is asked at every look, and what is said follows what is so.
        var asked = world.Recorders.Calls.Count(c => c.Name == "Probe");
        await MissAsync(world, 3);
        world.Recorders.Calls.Count(c => c.Name == "Probe").ShouldBe(asked);
        world.Recorders[Standby].CannotWriteBecause = "the disk is broken.";
        world.Time.Advance(AutomaticFailovers.SelectAgain);
        await world.Node.Get<AutomaticFailovers>().DeriveAllAsync(default);
        (await StateAsync(world))!.Refusal!.ShouldContain("the disk is broken.");
        (await RefusalsAsync(world)).ShouldBe(1);

        world.Recorders[Standby].CannotWriteBecause = null;
        world.Time.Advance(AutomaticFailovers.SelectAgain);
        await world.Node.Get<AutomaticFailovers>().DeriveAllAsync(default);

        (await LastRunAsync(world)).Result.ShouldBe("done");
        (await world.Node.Get<FailoverAlerts>().ListAsync(default)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Attempt_ThatFails_IsRepeatedWithGrowingDelays_WithTheOtherServerFirst()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var lost = await ArrangeAsync(world);
        world.Recorders[Standby].RejectsSettingsBecause = "too many masks";
        world.Recorders[Indebted].RejectsSettingsBecause = "too many masks";
        lost.Die();
        await MissAsync(world, 3);
        var (waits, servers) = (new List<TimeSpan>(), new List<string>());
        for (var attempt = 1; attempt <= 5; attempt++)
        {
            var run = await LastRunAsync(world);
            run.Result.ShouldBe("failed");
            run.Message!.ShouldContain("too many masks");
            var state = await StateAsync(world);
            (state!.Attempts, state.RunId, state.LastMessage).ShouldBe((attempt, null, run.Message));
            waits.Add(state.NextAt!.Value - state.LastEndedAt!.Value);
            servers.Add((await EntryOfAsync(world, Lost)).FailoverServerId);

            // A moment before it is due nothing happens, however often somebody looks.
            world.Time.Advance(state.NextAt.Value - world.Time.GetUtcNow() - TimeSpan.FromSeconds(1));
            await MissAsync(world, 2);
            (await StateAsync(world)).ShouldBe(state);
            world.Time.Advance(TimeSpan.FromSeconds(1));
            await MissAsync(world, 1);
        }

        await LastRunAsync(world);
        waits.ShouldBe([TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(15), TimeSpan.FromHours(1), TimeSpan.FromHours(1)]);
        servers.ShouldBe([Standby, Indebted, Standby, Indebted, Standby]);
    }

    // It has the duty already when it dies: an incident would keep the claim, and nobody else could take over.
    [Theory]
    [InlineData("StartRecording")]
    [InlineData("GetRecording")]
    public async Task FailoverServer_DiesWithTheDuty_IsFollowedByTheNext(string call)
    {
        await using var world = await FailbackWorld.CreateAsync();
        var lost = await ArrangeAsync(world);
        world.Recorders.DieAt(Standby, call);
        lost.Die();
        await MissAsync(world, 3);
        var first = await LastRunAsync(world);
        var failed = await EntryOfAsync(world, Lost);
        (first.Result, failed.Failover, failed.FailoverServerId).ShouldBe(("failed", FailoverState.Failed, Standby));
        (await world.ClaimsAsync()).ShouldBeEmpty();
        world.Recorders[Standby].Holds.ShouldContainKey(failed.Id);

        world.Time.Advance((await StateAsync(world))!.NextAt!.Value - world.Time.GetUtcNow());
        await MissAsync(world, 1);

        (await LastRunAsync(world)).Result.ShouldBe("done");
        (await world.DutyAsync(Lost)).HolderServerId.ShouldBe(Indebted);
    }

    [Fact]
    public async Task Looks_ManyAtTheSameMoment_StartOneRun()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var lost = await ArrangeAsync(world);
        await world.ChangeServerAsync(Lost, server => server with { IsAutomaticFailoverEnabled = false });
        lost.Die();
        await MissAsync(world, 3);
        await world.ChangeServerAsync(Lost, server => server with { IsAutomaticFailoverEnabled = true });
        var automatic = world.Node.Get<AutomaticFailovers>();

        await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(() => automatic.DeriveAsync(Lost, default))));

        (await LastRunAsync(world)).Result.ShouldBe("done");
        world.Store.Commits.Count(c => c.IsStart && c.Instance.DefinitionId == "automatic-failover").ShouldBe(1);
        world.Store.Commits.Count(c => c.IsStart && c.Instance.DefinitionId == StartFailover.DefinitionId).ShouldBe(1);
    }

    [Fact]
    public async Task Operator_WhoWasFaster_IsNotDisturbed()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var lost = await ArrangeAsync(world);
        lost.Die();
        world.Recorders.Before(Standby, "Probe", () => MissAsync(world, 5));

        var run = await world.EndAsync((await world.StartFailoverAsync("request-1", Lost, Standby)).RunId!);
        await MissAsync(world, 3);

        run.Result.ShouldBe("done");
        (await StateAsync(world)).ShouldBeNull();
    }

    // A failover of a failover, and two duties of one server, one by one at the one server that is fit.
    [Fact]
    public async Task Server_WithTwoDuties_LosesBothOneByOne()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await ArrangeAsync(world);
        foreach (var id in new[] { FailbackWorld.Failed, Indebted })
        {
            await world.ChangeServerAsync(id, server => server with { FailoverGroup = "west", IsAutomaticFailoverEnabled = true });
        }

        await world.ChangeServerAsync(Standby, server => server with { FailoverGroup = "west", MostDutiesOfOthers = 2 });
        world.FailoverRecorder.Die();
        await MissAsync(world, 3);

        foreach (var identity in new[] { FailbackWorld.Failed, Indebted })
        {
            // When the first failover was so fast that the server was busy with it at the look at the second duty, the next look starts it.
            await world.Node.Get<AutomaticFailovers>().DeriveAllAsync(default);
            var run = await LastRunAsync(world, identity);
            run.Result.ShouldBe("done", run.Message);
            (await world.DutyAsync(identity)).HolderServerId.ShouldBe(Standby);
        }

        // Each its own entry, epoch and hold; the failed server of an entry is the identity's own recorder.
        var (first, second) = (await EntryOfAsync(world, FailbackWorld.Failed), await EntryOfAsync(world, Indebted));
        first.Id.ShouldNotBe(FailbackWorld.Entry);
        (first.FailoverServerId, second.FailoverServerId).ShouldBe((Standby, Standby));
        world.Recorders[Standby].Holds[first.Id].Identity.ShouldBe(FailbackWorld.Failed);
        world.Recorders[Standby].Holds[second.Id].Identity.ShouldBe(Indebted);
        (await world.DutyAsync()).Epoch.ShouldBe(FailbackWorld.FailoverEpoch + 1);
        var starts = await Task.WhenAll(new[] { first, second }.Select(e => world.ReadAsync(e.FailoverRunId!)));
        starts.OrderBy(r => r.Report.StartedAt).First().Report.FinishedAt!.Value.ShouldBeLessThanOrEqualTo(starts.OrderBy(r => r.Report.StartedAt).Last().Report.StartedAt);

        // The earlier entry's period is over; how it ended is owed.
        (await world.OwedAsync()).ShouldBe([$"{Indebted} Stop", $"{Indebted} LastTimes", $"{Indebted} HoldEnd", $"{Indebted} StandBy"]);
        world.FailoverRecorder.Boot();
        await world.PollAsync();
        await world.PollAsync();
        (await world.OwedAsync()).ShouldBeEmpty();
        var earlier = await world.EntryAsync();
        earlier.LastTimes.ShouldNotBeNull();
        earlier.OwesMaterial.ShouldBeTrue();
        world.FailoverRecorder.Holds[FailbackWorld.Entry].ToUtc.ShouldNotBeNull();
        world.ShouldHaveCommandedOnce();
    }

    // Design §5, Forward: the failed server dies after the confirmed stop. Nobody records, and the end of the run is followed by a failover.
    [Fact]
    public async Task FailedServer_DeadAfterTheStop_IsTakenOverByItself()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await ArrangeAsync(world);
        await world.ChangeServerAsync(FailbackWorld.Failed, server => server with { FailoverGroup = Group, IsAutomaticFailoverEnabled = true });
        world.Recorders.After(FailbackWorld.Failover, "StopRecording", world.FailedRecorder.Die);

        var run = await world.FailBackAsync();
        (run.Result, run.Report.NobodyRecords).ShouldBe(("done", FailbackWorld.Failed));
        await MissAsync(world, 3);

        (await LastRunAsync(world, FailbackWorld.Failed)).Result.ShouldBe("done");
        (await world.DutyAsync()).HolderServerId.ShouldBe(Lost, "it is fit too, and comes first by its id");
        (await world.EntryAsync()).Failback.ShouldBe(FailbackState.Done);
        var entry = await EntryOfAsync(world, FailbackWorld.Failed);
        (entry.Failover, entry.Failback).ShouldBe((FailoverState.Done, FailbackState.NotStarted));
    }

    // Scenario 24.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task S24_Server_ThatOwesMaterial_IsTakenOnlyWhenNobodyElseIsFit(bool isAnotherThere)
    {
        await using var world = await FailbackWorld.CreateAsync();
        var lost = await ArrangeAsync(world, standby: isAnotherThere);
        lost.Die();

        await MissAsync(world, 3);

        (await LastRunAsync(world)).Result.ShouldBe("done");
        var entry = await EntryOfAsync(world, Lost);
        entry.FailoverServerId.ShouldBe(isAnotherThere ? Standby : Indebted);

        // What it owed stays held, apart from the new.
        var owed = world.Recorders[Indebted].Holds[FailbackWorld.Entry];
        (owed.Identity, owed.ToUtc, world.Recorders[Indebted].Released.ContainsKey(FailbackWorld.Entry)).ShouldBe((FailbackWorld.Failed, null, false));
        (await world.EntryAsync()).OwesMaterial.ShouldBeTrue();
        if (!isAnotherThere)
        {
            world.Recorders[Indebted].Holds[entry.Id].Identity.ShouldBe(Lost);
            world.Recorders[Indebted].Duty(Lost).IsRecording.ShouldBeTrue();
            world.FailoverDuty.IsRecording.ShouldBeTrue();
            (await world.Get<IFailoverLog>().CountOwedPeriodsAsync(default))[Indebted].ShouldBe(2);
        }
    }

    // Scenario 24: allowed only if there is space for both.
    [Fact]
    public async Task S24_Server_ThatOwesMaterialAndHasNoRoomForBoth_IsNotTaken()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var lost = await ArrangeAsync(world, standby: false);
        world.Recorders[Indebted].FreeBytes = FakeRecorder.ReserveBytes + 1_999_999_999;
        lost.Die();
        await MissAsync(world, 3);

        (await StateAsync(world))!.Refusal!.ShouldContain("Recorder 2 has 1999 MB free above its reserve and needs 2000");
        (await world.DutyAsync(Lost)).HolderServerId.ShouldBe(Lost);

        world.Recorders[Indebted].FreeBytes = FakeRecorder.ReserveBytes + 2_000_000_000;
        world.Time.Advance(AutomaticFailovers.SelectAgain);
        await MissAsync(world, 1);
        (await LastRunAsync(world)).Result.ShouldBe("done");
    }

    // What was seen before a restart decides nothing: the recorder may be back since.
    [Fact]
    public async Task Manager_Restarted_CountsThePollsAnew()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var lost = await ArrangeAsync(world);
        lost.Die();
        await MissAsync(world, 2);
        await world.Node.StopAsync();

        await world.StartNodeAsync();
        await MissAsync(world, 2);
        (await StateAsync(world)).ShouldBeNull();
        await MissAsync(world, 1);

        (await LastRunAsync(world)).Result.ShouldBe("done");
    }

    [Theory]
    [InlineData(CrashMoment.BeforeCommit)]
    [InlineData(CrashMoment.AfterCommit)]
    public async Task Manager_KilledAtEachCommit_TakesOverAllTheSameInOneAttempt(CrashMoment moment)
    {
        for (var commit = 1; ; commit++)
        {
            await using var world = await FailbackWorld.CreateAsync();
            var lost = await ArrangeAsync(world);
            await world.Node.StopAsync();
            var crashing = new CrashingWorkflowStore(world.Store, moment, commit);
            var first = await world.StartNodeAsync(behind: crashing);
            var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            world.Store.Committed = committed =>
            {
                if (committed is { Releases: true, Instance: { DefinitionId: "automatic-failover", Status: WorkflowStatus.Finished } })
                {
                    ended.TrySetResult();
                }

                return Task.CompletedTask;
            };
            lost.Die();
            try
            {
                await MissAsync(world, 3);
            }
            catch (NodeDiedException)
            {
                // It died in the poll.
            }

            await Task.WhenAny(crashing.Died, ended.Task).WaitAsync(TimeSpan.FromSeconds(30));
            await first.StopAsync();
            if (!crashing.Died.IsCompleted)
            {
                // It came to the end before the commit at which it was to die: all have been tried.
                commit.ShouldBeGreaterThan(15);
                return;
            }

            await world.StartNodeAsync();
            await MissAsync(world, 3);
            (await LastRunAsync(world)).Result.ShouldBe("done", $"{moment} {commit}");
            (await StateAsync(world))!.Attempts.ShouldBe(1, $"{moment} {commit}");
            world.Store.Commits.Count(c => c.IsStart && c.Instance.DefinitionId == StartFailover.DefinitionId).ShouldBe(1, $"{moment} {commit}");
        }
    }

    private static async Task<FailoverLogEntry> EntryOfAsync(FailbackWorld world, string failed) =>
        (await world.Get<IFailoverLog>().ListAsync(new(FailoverLogView.All) { ServerIds = [failed] }, default)).First(entry => entry.FailedServerId == failed);

    private static async Task<int> RefusalsAsync(FailbackWorld world) => (await world.AlarmsAsync()).Count(text => text.Contains("is not taken over by itself", StringComparison.Ordinal));
}
