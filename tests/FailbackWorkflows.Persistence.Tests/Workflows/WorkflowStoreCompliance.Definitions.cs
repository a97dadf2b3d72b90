using System.Security.Cryptography;
using System.Text;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Testing.Persistence;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Persistence.Tests.Workflows;

/// <summary>Published versions never change, and one of each definition is the published one.</summary>
public abstract partial class WorkflowStoreCompliance
{
    [Fact]
    public async Task Publish_NewDefinition_IsFoundBothWays()
    {
        var definition = Definition(1, "{}") with { PublishedAt = T0.AddTicks(1) };

        (await Store.PublishDefinitionAsync(definition, None)).ShouldBe(definition);

        (await Store.FindPublishedDefinitionAsync("failback", None)).ShouldBe(definition);
        (await Store.FindDefinitionVersionAsync("failback:1", None)).ShouldBe(definition);
        (await Store.FindPublishedDefinitionAsync("failover", None)).ShouldBeNull();
        (await Store.FindDefinitionVersionAsync("failback:2", None)).ShouldBeNull();
    }

    [Fact]
    public async Task Publish_SameContentTwice_IsOneVersion()
    {
        var first = await Store.PublishDefinitionAsync(Definition(1, "{}"), None);

        var second = await Store.PublishDefinitionAsync(Definition(2, "{}") with { PublishedAt = T0.AddDays(1), PublishedBy = "somebody else" }, None);

        second.ShouldBe(first);
        (await Database.CountAsync("workflow_definitions")).ShouldBe(1);
        (await Store.FindPublishedDefinitionAsync("failback", None)).ShouldBe(first);
    }

    [Fact]
    public async Task Publish_SameContentOfAnotherDefinition_IsAVersionOfItsOwn()
    {
        await Store.PublishDefinitionAsync(Definition(1, "{}"), None);
        await Store.PublishDefinitionAsync(Definition(1, "{}", "failover"), None);

        (await Database.CountAsync("workflow_definitions")).ShouldBe(2);
        (await Store.FindPublishedDefinitionAsync("failback", None)).ShouldNotBeNull().Id.ShouldBe("failback:1");
        (await Store.FindPublishedDefinitionAsync("failover", None)).ShouldNotBeNull().Id.ShouldBe("failover:1");
    }

    [Fact]
    public async Task FindPublishedVersions_OfSeveral_AreThePublishedOnesOfThoseAskedFor()
    {
        await Store.PublishDefinitionAsync(Definition(1, "{}"), None);
        await Store.PublishDefinitionAsync(Definition(2, """{"v":2}"""), None);
        await Store.PublishDefinitionAsync(Definition(1, "{}", "failover"), None);
        await Store.PublishDefinitionAsync(Definition(1, "{}", "abandonment"), None);

        (await Store.FindPublishedVersionsAsync(["failback", "failover", "unknown"], None)).ShouldBe(
            new Dictionary<string, string> { ["failback"] = "failback:2", ["failover"] = "failover:1" }, ignoreOrder: true);
        (await Store.FindPublishedVersionsAsync([], None)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Publish_NewContent_IsTheOnlyPublishedOneAndTheOldIsKept()
    {
        var first = await Store.PublishDefinitionAsync(Definition(1, "{}"), None);
        var second = await Store.PublishDefinitionAsync(Definition(2, """{"v":2}"""), None);

        (await Store.FindPublishedDefinitionAsync("failback", None)).ShouldBe(second);
        (await Store.FindDefinitionVersionAsync("failback:1", None)).ShouldBe(first);
        (await PublishedCountAsync()).ShouldBe(1);
    }

    [Fact]
    public async Task Publish_EarlierContentAgain_PublishesTheVersionThereIs()
    {
        var first = await Store.PublishDefinitionAsync(Definition(1, "{}"), None);
        await Store.PublishDefinitionAsync(Definition(2, """{"v":2}"""), None);

        (await Store.PublishDefinitionAsync(Definition(3, "{}"), None)).ShouldBe(first);

        (await Store.FindPublishedDefinitionAsync("failback", None)).ShouldBe(first);
        (await PublishedCountAsync()).ShouldBe(1);
        (await Database.CountAsync("workflow_definitions")).ShouldBe(2);
    }

    [Fact]
    public async Task Publish_EightAtOnce_OneIsPublished()
    {
        var attempts = await Together.RunAsync(8, i => Store.PublishDefinitionAsync(Definition(i + 1, $$"""{"v":{{i % 4}}}"""), None));

        attempts.ShouldAllBe(a => a.Succeeded);
        (await Database.CountAsync("workflow_definitions")).ShouldBe(4);
        (await PublishedCountAsync()).ShouldBe(1);
    }

    [Fact]
    public async Task Triggers_AreThoseOfThePublishedVersion()
    {
        StoredDefinition With(StoredDefinition definition, params (string NodeId, string Key)[] triggers) => definition with { Triggers = [.. triggers.Select(t => new TriggerDefinition(t.NodeId, t.Key))] };
        await Store.PublishDefinitionAsync(With(Definition(1, "{}"), ("flow:a", "Door"), ("flow:b", "Door;door=front")), None);
        await Store.PublishDefinitionAsync(With(Definition(1, "{}", "failover"), ("flow:a", "Door")), None);

        (await Store.FindTriggersAsync(["Door", "Other"], None)).ShouldBe([new("failback", "flow:a", "Door"), new("failover", "flow:a", "Door")]);
        (await Store.FindTriggersAsync(["Door;door=front"], None)).ShouldBe([new("failback", "flow:b", "Door;door=front")]);

        await Store.PublishDefinitionAsync(Definition(2, """{"v":2}"""), None);
        (await Store.FindTriggersAsync(["Door"], None)).ShouldBe([new("failover", "flow:a", "Door")]);

        await Store.PublishDefinitionAsync(With(Definition(3, "{}"), ("flow:a", "Door")), None);
        (await Store.FindTriggersAsync(["Door"], None)).Count.ShouldBe(2);
    }

    private async Task<int> PublishedCountAsync()
    {
        await using var db = Database.Get<IDatabase>().CreateReadContext();
        return db.WorkflowDefinitions.Count(d => d.DefinitionId == "failback" && d.IsPublished);
    }

    private static StoredDefinition Definition(int version, string json, string id = "failback") =>
        new($"{id}:{version}", id, version, "Failback", json, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(json))), T0, "file");
}
