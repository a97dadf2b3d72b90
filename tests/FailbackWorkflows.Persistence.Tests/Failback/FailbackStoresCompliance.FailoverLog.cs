using FailbackWorkflows.Failback.FailoverLog;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Failback;

/// <summary>The failover log and its lists.</summary>
public abstract partial class FailbackStoresCompliance
{
    [Fact]
    public async Task SaveFailoverLogEntry_EveryMember_IsReadBack()
    {
        var entry = new FailoverLogEntry
        {
            Id = "entry-1", FailedServerId = "vms-1", FailoverServerId = "vms-2", Failover = FailoverState.Done, Failback = FailbackState.Done,
            MaterialCopy = MaterialCopyState.CopiedWithLosses, FailoverStartedAt = T0.AddTicks(1), FailoverEndedAt = T0.AddTicks(2), FailbackStartedAt = T0.AddTicks(3),
            FailbackEndedAt = T0.AddTicks(4), FailoverRunId = "run-1", FailbackRunId = "run-2", StartedBy = "olga", Reason = "because", ExternalId = "report-1",
            Message = "message", ClosedByEntryId = "entry-2",
            LastTimes = new Dictionary<string, DateTimeOffset> { ["cam-1"] = T0.AddTicks(5), ["cam-ä"] = T0.AddTicks(6) },
            AuthorityEnds = new Dictionary<string, DateTimeOffset>(),
            Clocks = new(new(TimeSpan.FromTicks(-7), TimeSpan.FromTicks(8), T0.AddTicks(9)), null, new(TimeSpan.FromHours(1), TimeSpan.Zero, T0)),
        };

        await ApplyAsync(new SaveFailoverLogEntry(entry));

        var read = (await Log.FindAsync("entry-1", None)).ShouldNotBeNull();
        read.LastTimes.ShouldBe(entry.LastTimes, ignoreOrder: true);
        read.AuthorityEnds.ShouldNotBeNull().ShouldBeEmpty();
        (read with { LastTimes = null, AuthorityEnds = null }).ShouldBe(entry with { LastTimes = null, AuthorityEnds = null, Revision = 1 });
        (await Log.FindAsync("entry-2", None)).ShouldBeNull();
    }

    [Fact]
    public async Task FailoverLog_ThousandEntriesPagedThrough_ShowsEachOnceNewestFirst()
    {
        // Ten entries share each instant, and ids do not follow time.
        const int Count = 1000;
        await ApplyAsync([.. Enumerable.Range(0, Count).Select(i => new SaveFailoverLogEntry(Entry($"entry-{i * 7919 % Count:0000}", T0.AddTicks(i / 10))))]);

        foreach (var take in new[] { 37, 50, 200 })
        {
            var seen = new List<FailoverLogEntry>();
            IReadOnlyList<FailoverLogEntry> page;
            do
            {
                page = await Log.ListAsync(new(FailoverLogView.All) { Before = seen.LastOrDefault()?.Id, Take = take }, None);
                seen.AddRange(page);
            }
            while (page.Count == take);

            seen.Count.ShouldBe(Count);
            seen.Select(e => e.Id).Distinct().Count().ShouldBe(Count);
            seen.Select(e => e.Id).ShouldBe(seen.OrderByDescending(e => e.FailoverStartedAt).ThenByDescending(e => e.Id, StringComparer.Ordinal).Select(e => e.Id));
        }
    }

    [Fact]
    public async Task FailoverLog_EntryAddedWhilePaging_DisturbsNoPage()
    {
        await ApplyAsync([.. Enumerable.Range(0, 6).Select(i => new SaveFailoverLogEntry(Entry($"entry-{i}", T0.AddMinutes(i))))]);
        var first = await Log.ListAsync(new(FailoverLogView.All) { Take = 3 }, None);

        await ApplyAsync(new SaveFailoverLogEntry(Entry("entry-9", T0.AddHours(1))));
        var second = await Log.ListAsync(new(FailoverLogView.All) { Before = first[^1].Id, Take = 3 }, None);

        first.Concat(second).Select(e => e.Id).ShouldBe(["entry-5", "entry-4", "entry-3", "entry-2", "entry-1", "entry-0"]);
    }

