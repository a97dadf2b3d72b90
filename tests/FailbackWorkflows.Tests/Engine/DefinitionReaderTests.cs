using System.Text.Json.Nodes;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using Shouldly;
using Xunit;
using Xunit.Abstractions;
using static FailbackWorkflows.Tests.Engine.Json;

namespace FailbackWorkflows.Tests.Engine;

public sealed class DefinitionReaderTests(ITestOutputHelper output)
{
    private static readonly DefinitionReader Reader = CreateReader();

    public static TheoryData<string, string?, string, string> WrongActivities
    {
        get
        {
            var data = new TheoryData<string, string?, string, string>();
            void Add(JsonObject activity, string path, string message, string? id = "x") => data.Add(activity.ToJsonString(), id, path, message);

            Add(Activity("Elsa.Nothing", "x"), ".type", "There is no activity 'Elsa.Nothing'.");
            Add(Activity("HttpEndpoint", "x"), ".type", "start workflows through the API or by an event instead");
            Add(Activity("RunJavaScript", "x"), ".type", "use a JavaScript expression in SetVariable instead");
            Add(Activity("RunPython", "x"), ".type", "write an activity in C# instead");
            Add(new JsonObject { ["id"] = "x" }, ".type", "The activity has no type.");
            Add(new JsonObject { ["type"] = "Test.Do" }, "", "The activity has no id.", id: null);
            Add(Do("a"), ".id", "There are two activities with the id 'a'.", id: "a");
            Add(Activity("Event", "x"), ".eventName", "'Event' needs a value for 'Event name'.");
            Add(Activity("Event", "x", ("eventName", Expression("JavaScript", " "))), ".eventName", "needs a value for");
            Add(Activity("If", "x"), ".condition", "needs a value for 'Condition'");
            Add(Activity("SetVariable", "x"), ".variable", "needs a value for 'Variable'");
            Add(Activity("Delay", "x", ("timeSpan", Literal("soon"))), ".timeSpan.expression.value", "'\"soon\"' cannot be read as TimeSpan");
            Add(Activity("Delay", "x", ("timeSpan", "soon")), ".timeSpan", "cannot be read as TimeSpan");
            Add(Do("x", ("number", Literal("many"))), ".number.expression.value", "cannot be read as Int32");
            Add(Do("x", ("number", Literal(1.5))), ".number.expression.value", "'1.5' cannot be read as Int32");
            Add(Do("x", ("number", Literal(99999999999))), ".number.expression.value", "cannot be read as Int32");
            Add(Do("x", ("value", Expression("Object", "{oops"))), ".value.expression.value", "The object is not JSON (column 2).");
            Add(Do("x", ("value", Expression("CSharp", "1"))), ".value.expression.type", "CSharp expressions are not available. Write it as a JavaScript expression.");
            Add(Do("x", ("value", Expression("Liquid", "1"))), ".value.expression.type", "Liquid expressions are not available");
            Add(Do("x", ("value", Expression("Python", "1"))), ".value.expression.type", "Python expressions are not available");
            Add(Do("x", ("value", Expression("Delegate", "1"))), ".value.expression.type", "There is no expression type 'Delegate'.");
            Add(Do("x", ("value", Expression("Variable", "Nope"))), ".value.expression.value", "There is no variable 'Nope' here.");
            Add(Set("x", "Nope", Literal(1)), ".variable.value", "There is no variable 'Nope' here.");
            Add(Do("x", ("value", Expression("Input", "Nope"))), ".value.expression.value", "There is no input 'Nope' here.");
            Add(Do("x", ("value", Js("1 +\n  getNope()"))), ".value.expression.value", "There is no variable 'Nope' here (line 2, column ");
            Add(Do("x", ("value", Js("variables.Nope"))), ".value.expression.value", "There is no variable 'Nope' here (line 1, column ");
            Add(Do("x", ("value", Js("getInput('Nope')"))), ".value.expression.value", "There is no input 'Nope' here (line 1, column ");
            Add(Do("x", ("value", Js("getOutputFrom('Nope')"))), ".value.expression.value", "There is no activity 'Nope' (line 1, column ");
            Add(Do("x", ("value", Js("1 +\n )"))), ".value.expression.value", "(line 2, column 2)");
            Add(Do("x").Custom("retry", new JsonObject { ["attempts"] = 3 }), ".customProperties.retry", "A retry policy needs attempts");
            Add(Do("x").Custom("retry", Retry(0)), ".customProperties.retry", "A retry policy needs attempts");
            Add(Do("x").Custom("retry", Retry(2, "00:01:00", "00:00:01")), ".customProperties.retry", "A retry policy needs attempts");
            Add(Do("x").Custom("retry", Retry(2, "00:00:01", "10675199.02:48:05")), ".customProperties.retry", "A retry policy needs attempts");
            Add(Do("x").Custom("retry", new JsonObject { ["attempts"] = "three" }), ".customProperties.retry", "A retry policy needs attempts");
            Add(Do("x").Custom("retry", "often"), ".customProperties.retry", "A retry policy needs attempts");
            Add(Do("x").Merge("Sometimes"), ".customProperties.mergeMode", "There is no merge mode 'Sometimes'.");
            Add(Do("x").Merge("7"), ".customProperties.mergeMode", "There is no merge mode '7'.");
            Add(Do("x").Custom("mergeMode", 1), ".customProperties.mergeMode", "There is no merge mode '1'.");
            Add(Do("x", ("result", Into("nowhere"))), ".result", "There is no variable or workflow output 'nowhere' to put 'Result' into.");
            Add(Activity("FlowSwitch", "x", ("cases", new JsonArray(Case("", "true")))), ".cases", "A case needs a label.");
            Add(Activity("FlowSwitch", "x", ("cases", new JsonArray(Case("L", "getNope()")))), ".cases[0].condition.value", "There is no variable 'Nope' here");
            Add(Sequence("x").With("variables", Variables("A", "A")), ".variables[1]", "There are two variables named 'A'.", id: null);
            Add(Sequence("x").With("variables", new JsonArray(new JsonObject { ["name"] = "N", ["typeName"] = "Int32", ["value"] = "many" })), ".variables[0].value", "'many' is no Int32.", id: null);
            Add(Sequence("x").With("variables", new JsonArray(new JsonObject())), ".variables[0]", "A variable needs a name.", id: null);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(WrongActivities))]
    public void Read_WrongActivity_IsReportedOnceWithItsPlace(string activity, string? id, string path, string message)
    {
        var problem = Problems(Workflow(Flowchart("flow", [Do("a"), JsonNode.Parse(activity)!.AsObject()]), ["Known"], ["Given"])).ShouldHaveSingleItem();

        problem.ActivityId.ShouldBe(id);
        problem.Path.ShouldBe("$.root.activities[1]" + path);
        problem.Message.ShouldContain(message);
    }

