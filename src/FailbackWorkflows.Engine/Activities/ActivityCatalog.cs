using System.Collections.Concurrent;
using System.Reflection;
using System.Runtime.CompilerServices;
using FailbackWorkflows.Engine.Values;
using Microsoft.Extensions.DependencyInjection;

namespace FailbackWorkflows.Engine.Activities;

/// <summary>How the interpreter treats an activity.</summary>
public enum ActivityShape
{
    /// <summary>Runs code.</summary>
    Code,
    Flowchart,
    Sequence,
    If,

    /// <summary>Activities made of others: a class with a definition inside, or a workflow used as an activity.</summary>
    Composite,
    Switch,
    Fork,
    Parallel,
    For,
    ForEach,
    ParallelForEach,
    While,
}

/// <summary>An input as the designer and the validation see it.</summary>
public sealed record InputDescriptor(string Name, Type ValueType, bool IsRequired, object? DefaultValue, string DisplayName, string? Description, string UIHint)
{
    /// <summary>The group of inputs that name no other.</summary>
    public const string General = "General";

    /// <summary>Group of inputs it is shown in.</summary>
    public string Category { get; init; } = General;

    /// <summary>The values there are to choose from; empty: any value.</summary>
    public IReadOnlyList<string> Options { get; init; } = [];

    /// <summary>True: definitions store it as <c>{typeName, expression}</c>. False: the bare value (the branches of a Switch, the join mode of a Fork).</summary>
    public bool IsWrapped { get; init; } = true;

    /// <summary>True: its value is never written into the journal, whatever the log persistence settings say.</summary>
    public bool IsSensitive { get; init; }
}

/// <summary>What a port of an activity leads to.</summary>
public enum PortKind
{
    /// <summary>An outcome: a connection of the enclosing flowchart leaves by it.</summary>
    Flow,

    /// <summary>An activity inside this one: stored in the definition as the property of the port's name (camelCase).</summary>
    Embedded,
}

/// <summary>A port as the designer shows it.</summary>
/// <param name="Name">As definitions know it: the outcome, or the property that holds the activity (camelCase).</param>
/// <param name="IsBrowsable">False: it is there, but the designer does not offer it.</param>
public sealed record PortDescriptor(string Name, string DisplayName, PortKind Kind, bool IsBrowsable = true)
{
    /// <summary>Variables that the activity in it sees, besides those around it.</summary>
    public IReadOnlyList<string> Variables { get; init; } = [];
}

/// <summary>Elsa's kinds of activities.</summary>
public enum ActivityKind
{
    Action,

    /// <summary>May start its workflow (<c>canStartWorkflow</c>).</summary>
    Trigger,
}

/// <summary>An output as the designer and the validation see it.</summary>
public sealed record OutputDescriptor(string Name, Type ValueType, string DisplayName, string? Description);

/// <summary>Durable retry of an activity.</summary>
public sealed record RetryPolicy(int Attempts, TimeSpan InitialDelay, double Factor, TimeSpan MaxDelay)
{
    public static RetryPolicy None { get; } = new(1, TimeSpan.Zero, 1, TimeSpan.Zero);

    /// <summary>Wait after the given failed attempt, or null when it was the last.</summary>
    public TimeSpan? DelayAfter(int attempt) => attempt >= Attempts
        ? null
        : TimeSpan.FromMilliseconds(Math.Min(MaxDelay.TotalMilliseconds, InitialDelay.TotalMilliseconds * Math.Pow(Factor, Math.Min(attempt - 1, 60))));
}

/// <summary>Everything known of an activity type; derived from its class.</summary>
public sealed record ActivityDescriptor
{
    public required string Type { get; init; }

    public required int Version { get; init; }

    public required string DisplayName { get; init; }

    public required string Category { get; init; }

    public string? Description { get; init; }

    public required ActivityShape Shape { get; init; }

    public required IReadOnlyList<InputDescriptor> Inputs { get; init; }

    public required IReadOnlyList<OutputDescriptor> Outputs { get; init; }

    /// <summary>Ports a connection may leave by.</summary>
    public required IReadOnlyList<string> Outcomes { get; init; }

    /// <summary>All ports: the outcomes of the type and the activities it holds. Outcomes that an input adds (<see cref="OutcomesFromInput"/>) come on top.</summary>
    public IReadOnlyList<PortDescriptor> Ports => [.. Outcomes.Select(o => new PortDescriptor(o, o, PortKind.Flow)), .. EmbeddedPorts];

