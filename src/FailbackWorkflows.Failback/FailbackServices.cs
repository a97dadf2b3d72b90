using FailbackWorkflows.Failback.Failover;
using FailbackWorkflows.Failback.VmsServers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace FailbackWorkflows.Failback;

/// <summary>Registers the product's use cases. The host adds the stores, a recorder client and an <see cref="ISecretProtector"/>.</summary>
public static class FailbackServices
{
    public static IServiceCollection AddFailback(this IServiceCollection services)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<StartFailback>();
        services.AddSingleton<StartFailover>();
        services.AddSingleton<RegisterVmsServer>();
        return services;
    }
}