    [Theory]
    [InlineData("a > nowhere", "flow", "The connection ends at 'nowhere', which is not in this flowchart.")]
    [InlineData("nowhere > a", "flow", "The connection starts at 'nowhere', which is not in this flowchart.")]
    [InlineData("a:Sideways > b", "a", "'do' has no outcome 'Sideways'. It has: Done, A, B, Failed.")]
    public void Read_WrongConnection_IsReportedWithItsPlace(string connection, string id, string message)
    {
        var problem = Problems(Workflow(Flowchart("flow", [Do("a").With("name", "do"), Do("b")], "a > b", connection))).ShouldHaveSingleItem();

        problem.ShouldBe(new DefinitionProblem(id, "$.root.connections[1]", message));
    }

    [Fact]
    public void Read_ConnectionToAnUnknownActivity_ReportsOnlyTheActivity() =>
        Problems(Workflow(Flowchart("flow", [Do("a"), Activity("Elsa.Nothing", "x")], "a > x", "x > a"))).ShouldHaveSingleItem().Path.ShouldBe("$.root.activities[1].type");

    [Theory]
    [InlineData("", "The text is not JSON (line 1, column 1).")]
    [InlineData("{\n \"a\": }", "The text is not JSON (line 2, column 7).")]
    [InlineData("[]", "A workflow definition is a JSON object.")]
    [InlineData("{\"definitionId\": \"x\"}", "The definition has no root activity.")]
    [InlineData("{\"definitionId\": \"x\", \"root\": []}", "The definition has no root activity.")]
    [InlineData("{\"root\": {\"id\": \"a\", \"type\": \"Elsa.Sequence\"}}", "The definition needs a definitionId.")]
    [InlineData("{\"definitionId\": \"x\", \"inputs\": [{}], \"root\": {\"id\": \"a\", \"type\": \"Elsa.Sequence\"}}", "A workflow input needs a name.")]
    [InlineData("{\"definitionId\": \"x\", \"root\": {\"id\": \"a\", \"type\": \"Elsa.Flowchart\", \"start\": \"b\"}}", "The start activity 'b' is not in this flowchart.")]
    [InlineData("{\"definitionId\": \"x\", \"root\": {\"id\": \"a\", \"type\": \"Elsa.Flowchart\", \"customProperties\": {\"cancelHandler\": \"b\"}}}", "The root has no activity 'b'.")]
    public void Read_WrongDefinition_IsReported(string json, string message) => Problems(json).ShouldHaveSingleItem().Message.ShouldBe(message);