    [Fact]
    public async Task FailoverLog_PageSize_IsKeptWithinItsLimits()
    {
        await ApplyAsync([.. Enumerable.Range(0, 210).Select(i => new SaveFailoverLogEntry(Entry($"entry-{i:000}")))]);

        (await Log.ListAsync(new(FailoverLogView.All), None)).Count.ShouldBe(50);
        (await Log.ListAsync(new(FailoverLogView.All) { Take = 5000 }, None)).Count.ShouldBe(200);
        (await Log.ListAsync(new(FailoverLogView.All) { Take = -1 }, None)).Count.ShouldBe(1);
        (await Log.ListAsync(new(FailoverLogView.All) { Before = "nobody" }, None)).ShouldBeEmpty();
    }

    [Fact]
    public async Task FailoverLog_ByServersAndPeriod_ShowsExactlyWhatFits()
    {
        var chance = new Random(7);
        var entries = Enumerable.Range(0, 120)
            .Select(i => Entry($"entry-{i:000}", T0.AddMinutes(chance.Next(60))) with { FailedServerId = $"vms-{chance.Next(8)}", FailoverServerId = $"vms-{chance.Next(8)}" })
            .ToList();
        await ApplyAsync([.. entries.Select(e => new SaveFailoverLogEntry(e))]);

        foreach (var servers in new string[]?[] { null, [], ["nobody"], ["vms-1"], ["vms-1", "vms-1", "vms-5", "nobody"], [.. Enumerable.Range(0, 30).Select(i => $"vms-{i}")] })
        {
            foreach (var (since, until) in new (DateTimeOffset?, DateTimeOffset?)[] { (null, null), (T0.AddMinutes(10), null), (null, T0.AddMinutes(30)), (T0.AddMinutes(10), T0.AddMinutes(30)), (T0.AddHours(2), null) })
            {
                var expected = entries
                    .Where(e => servers is null || servers.Contains(e.FailedServerId) || servers.Contains(e.FailoverServerId))
                    .Where(e => !(e.FailoverStartedAt < since) && !(e.FailoverStartedAt >= until))
                    .OrderByDescending(e => e.FailoverStartedAt).ThenByDescending(e => e.Id, StringComparer.Ordinal)
                    .Select(e => e.Id).ToList();
                var query = new FailoverLogQuery(FailoverLogView.All) { Take = 7, ServerIds = servers, Since = since, Until = until };

                var seen = new List<string>();
                while (await Log.ListAsync(query with { Before = seen.LastOrDefault() }, None) is { Count: > 0 } page)
                {
                    seen.AddRange(page.Select(e => e.Id));
                }

                seen.ShouldBe(expected, $"servers {(servers is null ? "all" : string.Join(',', servers))}, since {since}, until {until}");
            }
        }
    }

    [Fact]
    public async Task FailoverLog_Views_CutEveryStateAsTheEntryItselfDoes()
    {
        var entries = (
            from failover in Enum.GetValues<FailoverState>()
            from failback in Enum.GetValues<FailbackState>()
            from copy in Enum.GetValues<MaterialCopyState>()
            from closedBy in new[] { null, "newer" }
            select Entry($"{failover}-{failback}-{copy}-{closedBy}") with { Failover = failover, Failback = failback, MaterialCopy = copy, ClosedByEntryId = closedBy }).ToList();
        await ApplyAsync([.. entries.Select(e => new SaveFailoverLogEntry(e))]);

        (await ListAllAsync(FailoverLogView.Active)).ShouldBe(entries.Where(e => e.IsActive).Select(e => e.Id), ignoreOrder: true);
        (await ListAllAsync(FailoverLogView.Finalized)).ShouldBe(entries.Where(e => !e.IsActive).Select(e => e.Id), ignoreOrder: true);
        (await ListAllAsync(FailoverLogView.All)).Count.ShouldBe(entries.Count);
        (await Log.ListOpenAsync("vms-1", None)).Select(e => e.Id).ShouldBe(entries.Where(e => e.IsActive && e.Failback != FailbackState.Done).Select(e => e.Id), ignoreOrder: true);
    }

