using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Journal;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Engine.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace FailbackWorkflows.Testing.Engine;

/// <summary>One node with an engine over a store in memory. Several hosts over one store are several nodes, or lives of the same node.</summary>
public sealed class EngineHost : IAsyncDisposable
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(10);

    /// <summary>After so many ticks the clock waits now and then for the real one: leases would end on a busy machine before a step does, again and again.</summary>
    private const int FastTicks = 500;
    private const int TicksBetweenWaits = 5;

    private readonly ServiceProvider _services;
    private bool _isStopped;

    private EngineHost(ServiceProvider services, InMemoryWorkflowStore store, FakeTimeProvider? time)
    {
        _services = services;
        Store = store;
        Time = time;
    }

    public InMemoryWorkflowStore Store { get; }

    /// <summary>The clock, when it is a fake one.</summary>
    public FakeTimeProvider? Time { get; }

    public IServiceProvider Services => _services;

    public IWorkflowRuntime Runtime => _services.GetRequiredService<IWorkflowRuntime>();

    public WorkflowDefinitions Definitions => _services.GetRequiredService<WorkflowDefinitions>();

    /// <summary>Starts a node.</summary>
    /// <param name="behind">What the node itself sees instead of <paramref name="store"/>, e.g. a <see cref="CrashingWorkflowStore"/>.</param>
    public static async Task<EngineHost> StartAsync(
        InMemoryWorkflowStore store,
        TimeProvider time,
        Action<ActivityCatalog> addActivities,
        Action<WorkflowEngineOptions>? configure = null,
        Action<IServiceCollection>? addServices = null,
        IWorkflowStore? behind = null)
    {
        var services = new ServiceCollection();
        services.AddLogging();
        services.AddSingleton(time);
        services.AddSingleton(behind ?? store);
        addServices?.Invoke(services);
        services.AddWorkflowEngine(addActivities, options =>
        {
            options.PollInterval = Tick;
            configure?.Invoke(options);
        });
        var host = new EngineHost(services.BuildServiceProvider(validateScopes: true), store, time as FakeTimeProvider);
        foreach (var hosted in host._services.GetServices<IHostedService>())
        {
            await hosted.StartAsync(CancellationToken.None);
        }

        return host;
    }

    /// <summary>Publishes a definition.</summary>
    public Task<WorkflowDefinition> PublishAsync(string json) => Definitions.PublishAsync(json, "test", CancellationToken.None);

    /// <summary>Publishes a definition, starts it and waits until it ends or waits for something.</summary>
    public async Task<StoredInstance> RunAsync(string json, IReadOnlyDictionary<string, object?>? input = null)
    {
        var definition = await PublishAsync(json);
        var started = await Runtime.StartAsync(
            new StartWorkflow(definition.DefinitionId, Actor.System) { Input = input ?? new Dictionary<string, object?>() }, CancellationToken.None);
        return await RestAsync(started.InstanceId);
    }

    /// <summary>Waits until no node works on an instance and nothing waits to be taken in.</summary>
    public Task<StoredInstance> RestAsync(string instanceId) => Store.WaitForAsync(instanceId, _ => true);

    /// <summary>Publishes an event and waits until the instance has taken it in and rests again.</summary>
    public async Task<StoredInstance> SendEventAsync(string instanceId, string name, object? payload = null)
    {
        await Runtime.ResumeAsync(Stimulus.Event(name, Actor.System, payload, instanceId), CancellationToken.None);
        return await RestAsync(instanceId);
    }

    /// <summary>Retries a faulted instance and waits until it rests again.</summary>
    public async Task<StoredInstance> RedriveAsync(string instanceId)
    {
        await Runtime.RedriveAsync(instanceId, Actor.System, "try again", CancellationToken.None);
        return await RestAsync(instanceId);
    }

    /// <summary>Asks an instance to cancel and waits until it rests again.</summary>
    public async Task<StoredInstance> CancelAsync(string instanceId)
    {
        await Runtime.CancelAsync(instanceId, Actor.System, "not wanted", CancellationToken.None);
        return await RestAsync(instanceId);
    }

    /// <summary>
    /// Moves the fake clock, then on in small ticks until the instance has gone on and rests again. The ticks are needed because the
    /// dispatcher may arm its timer only after the clock was moved.
    /// </summary>
    public async Task<StoredInstance> AdvanceAsync(string instanceId, TimeSpan by)
    {
        var current = await RestAsync(instanceId);
        if (current.SubStatus is WorkflowSubStatus.Finished or WorkflowSubStatus.Faulted or WorkflowSubStatus.Cancelled)
        {
            // A busy machine has ticked past the end of a wait before it was committed, and the instance went on without being asked to.
            return current;
        }

        var before = current.LastSequence;

        // Noted in the commit itself: until the task's end has got through to here, a busy machine can tick past the next wait too.
        var hasRested = false;
        var rested = Store.WaitForAsync(
            instanceId,
            i =>
            {
                var goesOn = i.LastSequence > before;
                Volatile.Write(ref hasRested, goesOn);
                return goesOn;
            });
        Time!.Advance(by);
        await TickUntilAsync(() => Volatile.Read(ref hasRested) || rested.IsCompleted);
        return await rested;
    }

    /// <summary>Moves the fake clock in small ticks until the task is done.</summary>
    public Task TickUntilAsync(Task done) => TickUntilAsync(() => done.IsCompleted);

    private async Task TickUntilAsync(Func<bool> isDone)
    {
        for (var ticks = 0; !isDone(); ticks++)
        {
            Time!.Advance(Tick);
            if (ticks < FastTicks || ticks % TicksBetweenWaits > 0)
            {
                await Task.Yield();
            }
            else
            {
                await Task.Delay(1);
            }
        }
    }

    /// <summary>The whole journal of an instance.</summary>
    public IReadOnlyList<JournalEvent> Journal(string instanceId) => Store.Journal(instanceId);

    /// <summary>Stops the node in order: running instances are given back.</summary>
    public async Task StopAsync()
    {
        if (_isStopped)
        {
            return;
        }

        _isStopped = true;
        foreach (var hosted in _services.GetServices<IHostedService>())
        {
            await hosted.StopAsync(CancellationToken.None);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await _services.DisposeAsync();
    }
}