    /// <summary>The activities it holds by name (an If's <c>then</c> and <c>else</c>). What a container holds as a list (<c>activities</c>) is no port.</summary>
    public IReadOnlyList<PortDescriptor> EmbeddedPorts { get; init; } = [];

    /// <summary>Whether it may start its workflow.</summary>
    public ActivityKind Kind => Trigger is null ? ActivityKind.Action : ActivityKind.Trigger;

    /// <summary>True: it holds a list of activities (<c>activities</c>): a flowchart, a sequence, a Parallel.</summary>
    public bool IsContainer { get; init; }

    /// <summary>Nothing leads to it (Start).</summary>
    public bool IsStart { get; init; }

    /// <summary>Nothing follows it (End, Finish, Fault, Break).</summary>
    public bool IsTerminal { get; init; }

    /// <summary>False: it may be in definitions, but the designer does not offer it.</summary>
    public bool IsBrowsable { get; init; } = true;

    /// <summary>Runs it started and still waits for end with it: when it is cancelled, they are asked to cancel.</summary>
    public bool CancelsChildren { get; init; }

    /// <summary>Of a workflow used as an activity: its definition; null: it is none.</summary>
    public string? WorkflowDefinitionId { get; init; }

    /// <summary>Of a workflow used as an activity: the version that a definition using it stays with.</summary>
    public string? WorkflowDefinitionVersionId { get; init; }

    /// <summary>The input whose items name further outcomes (FlowSwitch's cases), if any.</summary>
    public string? OutcomesFromInput { get; init; }

    public required RetryPolicy Retry { get; init; }

    /// <summary>How stimuli find it as a trigger; null: it is none.</summary>
    public TriggerAttribute? Trigger { get; init; }

    /// <summary>What a rehearsal does with it.</summary>
    public RehearsalMode Rehearsal { get; init; }

    /// <summary>The inside of a composite.</summary>
    public string? CompositeJson { get; init; }

    /// <summary>Class of a code activity.</summary>
    public Type? ActivityType { get; init; }
}

/// <summary>
/// The activities a server knows. Registration is explicit, one line each, so that what may run is written down in one place and a class
/// that merely exists cannot be reached from a definition.
/// </summary>
public sealed class ActivityCatalog
{
    private readonly Dictionary<string, ActivityDescriptor> _descriptors = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<Type, CodeActivity> _instances = new();

    public ActivityCatalog()
    {
        BuiltIn.BuiltInActivities.AddTo(this);
    }

    /// <summary>All descriptors by type; a version above 1 by <c>type:version</c>.</summary>
    public IReadOnlyDictionary<string, ActivityDescriptor> Descriptors => _descriptors;

    /// <summary>The descriptor of a version of a type, or null. A composite keeps its older versions as long as published definitions name them.</summary>
    public ActivityDescriptor? Find(string type, int version) => _descriptors.GetValueOrDefault(KeyOf(type, version));

    /// <summary>Adds a code activity. Throws when the class is not a proper activity or its type is taken.</summary>
    public ActivityCatalog Add<TActivity>()
        where TActivity : CodeActivity
    {
        Register(Describe(typeof(TActivity), ActivityShape.Code) with { ActivityType = typeof(TActivity) });
        return this;
    }

    /// <summary>Adds a code activity whose descriptor says more than its class can.</summary>
    internal void Add<TActivity>(Func<ActivityDescriptor, ActivityDescriptor> adjust)
        where TActivity : CodeActivity => Register(adjust(Describe(typeof(TActivity), ActivityShape.Code) with { ActivityType = typeof(TActivity) }));

    /// <summary>Adds an activity made of others.</summary>
    public ActivityCatalog AddComposite<TComposite>()
        where TComposite : Composite
    {
        Register(Describe(typeof(TComposite), ActivityShape.Composite) with { CompositeJson = ((TComposite)Activator.CreateInstance(typeof(TComposite))!).DefinitionJson });
        return this;
    }

    internal void AddContainer(ActivityDescriptor descriptor) => Register(descriptor);

    internal CodeActivity Resolve(ActivityDescriptor descriptor, IServiceProvider services) =>
        _instances.GetOrAdd(descriptor.ActivityType!, static (type, provider) => Create(type, provider), services);

