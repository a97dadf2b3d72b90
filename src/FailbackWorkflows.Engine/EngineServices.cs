using FailbackWorkflows.Engine.Activities;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Library;
using FailbackWorkflows.Engine.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

namespace FailbackWorkflows.Engine;

/// <summary>Registers the engine. The host adds an <see cref="Storage.IWorkflowStore"/> and, when it takes part in instances, an <see cref="IWorkflowHooks"/>.</summary>
public static class EngineServices
{
    /// <param name="services">The host's services.</param>
    /// <param name="addActivities">Adds the host's activities to the built-in ones, one line each.</param>
    /// <param name="configure">Sets options; they are validated at once.</param>
    public static IServiceCollection AddWorkflowEngine(this IServiceCollection services, Action<ActivityCatalog> addActivities, Action<WorkflowEngineOptions>? configure = null)
    {
        var options = new WorkflowEngineOptions();
        configure?.Invoke(options);
        options.Validate();
        var catalog = new ActivityCatalog();
        addActivities(catalog);
        services.AddSingleton(options);
        services.AddSingleton(catalog);
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<IWorkflowHooks, NoWorkflowHooks>();
        services.TryAddSingleton<IWorkflowIds, TimeOrderedIds>();
        services.TryAddSingleton<INodeSignals, NoOtherNodes>();
        services.TryAddSingleton<ICronSchedules>(NoCronSchedules.Instance);
        services.TryAddSingleton<Http.IOutboundHttp, Http.NoOutboundHttp>();
        services.AddSingleton<DefinitionReader>();
        services.AddSingleton<StartScheduled>();
        services.AddSingleton<WorkflowDefinitions>();
        services.TryAddSingleton<IPublishRules, NoPublishRules>();
        services.AddSingleton<WorkflowEditing>();
        services.AddSingleton<WorkflowRehearsal>();
        services.AddSingleton<WorkflowMetrics>();
        services.AddSingleton<WorkflowPulse>();
        services.AddSingleton<WorkflowRunner>();
        services.AddSingleton<WorkflowDispatcher>();
        services.AddSingleton<IWorkflowRuntime, WorkflowRuntime>();
        services.AddSingleton<IHostedService>(provider => provider.GetRequiredService<WorkflowDispatcher>());
        return services;
    }
}
