using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Readiness;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Recorders.Settings;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Failback;

/// <summary>The registry when it is long: pages, searches, and what is read for a page of it.</summary>
public abstract partial class FailbackStoresCompliance
{
    [Fact]
    public async Task Servers_PagedThrough_ShowsEachOnceByName()
    {
        // Three servers share each name, and ids do not follow names.
        const int Count = 211;
        await ApplyAsync([.. Enumerable.Range(0, Count).Select(i => new SaveVmsServer(Server($"vms-{i * 7919 % Count:000}", $"recorder {i / 3:00}")))]);

        foreach (var take in new[] { 7, 50, 200 })
        {
            var seen = new List<VmsServer>();
            IReadOnlyList<VmsServer> page;
            do
            {
                page = await Servers.ListAsync(new VmsServerQuery { After = seen.Count == 0 ? null : VmsServerQuery.MarkOf(seen[^1]), Take = take }, None);
                seen.AddRange(page);
            }
            while (page.Count == take);

            seen.Select(s => s.Id).Distinct().Count().ShouldBe(Count);
            seen.Select(s => s.Id).ShouldBe(seen.OrderBy(s => s.Name, StringComparer.Ordinal).ThenBy(s => s.Id, StringComparer.Ordinal).Select(s => s.Id));
        }

        (await Servers.ListAsync(new VmsServerQuery(), None)).Count.ShouldBe(Count, "who gives no page gets all");
        (await Servers.ListAsync(new VmsServerQuery { Take = 5000 }, None)).Count.ShouldBe(200);
        (await Servers.ListAsync(new VmsServerQuery { Take = -1 }, None)).Count.ShouldBe(1);
        (await Servers.ListAsync(new VmsServerQuery { After = "nobody" }, None)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Servers_AddedWhilePaging_DisturbNoPage()
    {
        await ApplyAsync([.. Enumerable.Range(0, 6).Select(i => new SaveVmsServer(Server($"vms-{i}")))]);
        var first = await Servers.ListAsync(new VmsServerQuery { Take = 3 }, None);

        await ApplyAsync(new SaveVmsServer(Server("vms-00")));
        var second = await Servers.ListAsync(new VmsServerQuery { After = first[^1].Id, Take = 3 }, None);

        first.Concat(second).Select(s => s.Id).ShouldBe(["vms-0", "vms-1", "vms-2", "vms-3", "vms-4", "vms-5"]);
    }

    [Fact]
    public async Task Servers_RemovedOrRenamedWhilePaging_LeaveNothingOut()
    {
        await ApplyAsync([.. Enumerable.Range(0, 6).Select(i => new SaveVmsServer(Server($"vms-{i}")))]);
        var last = (await Servers.ListAsync(new VmsServerQuery { Take = 3 }, None))[^1];
        var mark = VmsServerQuery.MarkOf(last);

        await ApplyAsync(new SaveVmsServer((await Servers.FindAsync(last.Id, None))! with { Name = "zzz" }));
        (await NextAsync()).ShouldBe(["vms-3", "vms-4", "vms-5", "vms-2"], "it is where it is now");

        await ApplyAsync(new DeleteVmsServer(last.Id, (await Servers.FindAsync(last.Id, None))!.Revision));
        (await NextAsync()).ShouldBe(["vms-3", "vms-4", "vms-5"]);
        (await Servers.ListAsync(new VmsServerQuery { After = last.Id }, None)).ShouldBeEmpty("an id alone says nothing when the server is gone");

        async Task<IEnumerable<string>> NextAsync() => (await Servers.ListAsync(new VmsServerQuery { After = mark, Take = 10 }, None)).Select(s => s.Id);
    }

    [Theory]
    [InlineData("hall", "vms-1,vms-2")]
    [InlineData("HALL", "vms-1,vms-2")]
    [InlineData("vms-3", "vms-3")]
    [InlineData("roof.example", "vms-4")]
    [InlineData("North", "vms-3,vms-4")]
    [InlineData("Überseetor", "vms-5")]
    [InlineData("50%", "vms-6")]
    [InlineData("_", "")]
    [InlineData("nothing like it", "")]
    public async Task Servers_Searched_AreThoseWithItInNameIdAddressOrGroup(string text, string expected)
    {
        await ApplyAsync(
            new SaveVmsServer(Server("vms-1", "Hall east")),
            new SaveVmsServer(Server("vms-2", "Town hall")),
            new SaveVmsServer(Server("vms-3", "Yard") with { FailoverGroup = "north" }),
            new SaveVmsServer(Server("vms-4", "Roof") with { FailoverGroup = "north", BaseUrl = new Uri("https://roof.example/") }),
            new SaveVmsServer(Server("vms-5", "Überseetor")),
            new SaveVmsServer(Server("vms-6", "at 50% load")));

        var found = await Servers.ListAsync(new VmsServerQuery { Text = text }, None);

        found.Select(s => s.Id).Order(StringComparer.Ordinal).ShouldBe(expected.Split(',', StringSplitOptions.RemoveEmptyEntries));
        var (page, count) = await Servers.SearchAsync(new VmsServerQuery { Text = text, Take = 50 }, None);
        page.Select(s => s.Id).ShouldBe(found.Select(s => s.Id));
        count.ShouldBe(found.Count);
    }

    [Theory]
    [InlineData(20, "a count by ids")]
    [InlineData(520, "too many for that")]
    public async Task Servers_SearchedPageByPage_AreAllOfThemInOrderAndCountedEachTime(int fitting, string because)
    {
        await ApplyAsync([.. Enumerable.Range(0, fitting).Select(i => new SaveVmsServer(Server($"vms-{i}", "hall"))), new SaveVmsServer(Server("vms-other", "yard"))]);
        var query = new VmsServerQuery { Text = "hall", Take = fitting / 4 };

        var seen = new List<VmsServer>();
        while (await Servers.SearchAsync(query, None) is { Page.Count: > 0 } some)
        {
            some.Found.ShouldBe(fitting, because);
            some.Page.Count.ShouldBe(fitting / 4, because);
            seen.AddRange(some.Page);
            query = query with { After = VmsServerQuery.MarkOf(some.Page[^1]) };
        }

        seen.Select(s => s.Id).ShouldBe(Enumerable.Range(0, fitting).Select(i => $"vms-{i}").Order(StringComparer.Ordinal), because);
    }

    [Fact]
    public async Task Servers_SearchedAfterOneThatFitsNoMore_LeaveNothingOut()
    {
        await ApplyAsync([.. Enumerable.Range(0, 6).Select(i => new SaveVmsServer(Server($"vms-{i}", $"hall {i}")))]);
        var mark = VmsServerQuery.MarkOf((await Servers.FindAsync("vms-2", None))!);
        var query = new VmsServerQuery { Text = "hall", Take = 2, After = mark };

        await ApplyAsync(new SaveVmsServer((await Servers.FindAsync("vms-2", None))! with { Name = "yard" }));
        await NextIsAsync("vms-3,vms-4", 5);

        await ApplyAsync(new DeleteVmsServer("vms-2", (await Servers.FindAsync("vms-2", None))!.Revision));
        await NextIsAsync("vms-3,vms-4", 5);

        async Task NextIsAsync(string ids, int found)
        {
            var (page, count) = await Servers.SearchAsync(query, None);
            (string.Join(',', page.Select(s => s.Id)), count).ShouldBe((ids, found));
        }
    }

    [Theory]
    [InlineData(VmsServerFilter.All, "vms-1,vms-2,vms-3,vms-4")]
    [InlineData(VmsServerFilter.Broken, "vms-2")]
    [InlineData(VmsServerFilter.NotConnected, "vms-2,vms-4")]
    [InlineData(VmsServerFilter.ActingForOthers, "vms-3")]
    [InlineData(VmsServerFilter.NotReady, "vms-3")]
    public async Task Servers_InAState_AreThoseThatAre(VmsServerFilter filter, string expected)
    {
        await ApplyAsync(
            new SaveVmsServer(Server("vms-1") with { Connection = ConnectionState.Connected }),
            new SaveVmsServer(Server("vms-2") with { Connection = ConnectionState.Disconnected, State = VmsServerState.Broken }),
            new SaveVmsServer(Server("vms-3") with { Connection = ConnectionState.Connected }),
            new SaveVmsServer(Server("vms-4") with { Connection = ConnectionState.Unstable }),
            new GrantEpoch("vms-1", "vms-1", 1, "seed"),
            new GrantEpoch("vms-2", "vms-3", 2, "run/1"),
            new SaveReadiness(Result("vms-1")),
            new SaveReadiness(Result("vms-3") with { Outcome = ReadinessOutcome.NotReady, Sentence = "No." }),

            // Of vms-1 the failback does not count: nothing of it is open.
            new SaveReadiness(Result("vms-1", ReadinessKind.Failback) with { Outcome = ReadinessOutcome.NotReady, Sentence = "No." }),
            new SaveReadiness(Result("vms-4") with { Outcome = ReadinessOutcome.NotEnabled }));

        (await Servers.ListAsync(new VmsServerQuery { Filter = filter, Take = 50 }, None)).Select(s => s.Id).ShouldBe(expected.Split(','));
        (await Servers.SearchAsync(new VmsServerQuery { Filter = filter, Take = 1 }, None)).Found.ShouldBe(expected.Split(',').Length);
    }

    [Fact]
    public async Task Servers_Revisions_SayWhichAreThereAndWhichHaveChanged()
    {
        await ApplyAsync(new SaveVmsServer(Server("vms-1")), new SaveVmsServer(Server("vms-2")), new SaveVmsServer(Server("vms-3")));
        var before = await Servers.ListRevisionsAsync(None);

        await ApplyAsync(new SaveVmsServer((await Servers.FindAsync("vms-2", None))! with { Name = "Hall" }));
        await ApplyAsync(new DeleteVmsServer("vms-3", (await Servers.FindAsync("vms-3", None))!.Revision));
        await ApplyAsync(new SaveVmsServer(Server("vms-3") with { CreatedAt = T0.AddDays(1) }));
        var after = await Servers.ListRevisionsAsync(None);

        before.Select(one => one.Id).Order().ShouldBe(["vms-1", "vms-2", "vms-3"]);
        after.Except(before).Select(one => one.Id).Order().ShouldBe(["vms-2", "vms-3"]);
        foreach (var one in after)
        {
            var server = (await Servers.FindAsync(one.Id, None))!;
            one.ShouldBe(new VmsServerRevision(server.Id, server.Revision, server.CreatedAt));
        }
    }

    [Fact]
    public async Task Servers_LookedUp_AreThoseMeant()
    {
        await ApplyAsync(
            new SaveVmsServer(Server("vms-1", "East hall") with { MachineId = "machine-1", FailoverGroup = "south" }),
            new SaveVmsServer(Server("vms-2", "Hall west") with { FailoverGroup = "north" }),
            new SaveVmsServer(Server("vms-3", "Annex of the hall") with { FailoverGroup = "north" }),
            new SaveVmsServer(Server("hall-4", "Yard")));

        (await Servers.ListAsync(["vms-3", "nobody", "vms-1"], None)).Select(s => s.Id).ShouldBe(["vms-3", "vms-1"]);
        (await Servers.ListAsync([], None)).ShouldBeEmpty();
        (await Servers.FindByMachineAsync("machine-1", None))?.Id.ShouldBe("vms-1");
        (await Servers.FindByMachineAsync("machine-2", None)).ShouldBeNull();
        (await Servers.ListGroupsAsync(None)).ShouldBe(["north", "south"]);
        (await Servers.FindIdsAsync("HALL", 10, None)).ShouldBe(["vms-2", "vms-3", "vms-1", "hall-4"], "those whose name begins with it first, then by name");
        (await Servers.FindIdsAsync("hall", 2, None)).ShouldBe(["vms-2", "vms-3"]);
    }

    [Fact]
    public async Task WhatIsReadForAPageOfServers_IsWhatIsReadForAllOfThem()
    {
        foreach (var id in new[] { "vms-1", "vms-2", "vms-3" })
        {
            await ApplyAsync(
                new GrantEpoch(id, id == "vms-3" ? "vms-1" : id, 1, "seed"),
                new AddTransition(new(0, id, T0.AddMinutes(1), TransitionKind.Disconnected, ConnectionState.Connected, ConnectionState.Disconnected, "gone", "poll", null, 1)),
                new SaveReadiness(Result(id)),
                new SaveSettings(new CachedSettings(id, id, 1, 1, SettingsDigest.Compute(FakeSettings.Content(1)), T0, FakeSettings.Content(1))));
        }

        string[] page = ["vms-1", "vms-3", "nobody"];
        var duties = Database.Get<IDuties>();
        (await duties.ListAsync(page, None)).ShouldBe([.. (await duties.ListAsync(None)).Where(d => page.Contains(d.Identity))]);
        (await duties.ListHeldAsync(["vms-1"], None)).Select(d => d.Identity).ShouldBe(["vms-1", "vms-3"]);
        (await Database.Get<IConnectivityHistory>().CountLossesAsync(page, T0, None)).ShouldBe(new Dictionary<string, int> { ["vms-1"] = 1, ["vms-3"] = 1 }, ignoreOrder: true);
        (await Database.Get<IConnectivityHistory>().CountLossesAsync(page, T0.AddMinutes(1), None)).ShouldBeEmpty();
        (await ReadinessStore.ListSummariesAsync(page, None)).Select(r => r.ServerId).ShouldBe(["vms-1", "vms-3"]);
        (await Database.Get<ISettingsCache>().ListLatestAsync(page, None)).Select(r => r.Identity).Order().ShouldBe(["vms-1", "vms-3"]);
        (await Database.Get<ISettingsCache>().ListLatestAsync([], None)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Readiness_TurnedNotReady_LatestFirstAndCounted()
    {
        // The eighth is not registered any more.
        await ApplyAsync([.. Enumerable.Range(1, 7).Select(i => new SaveVmsServer(Server($"vms-{i}")))]);
        await ApplyAsync([.. Enumerable.Range(1, 8).Select(i => new SaveReadiness(Result($"vms-{i}") with { Outcome = ReadinessOutcome.NotReady, TurnedNotReadyAt = i == 4 ? null : T0.AddMinutes(i) }))]);

        var (latest, count) = await ReadinessStore.ListTurnedNotReadyAsync(3, None);
        (string.Join(',', latest.Select(r => r.ServerId)), count).ShouldBe(("vms-7,vms-6,vms-5", 6));
        (await ReadinessStore.ListTurnedNotReadyAsync(50, None)).Count.ShouldBe(6);
    }

    [Fact]
    public async Task FailoverLog_NewestOfBroken_AreTheirOwnAndOnlyThoseThatMayNeedSomebody()
    {
        await ApplyAsync(
            [.. Enumerable.Range(1, 6).Select(i => new SaveVmsServer(Server($"vms-{i}") with { State = i == 6 ? VmsServerState.Ok : VmsServerState.Broken }))]);
        await ApplyAsync(
            // 1: what it did for others does not count as its own, although it is newer.
            new SaveFailoverLogEntry(Of("vms-1", "own", 1) with { Failback = FailbackState.Failed }),
            new SaveFailoverLogEntry(Of("vms-9", "other", 2) with { FailoverServerId = "vms-1", Failover = FailoverState.Failed }),

            // 2: the newest says that all is well.
            new SaveFailoverLogEntry(Of("vms-2", "2-old", 1) with { Failover = FailoverState.Failed }),
            new SaveFailoverLogEntry(Of("vms-2", "2-new", 2)),
            new SaveFailoverLogEntry(Of("vms-3", "3", 3) with { Failover = FailoverState.Failed }),
            new SaveFailoverLogEntry(Of("vms-4", "4", 4) with { Failback = FailbackState.Done }),
            new SaveFailoverLogEntry(Of("vms-6", "6", 6) with { Failover = FailoverState.Failed }));

        (await Log.ListNewestOfBrokenAsync(None)).Select(e => e.Id).ShouldBe(["4", "3", "own"]);

        static FailoverLogEntry Of(string failed, string id, int minute) => Entry(id, T0.AddMinutes(minute)) with { FailedServerId = failed };
    }
}
