using System.Text.Json.Nodes;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Interpretation;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Values;
using Shouldly;
using Xunit;
using static FailbackWorkflows.Tests.Engine.Json;

namespace FailbackWorkflows.Tests.Engine;

/// <summary>Log persistence settings: what is excluded is in no event, and the journal still folds to the snapshot.</summary>
public sealed class LogPersistenceTests
{
    private const string Exclude = "Elsa.Workflows.LogPersistence.Strategies.Exclude, Elsa.Workflows.Core";
    private const string Include = "Elsa.Workflows.LogPersistence.Strategies.Include, Elsa.Workflows.Core";
    private readonly Behaviours _activities = new();

    [Fact]
    public async Task ExcludedInput_IsAHashInTheJournalAndItsValueForTheActivity()
    {
        object? seen = null;
        _activities.On("a", context =>
        {
            seen = Engine.Do.ValueOf(context);
            return FailbackWorkflows.Engine.Activities.ActivityResult.Completed();
        });
        var journal = await RunAsync(Workflow(Do("a", ("value", Js("'top' + 'secret'"))).Custom("logPersistenceConfig", Inputs("value", Exclude))));

        seen.ShouldBe("topsecret");
        Text(journal).ShouldNotContain("topsecret");
        journal.OfType<ActivityStarted>().Single().Inputs!["value"].ShouldBeOfType<string>().ShouldStartWith("(not shown, sha256 ");
    }

    [Fact]
    public async Task ExcludedInput_IsAHashInTheReplayToo()
    {
        _activities.On("a", _ => FailbackWorkflows.Engine.Activities.ActivityResult.Completed());
        var definition = Workflow(Do("a", ("value", Js("'top' + 'secret'"))).Custom("logPersistenceConfig", Inputs("value", Exclude)));
        await using var host = await TestHosts.StartAsync(_activities);
        var instance = await host.RunAsync(definition);
        var replay = new RunReplay(await host.Definitions.GetVersionAsync(instance.DefinitionVersionId, CancellationToken.None), instance.Id);
        var shown = new List<object?>();
        foreach (var item in host.Journal(instance.Id))
        {
            replay.Take(item);
            shown.AddRange(replay.Describe().Executions.SelectMany(e => e.Inputs).Where(input => input.Key == "value").Select(input => input.Value));
        }

        replay.Failure.ShouldBeNull();
        shown.ShouldNotBeEmpty();
        shown.ShouldAllBe(value => $"{value}".StartsWith("(not shown, sha256 "));
    }

    [Fact]
    public async Task OldSetting_IsRead()
    {
        var journal = await RunAsync(Workflow(Do("a", ("value", Js("'top' + 'secret'"))).Custom("logPersistenceMode", new JsonObject { ["inputs"] = new JsonObject { ["Value"] = "Exclude" } })));

        Text(journal).ShouldNotContain("topsecret");
    }

    [Fact]
    public async Task ExcludedOutput_IsAHashInTheJournal()
    {
        _activities.On("a", _ => Engine.Do.Returning("topsecret"));
        var journal = await RunAsync(Workflow(Do("a").Custom("logPersistenceConfig", new JsonObject { ["outputs"] = new JsonObject { ["Result"] = Strategy(Exclude) } })));

        Text(journal).ShouldNotContain("topsecret");
    }

    [Fact]
    public void ExcludedOutput_ThatAVariableKeeps_IsRefused()
    {
        var activity = Do("a", ("result", Into("id-V"))).Custom("logPersistenceConfig", new JsonObject { ["outputs"] = new JsonObject { ["Result"] = Strategy(Exclude) } });

        var problem = Problems.OfDefinition(Workflow(activity, ["V"])).ShouldHaveSingleItem();
        problem.ActivityId.ShouldBe("a");
        problem.Message.ShouldContain("kept in a variable");
    }

    [Fact]
    public void ExcludedOutput_ThatAnExpressionReads_IsRefused()
    {
        var activity = Do("a").Custom("logPersistenceConfig", new JsonObject { ["outputs"] = new JsonObject { ["Result"] = Strategy(Exclude) } });

        Problems.Of(Sequence("all", activity, Do("b", ("value", Js("getOutputFrom('a')"))))).ShouldHaveSingleItem().Message.ShouldContain("reads the output");
    }

    [Fact]
    public async Task WorkflowDefault_HoldsForActivitiesThatSayNothing()
    {
        var root = Sequence("all", Do("a", ("value", Js("'top' + 'secret'"))), Do("b", ("value", Js("'shown'"))).Custom("logPersistenceConfig", new JsonObject { ["default"] = Strategy(Include) }));
        var definition = JsonNode.Parse(Workflow(root))!.AsObject();
        definition["customProperties"] = new JsonObject { ["logPersistenceConfig"] = new JsonObject { ["default"] = Strategy(Exclude) } };
        var journal = await RunAsync(definition.ToJsonString());

        Text(journal).ShouldNotContain("topsecret");
        Text(journal).ShouldContain("shown");
    }

    [Fact]
    public async Task Inherit_IsAsTheActivitySays()
    {
        var settings = new JsonObject { ["default"] = Strategy(Exclude), ["inputs"] = new JsonObject { ["Value"] = Strategy("Inherit") } };

        Text(await RunAsync(Workflow(Do("a", ("value", Js("'top' + 'secret'"))).Custom("logPersistenceConfig", settings)))).ShouldNotContain("topsecret");
    }

    [Fact]
    public void Expression_IsRefused()
    {
        var settings = new JsonObject { ["default"] = new JsonObject { ["evaluationMode"] = "Expression", ["expression"] = new JsonObject() } };

        Problems.Of(Do("a").Custom("logPersistenceConfig", settings)).ShouldHaveSingleItem().Message.ShouldContain("Include, Exclude or Inherit");
    }

    private static JsonObject Inputs(string name, string strategy) => new() { ["inputs"] = new JsonObject { [name] = Strategy(strategy) } };

    private static JsonObject Strategy(string type) => new() { ["evaluationMode"] = "Strategy", ["strategyType"] = type };

    private static string Text(IReadOnlyList<JournalEvent> journal) => string.Join('\n', journal.Select(e => System.Text.Json.JsonSerializer.Serialize(e, PlainValue.Json)));

    private async Task<IReadOnlyList<JournalEvent>> RunAsync(string definition)
    {
        await using var host = await TestHosts.StartAsync(_activities);
        var instance = await host.RunAsync(definition);
        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        Folds.Check(host, instance);
        return host.Journal(instance.Id);
    }
}
