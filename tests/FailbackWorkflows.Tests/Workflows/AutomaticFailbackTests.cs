using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.AutomaticFailback;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Maintenance;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Testing.Engine;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Workflows;

/// <summary>A recorder that comes back gets its duty back by itself: when, when not, and how often it is tried.</summary>
public sealed class AutomaticFailbackTests
{
    private const string Failed = FailbackWorld.Failed;
    private static readonly Actor Admin = new(ActorKind.User, "admin", "Ada Admin");

    [Fact]
    public async Task Recorder_ConnectedAgain_IsFailedBack()
    {
        await using var world = await ArrangeAsync();

        await ReconnectAsync(world);

        var run = await LastRunAsync(world);
        run.Result.ShouldBe("done");
        run.Report.StartedBy.Name.ShouldBe("Automatic failback");
        var entry = await world.EntryAsync();
        entry.Failback.ShouldBe(FailbackState.Done);
        (await world.DutyAsync()).HolderServerId.ShouldBe(Failed);
        (await world.ServerAsync()).State.ShouldBe(VmsServerState.Ok);

        // The 11 steps are those of the run an operator starts, under the same name.
        var steps = await world.ReadAsync(entry.FailbackRunId!);
        (steps.Report.DefinitionId, steps.Report.StartedBy.Name, steps.Result).ShouldBe((StartFailback.DefinitionId, "Automatic failback", "done"));
        var state = await StateAsync(world);
        (state!.Attempts, state.RunId, state.NextAt, state.LastMessage).ShouldBe((1, null, null, null));
        (await world.ClaimsAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task Recorder_FoundConnectedByAnyPoll_IsFailedBackWithoutATransition()
    {
        // Level-triggered: it was connected before somebody enabled it.
        await using var world = await ArrangeAsync(isEnabled: false);
        await PollAsync(world);
        (await StateAsync(world)).ShouldBeNull();

        await SettingsAsync(world, new(true, true, null, TimeSpan.Zero));

        (await LastRunAsync(world)).Result.ShouldBe("done");
    }

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, false)]
    public async Task Recorder_NotEnabledForIt_IsLeftAlone(bool isFailoverEnabled, bool isAutomaticEnabled)
    {
        await using var world = await ArrangeAsync(isEnabled: false);
        await world.ApplyAsync(new SaveVmsServer((await world.ServerAsync()) with { IsFailoverEnabled = isFailoverEnabled, IsAutomaticFailbackEnabled = isAutomaticEnabled }));

        await ReconnectAsync(world);

        (await StateAsync(world)).ShouldBeNull();
        (await world.EntryAsync()).Failback.ShouldBe(FailbackState.NotStarted);
    }

    // Scenario 6.
    [Fact]
    public async Task Maintenance_On_RefusesOncePerEpisode_AndItsEndLetsItBegin()
    {
        await using var world = await ArrangeAsync();
        var maintenance = world.Node.Get<ChangeMaintenanceMode>();
        await maintenance.TurnOnAsync(null, "New switches", null, Admin, default);
        for (var i = 0; i < 3; i++)
        {
            await ReconnectAsync(world);
        }

        var refused = await StateAsync(world);
        (refused!.Attempts, refused.RunId).ShouldBe((0, null));
        refused.Refusal!.ShouldContain("New switches");
        (await RefusalsAsync(world)).ShouldBe(1);

        // Another episode is another refusal.
        await world.Node.Get<ChangeMaintenanceMode>().TurnOnAsync(Failed, "New disk", null, Admin, default);
        await maintenance.TurnOffAsync(null, Admin, default);
        await PollAsync(world);
        (await RefusalsAsync(world)).ShouldBe(2);

        await maintenance.TurnOffAsync(Failed, Admin, default);

        (await LastRunAsync(world)).Result.ShouldBe("done");
        (await StateAsync(world))!.Attempts.ShouldBe(1);
    }

    [Fact]
    public async Task Maintenance_WithAnEnd_EndsByItself()
    {
        await using var world = await ArrangeAsync();
        await world.Node.Get<ChangeMaintenanceMode>().TurnOnAsync(Failed, "New disk", world.Time.GetUtcNow().AddHours(1), Admin, default);
        await ReconnectAsync(world);
        (await StateAsync(world))!.Attempts.ShouldBe(0);

        world.Time.Advance(TimeSpan.FromHours(1));
        await PollAsync(world);

        (await LastRunAsync(world)).Result.ShouldBe("done");
    }

