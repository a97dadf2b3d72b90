using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Expressions;

namespace FailbackWorkflows.Engine.Definitions;

/// <summary>A definition, read and validated. Immutable; one object serves all its instances.</summary>
public sealed record WorkflowDefinition
{
    /// <summary>definitionVersionId: <c>definitionId:version</c>, unless the publisher gave another.</summary>
    public required string Id { get; init; }

    public required string DefinitionId { get; init; }

    /// <summary>The version in the text; the publisher may give a higher one.</summary>
    public required int Version { get; init; }

    public required string Name { get; init; }

    public string? Description { get; init; }

    public required IReadOnlyList<VariableDefinition> Variables { get; init; }

    public required IReadOnlyList<InputDefinition> Inputs { get; init; }

    public required IReadOnlyList<string> Outputs { get; init; }

    /// <summary>Outcomes it can leave by when it is used as an activity, besides <c>Done</c>.</summary>
    public IReadOnlyList<string> Outcomes { get; init; } = [];

    /// <summary>How many of its runs there may be at a time.</summary>
    public ActivationStrategy Activation { get; init; }

    /// <summary>What a fault that no port takes does to a run.</summary>
    public IncidentStrategy Incidents { get; init; }

    /// <summary>True: other definitions may use it as an activity.</summary>
    public bool IsUsableAsActivity { get; init; }

    public required ActivityNode Root { get; init; }

    /// <summary>Lower-case hex SHA-256 of the JSON text.</summary>
    public required string Sha256 { get; init; }

    /// <summary>All nodes by path.</summary>
    public required IReadOnlyDictionary<string, ActivityNode> Nodes { get; init; }

    /// <summary>Triggers that start the workflow once it is published.</summary>
    public IReadOnlyList<TriggerDefinition> Triggers { get; init; } = [];

    /// <summary>The activity that undoes what was done when the instance is cancelled on its way; null: none.</summary>
    public ActivityNode? CancelHandler { get; init; }

    /// <summary>An activity by id, else by name, among those directly of the workflow or of one use of a composite.</summary>
    internal ActivityNode? FindActivity(string idOrName, ActivityNode? composite)
    {
        ActivityNode? byName = null;
        foreach (var node in Nodes.Values)
        {
            if (node.Composite == composite)
            {
                if (node.Id == idOrName)
                {
                    return node;
                }

                byName ??= node.Name == idOrName ? node : null;
            }
        }

        return byName;
    }
}

/// <summary>How many runs of a definition there may be at a time. A run counts until it has finished, was cancelled or an incident stopped it.</summary>
public enum ActivationStrategy
{
    /// <summary>Any number.</summary>
    AllowAlways,

    /// <summary>One of the definition.</summary>
    Singleton,

    /// <summary>One of the definition for each correlation id.</summary>
    CorrelatedSingleton,

    /// <summary>One for each correlation id, of whatever definition.</summary>
    Correlation,
}

/// <summary>What a fault that no port takes does to a run.</summary>
public enum IncidentStrategy
{
    /// <summary>It stops the run, which can be redriven.</summary>
    Fault,

    /// <summary>It stops its branch; the others go on, and the run finishes with the incident.</summary>
    ContinueWithIncidents,
}

/// <summary>A variable of the workflow or of a container.</summary>
/// <param name="TypeName">Elsa's alias: <c>String</c>, <c>Int32</c>, <c>Boolean</c>, <c>Object</c> and so on.</param>
public sealed record VariableDefinition(string Id, string Name, string TypeName, object? InitialValue)
{
    /// <summary>It holds a list of values of the type.</summary>
    public bool IsArray { get; init; }
}

/// <summary>An input of a workflow.</summary>
/// <param name="TypeName">Elsa's alias: <c>String</c>, <c>Int32</c>, <c>Boolean</c>, <c>Object</c> and so on.</param>
public sealed record InputDefinition(string Name, string TypeName, bool IsRequired)
{
    /// <summary>It takes a list of values of the type.</summary>
    public bool IsArray { get; init; }
}

/// <summary>A trigger activity that may start its workflow.</summary>
/// <param name="Key">What stimuli find it by; see <see cref="TriggerAttribute"/>.</param>
public sealed record TriggerDefinition(string NodeId, string Key);

/// <summary>An activity in a definition.</summary>
public sealed class ActivityNode
{
    public required string Id { get; init; }

    /// <summary>Path of ids from the root, unique in the definition.</summary>
    public required string NodeId { get; init; }

    public string? Name { get; init; }

