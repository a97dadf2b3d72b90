using System.Text.Json.Nodes;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Journal;
using Shouldly;
using Xunit;
using static FailbackWorkflows.Tests.Engine.Json;

namespace FailbackWorkflows.Tests.Engine;

/// <summary>Variables with types and lists, and the expression type Output.</summary>
public sealed class TypedVariableTests
{
    private readonly Behaviours _activities = new();

    [Theory]
    [InlineData("Int32", false, "5", "getV() + 1", 6L)]
    [InlineData("System.Int32, System.Private.CoreLib", false, "5", "getV() + 1", 6L)]
    [InlineData("Boolean", false, "true", "getV() === true", true)]
    [InlineData("Double", false, "1.5", "getV() * 2", 3L)]
    [InlineData("String", false, "5", "getV() + 1", "51")]
    [InlineData("Object", true, "[1,\"a\"]", "getV().length", 2L)]
    [InlineData("Int32", true, "[\"1\",\"2\"]", "getV()[0] + getV()[1]", 3L)]
    [InlineData("ObjectDictionary", false, "{\"a\":1}", "getV().a", 1L)]
    public async Task InitialValue_IsReadAsTheType(string type, bool isArray, string value, string script, object expected) =>
        (await ValueAsync(Definition(type, isArray, value, Do("after", ("value", Js(script)))))).ShouldBe(expected);

    [Theory]
    [InlineData("Int32", true, "5")]
    [InlineData("Int32", true, "[\"x\"]")]
    [InlineData("Int32", false, "x")]
    [InlineData("Boolean", false, "maybe")]
    public void InitialValue_ThatIsNotOfTheType_IsRefused(string type, bool isArray, string value) =>
        Problems.OfDefinition(Definition(type, isArray, value, Do("after"))).ShouldHaveSingleItem().Path.ShouldBe("$.variables[0].value");

    [Fact]
    public async Task SetVariable_LiteralText_IsReadAsTheVariablesType() =>
        (await ValueAsync(Definition("Int32", false, "1", Sequence("all", Set("set", "V", Literal("41")), Do("after", ("value", Js("getV() + 1"))))))).ShouldBe(42L);

    [Theory]
    [InlineData("a")]
    [InlineData("a.result")]
    [InlineData("{\"activityId\":\"a\",\"outputName\":\"Result\"}")]
    public async Task Output_Expression_ReadsTheOutputOfAnActivity(string reference)
    {
        _activities.On("a", _ => Engine.Do.Returning(7));

        (await ValueAsync(Workflow(Sequence("all", Do("a"), Do("after", ("value", Expression("Output", reference))))))).ShouldBe(7L);
    }

    [Fact]
    public async Task Variable_StoredAsTextByTheDesigner_IsRead() =>
        (await ValueAsync(Definition("Int32", false, "5", Do("after", ("value", Expression("Variable", """{"id":"id-V","name":"V","typeName":"Int32"}""")))))).ShouldBe(5L);

    [Fact]
    public async Task Input_StoredAsTextByTheDesigner_IsRead() =>
        (await ValueAsync(Workflow(Do("after", ("value", Expression("Input", """{"name":"In","type":"Object"}"""))), inputs: ["In"]), new Dictionary<string, object?> { ["In"] = 5 })).ShouldBe(5L);

    [Fact]
    public async Task Checkbox_StoredAsTextByTheDesigner_IsRead() =>
        (await ValueAsync(Workflow(Sequence("all", For("for", 1, 3, 1, Set("set", "V", Js("getCurrentValue()"))).With("outerBoundInclusive", Literal("False")), Do("after", ("value", Js("getV()")))), ["V"]))).ShouldBe(2L);

    [Fact]
    public void Output_OfAnUnknownActivity_IsRefused() =>
        Problems.Of(Do("after", ("value", Expression("Output", "nobody")))).ShouldHaveSingleItem().Message.ShouldContain("'nobody'");

    private static string Definition(string type, bool isArray, string value, JsonObject root)
    {
        var definition = JsonNode.Parse(Workflow(root, ["V"]))!.AsObject();
        var variable = definition["variables"]![0]!;
        variable["typeName"] = type;
        variable["isArray"] = isArray;
        variable["value"] = value;
        return definition.ToJsonString();
    }

    private async Task<object?> ValueAsync(string definition, Dictionary<string, object?>? input = null)
    {
        await using var host = await TestHosts.StartAsync(_activities);
        var instance = await host.RunAsync(definition, input);
        instance.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        Folds.Check(host, instance);
        return host.Journal(instance.Id).OfType<ActivityStarted>().Single(e => JournalText.IdOf(e.NodeId) == "after").Inputs!["value"];
    }
}
