using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Persistence.Nodes;
using FailbackWorkflows.Recorders.Duties;
using FailbackWorkflows.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Failback;

/// <summary>Who is on watch, with the clocks of two nodes in the hands of the test.</summary>
public abstract partial class FailbackStoresCompliance
{
    private static readonly TimeSpan WatchLease = TimeSpan.FromSeconds(10);

    [Fact]
    public async Task Watch_AmongTwo_IsKeptByWhoHasIt()
    {
        var time = new FakeTimeProvider();
        using var first = WatchOf("a", time);
        using var second = WatchOf("b", time);
        await first.KeepAsync(None);

        for (var i = 0; i < 100; i++)
        {
            await second.KeepAsync(None);
            (first.IsOurs, second.IsOurs).ShouldBe((true, false));
            time.Advance(TimeSpan.FromSeconds(1));
            await first.KeepAsync(None);
        }
    }

    [Fact]
    public async Task Watch_OfOneThatIsSilent_PassesOnAfterALeaseAndNeverToTwo()
    {
        var time = new FakeTimeProvider();
        using var first = WatchOf("a", time);
        using var second = WatchOf("b", time);
        await first.KeepAsync(None);
        var passedOnAfter = TimeSpan.Zero;

        for (; !second.IsOurs; passedOnAfter += TimeSpan.FromMilliseconds(500))
        {
            passedOnAfter.ShouldBeLessThan(WatchLease * 1.5);
            await second.KeepAsync(None);
            (first.IsOurs && second.IsOurs).ShouldBeFalse();
            time.Advance(TimeSpan.FromMilliseconds(500));
        }

        passedOnAfter.ShouldBeGreaterThan(WatchLease);
        first.IsOurs.ShouldBeFalse("its time was over by its own clock");
        await first.KeepAsync(None);
        first.IsOurs.ShouldBeFalse("it is another's now");
        time.Advance(TimeSpan.FromSeconds(3));
        await second.KeepAsync(None);
        (first.IsOurs, second.IsOurs).ShouldBe((false, true));
    }

    /// <summary>A machine that sleeps counts no time; only its clock tells.</summary>
    [Fact]
    public async Task Watch_AfterALongSleep_IsNotOursAnyMore()
    {
        var time = new SleepyTimeProvider();
        using var first = WatchOf("a", time);
        await first.KeepAsync(None);
        first.IsOurs.ShouldBeTrue();

        time.Slept = TimeSpan.FromMinutes(1);

        first.IsOurs.ShouldBeFalse();
    }

    /// <summary>A clock that is set forward says nothing of how long the holder was silent.</summary>
    [Fact]
    public async Task Watch_OfOneThatLives_IsNotTakenByOneWhoseClockIsSetForward()
    {
        var time = new SleepyTimeProvider();
        using var first = WatchOf("a", new FakeTimeProvider());
        using var second = WatchOf("b", time);
        await first.KeepAsync(None);
        await second.KeepAsync(None);

        time.Slept = TimeSpan.FromHours(1);
        await second.KeepAsync(None);

        (first.IsOurs, second.IsOurs).ShouldBe((true, false));
    }

    [Fact]
    public async Task Watch_LetGoOf_IsTakenAtTheNextLook()
    {
        var time = new FakeTimeProvider();
        using var first = WatchOf("a", time);
        using var second = WatchOf("b", time);
        await first.KeepAsync(None);
        await second.KeepAsync(None);

        await first.StopAsync(None);
        first.IsOurs.ShouldBeFalse();
        time.Advance(WatchLease / 4);
        await second.KeepAsync(None);

        second.IsOurs.ShouldBeTrue();
    }

    [Fact]
    public async Task Watch_OfANodeThatStopsWithoutTimeLeft_IsTakenWhenItHasRunOut()
    {
        var time = new FakeTimeProvider();
        using var first = WatchOf("a", time);
        using var second = WatchOf("b", time);
        await first.KeepAsync(None);
        await second.KeepAsync(None);

        await first.StopAsync(new CancellationToken(canceled: true));
        time.Advance(WatchLease / 4);
        await second.KeepAsync(None);
        second.IsOurs.ShouldBeFalse();
        time.Advance(WatchLease);
        await second.KeepAsync(None);

        second.IsOurs.ShouldBeTrue();
    }

