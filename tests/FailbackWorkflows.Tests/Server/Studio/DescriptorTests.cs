using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Server.Identity;
using FailbackWorkflows.Testing.Failback;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Server.Studio;

/// <summary>What the designer's palette and input panels are made of.</summary>
[Collection(ServerTests.Name)]
public sealed class DescriptorTests(ServerHarness server)
{
    private static readonly string[] Editors =
    [
        "singleline", "multiline", "checkbox", "dropdown", "radiolist", "checklist", "multitext", "json-editor", "code-editor", "expression-editor", "datetime-picker", "dictionary", "dynamic-outcomes",
        "flow-switch-editor", "switch-editor", "http-status-codes", "variable-picker", "input-picker", "output-picker", "outcome-picker", "type-picker", "workflow-definition-picker",
    ];

    [Fact]
    public async Task EveryActivityOfTheCatalog_IsThereOnce_AsItsClassSays()
    {
        var descriptors = await ReadAsync();
        var keys = descriptors.Select(d => $"{d["typeName"]}:{d["version"]}").ToList();

        keys.ShouldBeUnique("duplicates stop the designer");
        foreach (var activity in server.App.Services.GetRequiredService<ActivityCatalog>().Descriptors.Values)
        {
            var wire = descriptors.Single(d => (string)d["typeName"]! == activity.Type && (int)d["version"]! == activity.Version);
            ((string)wire["displayName"]!).ShouldNotBeNullOrWhiteSpace();
            ((string)wire["category"]!).ShouldNotContain("/");
            wire["ports"]!.AsArray().Where(p => (string)p!["type"]! == "Flow").Select(p => (string)p!["name"]!).ShouldBe(activity.Outcomes);
            wire["inputs"]!.AsArray().Count.ShouldBe(activity.Inputs.Count);
            wire["outputs"]!.AsArray().Count.ShouldBe(activity.Outputs.Count);
        }
    }

    [Fact]
    public async Task EveryInput_HasAnEditorThatTheDesignerHas_AndCanBeSeen()
    {
        foreach (var input in (await ReadAsync()).SelectMany(d => d["inputs"]!.AsArray().Select(i => (Activity: (string)d["typeName"]!, Input: i!))))
        {
            Editors.ShouldContain((string)input.Input["uiHint"]!, $"{input.Activity}.{input.Input["name"]}");
            ((bool)input.Input["isBrowsable"]!).ShouldBeTrue();
            input.Input["uiSpecifications"].ShouldBeOfType<JsonObject>();
        }
    }

    /// <summary>What a person reads is a sentence, not the name of a class.</summary>
    [Fact]
    public async Task EveryActivityOfOurs_IsDescribedToAPerson()
    {
        foreach (var activity in (await ReadAsync()).Where(d => ((string)d["typeName"]!).StartsWith("Failback.", StringComparison.Ordinal)))
        {
            var description = (string?)activity["description"];
            description.ShouldNotBeNullOrWhiteSpace((string)activity["typeName"]!);
            (description.EndsWith('.') || description.EndsWith('?')).ShouldBeTrue($"{activity["typeName"]}: {description}");
            // The mission's own names of three calls of recorders are words here.
            Regex.Replace((string)activity["displayName"]!, "StartDataCopy|UpdateClientInfo|UpdateFailoverTaskStates", "").ShouldNotMatch("[a-z][A-Z]");
        }
    }

    [Fact]
    public async Task EveryTypeOfEveryStoredDefinition_HasADescriptor_AlsoWhenItIsGone()
    {
        using var ines = await server.WithRoleAsync(Roles.Integrator);
        var model = Definitions.Model(Definitions.NewName(), null, "one");
        model["root"]!["activities"]!.AsArray().Add(new JsonObject { ["id"] = "old", ["type"] = "Site.GoneSinceSpring", ["version"] = 3 });
        model["root"]!["connections"]!.AsArray().Add(new JsonObject { ["source"] = new JsonObject { ["activity"] = "old", ["port"] = "Ready" }, ["target"] = new JsonObject { ["activity"] = "line1", ["port"] = "In" } });
        model.Activity("line1")["version"] = 7;
        await ines.SaveAsync(model);

        var descriptors = await ReadAsync();

        var gone = descriptors.Single(d => (string)d["typeName"]! == "Site.GoneSinceSpring");
        ((int)gone["version"]!, (bool)gone["isBrowsable"]!, (string)gone["ports"]![0]!["name"]!).ShouldBe((3, false, "Ready"));
        descriptors.ShouldContain(d => (string)d["typeName"]! == "Elsa.WriteLine" && (int)d["version"]! == 7);
    }

    [Fact]
    public async Task InputThatMeansAServer_OffersTheServersThereAre()
    {
        var entry = await server.AddEntryAsync();
        await server.AddBrokenServerAsync(entry.FailedServerId);
        using var ines = await server.WithRoleAsync(Roles.Integrator);

        foreach (var (input, value) in new[] { ("FailedServer", entry.FailedServerId), ("EntryId", entry.Id) })
        {
            var type = input == "EntryId" ? "Failback.CheckFailoverLogEntry" : "Failback.CheckFailedServerBroken";
            using var answer = await ines.PostAsync($"/descriptors/activities/{type}/options/{input}", new JsonObject { ["context"] = new JsonObject() });
            var items = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["items"]!["dropdown"]!["selectList"]!["items"]!.AsArray();
            items.ShouldContain(i => (string)i!["value"]! == value);
        }
    }

    [Fact]
    public async Task ShippedWorkflows_AreDrawable()
    {
        var known = (await ReadAsync()).Select(d => ((string)d["typeName"]!, (int)d["version"]!)).ToHashSet();
        foreach (var file in Directory.EnumerateFiles(RepositoryFiles.Workflows, "*.json", SearchOption.AllDirectories))
        {
            foreach (var activity in FailbackWorkflows.Engine.Library.DefinitionText.Activities((JsonObject)JsonNode.Parse(await File.ReadAllTextAsync(file))!["root"]!))
            {
                known.ShouldContain(((string)activity["type"]!, (int)activity["version"]!), $"{Path.GetFileName(file)}: {activity["id"]}");
            }
        }
    }

    private async Task<IReadOnlyList<JsonNode>> ReadAsync()
    {
        using var viewer = await server.WithRoleAsync(Roles.Viewer);
        return [.. (await viewer.ReadAsync("/descriptors/activities?Refresh=True"))["items"]!.AsArray().Select(d => d!)];
    }
}