    [Fact]
    public async Task Maintenance_On_ManualFailbackNeedsAnOverrideWithAReason()
    {
        await using var world = await ArrangeAsync();
        await world.Node.Get<ChangeMaintenanceMode>().TurnOnAsync(null, "New switches", null, Admin, default);
        var start = world.Node.Get<StartFailback>();

        var plain = await start.ExecuteAsync(new(FailbackWorld.Entry, "click-1", Admin, "Repaired."), default);
        var withoutReason = await start.ExecuteAsync(new(FailbackWorld.Entry, "click-1", Admin, " ", OverridesMaintenance: true), default);
        var overridden = await start.ExecuteAsync(new(FailbackWorld.Entry, "click-1", Admin, "It cannot wait.", OverridesMaintenance: true), default);

        plain.Outcome.ShouldBe(StartRunOutcome.MaintenanceMode);
        plain.Message!.ShouldContain("New switches");
        withoutReason.Outcome.ShouldBe(StartRunOutcome.Refused);
        (await world.EndAsync(overridden.RunId!)).Result.ShouldBe("done");
        (await start.ExecuteAsync(new(FailbackWorld.Entry, "click-1", Admin, "It cannot wait."), default)).Outcome.ShouldBe(StartRunOutcome.AlreadyStarted);
    }

    // Scenario 8, with the recommended delay and with none.
    [Fact]
    public async Task Recorder_FlappingWithAStabilityDelay_IsNotFailedBackUntilItIsSteady()
    {
        await using var world = await ArrangeAsync(delay: TimeSpan.FromMinutes(10));
        for (var i = 0; i < 10; i++)
        {
            await ReconnectAsync(world);
            world.Time.Advance(TimeSpan.FromMinutes(5));
            await PollAsync(world);
        }

        (await StateAsync(world)).ShouldBeNull();
        (await world.Get<IConnectivityHistory>().CountLossesAsync(Failed, world.Time.GetUtcNow() - PollRecorder.FlapWindow, default)).ShouldBe(10);
        var server = await world.ServerAsync();
        (server.Connection, server.ConnectionEpisode).ShouldBe((ConnectionState.Unstable, 10));

        world.Time.Advance(TimeSpan.FromMinutes(5));
        await PollAsync(world);

        (await LastRunAsync(world)).Result.ShouldBe("done");
    }

    // Scenario 8, without a delay: at the first connection, as the site wants it, and only once.
    [Fact]
    public async Task Recorder_FlappingWithoutADelay_IsFailedBackAtTheFirstConnection()
    {
        await using var world = await ArrangeAsync();

        await ReconnectAsync(world);

        (await LastRunAsync(world)).Result.ShouldBe("done");
        (await world.ServerAsync()).ConnectionEpisode.ShouldBe(1);

        // What is done is done: nine more connections within the hour start nothing, and are counted.
        for (var i = 0; i < 9; i++)
        {
            world.Time.Advance(TimeSpan.FromMinutes(5));
            await ReconnectAsync(world);
        }

        world.Store.Commits.Count(c => c.IsStart && c.Instance.DefinitionId == StartFailback.DefinitionId).ShouldBe(1);
        (await world.Get<IConnectivityHistory>().CountLossesAsync(Failed, world.Time.GetUtcNow() - PollRecorder.FlapWindow, default)).ShouldBe(10);
        (await world.ServerAsync()).Connection.ShouldBe(ConnectionState.Unstable);
        (world.FailedDuty.IsRecording, (await world.DutyAsync()).HolderServerId).ShouldBe((true, Failed));
    }

    [Fact]
    public async Task Attempt_ThatIsRefused_IsRepeatedAfter1And5And15MinutesThenHourly()
    {
        await using var world = await ArrangeAsync();
        world.FailedRecorder.CannotWriteBecause = "the disk is full.";
        await ReconnectAsync(world);
        var waits = new List<TimeSpan>();
        for (var attempt = 1; attempt <= 5; attempt++)
        {
            var run = await LastRunAsync(world);
            run.Result.ShouldBe("refused");
            run.Message!.ShouldContain("the disk is full");
            var state = await StateAsync(world);
            (state!.Attempts, state.RunId, state.LastMessage).ShouldBe((attempt, null, run.Message));
            waits.Add(state.NextAt!.Value - state.LastEndedAt!.Value);

            // A moment before it is due nothing happens, however often somebody looks.
            world.Time.Advance(state.NextAt.Value - world.Time.GetUtcNow() - TimeSpan.FromSeconds(1));
            await PollAsync(world);
            await world.Node.Get<AutomaticFailbacks>().DeriveAllAsync(default);
            (await StateAsync(world))!.ShouldBe(state);
            world.Time.Advance(TimeSpan.FromSeconds(1));
            await PollAsync(world);
        }

        waits.ShouldBe([TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(15), TimeSpan.FromHours(1), TimeSpan.FromHours(1)]);
        await LastRunAsync(world);
        (await world.EntryAsync()).Failback.ShouldBe(FailbackState.NotStarted);
    }