    [Fact]
    public async Task FailoverLog_EntryFinalised_MovesToTheOtherView()
    {
        var entry = Entry("entry-1") with { Failback = FailbackState.Done, MaterialCopy = MaterialCopyState.Running };
        await ApplyAsync(new SaveFailoverLogEntry(entry));
        (await ListAllAsync(FailoverLogView.Active)).ShouldBe(["entry-1"]);

        await ApplyAsync(new SaveFailoverLogEntry(entry with { MaterialCopy = MaterialCopyState.Copied, Revision = 1 }));

        (await ListAllAsync(FailoverLogView.Active)).ShouldBeEmpty();
        (await ListAllAsync(FailoverLogView.Finalized)).ShouldBe(["entry-1"]);
    }

    [Fact]
    public async Task FailoverLog_OfAServer_ShowsWhereItFailedAndWhereItStoodIn()
    {
        await ApplyAsync(
            new SaveFailoverLogEntry(Entry("entry-1")),
            new SaveFailoverLogEntry(Entry("entry-2", T0.AddMinutes(1)) with { FailedServerId = "vms-2", FailoverServerId = "vms-3" }),
            new SaveFailoverLogEntry(Entry("entry-3", T0.AddMinutes(2)) with { FailedServerId = "vms-4", FailoverServerId = "vms-3" }));

        (await Log.ListAsync(new(FailoverLogView.All) { ServerIds = ["vms-2"] }, None)).Select(e => e.Id).ShouldBe(["entry-2", "entry-1"]);
        (await Log.ListAsync(new(FailoverLogView.Active) { Before = "entry-3", ServerIds = ["vms-3"] }, None)).Select(e => e.Id).ShouldBe(["entry-2"]);
        (await Log.ListOpenAsync("vms-3", None)).ShouldBeEmpty("an open entry is one of the failed server");
    }

    [Fact]
    public async Task ListOpen_SeveralEntries_NewestFirst()
    {
        await ApplyAsync([.. Enumerable.Range(0, 3).Select(i => new SaveFailoverLogEntry(Entry($"entry-{i}", T0.AddMinutes(i))))]);

        (await Log.ListOpenAsync("vms-1", None)).Select(e => e.Id).ShouldBe(["entry-2", "entry-1", "entry-0"]);
        (await Log.ListOpenAsync(["vms-1", "nobody"], None)).Select(e => e.Id).ShouldBe(["entry-2", "entry-1", "entry-0"]);
        (await Log.ListOpenAsync(["nobody"], None)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Instants_OfAnyOffset_SurviveToTheTickAndOrderInSql()
    {
        // The same second in three zones, a tick apart: text would sort them wrongly.
        var instants = new[]
        {
            DateTimeOffset.UnixEpoch.AddTicks(-1),
            new DateTimeOffset(2026, 3, 1, 23, 30, 0, TimeSpan.FromHours(14)),
            new DateTimeOffset(2026, 3, 1, 9, 30, 0, TimeSpan.Zero).AddTicks(1),
            new DateTimeOffset(2026, 2, 28, 21, 30, 0, TimeSpan.FromHours(-12)).AddTicks(2),
            new DateTimeOffset(9999, 12, 31, 23, 59, 59, TimeSpan.Zero).AddTicks(9_999_999),
        };
        await ApplyAsync([.. instants.Select((at, i) => new SaveFailoverLogEntry(Entry($"entry-{4 - i}", at)))]);

        var read = await Log.ListAsync(new(FailoverLogView.All), None);

        read.Select(e => e.FailoverStartedAt.UtcTicks).Reverse().ShouldBe(instants.Select(i => i.UtcTicks));
        read.ShouldAllBe(e => e.FailoverStartedAt.Offset == TimeSpan.Zero);
    }

    private async Task<List<string>> ListAllAsync(FailoverLogView view)
    {
        var ids = new List<string>();
        while (await Log.ListAsync(new(view) { Before = ids.LastOrDefault(), Take = 200 }, None) is { Count: > 0 } page)
        {
            ids.AddRange(page.Select(e => e.Id));
        }

        return ids;
    }
}
