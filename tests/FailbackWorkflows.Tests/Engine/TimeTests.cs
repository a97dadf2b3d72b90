using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Testing;
using FailbackWorkflows.Testing.Engine;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;
using static FailbackWorkflows.Tests.Engine.Json;

namespace FailbackWorkflows.Tests.Engine;

/// <summary>Delay, Timer, Cron, StartAt inside a run, and what a schedule starts.</summary>
public sealed class TimeTests
{
    private readonly Behaviours _activities = new();
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public async Task Timer_InARun_WaitsForOneInterval()
    {
        await using var host = await StartAsync();
        var instance = await host.RunAsync(Workflow(Sequence("all", Activity("Timer", "timer", ("interval", Literal("00:05:00"))), Do("after"))));
        host.Store.Bookmarks(instance.Id).ShouldHaveSingleItem().DueAt.ShouldBe(_time.GetUtcNow() + TimeSpan.FromMinutes(5));

        (await host.AdvanceAsync(instance.Id, TimeSpan.FromMinutes(5))).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _activities.Executed.ShouldBe(["after"]);
    }

    [Fact]
    public async Task Cron_InARun_WaitsForTheNextOccurrence()
    {
        await using var host = await StartAsync();
        var instance = await host.RunAsync(Workflow(Sequence("all", Activity("Cron", "cron", ("cronExpression", Literal("hourly"))), Do("after"))));

        host.Store.Bookmarks(instance.Id).ShouldHaveSingleItem().DueAt.ShouldBe(new HourlySchedules().Next("hourly", _time.GetUtcNow()));
    }

    [Fact]
    public async Task StartAt_InARun_WaitsUntilThen()
    {
        await using var host = await StartAsync();
        var at = _time.GetUtcNow().AddHours(2);
        var instance = await host.RunAsync(Workflow(Activity("StartAt", "at", ("dateTime", Literal(at.ToString("O"))))));

        host.Store.Bookmarks(instance.Id).ShouldHaveSingleItem().DueAt.ShouldBe(at);
    }

    [Fact]
    public async Task StartAt_InARunAndInThePast_GoesOnAtOnce()
    {
        await using var host = await StartAsync();

        (await host.RunAsync(Workflow(Activity("StartAt", "at", ("dateTime", Literal("2001-01-01T00:00:00Z")))))).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
    }

    [Theory]
    [InlineData("Timer", "interval", "00:00:00")]
    [InlineData("Timer", "interval", "soon")]
    [InlineData("Cron", "cronExpression", "every day")]
    [InlineData("StartAt", "dateTime", "tomorrow")]
    public void Time_ThatMakesNoSense_IsRefusedAtPublish(string type, string input, string value)
    {
        var problem = Problems.Of(Activity(type, "time", (input, Literal(value)))).ShouldHaveSingleItem();

        problem.ActivityId.ShouldBe("time");
        problem.Path.ShouldStartWith("$.root." + input);
    }

    [Fact]
    public async Task TimerTrigger_StartsOncePerIntervalHoweverOftenItIsAsked()
    {
        await using var host = await StartAsync();
        await PublishTriggerAsync(host, "Timer", "interval", "00:05:00");
        var start = host.Services.GetRequiredService<StartScheduled>();

        (await start.ExecuteAsync(CancellationToken.None)).ShouldBe(0, "the first interval has not passed");
        _time.Advance(TimeSpan.FromMinutes(5));
        (await start.ExecuteAsync(CancellationToken.None)).ShouldBe(1);
        (await start.ExecuteAsync(CancellationToken.None)).ShouldBe(0);
        _time.Advance(TimeSpan.FromMinutes(5));
        (await start.ExecuteAsync(CancellationToken.None)).ShouldBe(1);
        Starts(host).Count.ShouldBe(2);
    }

    [Fact]
    public async Task TimerTrigger_SeveralIntervalsMissed_StartsOnlyTheLast()
    {
        await using var host = await StartAsync();
        await PublishTriggerAsync(host, "Timer", "interval", "00:05:00");

        _time.Advance(TimeSpan.FromHours(1));
        (await host.Services.GetRequiredService<StartScheduled>().ExecuteAsync(CancellationToken.None)).ShouldBe(1);
    }

    [Fact]
    public async Task Trigger_TwoNodesAtOnce_StartOne()
    {
        await using var host = await StartAsync();
        await using var other = await StartAsync(host.Store);
        await PublishTriggerAsync(host, "Timer", "interval", "00:05:00");
        _time.Advance(TimeSpan.FromMinutes(5));

        var counts = await Task.WhenAll(
            host.Services.GetRequiredService<StartScheduled>().ExecuteAsync(CancellationToken.None),
            other.Services.GetRequiredService<StartScheduled>().ExecuteAsync(CancellationToken.None));

        counts.Sum().ShouldBe(1);
        Starts(host).Count.ShouldBe(1);
    }

