namespace FailbackWorkflows.Engine.Activities;

/// <summary>Names an activity as definitions know it, e.g. <c>Failback.CheckLicense</c>.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class ActivityAttribute(string type) : Attribute
{
    public string Type { get; } = type;

    /// <summary>Grows when the activity's meaning changes; a definition names the version it was made for. Default: 1.</summary>
    public int Version { get; init; } = 1;

    public string? DisplayName { get; init; }

    public string Category { get; init; } = "General";

    public string? Description { get; init; }

    /// <summary>Nothing leads to it.</summary>
    public bool IsStart { get; init; }

    /// <summary>Nothing follows it.</summary>
    public bool IsTerminal { get; init; }
}

/// <summary>
/// The activity is a trigger: with <c>canStartWorkflow</c> set it starts its published definition when a stimulus with its key arrives
/// (<see cref="Occurrence"/>). The key is the name and, after it, each named input that the definition sets to something else than its
/// default: <c>name;input=value</c>. Such an input needs a fixed value, because the key is made when the definition is published.
/// </summary>
/// <param name="name">What the stimuli are called.</param>
/// <param name="inputs">Inputs that narrow down which stimuli are meant, as definitions name them (camelCase).</param>
[AttributeUsage(AttributeTargets.Class)]
public sealed class TriggerAttribute(string name, params string[] inputs) : Attribute
{
    public string Name { get; } = name;

    public IReadOnlyList<string> Inputs { get; } = inputs;
}

/// <summary>The outcomes (ports) an activity can leave by. Without it: <c>Done</c>.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class FlowNodeAttribute(params string[] outcomes) : Attribute
{
    /// <summary>
    /// Port of an activity that gave up. An activity that declares it and has it connected does not stop the instance when it fails: the
    /// run goes on along that port, and the fault stays in the journal.
    /// </summary>
    public const string Failed = "Failed";

    public IReadOnlyList<string> Outcomes { get; } = outcomes;

    /// <summary>The input whose items are further outcomes: texts, numbers, or objects with a <c>label</c>.</summary>
    public string? OutcomesFromInput { get; init; }
}

/// <summary>An activity that this one holds: when it leaves by the port (<see cref="ActivityResult.InPort"/>), that activity runs before it is completed.</summary>
/// <param name="name">The property of the definition that holds it, camelCase.</param>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = true)]
public sealed class PortAttribute(string name, string displayName) : Attribute
{
    public string Name { get; } = name;

    public string DisplayName { get; } = displayName;

    /// <summary>Variables that the activity in it sees.</summary>
    public string[] Variables { get; init; } = [];
}

/// <summary>What a rehearsal (<see cref="Runtime.WorkflowRehearsal"/>) does when it comes to an activity.</summary>
public enum RehearsalMode
{
    /// <summary>It ends there: what the activity does, or what follows from it, is seen only in the run itself.</summary>
    Ends,

    /// <summary>It executes the activity as the run would: the activity decides by reading, and whatever it changes goes through what it is given.</summary>
    Executes,

    /// <summary>It goes on as if the activity had done its work and left by its first outcome: nothing that is decided later depends on it.</summary>
    PassesOver,
}

/// <summary>What a rehearsal does with the activity. Without it: <see cref="RehearsalMode.Ends"/>.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class RehearsalAttribute(RehearsalMode mode) : Attribute
{
    public RehearsalMode Mode { get; } = mode;
}

/// <summary>An input; a property of type <see cref="Input{T}"/>. Marked <c>required</c>, a definition without it is refused at publish.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class InputAttribute : Attribute
{
    public string? DisplayName { get; init; }

    public string? Description { get; init; }

    public string UIHint { get; init; } = "singleline";

    /// <summary>Group of inputs it is shown in. Default: <c>General</c>.</summary>
    public string Category { get; init; } = InputDescriptor.General;

    /// <summary>The values there are to choose from (<c>dropdown</c>, <c>radiolist</c>, <c>checklist</c>); empty: any value.</summary>
    public string[] Options { get; init; } = [];

    /// <summary>Its value is never written into the journal. Default: false.</summary>
    public bool IsSensitive { get; init; }

    /// <summary>Used when the definition leaves the input out.</summary>
    public object? DefaultValue { get; init; }
}

/// <summary>An output; a property of type <see cref="Output{T}"/>.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class OutputAttribute : Attribute
{
    public string? DisplayName { get; init; }

    public string? Description { get; init; }
}

/// <summary>How often an attempt is repeated when it failed for a transient reason. Waits are durable timers: a restart neither forgets nor repeats them.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class RetryAttribute(int attempts) : Attribute
{
    /// <summary>Attempts in all, 1 to 1,000,000.</summary>
    public int Attempts { get; } = attempts;

    /// <summary>Wait before the second attempt, in milliseconds. Default: 500.</summary>
    public int InitialDelayMilliseconds { get; init; } = 500;

    /// <summary>Each further wait is this many times the one before. Default: 2.</summary>
    public double Factor { get; init; } = 2;

    /// <summary>Longest wait, in milliseconds. Default: 30,000.</summary>
    public int MaxDelayMilliseconds { get; init; } = 30_000;
}

/// <summary>Handle of an input: what a definition evaluates before the activity runs. Read it with <see cref="ActivityExecutionContext.Get{T}(Input{T})"/>.</summary>
public sealed class Input<T>(string name)
{
    /// <summary>Name in definitions (camelCase of the property).</summary>
    public string Name { get; } = name;
}

/// <summary>Handle of an output; set with <see cref="ActivityResult.With{T}(Output{T}, T)"/>.</summary>
public sealed class Output<T>(string name)
{
    /// <summary>Name in definitions (camelCase of the property).</summary>
    public string Name { get; } = name;
}
