using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Policies;
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
    public async Task Recorder_ThatWasToldByARunSinceItAnswered_IsNotToldAgain()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var runHasEnded = new TaskCompletionSource();
        Task? poll = null;
        world.Recorders.Before(FailbackWorld.Failed, "AssignDuty", async () =>
        {
            // The duty is granted to it, and it does not know yet: so it says, and only after the run's end its answer arrives.
            var hasSaid = new TaskCompletionSource();
            world.Recorders.After(FailbackWorld.Failed, "GetStatus", () =>
            {
                hasSaid.SetResult();
                return runHasEnded.Task;
            });
            poll = PollAsync(world);
            await hasSaid.Task;
        });

        (await world.FailBackAsync()).Result.ShouldBe("done");
        runHasEnded.SetResult();
        await poll!;

        world.Recorders.Effects.Select(e => e.Key).ShouldNotContain(key => key!.StartsWith("poll/", StringComparison.Ordinal));
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
    public async Task Recorder_RefusingTheCredential_DoesNotKeepTheOthersFromBeingPolled()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedRecorder.Credential = "changed";
        world.FailoverRecorder.Boot();

        await PollAsync(world);

        (await world.ServerAsync()).Connection.ShouldBe(ConnectionState.Disconnected);
        world.FailoverDuty.ToState().Role.ShouldBe(DutyRole.Recorder);
    }

    [Fact]
    public async Task Credential_ThatCannotBeRead_IsToldOfItsServerAndKeepsNobodyElseFromBeingPolled()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.ApplyAsync(new SaveVmsServer((await world.ServerAsync()) with { ProtectedCredential = "of another installation" }));
        world.FailoverRecorder.Boot();

        await PollAsync(world);
        await PollAsync(world);

        (await world.ServerAsync()).Connection.ShouldBe(ConnectionState.Disconnected);
        var lost = (await HistoryAsync(world)).ShouldHaveSingleItem();
        lost.Reason.ShouldBe("The stored credential of Recorder 1 cannot be read: it was encrypted with a key that this management server does not have. An administrator has to enter it anew on the page of the server.");
        (await world.NewsAsync()).Where(n => n.Subject == FailbackWorld.Failed).Select(n => n.Text).ShouldBe([lost.Reason]);
        world.Node.Get<PollRecorders>().CredentialProblemOf(FailbackWorld.Failed).ShouldBe(lost.Reason);
        world.Node.Get<PollRecorders>().CredentialProblemOf(FailbackWorld.Failover).ShouldBeNull();
        world.Node.Get<FailedPolls>().Of(FailbackWorld.Failed).ShouldBe(0, "it was not asked, so nothing may be taken over for it");
        world.FailoverDuty.ToState().Role.ShouldBe(DutyRole.Recorder);
    }

    [Fact]
    public async Task Credential_EnteredAnew_IsUsedFromTheNextPollOn()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var credential = world.FailedRecorder.Credential;
        await world.ApplyAsync(new SaveVmsServer((await world.ServerAsync()) with { ProtectedCredential = "of another installation" }));
        await PollAsync(world);
        var change = world.Node.Get<ChangeCredential>();

        var refused = await change.ExecuteAsync(FailbackWorld.Failed, "a wrong one", default);
        var stillUnreadable = (await world.ServerAsync()).ProtectedCredential;
        var taken = await change.ExecuteAsync(FailbackWorld.Failed, credential, default);
        await PollAsync(world);

        refused.Server.ShouldBeNull();
        refused.Message!.ShouldStartWith("Recorder 1 could not be asked with this credential:");
        stillUnreadable.ShouldBe("of another installation");
        taken.Message.ShouldBeNull();
        (await world.ServerAsync()).Connection.ShouldBe(ConnectionState.Connected);
        world.Node.Get<PollRecorders>().CredentialProblemOf(FailbackWorld.Failed).ShouldBeNull();
    }

    [Fact]
    public async Task Credential_EnteredAnewForAnotherMachine_IsRefused()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedRecorder.MachineId = "another-machine";
        var before = await world.ServerAsync();

        var result = await world.Node.Get<ChangeCredential>().ExecuteAsync(FailbackWorld.Failed, world.FailedRecorder.Credential, default);

        result.Message!.ShouldContain("its id is another-machine, known is machine-of-rec-1");
        (await world.ServerAsync()).ShouldBe(before);
    }

    [Fact]
    public async Task Connection_EachChange_IsInTheHistoryWithWhoWhenAndWhy()
    {
        await using var world = await FailbackWorld.CreateAsync();
        world.FailedRecorder.IsCutOff = true;
        await PollAsync(world);
        var lostAt = world.Time.GetUtcNow();
        world.Time.Advance(TimeSpan.FromMinutes(3));
        world.FailedRecorder.IsCutOff = false;
        await PollAsync(world);
        world.FailedRecorder.Boot();
        await PollAsync(world);
        await PollAsync(world);

        var history = await HistoryAsync(world);
        history.Select(t => (t.Kind, t.From, t.To, t.Episode, t.By)).ShouldBe(
        [
            (TransitionKind.Disconnected, ConnectionState.Connected, ConnectionState.Disconnected, 0, "poll"),
            (TransitionKind.Connected, ConnectionState.Disconnected, ConnectionState.Connected, 1, "poll"),
            (TransitionKind.Restarted, ConnectionState.Connected, ConnectionState.Connected, 2, "poll"),
        ]);
        history[0].At.ShouldBe(lostAt);
        history[2].BootId.ShouldBe(world.FailedRecorder.BootId);
        history.ShouldAllBe(t => t.Reason.Length > 0);
        (await world.Get<IConnectivityHistory>().ListAsync(FailbackWorld.Failed, history[2].Sequence, 1, default)).ShouldHaveSingleItem().ShouldBe(history[1]);
        (await world.ServerAsync()).ConnectedSince.ShouldBe(world.Time.GetUtcNow());
    }

    [Fact]
    public async Task Recorder_LostThreeTimesWithinAnHour_IsUnstableUntilItIsNot()
    {
        await using var world = await FailbackWorld.CreateAsync();
        for (var i = 0; i < PollRecorder.FlapsUntilUnstable; i++)
        {
            world.FailedRecorder.IsCutOff = true;
            await PollAsync(world);
            world.FailedRecorder.IsCutOff = false;
            await PollAsync(world);
        }

        var unstable = await world.ServerAsync();
        world.Time.Advance(PollRecorder.FlapWindow);
        await PollAsync(world);
        var calm = await world.ServerAsync();

        (unstable.Connection, unstable.Answers).ShouldBe((ConnectionState.Unstable, true));
        (calm.Connection, calm.ConnectionEpisode, calm.ConnectedSince).ShouldBe((ConnectionState.Connected, unstable.ConnectionEpisode, unstable.ConnectedSince));
        (await HistoryAsync(world))[^1].Kind.ShouldBe(TransitionKind.Calmed);
    }

    [Fact]
    public async Task Clock_OffByTwoSeconds_IsMeasuredAndStoredOnce()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await PollAsync(world);
        var before = await world.ServerAsync();
        world.FailedRecorder.ClockOffset = TimeSpan.FromSeconds(2);
        await PollAsync(world);
        var after = await world.ServerAsync();
        world.FailedRecorder.ClockOffset = TimeSpan.FromSeconds(2.3);
        await PollAsync(world);

        (after.ClockOffset, after.Revision).ShouldBe((TimeSpan.FromSeconds(2), before.Revision + 1));
        (await world.ServerAsync()).Revision.ShouldBe(after.Revision);
    }

    [Fact]
    public async Task Poll_ThatFindsNothingNew_WritesNothing()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await PollAsync(world);
        var revisions = await RevisionsAsync();
        var news = (await world.NewsAsync()).Count;
        for (var i = 0; i < 20; i++)
        {
            world.Time.Advance(TimeSpan.FromSeconds(5));
            await PollAsync(world);
        }

        (await RevisionsAsync()).ShouldBe(revisions);
        (await world.NewsAsync()).Count.ShouldBe(news);
        world.Node.Get<PollRecorders>().SeenAt(await world.ServerAsync()).ShouldBe(world.Time.GetUtcNow());

        async Task<IReadOnlyList<long>> RevisionsAsync() => [.. (await world.Get<IVmsServers>().ListAsync(default)).Select(s => s.Revision)];
    }

    [Fact]
    public async Task Sweeps_PollEachRecorderOncePerIntervalOfItsOwn()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.ApplyAsync(new SaveVmsServer((await world.ServerAsync(FailbackWorld.Spare)) with { PollInterval = TimeSpan.FromSeconds(1) }));
        var poll = world.Node.Get<PollRecorders>();
        await poll.SweepAsync(default);
        world.Recorders.ForgetCalls();

        for (var i = 0; i < 300; i++)
        {
            world.Time.Advance(TimeSpan.FromMilliseconds(100));
            await poll.SweepAsync(default);
            await IdleAsync(poll);
        }

        (Polls(FailbackWorld.Failed), Polls(FailbackWorld.Failover), Polls(FailbackWorld.Spare)).ShouldBe((6, 6, 30));
        var punctual = poll.Punctual();
        (punctual.Recorders, punctual.InFlight).ShouldBe((3, 0));
        punctual.LongestLag.ShouldBeLessThanOrEqualTo(TimeSpan.FromMilliseconds(100));
        punctual.LongestGap.ShouldBeLessThanOrEqualTo(TimeSpan.FromMilliseconds(100));

        int Polls(string serverId) => world.Recorders.Calls.Count(c => c.ServerId == serverId && c.Name == "GetStatus");
    }

    [Fact]
    public async Task Recorder_ThatHangs_IsAskedOnceAtATimeAndHoldsUpNobodyElse()
    {
        await using var world = await FailbackWorld.CreateAsync();
        var poll = world.Node.Get<PollRecorders>();
        await poll.SweepAsync(default);
        world.Recorders.ForgetCalls();
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var released = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        world.Recorders.Before(FailbackWorld.Failed, "GetStatus", async () =>
        {
            asked.SetResult();
            await released.Task;
        });

        for (var i = 0; i < 120; i++)
        {
            world.Time.Advance(TimeSpan.FromMilliseconds(100));
            await poll.SweepAsync(default);
            await IdleAsync(poll, () => asked.Task.IsCompleted ? 1 : 0);
        }

        await asked.Task.WaitAsync(TimeSpan.FromSeconds(30));
        poll.Punctual().InFlight.ShouldBeGreaterThan(0);
        released.SetResult();
        await IdleAsync(poll);
        world.Recorders.Calls.Count(c => c.ServerId == FailbackWorld.Failed && c.Name == "GetStatus").ShouldBe(1);
        world.Recorders.Calls.Count(c => c.ServerId == FailbackWorld.Failover && c.Name == "GetStatus").ShouldBeGreaterThan(1);
    }

    [Fact]
    public async Task Workflow_WithTheTrigger_IsStartedByEachConnectionOnce_AlsoWhenTheTellingIsRepeated()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.Node.Get<FailbackWorkflows.Engine.Runtime.WorkflowDefinitions>().PublishAsync(OnConnection("Failback.RecorderConnected", ""), "test", default);
        await world.Node.Get<FailbackWorkflows.Engine.Runtime.WorkflowDefinitions>().PublishAsync(OnConnection("Failback.RecorderDisconnected", FailbackWorld.Failed), "test", default);
        await world.Node.Get<FailbackWorkflows.Engine.Runtime.WorkflowDefinitions>().PublishAsync(OnConnection("Failback.RecorderConnected", FailbackWorld.Spare), "test", default);
        for (var i = 0; i < 2; i++)
        {
            world.FailedRecorder.IsCutOff = true;
            await PollAsync(world);
            world.FailedRecorder.IsCutOff = false;
            await PollAsync(world);
        }

        // As after a crash before it was noted how far the telling had come.
        await world.ApplyAsync(new SaveSystemSetting(PublishTransitions.Key, "0"));
        await using var again = await world.StartNodeAsync("node-2");
        await again.Get<PublishTransitions>().ExecuteAsync(default);

        Started().ShouldBe(["on-Failback.RecorderConnected-", "on-Failback.RecorderConnected-", "on-Failback.RecorderDisconnected-rec-1", "on-Failback.RecorderDisconnected-rec-1"]);
        var run = world.Store.Commits.First(c => c.IsStart && c.Instance.DefinitionId == "on-Failback.RecorderConnected-").Instance.Id;
        (await world.Store.FindInstanceAsync(run, default))!.StartKey!.ShouldBe($"RecorderConnected:rec-1:{world.FailedRecorder.BootId}:1/on-Failback.RecorderConnected-/flow:trigger");

        IReadOnlyList<string> Started() => [.. world.Store.Commits.Where(c => c.IsStart).Select(c => c.Instance.DefinitionId).Order(StringComparer.Ordinal)];
    }

    [Fact]
    public async Task Workflow_OnItsWay_WaitsForTheNextConnectionOfTheRecorder()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.Node.Get<FailbackWorkflows.Engine.Runtime.WorkflowDefinitions>().PublishAsync(OnConnection("Failback.RecorderConnected", FailbackWorld.Failed, starts: false), "test", default);
        var run = (await world.Node.Runtime.StartAsync(new("on-Failback.RecorderConnected-rec-1", FailbackWorkflows.Engine.Actor.System), default)).InstanceId;
        while (!world.Store.Commits.Any(c => c.Instance.Id == run && c.Releases))
        {
            await Task.Yield();
        }

        world.FailedRecorder.IsCutOff = true;
        await PollAsync(world);
        world.FailedRecorder.IsCutOff = false;
        await PollAsync(world);

        (await world.EndAsync(run)).SubStatus.ShouldBe(FailbackWorkflows.Engine.WorkflowSubStatus.Finished);
    }

    private static string OnConnection(string type, string server, bool starts = true) => $$"""
        {
          "definitionId": "on-{{type}}-{{server}}",
          "inputs": [{ "name": "Server", "type": "String" }],
          "root": { "id": "flow", "type": "Elsa.Flowchart", "activities": [
            { "id": "trigger", "type": "{{type}}", "customProperties": { "canStartWorkflow": {{(starts ? "true" : "false")}} },
              "server": { "typeName": "String", "expression": { "type": "Literal", "value": "{{server}}" } } }
          ], "connections": [] }
        }
        """;

    private static async Task<IReadOnlyList<ConnectivityTransition>> HistoryAsync(FailbackWorld world) =>
        [.. (await world.Get<IConnectivityHistory>().ListAsync(FailbackWorld.Failed, null, 200, default)).Reverse()];

    /// <summary>Waits until no poll is under way, but those that hang.</summary>
    private static async Task IdleAsync(PollRecorders poll, Func<int>? hanging = null)
    {
        while (poll.Punctual().InFlight > (hanging?.Invoke() ?? 0))
        {
            await Task.Yield();
        }
    }

    private static Task PollAsync(FailbackWorld world) => world.PollAsync();
}
