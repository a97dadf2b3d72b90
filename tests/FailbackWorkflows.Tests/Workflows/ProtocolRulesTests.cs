using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.AutomaticFailback;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Settings;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>Rules that the model of the protocol has found (ADR 6), as the code keeps them.</summary>
public sealed class ProtocolRulesTests
{
    private const string Failed = FailbackWorld.Failed;
    private const string Failover = FailbackWorld.Failover;

    // CheckpointLags: the epoch is outside of the database before the commit that draws it, so a restored one draws above it.
    [Fact]
    public async Task Draw_OfARestoredDatabase_IsAboveEverythingThatWasEverDrawn()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var yesterday = await world.TurnOffAsync();
        await world.TurnOnAsync();
        var firstFailback = await world.FailBackAsync(node: world.NewestNode);
        var drawn = (await world.DutyAsync()).Epoch;

        await world.TurnOffAsync();
        await world.TurnOnAsync(yesterday);
        var forgotten = (await world.DutyAsync()).Epoch;

        // Whoever has the larger epoch is out of reach: nobody but the checkpoint can tell.
        world.FailedDuty.Become(DutyRole.Standby, FailbackWorld.FailoverEpoch, "failover-run", isRecording: false);
        world.FailoverDuty.Become(DutyRole.Recorder, FailbackWorld.FailoverEpoch, "failover-run", isRecording: true);
        world.FailoverRecorder.Holds[FailbackWorld.Entry] = world.FailoverRecorder.Holds[FailbackWorld.Entry] with { ToUtc = null };
        (world.FailedDuty.Fence, world.FailoverDuty.Fence) = (1, 1);
        var run = await world.FailBackAsync("request-2", node: world.NewestNode);

