using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Testing.Failback;
using FailbackWorkflows.Tests.Workflows;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Failback.Failover;

/// <summary>Who takes a duty over: who is fit, who comes first, and what is said of those that are not.</summary>
public sealed class FailoverServerSelectionTests
{
    private const string Lost = AutomaticFailoverPlay.Lost;
    private const string Standby = AutomaticFailoverPlay.Standby;
    private const string Group = AutomaticFailoverPlay.Group;

    [Theory]
    [InlineData("fit", null)]
    [InlineData("not enabled", "not enabled for failover")]
    [InlineData("broken", "marked broken itself")]
    [InlineData("away", "not connected")]
    [InlineData("full of duties", "has 0 duties of others and may have 0")]
    [InlineData("older software", "older software (1.3.9)")]
    [InlineData("other machine", "is not Recorder 4")]
    [InlineData("cannot write", "cannot write: the disk is full.")]
    [InlineData("no room", "has 999 MB free above its reserve and needs 1000")]
    [InlineData("does not answer", "does not answer as it should")]
    [InlineData("other group", "has no server beside")]
    [InlineData("no group", "is in no failover group")]
    public async Task Candidate_InEachSituation_IsFitOrSaysWhyNot(string situation, string? sentence)
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.ChangeServerAsync(Lost, server => server with { FailoverGroup = situation == "no group" ? null : Group });
        var recorder = await world.AddServerAsync(Standby, situation == "other group" ? "yard" : Group);
        switch (situation)
        {
            case "other machine":
                recorder.MachineId = "another";
                break;
            case "cannot write":
                recorder.CannotWriteBecause = "the disk is full.";
                break;
            case "no room":
                recorder.FreeBytes = FakeRecorder.ReserveBytes + 999_999_999;
                break;
            case "does not answer":
                recorder.IsCutOff = true;
                break;
            default:
                await world.ChangeServerAsync(Standby, server => situation switch
                {
                    "not enabled" => server with { IsFailoverEnabled = false },
                    "broken" => server with { State = VmsServerState.Broken },
                    "away" => server with { Connection = ConnectionState.Disconnected },
                    "full of duties" => server with { MostDutiesOfOthers = 0 },
                    "older software" => server with { SoftwareVersion = "1.3.9" },
                    _ => server,
                });
                break;
        }

        var selected = await SelectAsync(world);

        if (sentence is null)
        {
            (selected.Chosen?.ServerId, selected.Message).ShouldBe((Standby, null));
            selected.Candidates.Single().FreeBytes.ShouldBe(recorder.FreeBytes - FakeRecorder.ReserveBytes);
        }
        else
        {
            selected.Chosen.ShouldBeNull();
            selected.IsOnlyBusy.ShouldBeFalse();
            selected.Message!.ShouldContain(sentence);
            if (situation is not ("no group" or "other group"))
            {
                selected.Candidates.Single().WhyNot!.ShouldContain(sentence);
            }
        }

