using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using FailbackWorkflows.Testing;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.ReferenceRecorder.MaterialCopy;

/// <summary>Two real recorders: what the one recorded under a read token comes home to the other.</summary>
public sealed class CopyBetweenRecordersTests
{
    [Fact]
    public async Task ThePeriod_ComesHome_OnceAndVerified()
    {
        var time = new FakeTimeProvider();
        await using var source = await RecorderHost.StartSeededAsync(time);
        var from = time.GetUtcNow();
        await source.PassAsync(TimeSpan.FromSeconds(40));
        var to = time.GetUtcNow();
        await source.PassAsync(TimeSpan.FromSeconds(4));
        await source.StopRecordingAsync(1);
        await using var host = new CopyHost(await RecorderHost.StartSeededAsync(time), await FakeSource.StartAsync(time));
        var token = await source.IssueAsync(from, to);
        var definition = new StartDataCopy("task-1", "entry-1", RecorderHost.Identity, source.Store.MachineId, new CopyPeriod(null, from, to), [], new CopyLimits(), false, "test");
        await host.SendAsync<CopyTask>(HttpMethod.Post, "v1/copy-tasks", definition);
        await host.SetSourceAsync(token: token.Token, url: source.Endpoint.BaseUrl);

        var task = await host.EndAsync();
        task.State.ShouldBe(CopyTaskState.Copied, task.LastError);
        var report = await host.CoverageAsync();
        report.IsVerified.ShouldBeTrue();
        var here = host.Target.Store.Read(sql => FailbackWorkflows.ReferenceRecorder.Segments.SegmentStore.Overlapping(sql, "vms-1~video-1", from, to, 1_000));
        var there = source.Store.Read(sql => FailbackWorkflows.ReferenceRecorder.Segments.SegmentStore.Overlapping(sql, "vms-1~video-1", from, to, 1_000));
        here.Where(r => r.TaskId is not null).Select(r => (r.SegmentId, r.Sha256, r.OriginRecorder)).ShouldBe(there.Select(r => (r.SegmentId, r.Sha256, r.OriginRecorder)));
        there.Count.ShouldBeGreaterThanOrEqualTo(20);

        await host.SendAsync<CopyTask>(HttpMethod.Post, "v1/copy-tasks", definition with { TaskId = "task-2" });
        await host.SetSourceAsync("task-2", token.Token, source.Endpoint.BaseUrl);
        (await host.EndAsync("task-2")).State.ShouldBe(CopyTaskState.NothingToCopy);
    }

    // Scenario 35: what a source dropped for want of room may be more than a page names.
    [Fact]
    public async Task MoreTombstonesThanFitOnAPage_DoNotKeepTheRestFromComingHome()
    {
        var time = new FakeTimeProvider();
        await using var source = await RecorderHost.StartSeededAsync(time);
        var (from, recordedFrom) = (time.GetUtcNow() - TimeSpan.FromHours(1), time.GetUtcNow());
        await source.PassAsync(TimeSpan.FromSeconds(20));
        var to = time.GetUtcNow();
        await source.StopRecordingAsync(1);
        await source.Store.WriteAsync(
            sql => sql.Run(
                """
                WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1499)
                INSERT INTO gone_segments (segment_id, track_id, from_ticks, to_ticks, bytes, reason, at)
                SELECT 'dropped-' || i, 'vms-1~video-1', $from + i * 20000000, $from + (i + 1) * 20000000, 1000, 'pressure', $from FROM n
                """,
                ("$from", from.UtcTicks)),
            default);
        await using var host = new CopyHost(await RecorderHost.StartSeededAsync(time), await FakeSource.StartAsync(time));
        var token = await source.IssueAsync(from, to);
        await host.SendAsync<CopyTask>(HttpMethod.Post, "v1/copy-tasks", new StartDataCopy("task-1", "entry-1", RecorderHost.Identity, source.Store.MachineId, new CopyPeriod(null, from, to), [], new CopyLimits(), false, "test"));
        await host.SetSourceAsync(token: token.Token, url: source.Endpoint.BaseUrl);

        var task = await host.EndAsync();

        task.State.ShouldBe(CopyTaskState.CopiedWithLosses, task.LastError);
        var track = (await host.CoverageAsync()).Tracks.Single(t => t.ChannelId == "video-1");
        track.Missing.Segments.ShouldBe(1500);
        var there = (await source.SegmentsAsync()).Where(s => s.From >= recordedFrom && s.From < to).ToList();
        there.Count.ShouldBeGreaterThanOrEqualTo(10);
        track.Copied.Segments.ShouldBe(there.Count);
    }

