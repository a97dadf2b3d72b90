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
    Composite,
}

/// <summary>An input as the designer and the validation see it.</summary>
public sealed record InputDescriptor(string Name, Type ValueType, bool IsRequired, object? DefaultValue, string DisplayName, string? Description, string UIHint);

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
                    input.UIHint));
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
