using FailbackWorkflows.Engine;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Recorders;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;
using Xunit.Abstractions;
using GrantedDuty = FailbackWorkflows.Failback.Duties.Duty;

namespace FailbackWorkflows.Tests.Model.Paths;

/// <summary>
/// Recorded runs of the real system are paths of the model: engine, workflows, activities and database as they are, recorders in memory. What
/// the model was explored for holds for the code as far as the code does what the model does; this is where that is looked at. A run that was
/// falsified on purpose must be refused, else the comparison would say nothing.
/// </summary>
public sealed class ModelPathTests(ITestOutputHelper output)
{
    private const string Failed = FailbackWorld.Failed;
    private const string Failover = FailbackWorld.Failover;
    private const string Spare = FailbackWorld.Spare;

    /// <summary>What is played, with how it ends and the least number of observations it must have given.</summary>
    private static readonly Dictionary<string, (Func<Play, Task> Play, int AtLeast)> Plays = new(StringComparer.Ordinal)
    {
        ["failback, done"] = (async play => (await play.World.FailBackAsync()).Result.ShouldBe("done"), 12),
        ["failback, refused"] = (async play =>
        {
            play.World.FailedRecorder.CannotWriteBecause = "The disk is full.";
            (await play.World.FailBackAsync()).Result.ShouldBe("refused");
        }, 3),
        ["failback, undone before the duty moved"] = (async play =>
        {
            play.World.Recorders.LoseAnswer(Failover, "FreezeSettings", times: 5);
            (await play.World.FailBackAsync()).Result.ShouldBe("undone");
        }, 5),
        ["failback, undone"] = (async play =>
        {
            play.World.FailedRecorder.DarkChannels.Add("video-1");
            (await play.World.FailBackAsync()).Result.ShouldBe("undone");
        }, 12),
        ["failback, undone while the failed server is away"] = (async play =>
        {
            play.World.Recorders.After(Failed, "StartRecording", () => play.World.FailedRecorder.IsCutOff = true);
            (await play.World.FailBackAsync()).Result.ShouldBe("undone");
            play.World.FailedRecorder.IsCutOff = false;
            await play.PollAsync();
            play.World.FailedDuty.IsRecording.ShouldBeFalse();
        }, 14),
        ["failback, the failed server dies after 9d"] = (async play =>
        {
            play.World.Recorders.DieAt(Failed, "GetRecording", nth: 2);
            (await play.World.FailBackAsync()).Result.ShouldBe("undone");
        }, 12),
        ["failback, the failed server dies after the stop"] = (async play =>
        {
            play.World.Recorders.After(Failover, "StopRecording", play.World.FailedRecorder.Die);
            (await play.World.FailBackAsync()).Result.ShouldBe("done");
            play.World.FailedRecorder.Boot();
            await play.PollAsync();
            play.World.FailedDuty.IsRecording.ShouldBeTrue();
        }, 14),
        ["failback, forward"] = (async play =>
        {
            play.World.FailedRecorder.DarkChannels.Add("video-2");
            play.World.Recorders.After(Failed, "StartRecording", () => play.World.FailoverRecorder.IsCutOff = true);
            (await play.World.FailBackAsync()).Result.ShouldBe("done");
            play.World.FailoverRecorder.IsCutOff = false;
            await play.PollAsync();
            play.World.FailoverDuty.IsRecording.ShouldBeFalse();
        }, 14),
        ["failback, both servers lost"] = (async play =>
        {
            play.World.Recorders.After(Failed, "StartRecording", () =>
            {
                play.World.FailedRecorder.Die();
                play.World.FailoverRecorder.IsCutOff = true;
            });
            (await play.World.FailBackAsync()).Result.ShouldBe("failed");
            play.World.FailoverRecorder.IsCutOff = false;
            await play.PollAsync();
            play.World.FailedRecorder.Boot();
            await play.PollAsync();
            play.World.FailoverDuty.IsRecording.ShouldBeTrue();
            (await play.World.FailBackAsync("request-2")).Result.ShouldBe("done");
        }, 25),
        ["failback, the stop is owed"] = (async play =>
        {
            play.World.Recorders.Before(Failover, "StopRecording", () => play.World.FailoverRecorder.IsCutOff = true);
            (await play.World.FailBackAsync()).Result.ShouldBe("done");
            play.World.FailoverRecorder.IsCutOff = false;
            await play.PollAsync();
            (await play.World.OwedAsync()).ShouldBeEmpty();
        }, 14),
        ["failback, the hold's end is owed"] = (async play =>
        {
            play.World.Recorders.Before(Failover, "PutRetentionHold", () => play.World.FailoverRecorder.IsCutOff = true);
            (await play.World.FailBackAsync()).Result.ShouldBe("done");
            play.World.FailoverRecorder.IsCutOff = false;
            await play.PollAsync();
            (await play.World.OwedAsync()).ShouldBeEmpty();
        }, 14),
        ["failback, without the failover server"] = (async play =>
        {
            play.World.FailoverRecorder.Die();
            (await play.World.FailBackAsync(withoutFailoverServer: true)).Result.ShouldBe("done");
            play.World.FailoverRecorder.Boot();
            await play.PollAsync();
            (await play.World.OwedAsync()).ShouldBeEmpty();
        }, 12),
        ["failback, each answer is lost once"] = (async play =>
        {
            foreach (var (server, call) in new[] { (Failover, "FreezeSettings"), (Failed, "AssignDuty"), (Failed, "StartRecording"), (Failover, "StopRecording"), (Failover, "PutRetentionHold"), (Failover, "AssignDuty") })
            {
                play.World.Recorders.LoseAnswer(server, call);
            }

            (await play.World.FailBackAsync()).Result.ShouldBe("done");
        }, 12),
        ["failed server, adopted"] = (async play =>
        {
            (await play.World.AdoptAsync()).Result.ShouldBe("done");
            await play.PollAsync();
            play.World.FailoverDuty.IsRecording.ShouldBeFalse();
        }, 8),
        ["failback, abandoned to the failed server"] = (play => AbandonAsync(play, Failed), 14),
        ["failback, abandoned to the failover server"] = (play => AbandonAsync(play, Failover), 14),
        ["failover, done and failed back"] = (async play =>
        {
            (await FailOverToTheSpareAsync(play)).Result.ShouldBe("done");
            play.World.FailedRecorder.Boot();
            await play.PollAsync();
            play.World.Time.Advance(TimeSpan.FromMinutes(1));
            await play.PollAsync();
            var entry = (await play.World.Get<FailbackWorkflows.Failback.FailoverLog.IFailoverLog>().ListOpenAsync(Failed, default)).Single();
            (await play.World.FailBackAsync("request-2", entry.Id)).Result.ShouldBe("done");
        }, 22),
        ["failover, failed"] = (async play =>
        {
            play.World.Recorders[Spare].DarkChannels.UnionWith(FakeSettings.Channels);
            (await FailOverToTheSpareAsync(play)).Result.ShouldBe("failed");
            play.World.FailedRecorder.Boot();
            await play.PollAsync();
            play.World.Time.Advance(TimeSpan.FromMinutes(1));
            await play.PollAsync();

            // What it stores between its two calls is in no run's commit.
            play.World.Recorders.Before(Spare, "ReleaseRetentionHold", () => play.LookAsync("the hold's end is stored"));
            await play.World.Node.Get<SettleFailedFailovers>().ExecuteAsync(default);
            await play.LookAsync("settled");
            play.World.FailedDuty.IsRecording.ShouldBeTrue();
            play.World.Recorders[Spare].Duty(Failed).IsRecording.ShouldBeFalse();
        }, 16),
    };

