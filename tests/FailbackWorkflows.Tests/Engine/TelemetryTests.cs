using System.Diagnostics.Metrics;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Testing;
using FailbackWorkflows.Testing.Engine;
using FailbackWorkflows.Testing.Telemetry;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;
using static FailbackWorkflows.Tests.Engine.Json;
using Span = System.Diagnostics.Activity;

namespace FailbackWorkflows.Tests.Engine;

public sealed class TelemetryTests : IDisposable
{
    private static readonly string Waiting = Workflow(Sequence("s", Do("a1"), Activity("Event", "wait", ("eventName", Literal("go"))), Do("a2")));

    private readonly Spans _spans = new(WorkflowTracing.SourceName);
    private readonly Behaviours _activities = new();

    public void Dispose() => _spans.Dispose();

    [Fact]
    public async Task Run_WorkedOnByTwoNodes_IsOneTrace()
    {
        var store = new InMemoryWorkflowStore();
        var time = new FakeTimeProvider();
        string id;
        DateTimeOffset createdAt;
        using (var request = new Span("request of somebody who is in a trace of their own").Start())
        await using (var first = await TestHosts.StartAsync(_activities, store, time))
        {
            var waits = await first.RunAsync(Waiting);
            (id, createdAt) = (waits.Id, waits.CreatedAt);
        }

        time.Advance(TimeSpan.FromHours(1));
        await using (var second = await EngineHost.StartAsync(store, time, TestHosts.AddTestActivities, o => o.Node = "node-2", _activities.AddTo))
        {
            (await second.SendEventAsync(id, "go")).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        }

        var spans = _spans.Of(WorkflowTracing.TraceIdOf(id));
        var bursts = spans.Where(s => s.DisplayName == "burst test").ToList();
        bursts.Select(b => b.GetTagItem("workflow.node")).ShouldBe(["node-1", "node-2"]);
        bursts.ShouldAllBe(b => b.ParentSpanId == default && b.GetTagItem("workflow.run.id")!.Equals(id));
        spans.Where(s => s.DisplayName == "Test.Do").Select(s => (s.GetTagItem("workflow.activity.node_id"), s.ParentSpanId)).ShouldBe(
            [("s:a1", bursts[0].SpanId), ("s:a2", bursts[1].SpanId)], ignoreOrder: true);
        var run = spans.Single(s => s.DisplayName == "run test");
        run.ParentSpanId.ShouldBe(default);
        run.StartTimeUtc.ShouldBe(createdAt.UtcDateTime);
        run.Duration.ShouldBeGreaterThanOrEqualTo(TimeSpan.FromHours(1));
        run.GetTagItem("workflow.sub_status").ShouldBe("Finished");
    }

    [Fact]
    public async Task Activity_ThatFails_IsAnError_WithoutItsMessage()
    {
        _activities.On("a1", _ => throw new ActivityFaultException("test.broken", "the password is swordfish", false));
        await using var host = await TestHosts.StartAsync(_activities);

        var instance = await host.RunAsync(Workflow(Sequence("s", Do("a1"))));
        await host.StopAsync();

        var spans = _spans.Of(WorkflowTracing.TraceIdOf(instance.Id));
        var step = spans.Single(s => s.DisplayName == "Test.Do");
        (step.Status, step.GetTagItem("error.type")).ShouldBe((System.Diagnostics.ActivityStatusCode.Error, "test.broken"));
        spans.Single(s => s.DisplayName == "run test").Status.ShouldBe(System.Diagnostics.ActivityStatusCode.Error);
        spans.SelectMany(s => s.TagObjects).ShouldNotContain(t => $"{t.Value}".Contains("swordfish"));
        spans.ShouldAllBe(s => s.StatusDescription == null && !s.Events.Any());
    }

    [Theory]
    [InlineData("0198c1d2e3f44a5b8c6d7e8f90a1b2c3", "0198c1d2e3f44a5b8c6d7e8f90a1b2c3")]
    [InlineData("00000000000000000000000000000000", "84e0c0eafaa95a34c293f278ac52e45c")]
    [InlineData("instance-1", "6212a06cac8b50f7a9f4a2667fb81787")]
    public void TraceId_IsTheRunsOwn_WhereThatIsOne(string instanceId, string expected)
    {
        var trace = WorkflowTracing.TraceIdOf(instanceId).ToHexString();

        trace.ShouldBe(expected);
        WorkflowTracing.TraceIdOf(instanceId).ToHexString().ShouldBe(trace, "the same everywhere");
    }

