using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>The failover workflow: the spare recorder fails, the failover server takes its duty over too.</summary>
public sealed class FailoverTests
{
    private const string Broken = FailbackWorld.Spare;
    private const string Taker = FailbackWorld.Failover;

    [Fact]
    public async Task Failover_NothingGoesWrong_MovesTheDutyWithItsSettingsAndOpensTheHold()
    {
        await using var world = await CreateAsync();
        world.Recorders[Broken].Die();
        var at = world.Time.GetUtcNow();

        var (run, entry) = await FailOverAsync(world);

        (run.SubStatus, run.Result, run.Message).ShouldBe((WorkflowSubStatus.Finished, "done", null));
        (entry.Failover, entry.Failback, entry.FailedServerId, entry.FailoverServerId, entry.FailoverStartedAt).ShouldBe((FailoverState.Done, FailbackState.NotStarted, Broken, Taker, at));
        (entry.StartedBy, entry.Reason, entry.FailoverRunId).ShouldBe((FailbackWorld.Operator.Name, "It is broken.", run.Id));
        var duty = await world.DutyAsync(Broken);
        (duty.HolderServerId, duty.Epoch).ShouldBe((Taker, 2));
        var taken = world.Recorders[Taker].Duty(Broken);
        (taken.ToState().Role, taken.Epoch, taken.IsRecording, taken.Sha256).ShouldBe((DutyRole.Recorder, 2, true, Outcomes.OldDigest));
        var hold = world.Recorders[Taker].Holds[entry.Id];
        (hold.Identity, hold.FromUtc, hold.ToUtc).ShouldBe((Broken, at, null));
        (await world.ServerAsync(Broken)).State.ShouldBe(VmsServerState.Broken);
        (await world.ClaimsAsync()).ShouldBeEmpty();
        (await world.NewsAsync()).ShouldContain(n => n.Kind == "systemChange");
        world.Recorders.Effects.Where(c => c.ServerId == Taker).Select(c => c.Name).ShouldBe(["StageSettings", "ActivateSettings", "AssignDuty", "StartRecording"]);
    }

    [Fact]
    public async Task Failover_ThenFailback_TheDutyIsHome()
    {
        await using var world = await CreateAsync();
        world.Recorders[Broken].Die();
        var (_, entry) = await FailOverAsync(world);
        world.Recorders[Broken].Boot();
        await world.Node.Get<PollRecorders>().ExecuteAsync(default);

        var run = await world.FailBackAsync("back", entry.Id);

        run.Result.ShouldBe("done");
        (world.Recorders[Broken].Duty(Broken).IsRecording, world.Recorders[Taker].Duty(Broken).IsRecording).ShouldBe((true, false));
        (await world.ServerAsync(Broken)).State.ShouldBe(VmsServerState.Ok);
        world.Recorders[Taker].Holds[entry.Id].ToUtc.ShouldNotBeNull();
    }

    [Fact]
    public async Task Failover_ReportedByAnotherSystem_IsTakenOverOncePerExternalId()
    {
        await using var world = await CreateAsync();
        world.Recorders[Broken].Die();
        world.Recorders[Taker].Duty(Broken).Become(DutyRole.Recorder, 1, "theirs", isRecording: true).Activate(FakeSettings.Content(5));
        var began = world.Time.GetUtcNow();

        var started = await world.StartFailoverAsync("request-1", Broken, Taker, "their-7", isPerformed: true);
        var run = await world.EndAsync(started.RunId!);
        var again = await world.StartFailoverAsync("request-2", Broken, Taker, "their-7", isPerformed: true);
        var atOnce = await Task.WhenAll(Enumerable.Range(3, 3).Select(i => Task.Run(() => world.StartFailoverAsync($"request-{i}", Broken, Taker, "their-7", isPerformed: true))));

        run.Result.ShouldBe("done");
        again.ShouldBe(new StartRunResult(StartRunOutcome.AlreadyStarted, run.Id, started.EntryId, null));
        atOnce.ShouldAllBe(r => r.Outcome == StartRunOutcome.AlreadyStarted && r.RunId == run.Id);
        var entry = await world.EntryAsync(started.EntryId!);
        (entry.ExternalId, entry.Failover).ShouldBe(("their-7", FailoverState.Done));
        world.Recorders[Taker].Holds[entry.Id].FromUtc.ShouldBe(began);
        var taken = world.Recorders[Taker].Duty(Broken);
        (taken.Epoch, taken.IsRecording, taken.Revision).ShouldBe((2, true, 1));
        (await world.Get<IFailoverLog>().ListAsync(new(FailoverLogView.All, Broken), default)).Count.ShouldBe(1);
        world.Recorders.Effects.ShouldNotContain(c => c.Name == "ActivateSettings");
    }