    /// <summary>An activity made of the given services. Not kept: nobody else gets it.</summary>
    internal static CodeActivity Create(Type type, IServiceProvider services)
    {
        var activity = (CodeActivity)ActivatorUtilities.CreateInstance(services, type);
        foreach (var property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance))
        {
            if (IsHandle(property, typeof(Input<>)) || IsHandle(property, typeof(Output<>)))
            {
                property.SetValue(activity, Activator.CreateInstance(property.PropertyType, NameOf(property)));
            }
        }

        return activity;
    }

    private static ActivityDescriptor Describe(Type type, ActivityShape shape)
    {
        var activity = type.GetCustomAttribute<ActivityAttribute>()
            ?? throw new InvalidOperationException($"{type.Name} has no [Activity] attribute.");
        var retry = type.GetCustomAttribute<RetryAttribute>();
        var inputs = new List<InputDescriptor>();
        var outputs = new List<OutputDescriptor>();
        foreach (var property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance))
        {
            if (property.GetCustomAttribute<InputAttribute>() is { } input)
            {
                RequireHandle(property, typeof(Input<>));
                inputs.Add(new(
                    NameOf(property),
                    property.PropertyType.GetGenericArguments()[0],
                    property.IsDefined(typeof(RequiredMemberAttribute)),
                    PlainValue.From(input.DefaultValue),
                    input.DisplayName ?? Words(property.Name),
                    input.Description,
                    input.UIHint)
                {
                    Category = input.Category,
                    Options = input.Options,
                    IsSensitive = input.IsSensitive,
                });
            }
            else if (property.GetCustomAttribute<OutputAttribute>() is { } output)
            {
                RequireHandle(property, typeof(Output<>));
                outputs.Add(new(NameOf(property), property.PropertyType.GetGenericArguments()[0], output.DisplayName ?? Words(property.Name), output.Description));
            }
        }

        return new ActivityDescriptor
        {
            Type = activity.Type,
            Version = activity.Version,
            DisplayName = activity.DisplayName ?? Words(activity.Type[(activity.Type.LastIndexOf('.') + 1)..]),
            Category = activity.Category,
            Description = activity.Description,
            Shape = shape,
            Inputs = inputs,
            Outputs = outputs,
            Outcomes = type.GetCustomAttribute<FlowNodeAttribute>()?.Outcomes ?? ["Done"],
            OutcomesFromInput = type.GetCustomAttribute<FlowNodeAttribute>()?.OutcomesFromInput,
            EmbeddedPorts = [.. type.GetCustomAttributes<PortAttribute>().Select(p => new PortDescriptor(p.Name, p.DisplayName, PortKind.Embedded) { Variables = p.Variables })],
            IsStart = activity.IsStart,
            IsTerminal = activity.IsTerminal,
            Trigger = type.GetCustomAttribute<TriggerAttribute>(),
            Rehearsal = type.GetCustomAttribute<RehearsalAttribute>()?.Mode ?? RehearsalMode.Ends,
            Retry = retry is null
                ? RetryPolicy.None
                : new(retry.Attempts, TimeSpan.FromMilliseconds(retry.InitialDelayMilliseconds), retry.Factor, TimeSpan.FromMilliseconds(retry.MaxDelayMilliseconds)),
        };
    }

    private static bool IsHandle(PropertyInfo property, Type handle) => property.PropertyType.IsGenericType && property.PropertyType.GetGenericTypeDefinition() == handle;

    private static void RequireHandle(PropertyInfo property, Type handle)
    {
        if (!IsHandle(property, handle))
        {
            throw new InvalidOperationException($"{property.DeclaringType!.Name}.{property.Name} must be of type {handle.Name[..^2]}<T>.");
        }
    }

    private static string NameOf(PropertyInfo property) => char.ToLowerInvariant(property.Name[0]) + property.Name[1..];

    /// <summary>"CheckLicense" → "Check license".</summary>
    private static string Words(string name) => string.Concat(name.Select((c, i) => i > 0 && char.IsUpper(c) ? " " + char.ToLowerInvariant(c) : c.ToString()));

    private void Register(ActivityDescriptor descriptor)
    {
        if (!_descriptors.TryAdd(KeyOf(descriptor.Type, descriptor.Version), descriptor))
        {
            throw new InvalidOperationException($"There are two activities of type '{descriptor.Type}' and version {descriptor.Version}.");
        }
    }

    private static string KeyOf(string type, int version) => version <= 1 ? type : $"{type}:{version}";
}