    [Fact]
    public async Task Metrics_TellOfRunsStepsAndCommits()
    {
        _activities.Fails("a1", times: 1, isTransient: true);
        var store = new InMemoryWorkflowStore();
        var time = new FakeTimeProvider();
        await using var host = await EngineHost.StartAsync(store, time, TestHosts.AddTestActivities, addServices: services => _activities.AddTo(services.AddMetrics()));
        using var seen = new Measurements(host.Services.GetRequiredService<IMeterFactory>());

        await host.RunAsync(Workflow(Sequence("s", Do("a1"), Do("a2"))));
        await host.StopAsync();

        seen.Of("workflow.run.started").ShouldHaveSingleItem().Tags.ShouldBe(new Dictionary<string, object?> { ["workflow.id"] = "test" });
        var ended = seen.Of("workflow.run.ended").ShouldHaveSingleItem();
        ended.Tags["workflow.sub_status"].ShouldBe("Faulted");
        ended.Unit.ShouldBe("{run}");
        seen.Of("workflow.run.duration").ShouldHaveSingleItem().Unit.ShouldBe("s");
        var step = seen.Of("workflow.step.duration").ShouldHaveSingleItem();
        step.Tags.ShouldBe(new Dictionary<string, object?> { ["workflow.id"] = "test", ["workflow.activity.type"] = "Test.Do", ["error.type"] = "transient" }, ignoreOrder: true);
        ((long)seen.Of("workflow.commit.duration").Count).ShouldBe(store.CommitCount - 1, "the start is no step");
        seen.Of("workflow.run.active").Sum(m => m.Value).ShouldBe(0);
        seen.Of("workflow.run.active").Max(m => m.Value).ShouldBe(1);
    }

    [Fact]
    public async Task Metrics_CountALeaseThatWasLost()
    {
        var store = new InMemoryWorkflowStore();
        var time = new FakeTimeProvider();
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var open = new TaskCompletionSource();
        _activities.On("a1", _ =>
        {
            reached.TrySetResult();
            open.Task.Wait(TimeSpan.FromSeconds(30)).ShouldBeTrue();
            return ActivityResult.Completed();
        });
        await using var slow = await EngineHost.StartAsync(store, time, TestHosts.AddTestActivities, addServices: services => _activities.AddTo(services.AddMetrics()));
        using var seen = new Measurements(slow.Services.GetRequiredService<IMeterFactory>());
        await slow.PublishAsync(Workflow(Sequence("s", Do("a1"))));
        var id = (await slow.Runtime.StartAsync(new("test", Actor.System), CancellationToken.None)).InstanceId;
        await reached.Task.WaitAsync(TimeSpan.FromSeconds(30));

        await store.ReleaseLeasesOfAsync("node-1", CancellationToken.None);
        await using (var second = await EngineHost.StartAsync(store, time, TestHosts.AddTestActivities, o => o.Node = "node-2", new Behaviours().AddTo))
        {
            await store.WaitForAsync(id, i => i.SubStatus == WorkflowSubStatus.Finished);
        }

        open.SetResult();
        await slow.StopAsync();
        seen.Of("workflow.lease.lost").Sum(m => m.Value).ShouldBe(1);
    }

    [Fact]
    public async Task Pulse_BeatsWhileTheDispatcherGoesRound_AndNotAfter()
    {
        var time = new FakeTimeProvider();
        await using var host = await TestHosts.StartAsync(_activities, time: time);
        var pulse = host.Services.GetRequiredService<WorkflowPulse>();
        await host.RunAsync(Workflow(Sequence("s", Do("a1"))));
        pulse.Silence.ShouldNotBeNull().ShouldBeLessThan(TimeSpan.FromSeconds(1));

        await host.StopAsync();
        time.Advance(TimeSpan.FromMinutes(10));

        pulse.Silence.ShouldNotBeNull().ShouldBeGreaterThan(TimeSpan.FromMinutes(9));
    }
}