    [Fact]
    public async Task Watch_OfAnEarlierLifeOfTheSameNode_IsTakenAtOnce()
    {
        var time = new FakeTimeProvider();
        using (var first = WatchOf("a", time))
        {
            await first.KeepAsync(None);
        }

        using var again = WatchOf("a", time);
        await again.KeepAsync(None);

        again.IsOurs.ShouldBeTrue();
    }

    [Fact]
    public async Task Watch_WantedByManyAtOnce_GoesToOne()
    {
        var time = new FakeTimeProvider();
        var watches = Enumerable.Range(0, 8).Select(n => WatchOf($"node-{n}", time)).ToList();

        await Task.WhenAll(watches.Select(w => Task.Run(() => w.KeepAsync(None))));

        watches.Count(w => w.IsOurs).ShouldBe(1);
        watches.ForEach(w => w.Dispose());
    }

    [Fact]
    public async Task Watch_TakenAnew_IsOfAnotherTerm_AndDecidesOnlyWhenThatTermsRoundIsDone()
    {
        var time = new FakeTimeProvider();
        using var first = WatchOf("a", time);
        using var second = WatchOf("b", time);
        await first.KeepAsync(None);
        (first.Term, first.MayDecide).ShouldBe((1, false));
        first.Tell(Told("a", first.Term, time, isRoundDone: false));
        first.MayDecide.ShouldBeFalse();
        first.Tell(Told("a", first.Term, time));
        first.MayDecide.ShouldBeTrue();

        await first.StopAsync(None);
        await second.KeepAsync(None);
        (first.Term, first.MayDecide, second.Term, second.MayDecide).ShouldBe((0, false, 2, false));
        await second.StopAsync(None);
        time.Advance(WatchLease / 4);
        await first.KeepAsync(None);

        (first.Term, first.MayDecide).ShouldBe((3, false), "what it told was of its first term");
    }

    [Fact]
    public async Task Watch_WhatItsHolderTells_OthersBelieveOnceItHasChangedSinceTheyBegan()
    {
        var time = new FakeTimeProvider();
        using var first = WatchOf("a", time);
        await first.KeepAsync(None);
        first.Tell(Told("a", 1, time));
        time.Advance(WatchLease / 4);
        await first.KeepAsync(None);
        using var second = WatchOf("b", time);

        await second.KeepAsync(None);
        second.Report.ShouldBeNull("it may be what a backup says");
        first.Tell(Told("a", 1, time) with { HasAskedEverybody = false });
        time.Advance(WatchLease / 4);
        await first.KeepAsync(None);
        await second.KeepAsync(None);
        second.Report.ShouldBe(Told("a", 1, time) with { HasAskedEverybody = false, Polls = Told("a", 1, time).Polls with { SweptAt = time.GetUtcNow() - (WatchLease / 4) } });

        // Whoever takes it has told nothing yet.
        await first.StopAsync(None);
        using var third = WatchOf("c", time);
        await third.KeepAsync(None);
        time.Advance(WatchLease / 4);
        await second.KeepAsync(None);
        second.Report.ShouldNotBeNull().IsOver.ShouldBeTrue();
    }

    /// <summary>As when a backup is restored under a node that goes on.</summary>
    [Fact]
    public async Task Watch_WhoseRowIsPutBack_IsLost()
    {
        var time = new FakeTimeProvider();
        using var first = WatchOf("a", time);
        for (var i = 0; i < 4; i++)
        {
            await first.KeepAsync(None);
            time.Advance(WatchLease / 4);
        }

        await Database.Get<IDatabase>().WriteAsync(session => session.ExecuteAsync("UPDATE watches SET beat = 1", None), None);
        await first.KeepAsync(None);

        first.IsOurs.ShouldBeFalse();
    }