    // Scenario 40: two recorders copy from each other at the same time; what came from the other is known by its origin and does not go back.
    [Fact]
    public async Task TwoRecordersThatCopyFromEachOther_DoNotCopyCopies()
    {
        var time = new FakeTimeProvider();
        await using var one = new CopyHost(await RecorderHost.StartSeededAsync(time), await FakeSource.StartAsync(time));
        await using var two = new CopyHost(await RecorderHost.StartSeededAsync(time), await FakeSource.StartAsync(time));
        await one.Target.StopRecordingAsync(1);
        await two.Target.StopRecordingAsync(1);
        var from = time.GetUtcNow() - TimeSpan.FromHours(1);
        var to = from + TimeSpan.FromMinutes(2);
        for (var i = 0; i < 12; i++)
        {
            // They took turns, half a minute each.
            var owner = i / 3 % 2 == 0 ? one : two;
            await CopyHost.FeedAsync(owner.Target, $"turn-{i}", from + TimeSpan.FromSeconds(10 * i), from + TimeSpan.FromSeconds(10 * (i + 1)), System.Text.Encoding.UTF8.GetBytes($"turn {i}"));
        }

        await StartAsync(one, two, "forth", from, to);
        await StartAsync(two, one, "back", from, to);
        (await one.EndAsync("forth")).State.ShouldBe(CopyTaskState.Copied);
        (await two.EndAsync("back")).State.ShouldBe(CopyTaskState.Copied);

        var (atOne, atTwo) = (await one.Target.SegmentsAsync(), await two.Target.SegmentsAsync());
        atOne.Where(s => s.From < to).Select(s => (s.Id, s.Sha256, s.Origin)).ShouldBe(atTwo.Where(s => s.From < to).Select(s => (s.Id, s.Sha256, s.Origin)));
        atOne.Count(s => s.From < to).ShouldBe(12);
        atOne.Where(s => s.From < to).Select(s => s.Origin.RecorderId).Distinct().Count().ShouldBe(2);
        ((await one.TaskAsync("forth")).SegmentsDone, (await two.TaskAsync("back")).SegmentsDone).ShouldBe((6, 6));

        // Once more in both directions, now that each has the other's: there is nothing of anybody's to bring.
        await StartAsync(one, two, "forth-again", from, to);
        await StartAsync(two, one, "back-again", from, to);
        (await one.EndAsync("forth-again")).ShouldSatisfyAllConditions(t => t.State.ShouldBe(CopyTaskState.NothingToCopy), t => t.BytesDone.ShouldBe(0));
        (await two.EndAsync("back-again")).ShouldSatisfyAllConditions(t => t.State.ShouldBe(CopyTaskState.NothingToCopy), t => t.BytesDone.ShouldBe(0));
    }

    // Scenario 41: two failover servers had the duty one after the other, or at once; the first one's copy counts, the second one's fills the rest.
    [Fact]
    public async Task WhatTwoSourcesHave_IsTakenFromTheFirst_AndTheSecondFillsOnlyTheGaps()
    {
        await using var host = await CopyHost.StartAsync();
        await using var second = await FakeSource.StartAsync(host.Target.Time);
        foreach (var i in Enumerable.Range(0, 30).Where(i => i is < 10 or >= 15))
        {
            host.Source.Add("video-1", FakeSource.Start + TimeSpan.FromSeconds(2 * i), TimeSpan.FromSeconds(2));
        }

        for (var i = 0; i < 30; i++)
        {
            // The same times under ids of its own, recorded by another machine.
            second.Add("video-1", FakeSource.Start + TimeSpan.FromSeconds(2 * i), TimeSpan.FromSeconds(2), alter: s => s with { Id = $"card-{i}", Origin = new MaterialOrigin("sd-card", 1) });
        }

        await host.StartCopyAsync();
        (await host.EndAsync()).State.ShouldBe(CopyTaskState.Copied);
        var first = host.Rows().Select(r => (r.SegmentId, r.Sha256)).ToList();
        await host.StartCopyAsync(CopyHost.Definition("task-2"));
        await host.SetSourceAsync("task-2", second.Token, second.Url);
        (await host.EndAsync("task-2")).State.ShouldBe(CopyTaskState.Copied);

        second.ReadIds.ShouldBe(Enumerable.Range(10, 5).Select(i => $"card-{i}"), ignoreOrder: true);
        host.Rows().Count.ShouldBe(30);
        host.Rows().Select(r => (r.SegmentId, r.Sha256)).ShouldBeSubsetOf([.. first, .. second.SegmentsOf("video-1").Select(s => (s.Id, s.Sha256))]);
        first.ShouldBeSubsetOf(host.Rows().Select(r => (r.SegmentId, r.Sha256)));
        host.Marked().ShouldBeEmpty();
        (await host.CoverageAsync("task-2")).Tracks.Single(t => t.ChannelId == "video-1").ShouldSatisfyAllConditions(
            t => t.AlreadyThere.Segments.ShouldBe(25), t => t.Copied.Segments.ShouldBe(5), t => t.IsVerified.ShouldBeTrue());
    }

    private static async Task StartAsync(CopyHost target, CopyHost source, string taskId, DateTimeOffset from, DateTimeOffset to)
    {
        var token = await source.Target.IssueAsync(from, to, taskId);
        await target.SendAsync<CopyTask>(HttpMethod.Post, "v1/copy-tasks", new StartDataCopy(
            taskId, $"entry-{taskId}", RecorderHost.Identity, source.Target.Store.MachineId, new CopyPeriod(null, from, to), [], new CopyLimits(), false, "test"));
        await target.SetSourceAsync(taskId, token.Token, source.Target.Endpoint.BaseUrl);
    }
}
