using System.Text.Json.Nodes;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Interpretation;
using FailbackWorkflows.Engine.Journal;
using static FailbackWorkflows.Tests.Engine.Json;

namespace FailbackWorkflows.Tests.Engine;

/// <summary>A random definition and a random life of one instance of it, both from one seed.</summary>
internal sealed class RandomWorkflow
{
    private const int MaxFacts = 60;
    private const int MaxEvents = 1500;
    private static readonly string[] Modes = ["None", "Merge", "Converge", "Cascade", "Race"];
    private static readonly string[] Names = ["V1", "V2", "V3"];

    private readonly Random _random;
    private readonly bool _isStraight;
    private int _lastId;
    private int _loops;

    /// <param name="isStraight">It waits for nothing and ends by itself: every activity completes, and no loop goes on for ever.</param>
    public RandomWorkflow(int seed, DefinitionReader reader, bool isStraight = false)
    {
        _random = new Random(seed);
        _isStraight = isStraight;
        Text = Workflow(Container(0), ["V1=1", "V2=two", "V3", "V4=0"], ["In1"], ["Out1"]);
        if (Chance(30))
        {
            Text = Text.Option("incidentStrategyType", "ContinueWithIncidents");
        }

        Definition = reader.Read(Text);
    }

    public string Text { get; }

    public WorkflowDefinition Definition { get; }

    public List<JournalEvent> Journal { get; } = [];

    /// <summary>Snapshot after each fact, by the number of the last event.</summary>
    public Dictionary<long, string> Snapshots { get; } = [];

    /// <summary>Lives until the instance has ended for good or has seen enough.</summary>
    public void Live()
    {
        var interpreter = new Interpreter(Definition, "random");
        var state = new InstanceState();
        var at = new DateTimeOffset(2026, 3, 1, 0, 0, 0, TimeSpan.Zero);
        JournalEvent? fact = new InstanceStarted
        {
            At = at,
            IsFact = true,
            DefinitionId = Definition.DefinitionId,
            DefinitionVersionId = Definition.Id,
            DefinitionSha256 = Definition.Sha256,
            Input = new Dictionary<string, object?> { ["In1"] = Value() },
            Actor = Actor.System,
        };
        for (var facts = 0; fact is not null && facts < MaxFacts && Journal.Count < MaxEvents; facts++)
        {
            interpreter.Apply(state, fact, Journal);
            var snapshot = state.ToJson();
            Snapshots[state.Sequence] = snapshot;
            if (Chance(20))
            {
                // Another node takes the instance up from the database.
                state = InstanceState.FromJson(snapshot);
            }

            at += TimeSpan.FromMilliseconds(_random.Next(1, 5000));
            fact = NextFact(state, at);
        }
    }

    private JournalEvent? NextFact(InstanceState state, DateTimeOffset at)
    {
        if (state.SubStatus == WorkflowSubStatus.Faulted)
        {
            return Chance(70) ? new RedriveRequested { At = at, IsFact = true, Actor = Actor.System } : null;
        }

        if (state.HasEnded)
        {
            return null;
        }

        if (Chance(3))
        {
            return new CancelRequested { At = at, IsFact = true, Actor = Actor.System };
        }

        var waiting = state.Executions.Where(e => e.Bookmarks.Count > 0).ToList();
        if (waiting.Count > 0 && (state.Current is null || Chance(20)))
        {
            var execution = waiting[_random.Next(waiting.Count)];
            var bookmark = execution.Bookmarks[_random.Next(execution.Bookmarks.Count)];
            return bookmark.Key is null
                ? new BookmarkDue { At = at, IsFact = true, ExecutionId = execution.Id, NodeId = execution.NodeId, BookmarkId = bookmark.Id }
                : new StimulusReceived { At = at, IsFact = true, ExecutionId = execution.Id, NodeId = execution.NodeId, BookmarkId = bookmark.Id, Payload = Value(), Actor = Actor.System };
        }

        return Outcome(state, state.Find(state.Current)!, at);
    }

