using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Readiness;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using FailbackWorkflows.Persistence.VmsServers;
using FailbackWorkflows.Recorders.Settings;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Failback;

/// <summary>Results of dry runs: the newest per server and kind; of a server, the kind that counts follows its failover log.</summary>
public abstract partial class FailbackStoresCompliance
{
    private IReadinessResults ReadinessStore => Database.Get<IReadinessResults>();

    [Fact]
    public async Task Readiness_Saved_IsReadAsItWas()
    {
        var result = Result("vms-1") with
        {
            Outcome = ReadinessOutcome.NotReady,
            Number = 3,
            Sentence = "It does not answer.",
            Offer = "adopt",
            EntryId = "entry-1",
            FailoverServerId = "vms-2",
            DueAt = T0.AddMinutes(15),
        };
        await ApplyAsync(new SaveReadiness(result));

        var read = await ReadinessStore.FindAsync("vms-1", ReadinessKind.Failover, None);

        (read! with { Checks = [] }).ShouldBe(result with { Checks = [] });
        read.Checks.ShouldBe(result.Checks);
        (await ReadinessStore.FindAsync("vms-1", ReadinessKind.Failback, None)).ShouldBeNull();
    }

    [Fact]
    public async Task Readiness_SavedAgain_IsTheNewestWhateverTheOrder()
    {
        await ApplyAsync(new SaveReadiness(Result("vms-1", at: T0.AddMinutes(2)) with { CheckedBy = "newer" }));
        await ApplyAsync(new SaveReadiness(Result("vms-1", at: T0.AddMinutes(1)) with { CheckedBy = "older" }));

        (await ReadinessStore.FindAsync("vms-1", ReadinessKind.Failover, None))!.CheckedBy.ShouldBe("newer");
        await ApplyAsync(new SaveReadiness(Result("vms-1", at: T0.AddMinutes(3)) with { CheckedBy = "newest", Sentence = null }));
        (await ReadinessStore.FindAsync("vms-1", ReadinessKind.Failover, None))!.CheckedBy.ShouldBe("newest");
        (await Database.CountAsync("readiness")).ShouldBe(1);
    }

    [Fact]
    public async Task Readiness_OfARemovedServer_GoesWithItAndIsNotListed()
    {
        await ApplyAsync(new SaveVmsServer(Server("vms-1")), new SaveVmsServer(Server("vms-2")));
        await ApplyAsync(new SaveReadiness(Result("vms-1")), new SaveReadiness(Result("vms-1", ReadinessKind.Failback)), new SaveReadiness(Result("vms-2")));

        await ApplyAsync(new DeleteVmsServer("vms-1", (await Servers.FindAsync("vms-1", None))!.Revision));
        (await Database.CountAsync("readiness")).ShouldBe(1);

        // A dry run that began before.
        await ApplyAsync(new SaveReadiness(Result("vms-1")));
        (await ReadinessStore.ListAsync(new(Take: 1), None)).Select(r => r.ServerId).ShouldBe(["vms-2"], "a page is full of what is there");
    }

    [Fact]
    public async Task Readiness_Lists_TheKindThatCounts()
    {
        await ApplyAsync(new SaveVmsServer(Server("vms-1")), new SaveVmsServer(Server("vms-2")));
        await ApplyAsync(
            new SaveReadiness(Result("vms-1")),
            new SaveReadiness(Result("vms-1", ReadinessKind.Failback)),
            new SaveReadiness(Result("vms-2")),
            new SaveReadiness(Result("vms-2", ReadinessKind.Failback)));
        (await KindsAsync()).ShouldBe(["vms-1 Failover", "vms-2 Failover"]);

        await ApplyAsync(new SaveFailoverLogEntry(Entry("entry-1")));
        (await KindsAsync()).ShouldBe(["vms-1 Failback", "vms-2 Failover"]);

        var entry = await Database.Get<IFailoverLog>().FindAsync("entry-1", None);
        await ApplyAsync(new SaveFailoverLogEntry(entry! with { Failback = FailbackState.Done }));
        (await KindsAsync()).ShouldBe(["vms-1 Failover", "vms-2 Failover"]);

        // Nothing comes home from a failover that failed, although its material may be owed.
        await ApplyAsync(new SaveFailoverLogEntry(Entry("entry-2", T0.AddHours(1)) with { Failover = FailoverState.Failed }));
        (await KindsAsync()).ShouldBe(["vms-1 Failover", "vms-2 Failover"]);
        (await ReadinessStore.ListSummariesAsync(None)).Select(r => (r.ServerId, r.Kind, r.Checks.Count)).ShouldBe([("vms-1", ReadinessKind.Failover, 0), ("vms-2", ReadinessKind.Failover, 0)]);

        async Task<IReadOnlyList<string>> KindsAsync() => [.. (await ReadinessStore.ListAsync(new(), None)).Select(r => $"{r.ServerId} {r.Kind}")];
    }

