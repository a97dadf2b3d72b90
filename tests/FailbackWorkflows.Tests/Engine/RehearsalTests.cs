using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Testing;
using FailbackWorkflows.Testing.Engine;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;
using static FailbackWorkflows.Tests.Engine.Json;

namespace FailbackWorkflows.Tests.Engine;

/// <summary>A rehearsal decides as the run and leaves nothing behind.</summary>
public sealed class RehearsalTests
{
    private static readonly string Definition = Workflow(
        Flowchart(
            "flow",
            [Activity("Test.Look", "look"), Activity("Delay", "wait", ("timeSpan", Literal("00:10:00"))), Set("note", "seen", Literal("yes")), Do("change"), Do("refuse")],
            "look:Yes > wait",
            "wait > note",
            "note > change",
            "look:No > refuse"),
        variables: ["seen"]);

    private readonly Behaviours _activities = new();

    [Fact]
    public async Task Play_ComesToAnActivityThatIsNotMarked_EndsThereAndCommitsNothing()
    {
        await using var host = await StartAsync();
        var stage = new Stage(_activities);

        var played = await PlayAsync(host, stage);

        (played.EndedBefore?.Id, played.Instance.SubStatus).ShouldBe(("change", WorkflowSubStatus.Executing));
        _activities.Executed.ShouldBe(["look"]);
        played.Journal.OfType<ActivityCompleted>().Select(c => c.NodeId).ShouldBe(["flow:look", "flow:wait", "flow:note"]);
        stage.Changes.ShouldBe([nameof(Marked)]);
        host.Store.CommitCount.ShouldBe(0);
    }

    [Fact]
    public async Task Play_ActivityDecidesOtherwise_TakesThatWay()
    {
        await using var host = await StartAsync();
        _activities.On("look", "No");

        (await PlayAsync(host, new Stage(_activities))).EndedBefore?.Id.ShouldBe("refuse");
    }

    [Fact]
    public async Task Play_ActivityFails_IsRetriedAsOftenAsTheRunWouldAndThenStops()
    {
        await using var host = await StartAsync();
        _activities.Fails("look", isTransient: true);
        var playing = PlayAsync(host, new Stage(_activities));
        await host.TickUntilAsync(playing);

        var played = await playing;

        _activities.Executed.Count.ShouldBe(3);
        (played.EndedBefore, played.Instance.SubStatus).ShouldBe((null, WorkflowSubStatus.Faulted));
        played.Instance.Incidents.Single().Fault.Kind.ShouldBe("test.broken");
    }

    [Fact]
    public async Task Play_StartIsRefused_ThrowsAsTheStartDoes()
    {
        await using var host = await StartAsync();

        var refusal = await Should.ThrowAsync<WorkflowRefusedException>(() => PlayAsync(host, new Stage(_activities) { Refuses = true }));
        var unknown = await Should.ThrowAsync<WorkflowRefusedException>(() =>
            host.Services.GetRequiredService<WorkflowRehearsal>().PlayAsync(new StartWorkflow("nothing", Actor.System), new Stage(_activities), default));

        refusal.Code.ShouldBe("not-now");
        unknown.Code.ShouldBe("definition-unknown");
        _activities.Executed.ShouldBeEmpty();
    }

    private static Task<RehearsedRun> PlayAsync(EngineHost host, Stage stage) =>
        host.Services.GetRequiredService<WorkflowRehearsal>().PlayAsync(new StartWorkflow("test", Actor.System), stage, CancellationToken.None);

    private async Task<EngineHost> StartAsync()
    {
        var host = await EngineHost.StartAsync(
            new InMemoryWorkflowStore(), new FakeTimeProvider(), catalog => catalog.Add<Do>().Add<Look>(), addServices: _activities.AddTo);
        await host.PublishAsync(Definition);
        return host;
    }

    private sealed record Marked : IDomainChange;

    [Activity("Test.Look")]
    [FlowNode("Yes", "No")]
    [Retry(3, InitialDelayMilliseconds = 100)]
    [Rehearsal(RehearsalMode.Executes)]
    private sealed class Look(Behaviours activities) : CodeActivity
    {
        protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken)
        {
            var result = activities.Execute(context);
            return ValueTask.FromResult((result.Outcomes!.Contains("Done") ? ActivityResult.Completed("Yes") : result).WithChanges(new Marked()));
        }
    }

    private sealed class Stage(Behaviours activities) : RehearsalStage
    {
        public bool Refuses { get; init; }

        public List<string> Changes { get; } = [];

        public override IServiceProvider Services { get; } = new ServiceCollection().AddSingleton(activities).BuildServiceProvider();

        public override ValueTask<object?> StartAsync(string instanceId, IReadOnlyList<IDomainChange> changes, CancellationToken cancellationToken) =>
            Refuses ? throw new WorkflowRefusedException("not-now", "Not now.") : ValueTask.FromResult<object?>(null);

        public override ActivityCompleted Leave(ActivityNode node, ActivityCompleted completed, IReadOnlyList<IDomainChange> changes)
        {
            Changes.AddRange(changes.Select(change => change.GetType().Name));
            return completed;
        }
    }
}