    [Fact]
    public async Task Failover_ReportedTwiceAtTheSameMoment_IsOne()
    {
        await using var world = await CreateAsync();
        world.Recorders[Broken].Die();

        var starts = await Task.WhenAll(Enumerable.Range(1, 4).Select(i => Task.Run(() => world.StartFailoverAsync($"request-{i}", Broken, Taker, "their-8"))));
        await world.EndAsync(starts[0].RunId!);

        starts.Count(s => s.Outcome == StartRunOutcome.Started).ShouldBe(1);
        starts.Select(s => s.RunId).Distinct().Count().ShouldBe(1);
    }

    [Theory]
    [InlineData("no licence", "expired")]
    [InlineData("failover server is broken", "marked broken itself")]
    [InlineData("failover server is away", "does not answer")]
    [InlineData("failover server cannot write", "cannot write")]
    [InlineData("failover server is another machine", "is not Recorder 2")]
    [InlineData("failover server refuses the credential", "refused to be asked")]
    public async Task Failover_NotPossible_IsRefusedAndTouchesNothing(string situation, string sentence)
    {
        await using var world = await CreateAsync();
        switch (situation)
        {
            case "no licence":
                await world.ExpireLicenseAsync();
                break;
            case "failover server is broken":
                await world.ApplyAsync(new SaveVmsServer((await world.ServerAsync(Taker)) with { State = VmsServerState.Broken }));
                break;
            case "failover server is away":
                world.Recorders[Taker].IsCutOff = true;
                break;
            case "failover server cannot write":
                world.Recorders[Taker].CannotWriteBecause = "the disk is full.";
                break;
            case "failover server is another machine":
                world.Recorders[Taker].MachineId = "another-machine";
                break;
            default:
                world.Recorders[Taker].Credential = "changed";
                break;
        }

        var started = await world.StartFailoverAsync("request-1", Broken, Taker);
        var run = await world.EndAsync(started.RunId!);

        (run.Result, run.RefusedCheck).ShouldBe(("refused", 1));
        run.Message!.ShouldContain(sentence);
        (await world.Get<IFailoverLog>().FindAsync(started.EntryId!, default)).ShouldBeNull();
        (await world.ServerAsync(Broken)).State.ShouldBe(VmsServerState.Ok);
        (await world.ClaimsAsync()).ShouldBeEmpty();
        world.Recorders.Effects.ShouldBeEmpty();
    }

    [Fact]
    public async Task Failover_DoneAlready_IsRefused()
    {
        await using var world = await CreateAsync();

        var run = await world.EndAsync((await world.StartFailoverAsync()).RunId!);

        (run.Result, run.RefusedCheck).ShouldBe(("refused", 1));
        run.Message!.ShouldContain("has the duty");
    }

