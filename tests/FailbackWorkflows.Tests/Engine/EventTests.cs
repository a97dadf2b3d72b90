using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Testing.Engine;
using Shouldly;
using Xunit;
using static FailbackWorkflows.Tests.Engine.Json;

namespace FailbackWorkflows.Tests.Engine;

/// <summary>Event, PublishEvent, RunTask, Correlate, SetName: one behaviour each.</summary>
public sealed class EventTests
{
    private readonly Behaviours _activities = new();

    [Fact]
    public async Task PublishEvent_EveryRunThatWaits_GetsIt()
    {
        await using var host = await StartAsync();
        var first = await WaitingAsync(host);
        var second = await WaitingAsync(host);

        await host.RunAsync(Workflow(Publish(), id: "publisher"));

        (await FinishedAsync(host, first)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        (await FinishedAsync(host, second)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
    }

    [Fact]
    public async Task PublishEvent_Payload_IsTheResultOfTheEvent()
    {
        await using var host = await StartAsync();
        var waiting = await WaitingAsync(host);

        await host.RunAsync(Workflow(Publish().With("payload", Expression("Object", """{"disk":7}""")), id: "publisher"));

        await FinishedAsync(host, waiting);
        _activities.Executed.ShouldBe(["after"]);
        host.Journal(waiting).OfType<FailbackWorkflows.Engine.Journal.ActivityStarted>().Single(e => e.NodeId.EndsWith("after", StringComparison.Ordinal)).Inputs!["value"].ShouldBe(7L);
    }

    [Fact]
    public async Task PublishEvent_CorrelationId_NarrowsItToRunsThatHaveIt()
    {
        await using var host = await StartAsync();
        var other = await WaitingAsync(host, "a");
        var meant = await WaitingAsync(host, "b");

        await host.RunAsync(Workflow(Publish().With("correlationId", Literal("b")), id: "publisher"));

        await FinishedAsync(host, meant);
        (await host.RestAsync(other)).SubStatus.ShouldBe(WorkflowSubStatus.Suspended);
    }

    [Fact]
    public async Task PublishEvent_Local_ReachesItsOwnRunOnly()
    {
        await using var host = await StartAsync();
        var other = await WaitingAsync(host);
        var own = await host.RunAsync(Workflow(
            Flowchart("flow", [Do("s"), Activity("Event", "wait", ("eventName", Literal("go"))), Do("b"), Publish().With("isLocalEvent", Literal(true))], "s > wait", "s > b", "b > publish"), id: "publisher"));

        (await FinishedAsync(host, own.Id)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        (await host.RestAsync(other)).SubStatus.ShouldBe(WorkflowSubStatus.Suspended);
    }

    [Fact]
    public async Task PublishEvent_DefinitionThatBeginsWithIt_IsStartedOnceWithPayloadAndCorrelation()
    {
        await using var host = await StartAsync();
        await host.PublishAsync(Workflow(
            Flowchart("flow", [Activity("Event", "begin", ("eventName", Literal("go"))).Custom("canStartWorkflow", true).With("result", Into("id-R")), Do("begun", ("value", Js("getR().disk")))], "begin > begun"),
            ["R"], ["disk"], id: "begins"));

        await host.RunAsync(Workflow(Publish().With("payload", Expression("Object", """{"disk":7}""")).With("correlationId", Literal("case-1")), id: "publisher"));

        var started = host.Store.Commits.Where(c => c.IsStart && c.Instance.DefinitionId == "begins").ShouldHaveSingleItem().Instance;
        started.CorrelationId.ShouldBe("case-1");
        await FinishedAsync(host, started.Id);
        host.Journal(started.Id).OfType<FailbackWorkflows.Engine.Journal.ActivityStarted>().Single(e => e.NodeId.EndsWith("begun", StringComparison.Ordinal)).Inputs!["value"].ShouldBe(7L);
    }

    [Fact]
    public async Task Published_SameIdTwice_StartsTheDefinitionOnce()
    {
        await using var host = await StartAsync();
        await host.PublishAsync(Workflow(Flowchart("flow", [Activity("Event", "begin", ("eventName", Literal("go"))).Custom("canStartWorkflow", true)]), id: "begins"));

        var first = await host.Runtime.ResumeAsync(Stimulus.Published("id-1", "go", Actor.System), CancellationToken.None);
        var second = await host.Runtime.ResumeAsync(Stimulus.Published("id-1", "go", Actor.System), CancellationToken.None);

        second.ShouldBe(first);
        host.Store.Commits.Count(c => c.IsStart).ShouldBe(1);
    }

    [Fact]
    public async Task RunTask_IsListedAndCompletedByItsId()
    {
        await using var host = await StartAsync();
        var instance = await host.RunAsync(Workflow(
            Sequence("all", Activity("RunTask", "task", ("taskName", Literal("Replace disk")), ("payload", Expression("Object", """{"bay":3}"""))).With("result", Into("id-R")), Do("after", ("value", Js("getR()")))), ["R"], id: "tasks"));
        var task = (await host.Runtime.ListTasksAsync(10, CancellationToken.None)).ShouldHaveSingleItem();
        task.Name.ShouldBe("Replace disk");
        task.InstanceId.ShouldBe(instance.Id);
        ((IReadOnlyDictionary<string, object?>)task.Payload!)["bay"].ShouldBe(3L);

        (await host.Runtime.ResumeAsync(Stimulus.TaskCompleted(task.TaskId, Actor.System, "done"), CancellationToken.None)).ShouldBe([instance.Id]);

        await FinishedAsync(host, instance.Id);
        (await host.Runtime.ListTasksAsync(10, CancellationToken.None)).ShouldBeEmpty();
        (await host.Runtime.ResumeAsync(Stimulus.TaskCompleted(task.TaskId, Actor.System, "again"), CancellationToken.None)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Correlate_OnTheWay_TheRunIsFoundByItAndExpressionsSeeIt()
    {
        await using var host = await StartAsync();
        var instance = await host.RunAsync(Workflow(
            Sequence("all", Activity("Correlate", "correlate", ("correlationId", Js("'case-' + 7"))), Do("see", ("value", Js("getCorrelationId()"))), Activity("Event", "wait", ("eventName", Literal("go")))), id: "correlates"));
        instance.CorrelationId.ShouldBe("case-7");

        var reached = await host.Runtime.ResumeAsync(Stimulus.Event("go", Actor.System) with { CorrelationId = "case-7" }, CancellationToken.None);

        reached.ShouldBe([instance.Id]);
        Folds.Check(host, await FinishedAsync(host, instance.Id));
    }

    [Fact]
    public async Task SetName_NamesTheRun()
    {
        await using var host = await StartAsync();

        (await host.RunAsync(Workflow(Sequence("all", Activity("SetName", "name", ("value", Js("'Disk ' + 7")))), id: "named"))).Name.ShouldBe("Disk 7");
    }

    [Theory]
    [InlineData("")]
    [InlineData(null)]
    public async Task Correlate_WithoutAnId_IsAFault(string? id)
    {
        await using var host = await StartAsync();

        (await host.RunAsync(Workflow(Activity("Correlate", "correlate", ("correlationId", Js(id is null ? "null" : "''"))), id: "correlates"))).SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
    }

    private static System.Text.Json.Nodes.JsonObject Publish() => Activity("PublishEvent", "publish", ("eventName", Literal("go")));

    private static async Task<string> WaitingAsync(EngineHost host, string? correlationId = null)
    {
        var started = await host.Runtime.StartAsync(new StartWorkflow("waits", Actor.System) { CorrelationId = correlationId }, CancellationToken.None);
        await host.RestAsync(started.InstanceId);
        return started.InstanceId;
    }

    private static Task<StoredInstance> FinishedAsync(EngineHost host, string instanceId) => host.Store.WaitForAsync(instanceId, i => i.Status == WorkflowStatus.Finished);

    private async Task<EngineHost> StartAsync()
    {
        var host = await TestHosts.StartAsync(_activities);
        await host.PublishAsync(Workflow(
            Sequence("all", Activity("Event", "wait", ("eventName", Literal("go"))).With("result", Into("id-R")), Do("after", ("value", Js("getR()?.disk")))), ["R"], id: "waits"));
        return host;
    }
}