    /// <summary>A term that was had already would pass for one whose round is done.</summary>
    [Fact]
    public async Task Watch_TakenAfterItsRowWasPutBack_IsOfATermThatNobodyHereHasSeen()
    {
        var time = new FakeTimeProvider();
        using var first = WatchOf("a", time);
        await first.KeepAsync(None);
        await first.StopAsync(None);
        time.Advance(WatchLease / 4);
        await first.KeepAsync(None);
        first.Tell(Told("a", first.Term, time));
        (first.Term, first.MayDecide).ShouldBe((2, true));
        using var second = WatchOf("b", time);
        await second.KeepAsync(None);

        await PutBackAsync(1, "a");
        time.Advance(WatchLease / 4);
        await first.KeepAsync(None);
        first.IsOurs.ShouldBeFalse();
        time.Advance(WatchLease / 4);
        await first.KeepAsync(None);

        (first.Term, first.MayDecide).ShouldBe((3, false));
        await first.StopAsync(None);
        await PutBackAsync(0, "");
        await second.KeepAsync(None);
        second.Term.ShouldBe(3, "it has seen 2");

        Task PutBackAsync(long term, string node) => Database.Get<IDatabase>().WriteAsync(
            session => session.ExecuteAsync("UPDATE watches SET beat = 0, term = @term, node = @node", None, ("term", term), ("node", node)), None);
    }

    [Fact]
    public async Task Changes_ThatNeedTheWatch_AreRefusedInAnotherTerm()
    {
        var time = new FakeTimeProvider();
        using var watch = WatchOf("a", time);
        var before = Server("watched");
        await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync(new RequireWatchTerm(1), new SaveVmsServer(before)), "nobody has ever had it");
        await watch.KeepAsync(None);

        await ApplyAsync([.. watch.Require(watch.Term), new SaveVmsServer(before)]);
        await watch.StopAsync(None);
        time.Advance(WatchLease / 4);
        await watch.KeepAsync(None);