    [Fact]
    public void Read_CancelHandlerInASequence_IsReported() =>
        Problems(Workflow(Sequence("s", Do("a"), Do("undo")).Custom("cancelHandler", "undo"))).ShouldHaveSingleItem().Message.ShouldStartWith("Only a flowchart can have a cancel handler");

    [Fact]
    public void Read_SeveralProblems_ReportsAllOfThem()
    {
        var problems = Problems(Workflow(Sequence("s", Activity("Event", "e"), Set("v", "Nope", Js("getNope() +")), Activity("Elsa.Nothing", "n"))));

        problems.Select(p => p.ActivityId).ShouldBe(["e", "v", "v", "n"]);
        Should.Throw<DefinitionInvalidException>(() => Reader.Read("{}")).Message.ShouldStartWith("The workflow definition has errors: $.definitionId: ");
    }

    [Fact]
    public void Read_OldConnectionFormat_IsTheSame()
    {
        var flowchart = Flowchart("flow", [Do("a"), Do("b")]).With("connections", new JsonArray(
            new JsonObject { ["source"] = "a", ["target"] = "b", ["sourcePort"] = "A", ["targetPort"] = "In" },
            new JsonObject { ["source"] = "a", ["target"] = "b" }));

        Reader.Read(Workflow(flowchart)).Root.Children[0].Outbound.Select(c => (c.Port, c.Target.Id)).ShouldBe([("A", "b"), ("Done", "b")]);
    }

    [Fact]
    public void Read_LoopBack_MarksOnlyTheClosingConnection()
    {
        var root = Reader.Read(Workflow(Flowchart("flow", [Do("a"), Do("b"), Do("c")], "a > b", "b > c", "c > b", "a > c"))).Root;

        root.Children.SelectMany(c => c.Outbound).Where(c => c.IsBackward).Select(c => $"{c.Source.Id}{c.Target.Id}").ShouldBe(["cb"]);
    }

    [Fact]
    public void Read_Composite_HasItsInsideUnderItsOwnPath()
    {
        var definition = Reader.Read(Workflow(Sequence("s", Activity("Test.Pair", "one"), Activity("Test.Pair", "two"))));

        definition.Nodes.Keys.ShouldBe(
            [
                "s", "s:one", "s:one:inside", "s:one:inside:first", "s:one:inside:second", "s:one:inside:complete",
                "s:two", "s:two:inside", "s:two:inside:first", "s:two:inside:second", "s:two:inside:complete",
            ],
            ignoreOrder: true);
    }

    [Fact]
    public void Read_OutputOfAnActivityInsideAComposite_IsNotInSight() =>
        Problems(Workflow(Sequence("s", Activity("Test.Pair", "pair"), Do("x", ("value", Js("getOutputFrom('first')")))))).ShouldHaveSingleItem().Message.ShouldContain("There is no activity 'first'");

