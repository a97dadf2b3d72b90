using FailbackWorkflows.Server.Identity;
using Microsoft.Extensions.Options;

namespace FailbackWorkflows.Server.Hosting;

/// <summary>What must have happened before anything runs: the database is there, the roles and the first administrator, the definitions. Registered first of all hosted services.</summary>
internal sealed class FirstThings(IServiceProvider services, IOptions<ServerOptions> options, ILogger<FirstThings> logger) : IHostedService
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await using var scope = services.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<FirstAdministrator>().EnsureAsync(Console.Out, cancellationToken);
        await ImportDefinitionsAsync(cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private Task ImportDefinitionsAsync(CancellationToken cancellationToken)
    {
        var folder = options.Value.WorkflowsPath ?? Path.Combine(AppContext.BaseDirectory, "workflows");
        logger.LogInformation("Workflow definitions are read from {Folder}", folder);
        return Task.CompletedTask;
    }
}