    /// <summary>What is put in on purpose.</summary>
    private static readonly Dictionary<string, Action<FailbackWorld>> Falsifications = new(StringComparer.Ordinal)
    {
        ["the failover server stops before the failed server records"] = world =>
            world.Recorders.Before(Failed, "StartRecording", () => world.FailoverDuty.Recording = false),
        ["the failover server is stopped before the point of no return"] = world =>
            world.Recorders.After(Failed, "AssignDuty", () => world.FailoverDuty.Become(DutyRole.Standby, FailbackWorld.FailoverEpoch + 1, "early", isRecording: false)),
        ["the failover server's epoch is used again"] = world =>
            world.Recorders.After(Failed, "AssignDuty", () => world.FailedDuty.Become(DutyRole.Recorder, FailbackWorld.FailoverEpoch, "again", isRecording: false)),
        ["the number is drawn once more by somebody else"] = world =>
            world.Recorders.After(Failed, "AssignDuty", () => world.FailedDuty.AllocationId = "somebody-else"),
        ["the hold gets its end before the stop"] = world =>
            world.Recorders.Before(Failed, "StartRecording", () => EndHold(world)),
        ["the claim is given back in the middle"] = world =>
            world.Recorders.Before(Failed, "StartRecording", () => world.ApplyAsync(new ReleaseClaims(world.Store.Commits[0].Instance.Id))),
        ["the duty is taken away in the middle"] = world =>
            world.Recorders.After(Failed, "StartRecording", () => world.ApplyAsync(new GrantEpoch(Failed, Spare, FailbackWorld.FailoverEpoch + 5, "somebody-else"))),
        ["the settings stay frozen"] = world =>
            world.Recorders.After(Failover, "FreezeSettings", () => world.FailoverDuty.Frozen = true, nth: 2),
        ["a third server records too"] = world =>
            world.Recorders.Before(Failover, "StopRecording", () => world.Recorders[Spare].Duty(Failed).Become(DutyRole.Recorder, FailbackWorld.FailoverEpoch, "nobody", isRecording: true)),
        ["the failed server stops by itself"] = world =>
            world.Recorders.Before(Failover, "PutRetentionHold", () => world.FailedDuty.Recording = false),
        ["the hold is lost"] = world =>
            world.Recorders.Before(Failed, "AssignDuty", () => world.FailoverRecorder.Holds.Clear()),
    };