    [Theory]
    [InlineData("nobody", Taker, StartRunOutcome.Unknown)]
    [InlineData(Broken, "nobody", StartRunOutcome.Unknown)]
    [InlineData(Broken, Broken, StartRunOutcome.Refused)]
    public async Task Failover_ThatMakesNoSense_StartsNothing(string failed, string failover, StartRunOutcome outcome)
    {
        await using var world = await CreateAsync();

        var result = await world.StartFailoverAsync("request-1", failed, failover);

        (result.Outcome, result.RunId).ShouldBe((outcome, null));
        result.Message.ShouldNotBeNull();
        world.Store.Commits.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("settings do not fit", "too many masks")]
    [InlineData("no settings known", "settings cache holds nothing")]
    public async Task Failover_SettingsCannotBeHad_IsLoggedAsFailedWithAnAlarm(string situation, string sentence)
    {
        await using var world = await CreateAsync(isPolled: situation != "no settings known");
        world.Recorders[Broken].Die();
        world.Recorders[Taker].RejectsSettingsBecause = situation == "settings do not fit" ? "too many masks" : null;

        var (run, entry) = await FailOverAsync(world);

        run.Result.ShouldBe("failed");
        run.Message!.ShouldContain(sentence);
        (entry.Failover, entry.Message, entry.IsActive).ShouldBe((FailoverState.Failed, run.Message, false));
        (await world.AlarmsAsync()).Single().ShouldContain("failed");
        (await world.DutyAsync(Broken)).HolderServerId.ShouldBe(Broken);
        world.Recorders[Taker].Holds.ShouldNotContainKey(entry.Id);
        (await world.ClaimsAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task Failover_FailoverServerDiesBeforeItHasTheDuty_IsLoggedAsFailed()
    {
        await using var world = await CreateAsync();
        world.Recorders[Broken].Die();
        world.Recorders.DieAt(Taker, "AssignDuty");

        var (run, entry) = await FailOverAsync(world);

        (run.Result, entry.Failover).ShouldBe(("failed", FailoverState.Failed));
        (await world.AlarmsAsync()).ShouldNotBeEmpty();
        run.Report.Alarms.ShouldHaveSingleItem();
    }

    // The duty must not stay with a server that never took it: the failed server would be told to stand by for it.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Failover_Failed_FailedServerRecordsAgainAndIsOkOnceItIsBack(bool isFailedServerDown)
    {
        await using var world = await CreateAsync();
        var failed = world.Recorders[Broken];
        if (isFailedServerDown)
        {
            failed.Die();
        }

        world.Recorders.DieAt(Taker, "AssignDuty");
        var (_, entry) = await FailOverAsync(world);
        await PollAsync(world);
        var alert = await world.Node.Get<EntryAlerts>().FindAsync(entry, default);
        var stateBefore = (await world.ServerAsync(Broken)).State;
        if (isFailedServerDown)
        {
            failed.Boot();
        }

        world.Recorders[Taker].Boot();
        await PollAsync(world);
        await PollAsync(world);

        (await world.DutyAsync(Broken)).HolderServerId.ShouldBe(Broken);
        stateBefore.ShouldBe(VmsServerState.Broken);
        alert!.Title.ShouldBe("Nobody may be recording Recorder 3 now");
        alert.Next.ShouldContain("another server");
        (await world.ServerAsync(Broken)).State.ShouldBe(VmsServerState.Ok);
        var duty = failed.Duty(Broken);
        (duty.ToState().Role, duty.IsRecording, duty.Epoch).ShouldBe((DutyRole.Recorder, true, (await world.DutyAsync(Broken)).Epoch));
        world.Recorders[Taker].Duty(Broken).IsRecording.ShouldBeFalse();
        (await world.Node.Get<EntryAlerts>().FindAsync(entry, default)).ShouldBeNull();
    }

    [Fact]
    public async Task Failover_FailoverServerRecordsNothing_EndsItsHoldAndTheFailedServerCanBeFailedOverElsewhere()
    {
        await using var world = await CreateAsync();
        world.Recorders[Broken].Die();
        foreach (var channel in FakeSettings.Channels)
        {
            world.Recorders[Taker].DarkChannels.Add(channel);
        }

        var (run, entry) = await FailOverAsync(world);
        await PollAsync(world);
        var again = await world.EndAsync((await world.StartFailoverAsync("request-2", Broken, FailbackWorld.Failed)).RunId!);

        run.Result.ShouldBe("failed");
        world.Recorders[Taker].Holds[entry.Id].ToUtc.ShouldNotBeNull();
        world.Recorders[Taker].Duty(Broken).ToState().Role.ShouldBe(DutyRole.Standby);
        again.RefusedCheck.ShouldBe(1, "the only other server is broken itself");
    }

    [Fact]
    public async Task Failover_ReportedAndFailed_StaysWithTheServerThatTookOver()
    {
        await using var world = await CreateAsync();
        world.Recorders[Broken].Die();
        world.Recorders[Taker].Duty(Broken).Become(DutyRole.Recorder, 1, "theirs", isRecording: true).Activate(FakeSettings.Content(5));
        world.Recorders.Before(Taker, "AssignDuty", () => world.Recorders[Taker].IsCutOff = true);

        var started = await world.StartFailoverAsync("request-1", Broken, Taker, "their-9", isPerformed: true);
        var run = await world.EndAsync(started.RunId!);
        world.Recorders[Taker].IsCutOff = false;
        await PollAsync(world);

        run.Result.ShouldBe("failed");
        var taken = world.Recorders[Taker].Duty(Broken);
        (taken.ToState().Role, taken.IsRecording, taken.Epoch).ShouldBe((DutyRole.Recorder, true, (await world.DutyAsync(Broken)).Epoch));
    }

    [Theory]
    [InlineData("StageSettings")]
    [InlineData("ActivateSettings")]
    [InlineData("AssignDuty")]
    [InlineData("StartRecording")]
    public async Task Failover_AnswerLostAfterTheEffect_TakesEffectOnce(string call)
    {
        await using var world = await CreateAsync();
        world.Recorders[Broken].Die();
        world.Recorders.LoseAnswer(Taker, call, times: 2);

        var (run, entry) = await FailOverAsync(world);

        (run.Result, entry.Failover).ShouldBe(("done", FailoverState.Done));
        world.ShouldHaveCommandedOnce();
    }

    private static async Task<FailbackWorld> CreateAsync(bool isPolled = true)
    {
        var world = await FailbackWorld.CreateAsync();
        if (isPolled)
        {
            await world.Node.Get<PollRecorders>().ExecuteAsync(default);
        }

        return world;
    }

    private static Task PollAsync(FailbackWorld world) => world.PollAsync();

    private static async Task<(EndedRun Run, FailoverLogEntry Entry)> FailOverAsync(FailbackWorld world)
    {
        var started = await world.StartFailoverAsync("request-1", Broken, Taker);
        var run = await world.EndAsync(started.RunId ?? throw new InvalidOperationException(started.ToString()));
        return (run, await world.EntryAsync(started.EntryId!));
    }
}
