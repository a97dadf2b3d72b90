using System.Text.Json.Nodes;
using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Testing.Failback;
using Shouldly;
using Xunit;

namespace FailbackWorkflows.Tests.Engine;

/// <summary>Two versions told apart as a person would.</summary>
public sealed class DefinitionDiffTests
{
    private static readonly string Failback = File.ReadAllText(Path.Combine(RepositoryFiles.Workflows, "failback", "failback.v2.json"));

    [Fact]
    public void Same_HasNoDifferences() => DefinitionDiff.Compare(Failback, Failback).ShouldBeEmpty();

    [Fact]
    public void InsertedActivity_IsToldWithItsNeighboursAndItsInputs()
    {
        var changed = Change(root =>
        {
            root["activities"]!.AsArray().Add(new JsonObject
            {
                ["id"] = "pause",
                ["type"] = "Elsa.Delay",
                ["version"] = 1,
                ["metadata"] = new JsonObject { ["displayText"] = "Give the cameras a moment" },
                ["timeSpan"] = new JsonObject { ["typeName"] = "TimeSpan", ["expression"] = new JsonObject { ["type"] = "Literal", ["value"] = "00:00:10" } },
            });
            var connection = root["connections"]!.AsArray().Single(c => (string)c!["source"]!["activity"]! == "GetRecorderSettings" && (string)c["source"]!["port"]! == "Done")!;
            connection["target"]!["activity"] = "pause";
            root["connections"]!.AsArray().Add(new JsonObject { ["source"] = new JsonObject { ["activity"] = "pause", ["port"] = "Done" }, ["target"] = new JsonObject { ["activity"] = "SetRecorderSettings", ["port"] = "In" } });
        });

        var differences = DefinitionDiff.Compare(Failback, changed);

        var added = differences.Single(d => d.Sentence.StartsWith("Activity ", StringComparison.Ordinal));
        added.Sentence.ShouldBe("Activity “Give the cameras a moment” (Elsa.Delay) was added between “Get recorder settings” and “Set recorder settings”.");
        added.After.ShouldBe("timeSpan = 00:00:10");
        differences.ShouldContain(d => d.Kind == DifferenceKind.Removed && d.Sentence == "“Get recorder settings” no longer leads to “Set recorder settings”.");
    }

    [Fact]
    public void ChangedInput_IsToldWithBothValues()
    {
        var changed = Change(root => root["activities"]!.AsArray().Single(a => (string)a!["id"]! == "CheckLicense")!["feature"] =
            new JsonObject { ["typeName"] = "String", ["expression"] = new JsonObject { ["type"] = "JavaScript", ["value"] = "'X'" } });

        DefinitionDiff.Compare(Failback, changed).ShouldHaveSingleItem().After.ShouldBe("JavaScript: 'X'");
    }

    [Fact]
    public void MovedActivity_IsNoChangeOfWhatHappens()
    {
        var changed = Change(root => root["activities"]![0]!["metadata"]!["designer"]!["position"]!["x"] = 777);

        DefinitionDiff.Compare(Failback, changed).ShouldHaveSingleItem().Kind.ShouldBe(DifferenceKind.Moved);
    }

    private static string Change(Action<JsonNode> change)
    {
        var model = DefinitionText.Parse(Failback);
        change(model["root"]!);
        return DefinitionText.Write(model);
    }
}