    public static TheoryData<string> PlayNames => [.. Plays.Keys];

    public static TheoryData<string> FalsificationNames => [.. Falsifications.Keys];

    [Theory]
    [MemberData(nameof(PlayNames))]
    public async Task Run_OfTheRealSystem_IsAPathOfTheModel(string name)
    {
        await using var world = await FailbackWorld.CreateAsync();
        var (act, atLeast) = Plays[name];
        await ArrangeAsync(world, name);
        var play = new Play(world, await RunRecorder.StartAsync(world));

        await act(play);
        await play.LookAsync("the end");

        var verdict = ModelPath.Check(play.Observations);
        output.WriteLine($"{play.Observations.Count} observations, {verdict.States} states{Environment.NewLine}{string.Join(Environment.NewLine, play.Observations)}");
        verdict.Refusal.ShouldBeNull();
        verdict.Steps.ShouldBeGreaterThanOrEqualTo(atLeast, "less was seen than this run does");
        ShouldSpeakWithGrowingFences(world, await world.DutyAsync());
    }

    [Theory]
    [MemberData(nameof(FalsificationNames))]
    public async Task Run_Falsified_IsRefused(string name)
    {
        await using var world = await FailbackWorld.CreateAsync();
        await ArrangeAsync(world, name);
        var recorder = await RunRecorder.StartAsync(world);
        Falsifications[name](world);

        try
        {
            await world.FailBackAsync();
        }
        catch (TimeoutException)
        {
            // What was done to it may leave it waiting; what was seen until then is enough.
        }

        await recorder.LookAsync("the end");
        var verdict = ModelPath.Check(recorder.Observations);
        output.WriteLine($"{verdict}{Environment.NewLine}{string.Join(Environment.NewLine, recorder.Observations)}");
        verdict.Refusal.ShouldNotBeNull();
    }

    /// <summary>What was recorded is altered afterwards: the debt was written down, and is left out.</summary>
    [Fact]
    public async Task Run_ThatForgetsTheHoldsEnd_IsRefused()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await ArrangeAsync(world, "");
        var recorder = await RunRecorder.StartAsync(world);
        world.Recorders.Before(Failover, "PutRetentionHold", () => world.FailoverRecorder.IsCutOff = true);
        (await world.FailBackAsync()).Result.ShouldBe("done");

        var forgotten = recorder.Observations.Select(o => o with { Entries = [.. o.Entries.Select(e => e with { IsCloseOwed = false })] }).ToList();