    [Fact]
    public async Task Recorder_RestartedAfterAFailedAttempt_IsTriedAtOnce()
    {
        await using var world = await ArrangeAsync();
        world.FailedRecorder.CannotWriteBecause = "the disk is full.";
        await ReconnectAsync(world);
        (await LastRunAsync(world)).Result.ShouldBe("refused");

        world.FailedRecorder.CannotWriteBecause = null;
        world.FailedRecorder.Boot();
        await PollAsync(world);

        (await LastRunAsync(world)).Result.ShouldBe("done");
        (await StateAsync(world))!.Attempts.ShouldBe(2);
    }

    [Fact]
    public async Task Looks_ManyAtTheSameMoment_StartOneRun()
    {
        await using var world = await ArrangeAsync(isEnabled: false);
        await PollAsync(world);
        await world.ApplyAsync(new SaveVmsServer((await world.ServerAsync()) with { IsAutomaticFailbackEnabled = true }));
        var automatic = world.Node.Get<AutomaticFailbacks>();

        await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(() => automatic.DeriveAsync(Failed, default))));

        await LastRunAsync(world);
        world.Store.Commits.Count(c => c.IsStart && c.Instance.DefinitionId == "automatic-failback").ShouldBe(1);
        world.Store.Commits.Count(c => c.IsStart && c.Instance.DefinitionId == StartFailback.DefinitionId).ShouldBe(1);
    }

    [Fact]
    public async Task Licence_Missing_IsARefusalThatUsesUpNoAttempt()
    {
        await using var world = await ArrangeAsync();
        await world.ExpireLicenseAsync();
        await ReconnectAsync(world);
        await ReconnectAsync(world);

        var state = await StateAsync(world);
        (state!.Attempts, state.RefusalCode!.StartsWith("license:", StringComparison.Ordinal)).ShouldBe((0, true));
        (await RefusalsAsync(world)).ShouldBe(1);
    }

    // Scenario 11.
    [Theory]
    [InlineData(SupersededMaterialPolicy.Copy, MaterialCopyState.Queued)]
    [InlineData(SupersededMaterialPolicy.MarkDone, MaterialCopyState.LossesAccepted)]
    public async Task Entries_SeveralOpen_TheNewestIsUsedAndEndsTheOthers(SupersededMaterialPolicy policy, MaterialCopyState expected)
    {
        await using var world = await ArrangeAsync();
        await world.SetPolicyAsync(new() { SupersededMaterial = policy, SupersededMaterialReason = "Nobody needs the first minutes." });
        await world.ApplyAsync(new SaveFailoverLogEntry(FailbackWorld.NewEntry("older", world.Time.GetUtcNow().AddHours(-2))));

        await ReconnectAsync(world);

        (await LastRunAsync(world)).Result.ShouldBe("done");
        var older = await world.EntryAsync("older");
        (older.Failback, older.ClosedByEntryId, older.IsActive, older.MaterialCopy).ShouldBe((FailbackState.Done, FailbackWorld.Entry, false, expected));
        (await world.EntryAsync()).MaterialCopy.ShouldBe(MaterialCopyState.Queued);
        var release = await world.Get<IMaterialCopies>().FindReleaseAsync("older", FailbackWorld.Failover, default);
        if (policy == SupersededMaterialPolicy.MarkDone)
        {
            older.Message!.ShouldContain("Nobody needs the first minutes.");
            release!.Reason.ShouldContain("Nobody needs the first minutes.");
        }
        else
        {
            older.OwesMaterial.ShouldBeTrue();
            release.ShouldBeNull();
        }
    }

    [Fact]
    public async Task Operator_WhoWasFaster_IsNotDisturbed()
    {
        await using var world = await ArrangeAsync();
        world.Recorders.Before(Failed, "Probe", async () => await world.Node.Get<AutomaticFailbacks>().DeriveAllAsync(default));

        var run = await world.FailBackAsync();

        run.Result.ShouldBe("done");
        (await StateAsync(world)).ShouldBeNull();
    }

    // Scenario 1: a click that comes while the automatic failback is at work.
    [Fact]
    public async Task Operator_WhoWasSlower_IsToldWhichRunIsAtWork()
    {
        await using var world = await ArrangeAsync();
        StartRunResult? click = null;
        world.Recorders.Before(Failed, "Probe", async () => click = await world.StartFailbackAsync("click"));

        await ReconnectAsync(world);

        (await LastRunAsync(world)).Result.ShouldBe("done");
        (click!.Outcome, click.RunId).ShouldBe((StartRunOutcome.Busy, (await world.EntryAsync()).FailbackRunId));
        world.Store.Commits.Count(c => c.IsStart && c.Instance.DefinitionId == StartFailback.DefinitionId).ShouldBe(1);
    }

    [Theory]
    [InlineData(CrashMoment.BeforeCommit)]
    [InlineData(CrashMoment.AfterCommit)]
    public async Task Manager_KilledAtEachCommit_FailsBackAllTheSameInOneAttempt(CrashMoment moment)
    {
        for (var commit = 1; ; commit++)
        {
            await using var world = await ArrangeAsync(startsNode: false);
            var crashing = new CrashingWorkflowStore(world.Store, moment, commit);
            var first = await world.StartNodeAsync(behind: crashing);
            var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            world.Store.Committed = committed =>
            {
                if (committed is { Releases: true, Instance: { DefinitionId: "automatic-failback", Status: WorkflowStatus.Finished } })
                {
                    ended.TrySetResult();
                }

                return Task.CompletedTask;
            };
            world.FailedRecorder.IsCutOff = true;
            await first.Get<PollRecorders>().ExecuteAsync(default);
            world.FailedRecorder.IsCutOff = false;
            try
            {
                await first.Get<PollRecorders>().ExecuteAsync(default);
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
                commit.ShouldBeGreaterThan(20);
                return;
            }

            var second = await world.StartNodeAsync();
            await second.Get<PollRecorders>().ExecuteAsync(default);
            (await LastRunAsync(world)).Result.ShouldBe("done", $"{moment} {commit}");
            (await StateAsync(world))!.Attempts.ShouldBe(1, $"{moment} {commit}");
            world.Store.Commits.Count(c => c.IsStart && c.Instance.DefinitionId == StartFailback.DefinitionId).ShouldBe(1, $"{moment} {commit}");
        }
    }

    /// <summary>After a failover, with automatic failback; the failed server is out of reach until <see cref="ReconnectAsync"/>.</summary>
    internal static async Task<FailbackWorld> ArrangeAsync(bool isEnabled = true, TimeSpan delay = default, bool startsNode = true)
    {
        var world = await FailbackWorld.CreateAsync(startsNode);
        await world.ApplyAsync(new SaveVmsServer((await world.ServerAsync()) with { IsAutomaticFailbackEnabled = isEnabled, StabilityDelay = delay, BootId = world.FailedRecorder.BootId }));
        return world;
    }

    internal static async Task ReconnectAsync(FailbackWorld world)
    {
        world.FailedRecorder.IsCutOff = true;
        await PollAsync(world);
        world.FailedRecorder.IsCutOff = false;
        await PollAsync(world);
    }

    private static Task PollAsync(FailbackWorld world) => world.Node.Get<PollRecorders>().ExecuteAsync(default);

    private static Task SettingsAsync(FailbackWorld world, GeneralSettings settings) => world.Node.Get<ChangeGeneralSettings>().ExecuteAsync(Failed, settings, default);

    private static Task<AutomaticFailbackState?> StateAsync(FailbackWorld world) => world.Get<IAutomaticFailbacks>().FindAsync(FailbackWorld.Entry, default);

    private static async Task<int> RefusalsAsync(FailbackWorld world) =>
        (await world.NewsAsync()).Count(n => n.Kind == "automaticFailback" && n.Text!.Contains("is not failed back by itself", StringComparison.Ordinal));

    /// <summary>The newest automatic run, once it has ended.</summary>
    internal static async Task<EndedRun> LastRunAsync(FailbackWorld world) => await world.EndAsync((await StateAsync(world))!.LastRunId!);
}
