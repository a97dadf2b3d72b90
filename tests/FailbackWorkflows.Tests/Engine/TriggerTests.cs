using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Testing;
using FailbackWorkflows.Testing.Engine;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Engine;

/// <summary>Published definitions that are started by what happens, and runs that wait for the end of others.</summary>
public sealed class TriggerTests : IAsyncLifetime
{
    private readonly InMemoryWorkflowStore _store = new();
    private EngineHost _host = null!;

    public async Task InitializeAsync() =>
        _host = await EngineHost.StartAsync(_store, new FakeTimeProvider(), catalog => catalog.Add<DoorOpened>().Add<Await>());

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Fact]
    public async Task Occurrence_SentTwice_StartsEachMatchingDefinitionOnce()
    {
        await _host.PublishAsync(Definition("any-door", ""));
        await _host.PublishAsync(Definition("front-door", "front"));
        await _host.PublishAsync(Definition("back-door", "back"));

        var first = await SendAsync("opened-1", "front");
        var second = await SendAsync("opened-1", "front");
        var other = await SendAsync("opened-2", "front");

        var started = await Task.WhenAll(first.Select(_host.RestAsync));
        started.Select(i => i.DefinitionId).ShouldBe(["any-door", "front-door"]);
        second.ShouldBe(first);
        other.Intersect(first).ShouldBeEmpty();
    }

    [Fact]
    public async Task Instance_StartedByATrigger_BeginsThereWithWhatCameAlong()
    {
        await _host.PublishAsync(Definition("any-door", ""));

        var instance = await _host.RestAsync((await SendAsync("opened-1", "front")).ShouldHaveSingleItem());

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        var journal = _host.Journal(instance.Id);
        var started = journal.OfType<InstanceStarted>().Single();
        (started.TriggerNodeId, started.Input["Door"], started.Reason).ShouldBe(("flow:opened", "front", "Somebody opened it."));
        started.Input.Keys.ShouldBe(["Door"]);
        journal.OfType<ActivityStarted>().Select(a => a.NodeId).ShouldBe(["flow", "flow:opened", "flow:said"]);
        (await _host.Runtime.FindAsync(instance.Id, default))!.Output["Door"].ShouldBe("front");
    }

    [Fact]
    public async Task Instance_StartedByName_BeginsAtTheStart()
    {
        var instance = await _host.RunAsync(Definition("any-door", ""), new Dictionary<string, object?> { ["Door"] = "none" });

        _host.Journal(instance.Id).OfType<ActivityStarted>().Select(a => a.NodeId).ShouldBe(["flow", "flow:said"]);
    }

    [Fact]
    public async Task Run_ThatComesBackToItsTrigger_WaitsThere()
    {
        await _host.PublishAsync(Definition("any-door", "", comesBack: true));

        var instance = await _host.RestAsync((await SendAsync("opened-1", "front")).ShouldHaveSingleItem());

        instance.SubStatus.ShouldBe(WorkflowSubStatus.Suspended);
        _host.Store.Bookmarks(instance.Id).ShouldHaveSingleItem().Key.ShouldBe("DoorOpened:next");
    }

    [Fact]
    public async Task Definition_PublishedAnewWithoutTheTrigger_IsNotStartedAnyMore()
    {
        await _host.PublishAsync(Definition("any-door", ""));
        await _host.PublishAsync(Definition("any-door", "").Replace("\"canStartWorkflow\": true", "\"canStartWorkflow\": false"));

        (await SendAsync("opened-1", "front")).ShouldBeEmpty();
    }

    [Fact]
    public async Task Definition_ThatRefusesToStart_DoesNotKeepTheOthersFromIt()
    {
        await _host.PublishAsync(Definition("a-needy-one", "", required: "Key"));
        await _host.PublishAsync(Definition("any-door", ""));

        var started = await SendAsync("opened-1", "front");

        (await _host.RestAsync(started.ShouldHaveSingleItem())).DefinitionId.ShouldBe("any-door");
    }

    [Fact]
    public void Trigger_ThatDependsOnARun_IsRefusedAtPublish()
    {
        var json = Definition("any-door", "").Replace("\"type\": \"Literal\", \"value\": \"\"", "\"type\": \"Input\", \"value\": \"Door\"");

        var invalid = Should.Throw<DefinitionInvalidException>(() => new DefinitionReader(new ActivityCatalog().Add<DoorOpened>()).Read(json));

        invalid.Problems.ShouldHaveSingleItem().Message.ShouldContain("needs a fixed value");
    }

    [Fact]
    public async Task Waiter_ForTheEndOfARun_IsWokenByTheCommitOfTheEnd()
    {
        await _host.PublishAsync(Waiting("child", "Event:end"));
        await _host.PublishAsync(Waiting("parent", null));
        var child = (await _host.Runtime.StartAsync(new StartWorkflow("child", Actor.System), default)).InstanceId;
        await _host.RestAsync(child);
        var parent = (await _host.Runtime.StartAsync(new StartWorkflow("parent", Actor.System) { Input = new Dictionary<string, object?> { ["For"] = child } }, default)).InstanceId;
        (await _host.RestAsync(parent)).SubStatus.ShouldBe(WorkflowSubStatus.Suspended);

        await _host.SendEventAsync(child, "end");

        await _host.Store.WaitForAsync(parent, i => i.SubStatus == WorkflowSubStatus.Finished);
    }

    [Fact]
    public async Task Waiter_ForARunThatHasEndedAlready_IsWokenAtOnce()
    {
        await _host.PublishAsync(Waiting("parent", null));
        var child = (await _host.RunAsync(Definition("any-door", ""), new Dictionary<string, object?> { ["Door"] = "none" })).Id;

        var parent = (await _host.Runtime.StartAsync(new StartWorkflow("parent", Actor.System) { Input = new Dictionary<string, object?> { ["For"] = child } }, default)).InstanceId;

        await _host.Store.WaitForAsync(parent, i => i.SubStatus == WorkflowSubStatus.Finished);
    }

    private Task<IReadOnlyList<string>> SendAsync(string occurrence, string door) => _host.Runtime.ResumeAsync(
        new Stimulus($"Door:{door}", Actor.System)
        {
            Occurrence = new Occurrence(occurrence, ["DoorOpened", $"DoorOpened;door={door}"], new Dictionary<string, object?> { ["Door"] = door, ["Unasked"] = 1 }) { Reason = "Somebody opened it." },
        },
        default);

    private static string Definition(string id, string door, bool comesBack = false, string? required = null) => $$"""
        {
          "definitionId": "{{id}}",
          "inputs": [{ "name": "{{required ?? "Door"}}", "type": "String", "isRequired": {{(required is null ? "false" : "true")}} }],
          "outputs": [{ "name": "Door" }],
          "root": {
            "id": "flow", "type": "Elsa.Flowchart", "start": "said",
            "activities": [
              { "id": "opened", "type": "Test.DoorOpened", "customProperties": { "canStartWorkflow": true },
                "door": { "typeName": "String", "expression": { "type": "Literal", "value": "{{door}}" } },
                "which": { "typeName": "String", "memoryReference": { "id": "Door" } } },
              { "id": "said", "type": "Elsa.WriteLine", "text": { "typeName": "String", "expression": { "type": "Literal", "value": "Opened" } } }
            ],
            "connections": [
              { "source": "opened", "target": "said" }{{(comesBack ? """, { "source": "said", "target": "opened" }""" : "")}}
            ]
          }
        }
        """;

    private static string Waiting(string id, string? key) => $$"""
        {
          "definitionId": "{{id}}",
          "inputs": [{ "name": "For", "type": "String" }],
          "root": { "id": "flow", "type": "Elsa.Flowchart", "activities": [
            { "id": "wait", "type": "{{(key is null ? "Test.Await" : "Elsa.Event")}}",
              "for": { "typeName": "String", "expression": { "type": "Input", "value": "For" } },
              "eventName": { "typeName": "String", "expression": { "type": "Literal", "value": "end" } } }
          ], "connections": [] }
        }
        """;

    [Activity("Test.DoorOpened")]
    [Trigger("DoorOpened", "door")]
    internal sealed class DoorOpened : CodeActivity
    {
        [Input]
        public Input<string>? Door { get; init; }

        [Output]
        public Output<string?>? Which { get; init; }

        protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken) => ValueTask.FromResult(
            context.Trigger is { Payload: IReadOnlyDictionary<string, object?> payload }
                ? ActivityResult.Completed().With(Which, payload["Door"] as string)
                : ActivityResult.Suspended(null, new BookmarkRequest("DoorOpened", "DoorOpened:next", null, RunsAgain: true)));
    }

    [Activity("Test.Await")]
    internal sealed class Await : CodeActivity
    {
        [Input]
        public required Input<string> For { get; init; }

        protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken) => ValueTask.FromResult(
            context.ResumedBy is null
                ? ActivityResult.Suspended(null, new BookmarkRequest("Await", WorkflowEnded.KeyOf(context.Get(For)), null, RunsAgain: true))
                : ActivityResult.Completed());
    }
}
