using System.Collections.Concurrent;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Testing;
using FailbackWorkflows.Testing.Engine;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;

namespace FailbackWorkflows.Tests.Engine;

/// <summary>What <c>Test.Do</c> activities do, by activity id, and what they did.</summary>
internal sealed class Behaviours
{
    private readonly ConcurrentDictionary<string, Func<ActivityExecutionContext, ActivityResult>> _behaviours = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<string> _executed = new();
    private readonly ConcurrentDictionary<string, int> _effects = new(StringComparer.Ordinal);

    /// <summary>Ids of executed activities, every attempt, in order.</summary>
    public IReadOnlyList<string> Executed => [.. _executed];

    /// <summary>As an outside system that remembers keys: how often each key arrived. The effect happened once per key.</summary>
    public IReadOnlyDictionary<string, int> Effects => _effects;

    public Behaviours On(string id, Func<ActivityExecutionContext, ActivityResult> behaviour)
    {
        _behaviours[id] = behaviour;
        return this;
    }

    public Behaviours On(string id, string outcome) => On(id, _ => ActivityResult.Completed(outcome));

    /// <summary>Fails in the first attempts, then completes.</summary>
    public Behaviours Fails(string id, int times = int.MaxValue, bool isTransient = false)
    {
        var left = times;
        return On(id, _ => Interlocked.Decrement(ref left) >= 0 ? throw new ActivityFaultException("test.broken", $"{id} is broken.", isTransient) : ActivityResult.Completed());
    }

    public ActivityResult Execute(ActivityExecutionContext context)
    {
        var id = context.NodeId[(context.NodeId.LastIndexOf(':') + 1)..];
        _executed.Enqueue(id);
        _effects.AddOrUpdate(context.CallKey("do"), 1, (_, times) => times + 1);
        return _behaviours.TryGetValue(id, out var behaviour) ? behaviour(context) : ActivityResult.Completed();
    }

    public void AddTo(IServiceCollection services) => services.AddSingleton(this);
}

/// <summary>Does what the <see cref="Behaviours"/> says.</summary>
[Activity("Test.Do")]
[FlowNode("Done", "A", "B", FlowNodeAttribute.Failed)]
internal sealed class Do(Behaviours activities) : CodeActivity
{
    [Input]
    public Input<object>? Value { get; init; }

    [Input(DefaultValue = 7)]
    public Input<int>? Number { get; init; }

    [Output]
    public Output<object>? Result { get; init; }

    [Output]
    public Output<object>? Second { get; init; }

    public static object? ValueOf(ActivityExecutionContext context) => context.GetOrDefault(new Input<object>("value"));

    public static ActivityResult Returning(object? value) => ActivityResult.Completed().With(new Output<object?>("result"), value);

    protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken) =>
        ValueTask.FromResult(activities.Execute(context));
}

/// <summary>As <see cref="Do"/>, but with a retry policy of its class.</summary>
[Activity("Test.Stubborn")]
[Retry(3, InitialDelayMilliseconds = 1000, Factor = 2, MaxDelayMilliseconds = 30_000)]
internal sealed class Stubborn(Behaviours activities) : CodeActivity
{
    [Input]
    public required Input<string> Name { get; init; }

    protected internal override ValueTask<ActivityResult> ExecuteAsync(ActivityExecutionContext context, CancellationToken cancellationToken) =>
        ValueTask.FromResult(activities.Execute(context));
}

/// <summary>Two activities that look like one.</summary>
[Activity("Test.Pair")]
[FlowNode("Done", "A", "B", FlowNodeAttribute.Failed)]
internal sealed class Pair : Composite
{
    [Input]
    public Input<object>? Given { get; init; }

    [Output]
    public Output<object>? Made { get; init; }

    public override string DefinitionJson => Json.Flowchart(
        "inside",
        [
            Json.Do("first", ("value", Json.Expression("Input", "given")), ("result", Json.Into("id-made"))),
            Json.Do("second", ("value", Json.Js("getOutputFrom('first')"))),
            Json.Activity("Complete", "complete", ("outcomes", Json.Literal("A"))),
        ],
        "first > second",
        "second:A > complete").With("variables", Json.Variables("made")).ToJsonString();
}

/// <summary>Holds an activity until the test lets it go.</summary>
internal sealed class Gate
{
    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _open = new();

    public Task Reached => _reached.Task.WaitAsync(TimeSpan.FromSeconds(30));

    public void Open() => _open.TrySetResult();

    public ActivityResult Pass(ActivityExecutionContext context)
    {
        _reached.TrySetResult();
        _open.Task.Wait(TimeSpan.FromSeconds(30)).ShouldBeTrue();
        return ActivityResult.Completed();
    }
}

internal static class TestHosts
{
    public static void AddTestActivities(ActivityCatalog catalog) => catalog.Add<Do>().Add<Stubborn>().AddComposite<Pair>();

    /// <summary>A node with the test activities and a fake clock.</summary>
    public static Task<EngineHost> StartAsync(Behaviours activities, InMemoryWorkflowStore? store = null, FakeTimeProvider? time = null, Action<IServiceCollection>? addServices = null) =>
        EngineHost.StartAsync(store ?? new InMemoryWorkflowStore(), time ?? new FakeTimeProvider(), AddTestActivities, addServices: services =>
        {
            activities.AddTo(services);
            addServices?.Invoke(services);
        });
}