    [Fact]
    public async Task CronTrigger_StartsAtItsOccurrence()
    {
        await using var host = await StartAsync();
        await PublishTriggerAsync(host, "Cron", "cronExpression", "hourly");
        var start = host.Services.GetRequiredService<StartScheduled>();

        (await start.ExecuteAsync(CancellationToken.None)).ShouldBe(0);
        _time.Advance(TimeSpan.FromHours(1));
        (await start.ExecuteAsync(CancellationToken.None)).ShouldBe(1);
        (await start.ExecuteAsync(CancellationToken.None)).ShouldBe(0);
        _time.Advance(TimeSpan.FromHours(5));
        (await start.ExecuteAsync(CancellationToken.None)).ShouldBe(1, "what was missed is made up for once");
    }

    [Fact]
    public async Task StartAtTrigger_StartsOnceThen()
    {
        await using var host = await StartAsync();
        await PublishTriggerAsync(host, "StartAt", "dateTime", _time.GetUtcNow().AddHours(1).ToString("O"));
        var start = host.Services.GetRequiredService<StartScheduled>();

        (await start.ExecuteAsync(CancellationToken.None)).ShouldBe(0);
        _time.Advance(TimeSpan.FromHours(1));
        (await start.ExecuteAsync(CancellationToken.None)).ShouldBe(1);
        _time.Advance(TimeSpan.FromDays(30));
        (await start.ExecuteAsync(CancellationToken.None)).ShouldBe(0);
    }

    [Fact]
    public async Task StartAtTrigger_PastWhenItWasPublished_NeverStarts()
    {
        await using var host = await StartAsync();
        await PublishTriggerAsync(host, "StartAt", "dateTime", "2001-01-01T00:00:00Z");

        (await host.Services.GetRequiredService<StartScheduled>().ExecuteAsync(CancellationToken.None)).ShouldBe(0);
    }

    [Fact]
    public async Task Trigger_NoLongerPublished_StartsNothing()
    {
        await using var host = await StartAsync();
        await PublishTriggerAsync(host, "Timer", "interval", "00:05:00");
        await host.PublishAsync(Workflow(Flowchart("flow", [Do("a")]), id: "scheduled"));

        _time.Advance(TimeSpan.FromMinutes(5));
        (await host.Services.GetRequiredService<StartScheduled>().ExecuteAsync(CancellationToken.None)).ShouldBe(0);
    }

    [Fact]
    public async Task Trigger_StartsTheRunAtTheActivityWhichDoesNotWait()
    {
        await using var host = await StartAsync();
        await PublishTriggerAsync(host, "Timer", "interval", "00:05:00");
        _time.Advance(TimeSpan.FromMinutes(5));
        await host.Services.GetRequiredService<StartScheduled>().ExecuteAsync(CancellationToken.None);

        var instance = await host.RestAsync(Starts(host)[0]);
        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        _activities.Executed.ShouldBe(["after"]);
    }

    [Fact]
    public async Task Trigger_OfASingletonThatStillRuns_IsTriedAgainAfterIt()
    {
        await using var host = await StartAsync();
        await host.PublishAsync(Workflow(
            Flowchart("flow", [Activity("Timer", "trigger", ("interval", Literal("00:05:00"))).Custom("canStartWorkflow", true), Activity("Event", "wait", ("eventName", Literal("go")))], "trigger > wait"), id: "scheduled")
            .Option("activationStrategyType", "Singleton"));
        var start = host.Services.GetRequiredService<StartScheduled>();
        _time.Advance(TimeSpan.FromMinutes(5));
        await start.ExecuteAsync(CancellationToken.None);
        var first = Starts(host)[0];
        await host.RestAsync(first);

        _time.Advance(TimeSpan.FromMinutes(5));
        (await start.ExecuteAsync(CancellationToken.None)).ShouldBe(0);
        await host.SendEventAsync(first, "go");
        (await start.ExecuteAsync(CancellationToken.None)).ShouldBe(1);
    }

    private static List<string> Starts(EngineHost host) => [.. host.Store.Commits.Where(c => c.IsStart).Select(c => c.Instance.Id)];

    private static Task PublishTriggerAsync(EngineHost host, string type, string input, string value) => host.PublishAsync(Workflow(
        Flowchart("flow", [Activity(type, "trigger", (input, Literal(value))).Custom("canStartWorkflow", true), Do("after")], "trigger > after"), id: "scheduled"));

    private Task<EngineHost> StartAsync(InMemoryWorkflowStore? store = null) =>
        TestHosts.StartAsync(_activities, store, _time, services => services.AddSingleton<ICronSchedules, HourlySchedules>());

    /// <summary>Knows one expression.</summary>
    private sealed class HourlySchedules : ICronSchedules
    {
        public string? Problem(string expression) => expression == "hourly" ? null : "There is only 'hourly'.";

        public DateTimeOffset? Next(string expression, DateTimeOffset after) => new DateTimeOffset(after.Year, after.Month, after.Day, after.Hour, 0, 0, TimeSpan.Zero).AddHours(1);
    }
}
