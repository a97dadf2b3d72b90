using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Persistence;
using FailbackWorkflows.Server.Identity;
using Microsoft.Extensions.Options;

namespace FailbackWorkflows.Server.Hosting;

/// <summary>What must have happened before anything runs: the database is there, the roles and the first administrator, the definitions. Registered first of all hosted services.</summary>
internal sealed class FirstThings(IServiceProvider services, IDatabase database, WorkflowDefinitions definitions, IOptions<ServerOptions> options, ILogger<FirstThings> logger) : IHostedService
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await database.MigrateAsync(cancellationToken);
        await using var scope = services.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<FirstAdministrator>().EnsureAsync(Console.Out, cancellationToken);
        await ImportDefinitionsAsync(cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private async Task ImportDefinitionsAsync(CancellationToken cancellationToken)
    {
        var folder = options.Value.WorkflowsPath ?? Path.Combine(AppContext.BaseDirectory, "workflows");
        if (!Directory.Exists(folder))
        {
            logger.LogWarning("There is no workflow folder at {Folder}; only what was published before can run", folder);
            return;
        }

        try
        {
            foreach (var definition in await definitions.ImportFolderAsync(folder, cancellationToken))
            {
                logger.LogInformation("Workflow {Definition} version {Version} is published", definition.DefinitionId, definition.Version);
            }
        }
        catch (DefinitionInvalidException invalid)
        {
            throw new StartRefusedException(ExitCodes.BadSettings, $"A workflow in '{folder}' cannot be published. {invalid.Message}", invalid);
        }
    }
}