        (firstFailback.Result, run.Result).ShouldBe(("done", "done"), run.Message);
        (forgotten, drawn).ShouldBe((FailbackWorld.FailoverEpoch, FailbackWorld.FailoverEpoch + 1));
        (await world.DutyAsync()).Epoch.ShouldBe(drawn + 1);
    }

    [Fact]
    public async Task Draw_IsNotedOutsideOfTheDatabaseBeforeItIsCommitted()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var checkpoint = world.Get<IEpochCheckpoint>();

        await Should.ThrowAsync<ConcurrentChangeException>(() => world.ApplyAsync(
            new GrantEpoch(Failed, Failed, 9, "lost"), new RaiseFence(Failed, 0)));

        (await world.DutyAsync()).Epoch.ShouldBe(FailbackWorld.FailoverEpoch, "the commit was refused");
        checkpoint.Largest(Failed).ShouldBe(9);
        await world.FailBackAsync();
        (await world.DutyAsync()).Epoch.ShouldBe(10);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Draw_AThirdRecorderKnowsALargerEpoch_IsAboveIt(bool isAwayByNow)
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders[FailbackWorld.Spare].Duty(Failed).Become(DutyRole.Standby, 7, "forgotten-run", isRecording: false);
        await world.PollAsync();
        world.Recorders[FailbackWorld.Spare].IsCutOff = isAwayByNow;

        var run = await world.FailBackAsync();

        run.Result.ShouldBe("done", run.Message);
        (await world.DutyAsync()).Epoch.ShouldBe(8);
    }

    // The failover server may have got all of it, and what the failed server knows may be newer than the database.
    [Fact]
    public async Task FailedFailover_DrawsAboveWhatRecordersKnow_AndOwesTheFailoverServerItsStop()
    {
        await using var world = await FailbackWorld.CreateAsync();
        const string Taker = FailbackWorld.Spare;
        world.Recorders[Failover].Duty(Failover).Become(DutyRole.Standby, 5, "forgotten-run", isRecording: false);
        world.Recorders[Failover].IsCutOff = true;
        await world.ApplyAsync(new FailbackWorkflows.Failback.SettingsCache.SaveSettings(FailbackWorkflows.Failback.SettingsCache.CachedSettings.From(
            new SettingsBundle(Failover, 1, SettingsDigest.Compute(FakeSettings.Content(1)), false, FakeSettings.Content(1)), Failover, 1, world.Time.GetUtcNow())));
        // It takes the duty and records nothing, and the failed server is back when the failover fails.
        world.Recorders[Taker].DarkChannels.UnionWith(FakeSettings.Channels);
        world.Recorders.After(Taker, "StartRecording", () => world.Recorders[Failover].IsCutOff = false);

        var started = await world.StartFailoverAsync("failover", Failover, Taker);
        var run = await world.EndAsync(started.RunId!);

        run.Result.ShouldBe("failed", run.Message);
        var duty = await world.DutyAsync(Failover);
        (duty.HolderServerId, duty.Epoch).ShouldBe((Failover, 6));
        (await world.OwedAsync()).ShouldBe([$"{Taker} Stop", $"{Taker} StandBy"]);
        var grant = world.Store.Commits.Single(c => c.Changes.OfType<GrantEpoch>().Any(g => g.Epoch == 6));
        grant.Changes.OfType<Owe>().Single().Obligations.ShouldAllBe(o => o.Epoch == 6);

        await world.PollAsync();
        world.Time.Advance(TimeSpan.FromMinutes(1));
        await world.PollAsync();
        world.Recorders[Failover].Duty(Failover).IsRecording.ShouldBeTrue();
        (world.Recorders[Taker].Duty(Failover).IsRecording, world.Recorders[Taker].Duty(Failover).Epoch).ShouldBe((false, 6L));
        (await world.OwedAsync()).ShouldBeEmpty();
    }

    // The end of its hold is told under an epoch that would stop it, so it waits until the stop was delivered with care.
    [Fact]
    public async Task FailedFailover_ServerWaitsForItsRole_HoldGetsItsEndNotBeforeItsStopIsDelivered()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.ApplyAsync(
            new SaveFailoverLogEntry((await world.EntryAsync()) with { Failover = FailoverState.Failed }),
            new GrantEpoch(Failed, Failed, FailbackWorld.FailoverEpoch + 1, "given-back"),
            new Owe([Stop(world)]));
        world.FailoverRecorder.Boot();
        var settle = world.Node.Get<FailbackWorkflows.Failback.Failover.SettleFailedFailovers>();

        await settle.ExecuteAsync(default);

        world.FailoverDuty.Awaiting.ShouldBeTrue("it would record by itself, and nobody else was seen to record");
        world.FailoverRecorder.Holds[FailbackWorld.Entry].ToUtc.ShouldBeNull();
        await world.PollAsync();
        world.Time.Advance(TimeSpan.FromMinutes(1));
        await world.PollAsync();
        await settle.ExecuteAsync(default);
        world.FailedDuty.IsRecording.ShouldBeTrue();
        world.FailoverRecorder.Holds[FailbackWorld.Entry].ToUtc.ShouldNotBeNull();
    }

    // A refusal about the beginning was taken for "it has a later end": the hold would have stayed open unseen.
    [Fact]
    public async Task HoldEnd_HoldBeganEarlierThanWeKnow_IsGivenAndTheBeginningStays()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var hold = world.FailoverRecorder.Holds[FailbackWorld.Entry];
        world.FailoverRecorder.Holds[FailbackWorld.Entry] = hold with { FromUtc = hold.FromUtc.AddMinutes(-3) };

        var run = await world.FailBackAsync();

        run.Result.ShouldBe("done", run.Message);
        var ended = world.FailoverRecorder.Holds[FailbackWorld.Entry];
        (ended.FromUtc, ended.ToUtc).ShouldBe((hold.FromUtc.AddMinutes(-3), (await world.EntryAsync()).LastTimes!.Values.Max()));
        var mirror = await world.Get<IMaterialCopies>().FindHoldAsync(FailbackWorld.Entry, Failover, default);
        (mirror!.FromUtc, mirror.ToUtc).ShouldBe((ended.FromUtc, ended.ToUtc));
    }

    [Fact]
    public async Task HoldEnd_HoldHasALaterEnd_KeepsItAndTheMirrorSaysSo()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var later = world.Time.GetUtcNow().AddDays(1);
        world.FailoverRecorder.Holds[FailbackWorld.Entry] = world.FailoverRecorder.Holds[FailbackWorld.Entry] with { ToUtc = later };

        var run = await world.FailBackAsync();

        run.Result.ShouldBe("done", run.Message);
        world.FailoverRecorder.Holds[FailbackWorld.Entry].ToUtc.ShouldBe(later);
        (await world.Get<IMaterialCopies>().FindHoldAsync(FailbackWorld.Entry, Failover, default))!.ToUtc.ShouldBe(later);
    }

    // FenceKeptAfterNoAnswer: the freeze of 9a was given up and arrives after all, when the undo is over. No epoch was drawn yet that would refuse it.
    [Fact]
    public async Task Freeze_GivenUpAndLateAfterTheUndo_IsRefusedByItsFence()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.Recorders.Before(Failover, "FreezeSettings", () => throw new RecorderException(RecorderErrorKind.Unreachable, "The call is under way for long."), times: 5);

        var run = await world.FailBackAsync();

        await world.ShouldBeUndoneAsync(run, FailbackWorld.FailoverEpoch);
        // The last attempt, in the very acquisition in which the undo began.
        var late = world.Recorders.Calls.Last(c => c.Name == "FreezeSettings" && c.Fate == CallFate.NotArrived).Authority!;
        var refused = await Should.ThrowAsync<RecorderException>(() => world.Recorders.FreezeSettingsAsync(
            new RecorderEndpoint(Failover, new Uri("http://127.0.0.1:1/"), world.FailoverRecorder.Credential),
            new FreezeSettingsCommand(Failed, late, true), "late", default));
        refused.Kind.ShouldBe(RecorderErrorKind.StaleAuthority);
        world.FailoverDuty.Frozen.ShouldBeFalse();
    }

    // It heard of the number by a call that was meant for it, not of the grant: any other call has stopped it.
    [Fact]
    public async Task Holder_ThatOnlyLearnedTheNumber_IsGivenTheDutyByAPoll()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailoverDuty.Become(DutyRole.Standby, FailbackWorld.FailoverEpoch, "failover-run", isRecording: false).AllocationId = null;

        await world.PollAsync();

        (world.FailoverDuty.ToState().Role, world.FailoverDuty.IsRecording, world.FailoverDuty.AllocationId).ShouldBe((DutyRole.Recorder, true, "failover-run"));
    }

    // Its start would be refused, and the refusal would count as a failed attempt.
    [Fact]
    public async Task AutomaticFailback_AnObligationIsInTheWay_ConsumesNoAttempt()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.ApplyAsync(
            new SaveVmsServer((await world.ServerAsync()) with { IsAutomaticFailbackEnabled = true, BootId = world.FailedRecorder.BootId }),
            new Owe([Stop(world) with { Kind = ObligationKind.HoldEnd, Id = "hold-end", EntryId = "an-older-entry" }]));

        await world.Node.Get<PollRecorders>().ExecuteAsync(default);
        var decision = await world.Node.Get<AutomaticFailbackCheck>().DecideAsync(await world.EntryAsync(), null, default);

        decision.Verdict.ShouldBe(AutomaticVerdict.No);
        decision.Sentence.ShouldContain("must first be told");
        (await world.Get<IAutomaticFailbacks>().FindAsync(FailbackWorld.Entry, default)).ShouldBeNull();

        await world.PollAsync();
        await world.Node.Get<PollRecorders>().ExecuteAsync(default);
        var state = await world.Get<IAutomaticFailbacks>().FindAsync(FailbackWorld.Entry, default);
        (await world.EndAsync((state!.RunId ?? state.LastRunId)!)).Result.ShouldBe("done");
    }

    private static Obligation Stop(FailbackWorld world) => new()
    {
        Id = "stop",
        ServerId = Failover,
        Identity = Failed,
        EntryId = FailbackWorld.Entry,
        Kind = ObligationKind.Stop,
        Epoch = FailbackWorld.FailoverEpoch + 1,
        Reason = "It was away.",
        CreatedAt = world.Time.GetUtcNow(),
        NextAttemptAt = world.Time.GetUtcNow(),
    };
}
