using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Expressions.Script;

namespace FailbackWorkflows.Engine.Interpretation;

/// <summary>What an expression sees from an execution: its container's variables first, then outwards; inputs of the nearest composite, else of the workflow.</summary>
internal sealed class ScopeOfExecution(WorkflowDefinition definition, InstanceState state, string instanceId, string? executionId) : IScriptScope
{
    public object? LastResult => state.LastResult;

    public string WorkflowInstanceId => instanceId;

    public string? CorrelationId => state.CorrelationId;

    public string WorkflowDefinitionId => definition.DefinitionId;

    public int WorkflowDefinitionVersion => definition.Version;

    public bool TryGetVariable(string name, out object? value)
    {
        for (var execution = state.Find(executionId); execution is not null; execution = state.Find(execution.ParentId))
        {
            if (execution.Variables is { } variables && variables.TryGetValue(name, out value))
            {
                return true;
            }
        }

        return state.Variables.TryGetValue(name, out value);
    }

    public bool TryGetInput(string name, out object? value)
    {
        for (var execution = state.Find(state.Find(executionId)?.ParentId); execution is not null; execution = state.Find(execution.ParentId))
        {
            if (definition.Nodes[execution.NodeId].Descriptor.Shape == ActivityShape.Composite)
            {
                return TryFind(execution.Inputs, name, out value);
            }
        }

        return TryFind(state.Started!.Input, name, out value);
    }

    public bool TryGetOutput(string activityNameOrId, string? outputName, out object? value)
    {
        value = null;
        // A composite used twice has its activities twice; an expression means those of the use it stands in.
        var composite = state.Find(executionId) is { } execution ? definition.Nodes[execution.NodeId].Composite : null;
        var node = definition.FindActivity(activityNameOrId, composite);
        if (node is null || !state.Results.TryGetValue(node.NodeId, out var outputs))
        {
            return false;
        }

        return outputName is null
            ? outputs.TryGetValue("result", out value)
            : TryFind(outputs, outputName, out value);
    }

    /// <summary>Sets the variable nearest to the execution; creates it at the workflow when nobody declared it.</summary>
    public void SetVariable(string name, object? value)
    {
        for (var execution = state.Find(executionId); execution is not null; execution = state.Find(execution.ParentId))
        {
            if (execution.Variables is { } variables && variables.ContainsKey(name))
            {
                variables[name] = value;
                return;
            }
        }

        state.Variables[name] = value;
    }

    /// <summary>Definitions are lenient about the first letter of names (EntryId, entryId).</summary>
    private static bool TryFind(IReadOnlyDictionary<string, object?> values, string name, out object? value)
    {
        if (values.TryGetValue(name, out value))
        {
            return true;
        }

        foreach (var (key, item) in values)
        {
            if (key.Equals(name, StringComparison.OrdinalIgnoreCase))
            {
                value = item;
                return true;
            }
        }

        return false;
    }
}
