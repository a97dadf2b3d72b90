namespace FailbackWorkflows.Engine.Expressions.Script;

/// <summary>
/// What an expression can read of the workflow instance it runs in. Values are plain: null, bool, long, double, string,
/// <see cref="IReadOnlyList{T}"/> and <see cref="IReadOnlyDictionary{TKey,TValue}"/> of the same.
/// </summary>
public interface IScriptScope
{
    /// <summary>Looks a variable up, innermost container first. False makes the expression fail.</summary>
    bool TryGetVariable(string name, out object? value);

    /// <summary>Looks a workflow input up. False reads as <c>undefined</c>.</summary>
    bool TryGetInput(string name, out object? value);

    /// <summary>Looks an activity's output up; no output name means its only or default one. False reads as <c>undefined</c>.</summary>
    bool TryGetOutput(string activityNameOrId, string? outputName, out object? value);

    object? LastResult { get; }

    string WorkflowInstanceId { get; }

    string? CorrelationId { get; }

    string WorkflowDefinitionId { get; }

    int WorkflowDefinitionVersion { get; }
}