    private JournalEvent Outcome(InstanceState state, Execution execution, DateTimeOffset at)
    {
        var node = Definition.Nodes[execution.NodeId];
        if (Chance(8) || node.Descriptor.Type == "Elsa.Fault")
        {
            var isTransient = Chance(60);
            return new ActivityFaulted
            {
                At = at,
                IsFact = true,
                ExecutionId = execution.Id,
                NodeId = execution.NodeId,
                Attempt = execution.Attempt,
                Fault = new("random", "It broke.", isTransient),
                RetryAt = isTransient ? at + node.Retry.DelayAfter(execution.Attempt) : null,
            };
        }

        if (node.Descriptor.Type is "Elsa.Delay" or "Elsa.Event" || Chance(5))
        {
            var bookmark = node.Descriptor.Type == "Elsa.Event" || Chance(50)
                ? new BookmarkRequest("Event", "Event:x", null, Chance(30))
                : new BookmarkRequest("Delay", null, at + TimeSpan.FromSeconds(1), Chance(30));
            return new ActivitySuspended { At = at, IsFact = true, ExecutionId = execution.Id, NodeId = execution.NodeId, Bookmarks = [bookmark], Progress = Chance(50) ? Value() : null };
        }

        if (node.Ports.Count > 0 && Chance(80))
        {
            var waits = Chance(30);
            return new ActivityBranched
            {
                At = at,
                IsFact = true,
                ExecutionId = execution.Id,
                NodeId = node.NodeId,
                Ports = [.. node.Ports.Keys.Where(_ => Chance(60)).Select(p => new PortEntered(p, Chance(50) ? new Dictionary<string, object?> { ["ChildInstanceId"] = Value() } : null))],
                Bookmarks = waits ? [new BookmarkRequest("Child", "Event:x", null, RunsAgain: true)] : null,
                Progress = waits ? new Dictionary<string, object?> { ["children"] = new List<object?> { "child-1" } } : null,
                Outcomes = waits ? null : ["Done"],
                Outputs = Chance(50) ? new Dictionary<string, object?> { ["result"] = Value() } : null,
            };
        }

        return new ActivityCompleted
        {
            At = at,
            IsFact = true,
            ExecutionId = execution.Id,
            NodeId = execution.NodeId,
            Outcomes = [.. node.Outcomes.Where(o => o != FlowNodeAttribute.Failed && (node.Outcomes.Count == 1 || Chance(60)))],
            Outputs = Chance(50) ? new Dictionary<string, object?> { ["result"] = Value(), ["second"] = Value() } : null,
            Variables = Chance(40) ? new Dictionary<string, object?> { [Names[_random.Next(Names.Length)]] = Value() } : null,
            WorkflowOutputs = Chance(10) ? new Dictionary<string, object?> { ["Out1"] = Value() } : null,
            Cancellation = Chance(5) ? (CancellationMode)_random.Next(3) : null,
            Ends = node.Descriptor.Type switch { "Elsa.End" or "Elsa.Complete" => Ending.Container, "Elsa.Finish" => Ending.Workflow, "Elsa.Break" => Ending.Loop, _ => Ending.Nothing },
            InstanceName = Chance(3) ? "named" : null,
            CorrelationId = Chance(3) ? "correlated" : null,
        };
    }

    private object? Value(int depth = 0) => _random.Next(depth > 2 ? 7 : 9) switch
    {
        0 => null,
        1 => Chance(50),
        2 => (long)_random.Next(-5, 50),
        3 => _random.NextInt64(long.MinValue, long.MaxValue),
        4 => _random.NextDouble() * Math.Pow(10, _random.Next(-20, 20)) + 0.5,
        5 => "text \"ä\u0001😀\n",
        6 => 9_007_199_254_740_994d,
        7 => Enumerable.Range(0, _random.Next(3)).Select(_ => Value(depth + 1)).ToList(),
        _ => Enumerable.Range(0, _random.Next(3)).ToDictionary(i => "k" + i, _ => Value(depth + 1)),
    };

    private JsonObject Container(int depth)
    {
        var id = NextId("c");
        if (depth > 0 && Chance(30))
        {
            return Sequence(id, [.. Enumerable.Range(0, _random.Next(4)).Select(_ => Any(depth + 1))]).With("variables", Variables("V2=inner"));
        }

        var children = Enumerable.Range(0, _random.Next(1, depth == 0 ? 9 : 5)).Select(_ => Any(depth + 1)).ToArray();
        var connections = new List<string>();
        for (var i = 0; i < children.Length; i++)
        {
            for (var n = _random.Next(i == 0 ? 1 : 0, 3); n > 0; n--)
            {
                // Mostly forwards; sometimes a loop.
                var target = _isStraight || Chance(85) ? _random.Next(Math.Min(i + 1, children.Length - 1), children.Length) : _random.Next(children.Length);
                if (_isStraight && target <= i)
                {
                    continue;
                }

                connections.Add($"{children[i]["id"]}:{Port(children[i])} > {children[target]["id"]}");
            }
        }

        var flowchart = Flowchart(id, children, [.. connections]);
        if (depth == 0 && Chance(50))
        {
            flowchart.Custom("cancelHandler", (string)children[^1]["id"]!);
        }

        return depth > 0 && Chance(50) ? flowchart.With("variables", Variables("V1=shadow")) : flowchart;
    }