        await Should.ThrowAsync<ConcurrentChangeException>(() => ApplyAsync([.. watch.Require(1), new SaveVmsServer(before with { Name = "Of another term", Revision = 1 })]));
        (await Database.Get<IVmsServers>().FindAsync("watched", None)).ShouldNotBeNull().Name.ShouldBe(before.Name);
    }

    [Fact]
    public async Task RecorderWords_OfAMachineThatWasReplaced_AreSetAside_ButForTheLargest()
    {
        var time = new FakeTimeProvider();
        using var watch = WatchOf("a", time);
        await watch.KeepAsync(None);
        await ApplyAsync(new SaveVmsServer(Server("aside-1")), new SaveVmsServer(Server("aside-2")));
        var said = new RecorderWord("aside-1", "duty-set-aside", DutyRole.Recorder, 7, "run/1", 3, 7, 3, time.GetUtcNow());
        await KeepAsync(watch.Term, said, said with { ServerId = "aside-2" });
        var seen = new SeenDuties(new RecorderWords(Database.Get<IDatabase>()));
        seen.Notice("aside-1", [new(said.Identity, said.AssignedRole, said.AssignedRole, said.Epoch, said.AllocationId, said.Fence, true, false)], said.AskedAt);

        time.Advance(TimeSpan.FromSeconds(5));
        await ApplyAsync(new SetRecorderWordsAside("aside-1", time.GetUtcNow()));

        var aside = said with { AssignedRole = DutyRole.Standby, Epoch = 0, AllocationId = null, Fence = 0, AskedAt = time.GetUtcNow() };
        (await seen.OfAsync(said.Identity, None)).Words.Values.OrderBy(w => w.ServerId).ToList().ShouldBe([aside, said with { ServerId = "aside-2" }], "it is later than what this node has heard itself");
    }

    [Fact]
    public async Task RecorderWords_OfTheTerm_AreKeptWithTheLargestThatWasEverSaid()
    {
        var time = new FakeTimeProvider();
        using var watch = WatchOf("a", time);
        await watch.KeepAsync(None);
        await ApplyAsync(new SaveVmsServer(Server("words-1")), new SaveVmsServer(Server("words-2")));
        var words = new RecorderWords(Database.Get<IDatabase>());
        var now = time.GetUtcNow();
        var said = new RecorderWord("words-1", "duty-of-words", DutyRole.Recorder, 7, "run/1", 3, 7, 3, now);

        await KeepAsync(watch.Term, said, said with { ServerId = "words-2", AssignedRole = DutyRole.Standby, AllocationId = null });
        await KeepAsync(watch.Term, said with { AssignedRole = DutyRole.Standby, Epoch = 2, AllocationId = null, Fence = 1, AskedAt = now.AddSeconds(5) });
        await KeepAsync(watch.Term, said with { ServerId = "not registered" });

        (await words.ListAsync("duty-of-words", None)).ShouldBe(
        [
            said with { AssignedRole = DutyRole.Standby, Epoch = 2, AllocationId = null, Fence = 1, AskedAt = now.AddSeconds(5) },
            said with { ServerId = "words-2", AssignedRole = DutyRole.Standby, AllocationId = null },
        ]);
        (await words.ListAsync(None)).Count(w => w.Identity == "duty-of-words").ShouldBe(2);
        await Should.ThrowAsync<ConcurrentChangeException>(() => KeepAsync(watch.Term - 1, said));
        await watch.StopAsync(None);
        time.Advance(WatchLease / 4);
        await watch.KeepAsync(None);
        await Should.ThrowAsync<ConcurrentChangeException>(() => KeepAsync(watch.Term - 1, said));
    }

    [Fact]
    public async Task RecorderWords_ThatAreMoreThanTheDuty_AreFound()
    {
        using var watch = WatchOf("a", new FakeTimeProvider());
        await watch.KeepAsync(None);
        await ApplyAsync(new SaveVmsServer(Server("ahead-1")), new SaveVmsServer(Server("ahead-2")));
        string[] identities = ["ahead-same", "ahead-epoch", "ahead-fence", "ahead-allocation", "ahead-unknown", "ahead-1"];
        foreach (var identity in identities.Take(4))
        {
            await ApplyAsync(new GrantEpoch(identity, "ahead-1", 5, "run/1"), new RaiseFence(identity, 2));
        }

        var same = new RecorderWord("ahead-1", "", DutyRole.Recorder, 5, "run/1", 2, 5, 2, default);
        await KeepAsync(
            watch.Term,
            same with { Identity = "ahead-same" },
            same with { Identity = "ahead-same", ServerId = "ahead-2", AssignedRole = DutyRole.Standby, Epoch = 4, AllocationId = "run/0", Fence = 1 },
            same with { Identity = "ahead-epoch", ServerId = "ahead-2", AssignedRole = DutyRole.Standby, Epoch = 6 },
            same with { Identity = "ahead-fence", Fence = 3 },
            same with { Identity = "ahead-allocation", AllocationId = "run/2" },
            same with { Identity = "ahead-unknown" },
            same with { Identity = "ahead-1" });

        (await new RecorderWords(Database.Get<IDatabase>()).ListAheadAsync(None)).Where(identities.Contains).Order().ShouldBe(["ahead-allocation", "ahead-epoch", "ahead-fence", "ahead-unknown"]);
    }

    private static WatchReport Told(string node, long term, TimeProvider time, bool isRoundDone = true) =>
        new(node, term, isRoundDone, true, new(3, 1, TimeSpan.FromMilliseconds(40), TimeSpan.FromMilliseconds(50), time.GetUtcNow(), isRoundDone ? 0 : 2));

    private Task KeepAsync(long term, params IReadOnlyList<RecorderWord> words) => ApplyAsync(new KeepRecorderWords(term, words));

    private DatabaseWatch WatchOf(string node, TimeProvider time) =>
        new(Database.Get<IDatabase>(), new WorkflowEngineOptions { Node = node, LeaseDuration = WatchLease }, time, NullLogger<DatabaseWatch>.Instance);

    private sealed class SleepyTimeProvider : TimeProvider
    {
        public TimeSpan Slept { get; set; }

        public override DateTimeOffset GetUtcNow() => new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero) + Slept;

        public override long GetTimestamp() => 0;
    }
}