        world.Recorders.Effects.ShouldBeEmpty("it only reads");
    }

    [Fact]
    public async Task Candidates_ThatAreFit_ComeInADeterministicOrder()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.ChangeServerAsync(Lost, server => server with { FailoverGroup = Group });
        await world.ChangeServerAsync(FailbackWorld.Failover, server => server with { FailoverGroup = Group, MostDutiesOfOthers = 9 });
        foreach (var id in new[] { "rec-9", "rec-5", "rec-7", "rec-6", "rec-8" })
        {
            await world.AddServerAsync(id, Group);
            await world.ChangeServerAsync(id, server => server with { MostDutiesOfOthers = 9 });
        }

        await world.AddServerAsync("gone-1", null);
        await world.ApplyAsync(new GrantEpoch("gone-1", "rec-5", 2, "test"));
        await world.ChangeServerAsync("rec-6", server => server with { Connection = ConnectionState.Unstable });
        await world.ApplyAsync(new FailbackWorkflows.Failback.FailoverLog.SaveFailoverLogEntry(FailbackWorld.NewEntry("failed-1", world.Time.GetUtcNow()) with
        {
            FailedServerId = Lost, FailoverServerId = "rec-9", Failover = FailbackWorkflows.Failback.FailoverLog.FailoverState.Failed, MaterialCopy = FailbackWorkflows.Failback.FailoverLog.MaterialCopyState.NothingToCopy,
        }));

        var selected = await SelectAsync(world);

        // No duty of others before one; without debt before with; steady before unstable; last of all the one that has just failed at it.
        selected.Candidates.Select(c => c.ServerId).ShouldBe(["rec-7", "rec-8", "rec-5", FailbackWorld.Failover, "rec-6", "rec-9"]);
        selected.Chosen!.ServerId.ShouldBe("rec-7");
    }

    [Theory]
    [InlineData("claimed")]
    [InlineData("owed")]
    public async Task Candidate_ThatIsBusy_IsOneForLater(string why)
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.ChangeServerAsync(Lost, server => server with { FailoverGroup = Group });
        await world.AddServerAsync(Standby, Group);
        var now = world.Time.GetUtcNow();
        if (why == "claimed")
        {
            await world.ApplyAsync(new TakeClaims("another-run", "failback", [DutyClaim.Recorder(Standby)], now));
        }
        else
        {
            await world.ApplyAsync(new Owe([new Obligation { Id = "o", ServerId = Standby, Identity = Lost, Kind = ObligationKind.LastTimes, Epoch = 1, Reason = "It was away.", CreatedAt = now, NextAttemptAt = now }]));
        }

        var selected = await SelectAsync(world);
        var started = await world.Node.Get<StartFailover>().ExecuteAsync(new(Lost, null, "click-1", FailbackWorld.Operator, null), default);

        (selected.Chosen, selected.IsOnlyBusy).ShouldBe((null, true));
        (started.Outcome, started.Message).ShouldBe((StartRunOutcome.Busy, selected.Message));
    }

    [Fact]
    public async Task Start_WithoutANamedServer_ChoosesOnce_AndItsRepeatIsTheSameRun()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await AutomaticFailoverPlay.ArrangeAsync(world);
        await world.ChangeServerAsync(Lost, server => server with { IsAutomaticFailoverEnabled = false });
        world.Recorders[Lost].Die();
        var start = world.Node.Get<StartFailover>();
        var request = new StartFailoverRequest(Lost, null, "click-1", FailbackWorld.Operator, "It burns.");

        var started = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => start.ExecuteAsync(request, default))));
        var run = await world.EndAsync(started[0].RunId!);
        var again = await start.ExecuteAsync(request, default);

        started.Count(s => s.Outcome == StartRunOutcome.Started).ShouldBe(1);
        started.Append(again).ShouldAllBe(s => s.RunId == run.Id);
        (run.Result, again.Outcome).ShouldBe(("done", StartRunOutcome.AlreadyStarted));
        (await world.DutyAsync(Lost)).HolderServerId.ShouldBe(Standby);
    }

    [Fact]
    public async Task Start_NobodyFit_StartsNothingAndSaysWhyOfEach()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.ChangeServerAsync(Lost, server => server with { FailoverGroup = Group });
        (await world.AddServerAsync(Standby, Group)).CannotWriteBecause = "the disk is full.";

        var result = await world.Node.Get<StartFailover>().ExecuteAsync(new(Lost, null, "click-1", FailbackWorld.Operator, null), default);

        (result.Outcome, result.RunId).ShouldBe((StartRunOutcome.NobodyFit, null));
        result.Candidates.Single().WhyNot!.ShouldContain("the disk is full.");
        world.Store.Commits.ShouldBeEmpty();
    }

    // Who is in no hurry makes the same choice with fewer questions.
    [Fact]
    public async Task Selection_UntilOneIsFit_ChoosesTheSameAndAsksNobodyAfterIt()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.ChangeServerAsync(Lost, server => server with { FailoverGroup = Group });
        (await world.AddServerAsync("standby-1", Group)).CannotWriteBecause = "the disk is full.";
        await world.AddServerAsync("standby-2", Group);
        await world.AddServerAsync("standby-3", Group);
        var all = await SelectAsync(world);
        var before = world.Recorders.Calls.Count;

        var lazy = await world.Node.Get<FailoverServerSelection>().SelectAsync(Lost, enough: 1, default);

        (lazy.Chosen!.ServerId, all.Chosen!.ServerId).ShouldBe(("standby-2", "standby-2"));
        world.Recorders.Calls.Skip(before).Where(c => c.Name == "Probe").Select(c => c.ServerId).ShouldBe(["standby-1", "standby-2"]);
    }

    // A page of a group of hundreds waits for a handful.
    [Fact]
    public async Task Selection_UntilEnoughAreFit_AsksSoManyAtATime_AndSaysWhoWasNotAsked()
    {
        await using var world = await FailbackWorld.CreateAsync();
        await world.ChangeServerAsync(Lost, server => server with { FailoverGroup = Group });
        (await world.AddServerAsync("standby-1", Group)).CannotWriteBecause = "the disk is full.";
        for (var n = 2; n <= 6; n++)
        {
            await world.AddServerAsync($"standby-{n}", Group);
        }

        var selected = await world.Node.Get<FailoverServerSelection>().SelectAsync(Lost, enough: 2, default);

        selected.Chosen!.ServerId.ShouldBe("standby-2");
        selected.Candidates.Select(c => (c.ServerId, c.IsFit, c.IsAsked)).ShouldBe(
            [("standby-2", true, true), ("standby-3", true, true), ("standby-4", true, true), ("standby-5", true, false), ("standby-6", true, false), ("standby-1", false, false)]);
    }

    private static Task<FailoverSelection> SelectAsync(FailbackWorld world) => world.Node.Get<FailoverServerSelection>().SelectAsync(Lost, enough: null, default);
}