        ModelPath.Check(recorder.Observations).Refusal.ShouldBeNull();
        ModelPath.Check(forgotten).Refusal.ShouldNotBeNull();
    }

    /// <summary>Every step left out of a run that was done is missed, unless the model may do the same at once.</summary>
    [Fact]
    public async Task Run_WithAStepLeftOut_IsRefused()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await ArrangeAsync(world, "");
        var recorder = await RunRecorder.StartAsync(world);
        (await world.FailBackAsync()).Result.ShouldBe("done");
        var observations = recorder.Observations;
        ModelPath.Check(observations).Refusal.ShouldBeNull();

        // The effects at recorders, one by one: the freeze, the grant, the start, the stop, the hold's end.
        var effects = Enumerable.Range(1, observations.Count - 1).Where(i => !Shown(observations[i]).SequenceEqual(Shown(observations[i - 1]))).ToList();
        effects.Count.ShouldBeGreaterThanOrEqualTo(5);
        foreach (var effect in effects)
        {
            // As if it had never happened: what it changed is seen as it was before, from there on.
            var (before, after) = (observations[effect - 1], observations[effect]);
            var without = observations.Take(effect).Concat(observations.Skip(effect).Select(o => Without(o, before, after))).ToList();
            ModelPath.Check(without).Refusal.ShouldNotBeNull($"{after.Why} was left out");
        }
    }

    /// <summary>What is compared with the model of what recorders keep: which epoch a server without the duty has heard of is not.</summary>
    private static IEnumerable<object> Shown(Observation seen) =>
        seen.Servers.Select(s => (object)(s.IsRecorder ? s : s with { Epoch = 0, Allocation = null })).Concat(seen.Entries.Select(e => (object)e.Hold));

    /// <summary>The observation with everything that is as it was after a step put back to as it was before it.</summary>
    private static Observation Without(Observation seen, Observation before, Observation after) => seen with
    {
        Servers = [.. seen.Servers.Select((s, i) => s with
        {
            IsRecorder = s.IsRecorder == after.Servers[i].IsRecorder ? before.Servers[i].IsRecorder : s.IsRecorder,
            Epoch = s.Epoch == after.Servers[i].Epoch ? before.Servers[i].Epoch : s.Epoch,
            Allocation = s.Allocation == after.Servers[i].Allocation ? before.Servers[i].Allocation : s.Allocation,
            IsRecording = s.IsRecording == after.Servers[i].IsRecording ? before.Servers[i].IsRecording : s.IsRecording,
            IsFrozen = s.IsFrozen == after.Servers[i].IsFrozen ? before.Servers[i].IsFrozen : s.IsFrozen,
        })],
        Entries = [.. seen.Entries.Select((e, i) => e with { Hold = e.Hold == after.Entries[i].Hold ? before.Entries[i].Hold : e.Hold })],
    };

    private static async Task ArrangeAsync(FailbackWorld world, string name)
    {
        await world.SetPolicyAsync(new() { ConfirmTimeout = TimeSpan.FromSeconds(1), HandOverTimeout = TimeSpan.FromSeconds(2) });
        await world.PollAsync();
        await world.Node.Get<RefreshSettings>().ExecuteAsync(default);
        if (name.Contains("adopted", StringComparison.Ordinal))
        {
            world.FailedDuty.Become(DutyRole.Recorder, 1, "seed", isRecording: true);
        }
        else if (name.StartsWith("failover", StringComparison.Ordinal))
        {
            // A failback first: then the duty is at home, and the next failover is recorded.
            (await world.FailBackAsync("request-0")).Result.ShouldBe("done");
        }
    }

    private static async Task<EndedRun> FailOverToTheSpareAsync(Play play)
    {
        play.World.FailedRecorder.Die();
        await play.PollAsync();
        return await play.World.EndAsync((await play.World.StartFailoverAsync("failover", Failed, Spare)).RunId!);
    }

    private static async Task AbandonAsync(Play play, string holder)
    {
        play.World.Recorders.Fail(Failover, "StopRecording", RecorderErrorKind.Conflict);
        var stopped = await play.World.FailBackAsync();
        stopped.SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
        (await play.World.EndAsync((await play.World.StartAbandonmentAsync(stopped.Id, holder)).RunId!)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        await play.PollAsync();
        (await play.World.OwedAsync()).ShouldBeEmpty();
    }

    private static void EndHold(FailbackWorld world) =>
        world.FailoverRecorder.Holds[FailbackWorld.Entry] = world.FailoverRecorder.Holds[FailbackWorld.Entry] with { ToUtc = world.Time.GetUtcNow() };

    /// <summary>Each command of the duty carries a fence that is not lower than what its recorder has seen, nor higher than what was drawn.</summary>
    private static void ShouldSpeakWithGrowingFences(FailbackWorld world, GrantedDuty duty)
    {
        // A release speaks under the fence of the copy, which is another.
        foreach (var calls in world.Recorders.Effects.Where(c => c.Identity == Failed && c.Name != "ReleaseRetentionHold").GroupBy(c => c.ServerId))
        {
            var fences = calls.Select(c => c.Authority!.Fence).ToList();
            fences.ShouldBe(fences.Order().ToList(), $"{calls.Key}: {string.Join(", ", fences)}");
            fences[^1].ShouldBeLessThanOrEqualTo(duty.Fence);
        }
    }

    /// <summary>A world at play, and what is seen of it.</summary>
    private sealed class Play(FailbackWorld world, RunRecorder recorder)
    {
        public FailbackWorld World => world;

        public IReadOnlyList<Observation> Observations => recorder.Observations;

        public Task LookAsync(string why) => recorder.LookAsync(why);

        /// <summary>Polls and delivers what is owed.</summary>
        public async Task PollAsync()
        {
            await world.Node.Get<PollRecorders>().ExecuteAsync(default);
            await LookAsync("polled");
            while (await world.Node.Get<DeliverObligations>().ExecuteAsync(default) is { Count: > 0 } started)
            {
                foreach (var runId in started)
                {
                    await world.EndAsync(runId);
                }
            }

            await LookAsync("delivered");
        }
    }
}
