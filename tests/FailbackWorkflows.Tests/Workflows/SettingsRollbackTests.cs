using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Runs;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Recorders.Settings;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>Earlier settings of a recorder are brought back, all or nothing, while it records on.</summary>
public sealed class SettingsRollbackTests
{
    private const string Server = FailbackWorld.Spare;

    private static FakeDuty Duty(FailbackWorld world) => world.Recorders[Server].Duty(Server);

    [Fact]
    public async Task Rollback_NothingGoesWrong_BringsTheEarlierSettingsBackAndSaysWhoAndWhy()
    {
        await using var world = await CreateAsync();

        var run = await RollBackAsync(world, 1);

        (run.SubStatus, run.Result, run.Message).ShouldBe((WorkflowSubStatus.Finished, "done", null));
        (Duty(world).Sha256, Duty(world).Revision, Duty(world).IsRecording).ShouldBe((Outcomes.OldDigest, 3, true));
        world.Recorders.Effects.Select(c => $"{c.ServerId} {c.Name}").ShouldBe([$"{Server} StageSettings", $"{Server} ActivateSettings"]);
        world.ShouldHaveCommandedOnce();
        (await world.ClaimsAsync()).ShouldBeEmpty();
        var newest = (await world.Get<ISettingsCache>().ListAsync(Server, null, 1, default)).Single();
        (newest.Number, newest.Sha256, newest.Revision).ShouldBe((3, Outcomes.OldDigest, 3));
        (newest.Provenance.ChangedBy, newest.Provenance.Reason, newest.Provenance.RunId).ShouldBe((FailbackWorld.Operator.Name, "The mask was moved by mistake.", run.Id));
        run.Report.Steps.Where(s => s.Number is not null).Select(s => s.State).ShouldBe(Enumerable.Repeat(RunStepState.Done, 5));
        (await world.NewsAsync()).ShouldContain(n => n.Kind == "systemChange");
    }

    // The duty is with the failover server: that is who gets the settings.
    [Fact]
    public async Task Rollback_DuringAFailover_IsAppliedAtWhoeverHasTheDuty()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.Node.Get<RefreshSettings>().ExecuteAsync(default);

        var run = await RollBackAsync(world, 1, FailbackWorld.Failed);