    [Fact]
    public async Task Readiness_List_IsCutIntoPagesAndByOutcomeAndKind()
    {
        for (var i = 0; i < 7; i++)
        {
            await ApplyAsync(new SaveVmsServer(Server($"vms-{i}")), new SaveReadiness(Result($"vms-{i}") with { Outcome = i % 2 == 0 ? ReadinessOutcome.Ready : ReadinessOutcome.NotReady }));
        }

        (await IdsAsync(new(Take: 3))).ShouldBe(["vms-0", "vms-1", "vms-2"]);
        (await IdsAsync(new(After: "vms-2", Take: 3))).ShouldBe(["vms-3", "vms-4", "vms-5"]);
        (await IdsAsync(new(Outcome: ReadinessOutcome.NotReady))).ShouldBe(["vms-1", "vms-3", "vms-5"]);
        (await IdsAsync(new(Outcome: ReadinessOutcome.NotReady, After: "vms-1", Take: 1))).ShouldBe(["vms-3"]);
        (await IdsAsync(new(Kind: ReadinessKind.Failback))).ShouldBeEmpty();

        async Task<IReadOnlyList<string>> IdsAsync(ReadinessQuery query) => [.. (await ReadinessStore.ListAsync(query, None)).Select(r => r.ServerId)];
    }

    [Fact]
    public async Task Readiness_Due_IsWhatHasNoResultThatCountsOrAnOldOne()
    {
        await ApplyAsync([.. Enumerable.Range(1, 5).Select(i => new SaveVmsServer(Server($"vms-{i}")))]);
        await ApplyAsync(
            new SaveReadiness(Result("vms-1") with { DueAt = T0.AddMinutes(15) }),
            new SaveReadiness(Result("vms-2") with { DueAt = T0.AddMinutes(20) }),
            new SaveReadiness(Result("vms-3") with { DueAt = null }),
            new SaveReadiness(Result("vms-4", ReadinessKind.Failback) with { DueAt = T0.AddMinutes(20) }));

        (await ReadinessStore.ListDueAsync(T0, null, null, 100, None)).ShouldBe(["vms-3", "vms-4", "vms-5"]);
        (await ReadinessStore.ListDueAsync(T0.AddMinutes(15), null, null, 100, None)).ShouldBe(["vms-1", "vms-3", "vms-4", "vms-5"]);
        (await ReadinessStore.ListDueAsync(T0.AddMinutes(15), null, "vms-1", 2, None)).ShouldBe(["vms-3", "vms-4"]);
        (await ReadinessStore.ListDueAsync(null, T0, null, 100, None)).ShouldBe(["vms-4", "vms-5"], "what was looked at since then is not asked for");
        (await ReadinessStore.ListDueAsync(null, T0.AddSeconds(1), null, 100, None)).ShouldBe(["vms-1", "vms-2", "vms-3", "vms-4", "vms-5"]);
    }

    [Fact]
    public async Task Groups_OfWhichAMemberComesGoesOrChanges_AddUpToSomethingElse()
    {
        await ApplyAsync(
            new SaveVmsServer(Server("vms-1") with { FailoverGroup = "north" }),
            new SaveVmsServer(Server("vms-2") with { FailoverGroup = "north" }),
            new SaveVmsServer(Server("vms-3") with { FailoverGroup = "south" }));
        var (north, south) = await AddUpAsync();
        (north.Members, north.Digests, south.Members, south.Digests).ShouldBe(
            (2, VmsServerTraits.DigestOf(await ServerAsync("vms-1")) + VmsServerTraits.DigestOf(await ServerAsync("vms-2")), 1, VmsServerTraits.DigestOf(await ServerAsync("vms-3"))));

        await ApplyAsync(new SaveVmsServer((await ServerAsync("vms-2")) with { Connection = ConnectionState.Connected, ClockOffset = TimeSpan.FromSeconds(1), LastSeenAt = T0 }));
        (await AddUpAsync()).North.ShouldBe(north, "how it is connected says nothing of what it is");
        await ApplyAsync(new SaveVmsServer((await ServerAsync("vms-2")) with { State = VmsServerState.Broken }));
        var changed = (await AddUpAsync()).North;
        changed.Digests.ShouldNotBe(north.Digests);
        await ApplyAsync(new SaveVmsServer(Server("vms-4") with { FailoverGroup = "north" }));
        (await AddUpAsync()).North.Members.ShouldBe(3);
        await ApplyAsync(new DeleteVmsServer("vms-4", (await ServerAsync("vms-4")).Revision));
        (await AddUpAsync()).ShouldBe((changed, south));

        // As a version that did not know the column leaves it.
        await Database.Get<IDatabase>().WriteAsync(session => session.ExecuteAsync("UPDATE servers SET traits_digest = 0 WHERE failover_group = 'north'", None), None);
        (await AddUpAsync()).North.Digests.ShouldBe(0);
        var revision = (await ServerAsync("vms-2")).Revision;
        (await Database.Get<ServerDigests>().RefreshAsync(None)).ShouldBe(2);
        (await AddUpAsync()).ShouldBe((changed, south));
        (await ServerAsync("vms-2")).Revision.ShouldBe(revision);
        (await Database.Get<ServerDigests>().RefreshAsync(None)).ShouldBe(0);

        (await Database.Get<IVmsServers>().DigestGroupsAsync(["nowhere"], None)).ShouldBeEmpty();
        (await Database.Get<IVmsServers>().DigestGroupsAsync([], None)).ShouldBeEmpty();

        async Task<((int Members, long Digests) North, (int Members, long Digests) South)> AddUpAsync()
        {
            var groups = await Database.Get<IVmsServers>().DigestGroupsAsync(["north", "south", "nowhere"], None);
            groups.Keys.Order().ShouldBe(["north", "south"]);
            return (groups["north"], groups["south"]);
        }

        async Task<VmsServer> ServerAsync(string id) => (await Database.Get<IVmsServers>().FindAsync(id, None))!;
    }