    [Fact]
    public void Read_RetryInCustomProperties_ReplacesTheClassPolicy()
    {
        var root = Reader.Read(Workflow(Sequence("s", Activity("Test.Stubborn", "a", ("name", "n")), Activity("Test.Stubborn", "b", ("name", "n")).Custom("retry", Retry(9, factor: 3))))).Root;

        root.Children[0].Retry.ShouldBe(new(3, TimeSpan.FromSeconds(1), 2, TimeSpan.FromSeconds(30)));
        root.Children[1].Retry.ShouldBe(new(9, TimeSpan.FromSeconds(1), 3, TimeSpan.FromMinutes(1)));
    }

    [Fact]
    public void Read_DamagedDefinitions_NeverThrows()
    {
        var seed = Environment.GetEnvironmentVariable("FAILBACK_SEED") is { } given ? int.Parse(given, System.Globalization.CultureInfo.InvariantCulture) : Random.Shared.Next();
        output.WriteLine($"FAILBACK_SEED={seed}");
        var random = new Random(seed);
        var sound = Workflow(
            Flowchart(
                "flow",
                [
                    Do("a", ("value", Js("getX()")), ("result", Into("id-X"))).Merge("Race").Custom("retry", Retry(3)),
                    Activity("FlowSwitch", "switch", ("cases", new JsonArray(Case("L", "true"))), ("mode", Literal("MatchAny"))),
                    If("if", Expression("Object", "true"), Do("t"), Do("e")),
                    Set("set", "X", Expression("Input", "In")),
                    Activity("Test.Pair", "pair", ("made", Into("Out"))),
                    Activity("Delay", "delay", ("timeSpan", "00:00:01")),
                ],
                "a:A > switch",
                "switch:L > if").Custom("cancelHandler", "set").With("start", "a"),
            ["X=1"],
            ["In!"],
            ["Out"]);
        Reader.TryRead(sound, out var none).ShouldNotBeNull(string.Join('\n', none));

        for (var i = 0; i < 3000; i++)
        {
            var damaged = JsonNode.Parse(sound)!;
            for (var n = random.Next(1, 4); n > 0; n--)
            {
                Damage(damaged, random);
            }

            var definition = Reader.TryRead(damaged.ToJsonString(), out var problems);
            (definition is null).ShouldBe(problems.Count > 0);
        }
    }

    /// <summary>Replaces or removes a random member by something of another kind.</summary>
    private static void Damage(JsonNode root, Random random)
    {
        var node = root;
        while (true)
        {
            var children = node switch
            {
                JsonObject o => o.Select(p => p.Key).ToList(),
                JsonArray a => Enumerable.Range(0, a.Count).Select(i => i.ToString(System.Globalization.CultureInfo.InvariantCulture)).ToList(),
                _ => [],
            };
            if (children.Count == 0)
            {
                return;
            }

            var key = children[random.Next(children.Count)];
            var child = node is JsonObject map ? map[key] : node[int.Parse(key, System.Globalization.CultureInfo.InvariantCulture)];
            if (child is JsonObject or JsonArray && random.Next(100) < 85)
            {
                node = child;
                continue;
            }

            JsonNode? other = random.Next(9) switch
            {
                0 => null,
                1 => 1e300,
                2 => -7,
                3 => true,
                4 => "",
                5 => "a",
                6 => new JsonArray(1, "x", null),
                7 => new JsonObject { ["id"] = 1, ["type"] = "Elsa.Sequence", ["expression"] = "x" },
                _ => "\ud83d\ude00 {{",
            };
            if (node is JsonObject parent)
            {
                parent[key] = other;
            }
            else
            {
                node[int.Parse(key, System.Globalization.CultureInfo.InvariantCulture)] = other;
            }

            return;
        }
    }

    private static IReadOnlyList<DefinitionProblem> Problems(string json)
    {
        Reader.TryRead(json, out var problems).ShouldBeNull();
        return problems;
    }

    private static DefinitionReader CreateReader()
    {
        var catalog = new ActivityCatalog();
        TestHosts.AddTestActivities(catalog);
        return new DefinitionReader(catalog);
    }
}