    private JsonObject Any(int depth)
    {
        var id = NextId("a");
        var activity = _random.Next(_isStraight ? 2 : 0, depth > 2 ? 14 : 24) switch
        {
            0 => Activity("Delay", id),
            1 => Activity("Event", id, ("eventName", Literal("x"))),
            2 => Activity("FlowDecision", id, ("condition", Js("getV1() < 10"))),
            3 => Activity("FlowSwitch", id, ("cases", new JsonArray(Case("One", "getV1() == 1"), Case("Two", "variables.V2 == 'two'")))),
            4 => Set(id, "V1", Js("getV1() + 1")),
            5 => Activity(_loops > 0 && Chance(50) ? "Break" : Chance(70) ? "End" : "Finish", id),
            6 => Activity("Test.Pair", id, ("given", Expression("Input", "In1")), ("made", Into("id-V3"))),
            7 => Do(id, ("value", Js("getV3().missing.member"))),
            8 => If(id, Js("getV1() > 1"), Chance(70) ? Do(NextId("a")) : null, Chance(50) ? Do(NextId("a")) : null),
            9 or 10 => Do(id, ("value", Expression("Variable", "V1")), ("result", Into(Chance(50) ? "id-V3" : "Out1"))),
            11 => Activity("FlowFork", id, ("branches", Expression("Object", """["A","B"]"""))),
            12 => Activity("FlowJoin", id, ("mode", Literal(new[] { "WaitAny", "WaitAll", "WaitAllActive" }[_random.Next(3)]))),
            13 => Chance(50) ? Activity("SetName", id, ("value", Js("'name' + getV1()"))) : Activity("Correlate", id, ("correlationId", Js("'id' + getV1()"))),
            14 => If(id, Js("!getV2()"), Any(depth + 1), Any(depth + 1)),
            15 => Switch(id, Chance(50) ? "MatchAny" : null, Chance(50) ? Any(depth + 1) : null, Case("One", "getV1() == 1", Any(depth + 1)), Case("Two", "variables.V2 == 'two'", Any(depth + 1))),
            16 => Fork(id, Chance(50) ? "WaitAny" : "WaitAll", [.. Enumerable.Range(0, _random.Next(4)).Select(_ => Any(depth + 1))]),
            17 => Parallel(id, [.. Enumerable.Range(0, _random.Next(4)).Select(_ => Any(depth + 1))]),
            18 => For(id, _random.Next(3), _random.Next(4), Chance(80) ? 1 : -1, Body(depth), Chance(50) ? Chance(50) : null),
            19 => ForEach(id, Expression("Object", Chance(10) ? "7" : """[1,"two",null]"""), Body(depth)),
            20 => ParallelForEach(id, Expression("Object", """[1,"two"]"""), Body(depth)),
            21 => While(id, Js("getV4() < 6"), Body(depth) is { } body ? Sequence(NextId("c"), Set(NextId("a"), "V4", Js("getV4() + 1")), body) : null),
            22 when !_isStraight => Activity("SendHttpRequest", id, ("url", Literal("https://example.com")))
                .With("expectedStatusCodes", new JsonArray(new JsonObject { ["statusCode"] = 200, ["activity"] = Any(depth + 1) }))
                .Holding("timeout", Chance(50) ? Any(depth + 1) : null),
            _ => Container(depth),
        };
        if (Chance(40))
        {
            activity.Custom("retry", Retry(_random.Next(1, 4)));
        }

        return (string)activity["type"]! == "Elsa.FlowJoin" ? activity : activity.Merge(Modes[Chance(50) ? 0 : _random.Next(Modes.Length)]);
    }

    private JsonObject? Body(int depth)
    {
        if (Chance(10))
        {
            return null;
        }

        _loops++;
        var body = Chance(50) ? Do(NextId("a"), ("value", Js("getV1()"))) : Any(depth + 1);
        _loops--;
        return body;
    }

    private string Port(JsonObject activity) => (string)activity["type"]! switch
    {
        "Test.Do" or "Test.Pair" => new[] { "Done", "Done", "A", "B", "Failed" }[_random.Next(5)],
        "Elsa.FlowDecision" => Chance(50) ? "True" : "False",
        "Elsa.FlowFork" => Chance(50) ? "A" : "B",
        "Elsa.FlowSwitch" => new[] { "One", "Two", "Default" }[_random.Next(3)],
        _ => "Done",
    };

    private bool Chance(int percent) => _random.Next(100) < percent;

    private string NextId(string prefix) => prefix + ++_lastId;
}
