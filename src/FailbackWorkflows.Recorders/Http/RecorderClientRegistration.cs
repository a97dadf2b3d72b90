using FailbackWorkflows.Recorders.Material;
using FailbackWorkflows.Recorders.MaterialCopy;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace FailbackWorkflows.Recorders.Http;

/// <summary>Registers the recorder clients.</summary>
public static class RecorderClientRegistration
{
    /// <summary>
    /// Adds <see cref="IRecorderClient"/>, <see cref="IMaterialCopyClient"/> and <see cref="IMaterialReader"/> as singletons over one HTTP transport. Needs logging; uses the registered <see cref="TimeProvider"/> or the
    /// system's, and an <see cref="IRecorderCallObserver"/> if there is one. Options out of range throw here, before the host starts.
    /// </summary>
    public static IServiceCollection AddRecorderClient(this IServiceCollection services, Action<RecorderClientOptions>? configure = null)
    {
        var options = new RecorderClientOptions();
        configure?.Invoke(options);
        options.Validate();
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(options);
        services.AddSingleton(provider => new RecorderTransport(
            provider.GetRequiredService<RecorderClientOptions>(),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<RecorderTransport>>(),
            provider.GetService<IRecorderCallObserver>()));
        services.AddSingleton<IRecorderClient>(provider => new HttpRecorderClient(provider.GetRequiredService<RecorderTransport>()));
        services.AddSingleton<IMaterialCopyClient, HttpMaterialCopyClient>();
        services.AddSingleton<IMaterialReader, HttpMaterialReader>();
        return services;
    }
}
