using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace FailbackWorkflows.Recorders.Http;

/// <summary>Registers the recorder client.</summary>
public static class RecorderClientRegistration
{
    /// <summary>
    /// Adds <see cref="IRecorderClient"/> as a singleton over HTTP. Needs logging; uses the registered <see cref="TimeProvider"/> or the
    /// system's. Options out of range throw here, before the host starts.
    /// </summary>
    public static IServiceCollection AddRecorderClient(this IServiceCollection services, Action<RecorderClientOptions>? configure = null)
    {
        var options = new RecorderClientOptions();
        configure?.Invoke(options);
        options.Validate();
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(options);
        services.AddSingleton<IRecorderClient, HttpRecorderClient>();
        return services;
    }
}
