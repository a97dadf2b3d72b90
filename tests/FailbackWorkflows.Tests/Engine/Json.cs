using System.Text.Json.Nodes;

namespace FailbackWorkflows.Tests.Engine;

/// <summary>Writes Elsa's JSON with few words.</summary>
internal static class Json
{
    public static string Workflow(JsonObject root, string[]? variables = null, string[]? inputs = null, string[]? outputs = null, string id = "test") => new JsonObject
    {
        ["definitionId"] = id,
        ["name"] = "Test",
        ["version"] = 1,
        ["variables"] = Variables(variables ?? []),
        ["inputs"] = new JsonArray([.. (inputs ?? []).Select(i => new JsonObject { ["name"] = i.TrimEnd('!'), ["type"] = "Object", ["isRequired"] = i.EndsWith('!') })]),
        ["outputs"] = new JsonArray([.. (outputs ?? []).Select(o => new JsonObject { ["name"] = o, ["type"] = "Object" })]),
        ["root"] = root,
    }.ToJsonString();

    /// <summary>Variables as <c>name</c> or <c>name=text</c>; a text of digits makes it an Int32.</summary>
    public static JsonArray Variables(params string[] variables) => new([.. variables.Select(v => v.Split('=', 2)).Select(v => new JsonObject
    {
        ["id"] = "id-" + v[0],
        ["name"] = v[0],
        ["typeName"] = v.Length > 1 && int.TryParse(v[1], out _) ? "Int32" : "Object",
        ["value"] = v.Length > 1 ? v[1] : null,
    })]);

    public static JsonObject Activity(string type, string id, params (string Name, JsonNode? Value)[] properties)
    {
        var activity = new JsonObject { ["id"] = id, ["type"] = type.Contains('.', StringComparison.Ordinal) ? type : "Elsa." + type };
        foreach (var (name, value) in properties)
        {
            activity[name] = value;
        }

        return activity;
    }

    /// <summary>The activity of tests, whose behaviour is in <see cref="Behaviours"/> by its id.</summary>
    public static JsonObject Do(string id, params (string Name, JsonNode? Value)[] properties) => Activity("Test.Do", id, properties);

    public static JsonObject Sequence(string id, params JsonObject[] activities) => Activity("Sequence", id, ("activities", new JsonArray([.. activities])));

    /// <summary>Connections as <c>a > b</c> or <c>a:True > b</c>.</summary>
    public static JsonObject Flowchart(string id, JsonObject[] activities, params string[] connections) => Activity(
        "Flowchart",
        id,
        ("activities", new JsonArray([.. activities])),
        ("connections", new JsonArray([.. connections.Select(Connection)])));

    public static JsonObject If(string id, JsonNode condition, JsonObject? then = null, JsonObject? otherwise = null)
    {
        var activity = Activity("If", id, ("condition", condition));
        if (then is not null)
        {
            activity["then"] = then;
        }

        if (otherwise is not null)
        {
            activity["else"] = otherwise;
        }

        return activity;
    }

    public static JsonObject Fork(string id, string? joinMode, params JsonObject[] branches) =>
        Activity("Fork", id, ("joinMode", joinMode), ("branches", new JsonArray([.. branches])));

    public static JsonObject Parallel(string id, params JsonObject[] activities) => Activity("Parallel", id, ("activities", new JsonArray([.. activities])));

    public static JsonObject For(string id, int start, int end, int step, JsonObject? body, bool? isInclusive = null)
    {
        var activity = Activity("For", id, ("start", Literal(start)), ("end", Literal(end)), ("step", Literal(step)));
        if (isInclusive is { } inclusive)
        {
            activity["outerBoundInclusive"] = Literal(inclusive);
        }

        return activity.Holding("body", body);
    }

    public static JsonObject ForEach(string id, JsonNode items, JsonObject? body) => Activity("ForEach", id, ("items", items)).Holding("body", body);

    public static JsonObject ParallelForEach(string id, JsonNode items, JsonObject? body) => Activity("ParallelForEach", id, ("items", items)).Holding("body", body);

    public static JsonObject While(string id, JsonNode condition, JsonObject? body) => Activity("While", id, ("condition", condition)).Holding("body", body);

    /// <summary>A Switch of cases made by <see cref="Case(string, string, JsonObject)"/>.</summary>
    public static JsonObject Switch(string id, string? mode, JsonObject? otherwise, params JsonObject[] cases)
    {
        var activity = Activity("Switch", id, ("cases", new JsonArray([.. cases]))).Holding("default", otherwise);
        return mode is null ? activity : activity.With("mode", Literal(mode));
    }

    public static JsonObject Case(string label, string script, JsonObject activity) => Case(label, script).With("activity", activity);

    /// <summary>With an activity in a port, unless there is none.</summary>
    public static JsonObject Holding(this JsonObject activity, string port, JsonObject? inside) => inside is null ? activity : activity.With(port, inside);

    /// <summary>A definition with settings.</summary>
    public static string Option(this string definition, string name, JsonNode value)
    {
        var root = JsonNode.Parse(definition)!.AsObject();
        if (root["options"] is not JsonObject options)
        {
            root["options"] = options = new JsonObject();
        }

        options[name] = value;
        return root.ToJsonString();
    }

    public static JsonObject Set(string id, string variable, JsonNode value) =>
        Activity("SetVariable", id, ("variable", new JsonObject { ["id"] = "id-" + variable, ["name"] = variable }), ("value", value));

    public static JsonObject Expression(string type, JsonNode? value) => new() { ["typeName"] = "Object", ["expression"] = new JsonObject { ["type"] = type, ["value"] = value } };

    public static JsonObject Js(string script) => Expression("JavaScript", script);

    public static JsonObject Literal(JsonNode? value) => Expression("Literal", value);

    public static JsonObject Into(string target) => new() { ["typeName"] = "Object", ["memoryReference"] = new JsonObject { ["id"] = target } };

    public static JsonObject Case(string label, string script) =>
        new() { ["label"] = label, ["condition"] = new JsonObject { ["type"] = "JavaScript", ["value"] = script } };

    public static JsonObject Merge(this JsonObject activity, string mode) => activity.Custom("mergeMode", mode);

    public static JsonObject Custom(this JsonObject activity, string name, JsonNode? value)
    {
        if (activity["customProperties"] is not JsonObject bag)
        {
            activity["customProperties"] = bag = new JsonObject();
        }

        bag[name] = value;
        return activity;
    }

    public static JsonObject With(this JsonObject activity, string name, JsonNode? value)
    {
        activity[name] = value;
        return activity;
    }

    public static JsonObject Retry(int attempts, string initialDelay = "00:00:01", string maxDelay = "00:01:00", double factor = 2) =>
        new() { ["attempts"] = attempts, ["initialDelay"] = initialDelay, ["maxDelay"] = maxDelay, ["factor"] = factor };

    private static JsonObject Connection(string text)
    {
        var ends = text.Split('>', StringSplitOptions.TrimEntries);
        var source = ends[0].Split(':', StringSplitOptions.TrimEntries);
        return new JsonObject
        {
            ["source"] = new JsonObject { ["activity"] = source[0], ["port"] = source.Length > 1 ? source[1] : "Done" },
            ["target"] = new JsonObject { ["activity"] = ends[1], ["port"] = "In" },
        };
    }
}
