using System.Collections.Concurrent;
using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Storage;
using FailbackWorkflows.Failback;
using FailbackWorkflows.Failback.AutomaticFailback;
using FailbackWorkflows.Failback.AutomaticFailover;
using FailbackWorkflows.Failback.Changes;
using FailbackWorkflows.Failback.Connectivity;
using FailbackWorkflows.Failback.Duties;
using FailbackWorkflows.Failback.FailoverLog;
using FailbackWorkflows.Failback.Licensing;
using FailbackWorkflows.Failback.Maintenance;
using FailbackWorkflows.Failback.MaterialCopy;
using FailbackWorkflows.Failback.Obligations;
using FailbackWorkflows.Failback.Policies;
using FailbackWorkflows.Failback.Readiness;
using FailbackWorkflows.Failback.Reconciliation;
using FailbackWorkflows.Failback.SettingsCache;
using FailbackWorkflows.Failback.VmsServers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Testing.Failback;

/// <summary>One node of a <see cref="FailbackWorld"/>: an engine with the product's use cases.</summary>
public sealed class FailbackNode : IAsyncDisposable
{
    private readonly ServiceProvider _services;
    private readonly ComplaintBook _complaints = new();
    private bool _isStopped;

    private FailbackNode(string name, FailbackWorld world, IWorkflowStore store, IWatch? watch)
    {
        var services = new ServiceCollection();
        services.AddLogging(logging => logging.AddProvider(_complaints).SetMinimumLevel(LogLevel.Warning));
        services.AddSingleton(world.Clock);
        services.AddSingleton(store);
        services.AddSingleton(world.Client);
        services.AddSingleton(world.CopyClient);
        services.AddSingleton<ISecretProtector, FakeSecretProtector>();
        services.AddSingleton(world.Get<IVmsServers>());
        services.AddSingleton(world.Get<IFailoverLog>());
        services.AddSingleton(world.Get<IDuties>());
        services.AddSingleton(world.Get<IEpochCheckpoint>());
        services.AddSingleton(world.Get<IReconciliations>());
        services.AddSingleton(world.Get<IConnectivityHistory>());
        services.AddSingleton(world.Get<IAutomaticFailbacks>());
        services.AddSingleton(world.Get<IAutomaticFailovers>());
        services.AddSingleton(world.Get<IMaintenanceModes>());
        services.AddSingleton(world.Get<IObligations>());
        services.AddSingleton(world.Get<IMaterialCopies>());
        services.AddSingleton(world.Get<ISettingsCache>());
        services.AddSingleton(world.Get<ILicenses>());
        services.AddSingleton(world.Get<ISystemSettings>());
        services.AddSingleton(world.Get<IReadinessResults>());
        services.AddSingleton(world.Get<IDomainWriter>());
        services.AddSingleton(world.Get<IChangeFeed>());
        if (watch is not null)
        {
            services.AddSingleton(watch);
            services.AddSingleton(world.Words);
        }

        services.AddFailback(TestLicense.Options);
        services.AddWorkflowEngine(FailbackActivities.AddTo, options =>
        {
            options.Node = name;

            // On a clock that jumps, only wake-ups and due times shall make a node look; a lease outlives every jump.
            options.PollInterval = TimeSpan.FromMinutes(1);
            options.LeaseDuration = TimeSpan.FromMinutes(10);
        });
        _services = services.BuildServiceProvider(validateScopes: true);
    }

    public IWorkflowRuntime Runtime => Get<IWorkflowRuntime>();

    /// <summary>Warnings and errors the node has logged.</summary>
    public IReadOnlyCollection<string> Complaints => _complaints.Lines;

    public T Get<T>()
        where T : notnull => _services.GetRequiredService<T>();

    /// <summary>Stops in good order: what runs is given back.</summary>
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

    internal static async Task<FailbackNode> StartAsync(string name, FailbackWorld world, IWorkflowStore store, IWatch? watch = null)
    {
        var node = new FailbackNode(name, world, store, watch);
        foreach (var hosted in node._services.GetServices<IHostedService>())
        {
            await hosted.StartAsync(CancellationToken.None);
        }

        return node;
    }
}

/// <summary>Keeps what a node had to complain about, for the message of a test that waits in vain.</summary>
internal sealed class ComplaintBook : ILoggerProvider, ILogger
{
    public ConcurrentQueue<string> Lines { get; } = new();

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        Lines.Enqueue(exception is null ? formatter(state, exception) : $"{formatter(state, exception)} ({exception})");

    public void Dispose()
    {
    }
}