    [Fact]
    public async Task Servers_OfAGroupAndTheirNumber_AreReadFromTheDatabase()
    {
        await ApplyAsync(
            new SaveVmsServer(Server("vms-1", "Zoo") with { FailoverGroup = "north" }),
            new SaveVmsServer(Server("vms-2", "Arch") with { FailoverGroup = "north" }),
            new SaveVmsServer(Server("vms-3") with { FailoverGroup = "south" }),
            new SaveVmsServer(Server("vms-4")));

        (await Database.Get<IVmsServers>().ListGroupAsync("north", None)).Select(s => s.Id).ShouldBe(["vms-2", "vms-1"]);
        (await Database.Get<IVmsServers>().ListNamesAsync(["vms-2", "vms-1", "vms-9"], None)).OrderBy(name => name.Key).ShouldBe([new("vms-1", "Zoo"), new("vms-2", "Arch")]);
        (await Database.Get<IVmsServers>().ListNamesAsync([], None)).ShouldBeEmpty();
        (await Database.Get<IVmsServers>().CountAsync(None)).ShouldBe(4);
    }

    [Fact]
    public async Task FailoverLog_OpenOfAll_IsNewestFirstWithoutThoseThatAreDone()
    {
        await ApplyAsync(
            new SaveFailoverLogEntry(Entry("entry-1")),
            new SaveFailoverLogEntry(Entry("entry-2", T0.AddHours(1)) with { FailedServerId = "vms-3" }),
            new SaveFailoverLogEntry(Entry("entry-3", T0.AddHours(2)) with { Failback = FailbackState.Done }));

        (await Database.Get<IFailoverLog>().ListOpenAsync(None)).Select(e => e.Id).ShouldBe(["entry-2", "entry-1"]);
    }

    [Fact]
    public async Task Settings_LatestOfOne_AreThoseOfAllWithoutTheOthers()
    {
        foreach (var identity in new[] { "vms-1", "vms-2" })
        {
            foreach (var (source, epoch, version) in new[] { (identity, 1, 1), ("vms-9", 2, 2), ("vms-9", 2, 3), (identity, 0, 4) })
            {
                await ApplyAsync(new SaveSettings(new CachedSettings(
                    identity, source, epoch, version, SettingsDigest.Compute(FakeSettings.Content(version)), T0.AddMinutes(version), FakeSettings.Content(version))));
            }
        }

        var cache = Database.Get<ISettingsCache>();
        var all = (await cache.ListLatestAsync(None)).Where(r => r.Identity == "vms-1").OrderBy(r => r.Number).ToList();

        (await cache.ListLatestAsync("vms-1", None)).OrderBy(r => r.Number).ShouldBe(all);
        all.Select(r => r.Revision).ShouldBe([1, 3, 4]);
        (await cache.ListLatestAsync("vms-7", None)).ShouldBeEmpty();
    }

    private static ReadinessResult Result(string serverId, ReadinessKind kind = ReadinessKind.Failover, DateTimeOffset? at = null) => new()
    {
        ServerId = serverId,
        Kind = kind,
        Outcome = ReadinessOutcome.Ready,
        Checks = [new(null, "Start", ReadinessCheckOutcome.Passed, null), new(1, "Check licence", ReadinessCheckOutcome.Warning, "It expires soon.")],
        CheckedAt = at ?? T0,
        CheckedBy = "Schedule",
        Stamp = new("failback:2", "license", "settings", "topology", "rules"),
    };
}
