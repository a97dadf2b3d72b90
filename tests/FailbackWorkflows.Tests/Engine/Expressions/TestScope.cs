using FailbackWorkflows.Engine.Expressions.Script;

namespace FailbackWorkflows.Tests.Engine.Expressions;

/// <summary>A scope with a few values of every kind.</summary>
internal sealed class TestScope : IScriptScope
{
    public static TestScope Instance { get; } = new();

    public Dictionary<string, object?> Variables { get; } = new()
    {
        ["Count"] = 41L,
        ["name"] = "Ada",
        ["Big"] = 9007199254740993L,
        ["Ratio"] = 0.1,
        ["Nothing"] = null,
        ["CurrentValue"] = "cam-1",
        ["Items"] = new object?[] { 3L, 1L, 2L },
        ["Camera"] = new Dictionary<string, object?> { ["id"] = "c1", ["online"] = true, ["tags"] = new object?[] { "a", "b" } },
    };

    public object? LastResult => 7L;

    public string WorkflowInstanceId => "instance-1";

    public string? CorrelationId => null;

    public string WorkflowDefinitionId => "definition-1";

    public int WorkflowDefinitionVersion => 3;

    public bool TryGetVariable(string name, out object? value) => Variables.TryGetValue(name, out value);

    public bool TryGetInput(string name, out object? value)
    {
        value = name == "Site" ? "north" : null;
        return name == "Site";
    }

    public bool TryGetOutput(string activityNameOrId, string? outputName, out object? value)
    {
        value = activityNameOrId == "Scan" ? outputName ?? "default" : null;
        return activityNameOrId == "Scan";
    }
}