        run.Result.ShouldBe("done", run.Message);
        (world.FailoverDuty.Sha256, world.FailedDuty.Revision).ShouldBe((Outcomes.OldDigest, 1));
        (await world.Get<ISettingsCache>().FindNewestAsync(FailbackWorld.Failed, default))!.Sha256.ShouldBe(Outcomes.OldDigest);
    }

    /// <summary>Situation, part of the sentence.</summary>
    public static TheoryData<string, string> Refusals { get; } = new()
    {
        { "unknown number", "has no number 99" },
        { "same settings", "There is nothing to bring back" },
        { "away", "does not answer" },
        { "another machine", "is not Recorder 3" },
        { "not recorder", "but is standby with epoch 1" },
        { "awaits its role", "but is awaitingrole" },
        { "frozen", "are frozen" },
        { "refuses the credential", "refused to be asked" },
        { "damaged settings", "damaged" },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public async Task Check_Fails_RefusesAndTouchesNothing(string situation, string sentence)
    {
        await using var world = await CreateAsync();
        var recorder = world.Recorders[Server];
        long number = 1;
        switch (situation)
        {
            case "unknown number":
                number = 99;
                break;
            case "same settings":
                number = 2;
                break;
            case "away":
                recorder.IsCutOff = true;
                break;
            case "another machine":
                recorder.MachineId = "another-machine";
                break;
            case "not recorder":
                Duty(world).Become(DutyRole.Standby, 1, "seed", isRecording: false);
                break;
            case "awaits its role":
                recorder.Boot();
                break;
            case "frozen":
                Duty(world).Frozen = true;
                break;
            case "damaged settings":
                recorder.StatesDigest = new string('a', 64);
                break;
            default:
                recorder.Credential = "changed";
                break;
        }

        var run = await RollBackAsync(world, number);

        (run.SubStatus, run.Result, run.RefusedCheck).ShouldBe((WorkflowSubStatus.Finished, "refused", 1));
        run.Message!.ShouldContain(sentence);
        recorder.StatesDigest = null;
        (Duty(world).Sha256, Duty(world).Revision).ShouldBe((Outcomes.NewDigest, 2));
        world.Recorders.Effects.ShouldBeEmpty();
        (await world.ClaimsAsync()).ShouldBeEmpty();
        (await world.Get<ISettingsCache>().ListAsync(Server, null, 10, default)).Count.ShouldBe(2);
    }

    [Fact]
    public async Task Settings_DoNotFit_IsUndoneWithoutAnyChange()
    {
        await using var world = await CreateAsync();
        world.Recorders[Server].RejectsSettingsBecause = "drive E: is missing.";

        var run = await RollBackAsync(world, 1);

        ShouldBeUndone(world, run, revision: 2);
        run.Message!.ShouldContain("channel 1 'Gate, version 1': drive E: is missing.");
    }

    [Fact]
    public async Task Activation_BreaksOff_IsUndoneWithoutAnyChange()
    {
        await using var world = await CreateAsync();
        world.Recorders[Server].BreaksAtActivation = true;

        var run = await RollBackAsync(world, 1);

        ShouldBeUndone(world, run, revision: 2);
        run.Message!.ShouldContain("No room");
    }

    // It took effect, and nobody ever heard of it.
    [Fact]
    public async Task Activation_ItsAnswerNeverCame_IsTakenBack()
    {
        await using var world = await CreateAsync();
        world.Recorders.LoseAnswer(Server, "ActivateSettings", times: 100);

        var run = await RollBackAsync(world, 1);

        ShouldBeUndone(world, run, revision: 4);
    }

    [Fact]
    public async Task Channel_GoesDarkUnderTheEarlierSettings_IsTakenBack()
    {
        await using var world = await CreateAsync();
        world.Recorders.After(Server, "ActivateSettings", () => world.Recorders[Server].DarkChannels.Add("video-2"));
        var before = world.Time.GetUtcNow();

        var run = await RollBackAsync(world, 1);

        ShouldBeUndone(world, run, revision: 4);
        run.Message!.ShouldContain("no more frames of 1 channel");
        run.Message!.ShouldContain("video-2");
        (world.Time.GetUtcNow() - before).ShouldBeGreaterThanOrEqualTo(TimeSpan.FromSeconds(30));
        var newest = (await world.Get<ISettingsCache>().ListAsync(Server, null, 1, default)).Single();
        (newest.Sha256, newest.Revision, newest.Provenance.RunId).ShouldBe((Outcomes.NewDigest, 4, run.Id));
    }

    // It was dark before: that is no reason to go back.
    [Fact]
    public async Task Channel_WasDarkBefore_IsAnAlarmOnly()
    {
        await using var world = await CreateAsync();
        world.Recorders[Server].DarkChannels.Add("video-2");
        world.Time.Advance(TimeSpan.FromMinutes(1));

        var run = await RollBackAsync(world, 1);

        run.Result.ShouldBe("done", run.Message);
        (await world.AlarmsAsync()).Single().ShouldContain("video-2");
    }

    // Somebody changes the settings at the recorder while the run waits for pictures: what he set is not thrown away.
    [Fact]
    public async Task Undo_SettingsChangedMeanwhile_LeavesThemAlone()
    {
        await using var world = await CreateAsync();
        world.Recorders[Server].DarkChannels.Add("video-2");
        world.Recorders.After(Server, "ActivateSettings", () => Duty(world).Activate(FakeSettings.Content(7)));
        world.Recorders.Before(Server, "GetRecording", world.Recorders[Server].DarkChannels.Clear);
        world.Recorders.Before(Server, "GetRecording", () => world.Recorders[Server].DarkChannels.Add("video-2"), nth: 2);

        var run = await RollBackAsync(world, 1);

        run.Result.ShouldBe("undone");
        Duty(world).Sha256.ShouldBe(SettingsDigest.Compute(FakeSettings.Content(7)));
        world.Recorders.Effects.ShouldNotContain(c => c.Name == "RollBackSettings");
    }

    [Fact]
    public async Task Cancel_AfterTheActivation_TakesItBack()
    {
        await using var world = await CreateAsync();
        world.Recorders[Server].DarkChannels.Add("video-2");
        var run = "";
        world.Recorders.After(Server, "ActivateSettings", async () => await world.Node.Runtime.CancelAsync(run, FailbackWorld.Operator, "Wrong one.", default));
        var gate = new TaskCompletionSource();
        world.Recorders.Before(Server, "ValidateSettings", () => gate.Task);
        run = (await StartAsync(world, 1)).RunId!;
        gate.SetResult();

        var ended = await world.EndAsync(run);

        (ended.SubStatus, ended.Result).ShouldBe((WorkflowSubStatus.Cancelled, "cancelled"));
        Duty(world).Sha256.ShouldBe(Outcomes.NewDigest);
        (await world.ClaimsAsync()).ShouldBeEmpty();
    }

    // Scenario 1, for settings: the claim is one for all that acts on a duty.
    [Fact]
    public async Task Start_AnotherRunHasTheDuty_IsBusyAndNamesIt()
    {
        await using var world = await CreateAsync();
        await world.ApplyAsync(new TakeClaims("other-run", "failover", [DutyClaim.Recorder(Server)], world.Time.GetUtcNow()));

        var result = await StartAsync(world, 1);

        (result.Outcome, result.RunId).ShouldBe((StartRunOutcome.Busy, "other-run"));
        Duty(world).Revision.ShouldBe(2);
    }

    [Fact]
    public async Task Start_SameRequestTwice_IsOneRun()
    {
        await using var world = await CreateAsync();

        var first = await StartAsync(world, 1);
        var again = await StartAsync(world, 1);

        (again.Outcome, again.RunId).ShouldBe((StartRunOutcome.AlreadyStarted, first.RunId));
        (await world.EndAsync(first.RunId!)).Result.ShouldBe("done");
    }

    [Fact]
    public async Task Start_UnknownServerOrDuty_StartsNothing()
    {
        await using var world = await CreateAsync();

        (await world.Node.Get<StartSettingsRollback>().ExecuteAsync(new("nobody", 1, "r", FailbackWorld.Operator, "x"), default)).Outcome.ShouldBe(StartRunOutcome.Unknown);

        world.Store.Commits.ShouldBeEmpty();
    }

    private static void ShouldBeUndone(FailbackWorld world, EndedRun run, long revision)
    {
        (run.SubStatus, run.Result).ShouldBe((WorkflowSubStatus.Finished, "undone"));
        (Duty(world).Sha256, Duty(world).Revision, Duty(world).IsRecording).ShouldBe((Outcomes.NewDigest, revision, true));
        world.ShouldHaveCommandedOnce();
    }

    /// <summary>The spare recorder had two settings in turn, and the cache has seen both.</summary>
    private static async Task<FailbackWorld> CreateAsync()
    {
        var world = await FailbackWorld.CreateAsync();
        await world.Node.Get<RefreshSettings>().ExecuteAsync(default);
        Duty(world).Activate(FakeSettings.Content(2));
        await world.Node.Get<RefreshSettings>().ExecuteAsync(default);
        return world;
    }

    private static Task<StartRunResult> StartAsync(FailbackWorld world, long number, string server = Server) =>
        world.Node.Get<StartSettingsRollback>().ExecuteAsync(new(server, number, "request-1", FailbackWorld.Operator, "The mask was moved by mistake."), default);

    private static async Task<EndedRun> RollBackAsync(FailbackWorld world, long number, string server = Server) => await world.EndAsync((await StartAsync(world, number, server)).RunId!);
}
