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
}