    /// <summary>What the designer shows: the display text, else the activity's display name.</summary>
    public required string DisplayText { get; init; }

    /// <summary>Number of the step as operators count it (custom property <c>step</c>), or null.</summary>
    public int? Step { get; init; }

    public required ActivityDescriptor Descriptor { get; init; }

    public ActivityNode? Parent { get; init; }

    /// <summary>The composite whose inside this node belongs to; null: the workflow itself.</summary>
    internal ActivityNode? Composite => Parent is null || Parent.Descriptor.Shape == ActivityShape.Composite ? Parent : Parent.Composite;

    public required RetryPolicy Retry { get; init; }

    /// <summary>Merge mode of a flowchart target; null: Stream.</summary>
    public MergeMode Merge { get; init; }

    /// <summary>Ports a connection may leave by.</summary>
    public required IReadOnlyList<string> Outcomes { get; init; }

    internal IReadOnlyList<NodeInput> Inputs { get; set; } = [];

    internal IReadOnlyList<NodeOutput> Outputs { get; set; } = [];

    /// <summary>Variables that live as long as the container runs.</summary>
    public IReadOnlyList<VariableDefinition> Variables { get; internal set; } = [];

    /// <summary>Inputs and outputs whose values the journal does not show.</summary>
    internal HiddenValues Hidden { get; set; } = HiddenValues.None;

    /// <summary>Children of a flowchart or sequence in order; the inside of a composite.</summary>
    public IReadOnlyList<ActivityNode> Children { get; internal set; } = [];

    /// <summary>Children in named ports (<c>then</c>, <c>else</c>).</summary>
    public IReadOnlyDictionary<string, ActivityNode> Ports { get; internal set; } = new Dictionary<string, ActivityNode>();

    /// <summary>Outbound connections in the flowchart this node is in.</summary>
    public IReadOnlyList<Connection> Outbound { get; internal set; } = [];

    /// <summary>Inbound connections in the flowchart this node is in.</summary>
    public IReadOnlyList<Connection> Inbound { get; internal set; } = [];

    /// <summary>Where a flowchart starts.</summary>
    public ActivityNode? Start { get; internal set; }

    public override string ToString() => NodeId;
}

/// <summary>How a flowchart target with several inbound connections decides to run.</summary>
public enum MergeMode
{
    /// <summary>Runs when a token arrived and no upstream source is still busy.</summary>
    Stream,

    /// <summary>Waits for a token on every forward inbound connection.</summary>
    Merge,

    /// <summary>Waits for a token on every inbound connection, loops included.</summary>
    Converge,

    /// <summary>Runs for every arriving token.</summary>
    Cascade,

    /// <summary>The first token wins, its rivals are cancelled.</summary>
    Race,

    /// <summary>Waits until nothing before it in the flowchart can bring another token (a FlowJoin that waits for all active branches).</summary>
    AllActive,
}

/// <summary>A connection of a flowchart.</summary>
public sealed record Connection(ActivityNode Source, string Port, ActivityNode Target)
{
    /// <summary>It closes a loop: its target leads to its source.</summary>
    public bool IsBackward { get; internal set; }
}

/// <summary>Names of inputs and outputs that the journal does not show.</summary>
internal sealed record HiddenValues(IReadOnlySet<string> Inputs, IReadOnlySet<string> Outputs)
{
    public static HiddenValues None { get; } = new(new HashSet<string>(), new HashSet<string>());
}

internal sealed record NodeInput(InputDescriptor Descriptor, IExpression? Expression);

/// <summary>Where an output goes: a variable by name (found outwards from the node), or an output of the workflow.</summary>
internal sealed record NodeOutput(string Name, string Target, bool IsWorkflowOutput);

/// <summary>Something wrong with a definition, and where.</summary>
/// <param name="ActivityId">Id of the activity, when it is about one.</param>
/// <param name="Path">JSON path, e.g. <c>$.root.activities[3].condition</c>.</param>
public sealed record DefinitionProblem(string? ActivityId, string Path, string Message)
{
    public override string ToString() => ActivityId is null ? $"{Path}: {Message}" : $"{ActivityId} ({Path}): {Message}";
}

/// <summary>A definition that may not be published.</summary>
public sealed class DefinitionInvalidException(IReadOnlyList<DefinitionProblem> problems)
    : Exception("The workflow definition has errors: " + string.Join(" ", problems.Take(5)))
{
    public IReadOnlyList<DefinitionProblem> Problems { get; } = problems;
}
