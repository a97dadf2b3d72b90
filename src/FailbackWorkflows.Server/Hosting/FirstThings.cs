using FailbackWorkflows.Engine;
using FailbackWorkflows.Engine.Definitions;
using FailbackWorkflows.Engine.Runtime;
using FailbackWorkflows.Persistence;
using FailbackWorkflows.Persistence.Identity;
using FailbackWorkflows.Persistence.Seals;
using FailbackWorkflows.Persistence.VmsServers;
using FailbackWorkflows.Server.Identity;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.Options;

namespace FailbackWorkflows.Server.Hosting;

/// <summary>
/// What must have happened before anything runs: the database is there, the keys of cookies, the roles and the first administrator, the definitions. Registered first of all
/// hosted services. Of several management servers that start on one database one after the other does it.
/// </summary>
internal sealed class FirstThings(
    IServiceProvider services,
    IDatabase database,
    ServerDigests digests,
    IJournalChaining chaining,
    IAuditLog audit,
    WorkflowDefinitions definitions,
    IDataProtectionProvider protection,
    IOptions<ServerOptions> options,
    TimeProvider time,
    ILogger<FirstThings> logger) : IHostedService
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await using var alone = await database.EnterStartAsync(cancellationToken);
        await database.MigrateAsync(cancellationToken);
        await digests.RefreshAsync(cancellationToken);
        await ChainOldRunsAsync(cancellationToken);

        // The first key, when there is none: two servers that start together must not make one each, or the cookies of one would mean nothing to the other.
        protection.CreateProtector(nameof(FirstThings)).Protect([]);
        await using var scope = services.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<FirstAdministrator>().EnsureAsync(Console.Out, cancellationToken);
        await ImportDefinitionsAsync(cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private async Task ChainOldRunsAsync(CancellationToken cancellationToken)
    {
        if (await chaining.ChainAsync(cancellationToken) is > 0 and var events)
        {
            logger.LogInformation("{Events} events from before this version were chained; from now on they cannot be changed unseen", events);
            await audit.AppendAsync(
                new AuditRecord(time.GetUtcNow(), Actor.System, "history chained", null, $"{events} events were written by a version that did not chain them. They are sealed from now on; nothing proves what was before.", "done"),
                cancellationToken);
        }
    }

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
            foreach (var imported in await definitions.ImportFolderAsync(folder, cancellationToken))
            {
                if (imported.Conflict is { } conflict)
                {
                    logger.LogWarning("Workflow {Definition}: {Conflict}", imported.DefinitionId, conflict);
                }

                if (imported.Published is not { } published)
                {
                    logger.LogInformation("Workflow {Definition} was unpublished and stays so", imported.DefinitionId);
                }
                else if (imported.NewerBy is { } by)
                {
                    logger.LogInformation(
                        "Workflow {Definition} version {Version}, published by {PublishedBy}, is newer than version {FolderVersion} in the folder and is left alone",
                        published.DefinitionId, published.Version, by, imported.FolderVersion);
                }
                else
                {
                    if (imported.IsNew)
                    {
                        await audit.AppendAsync(
                            new AuditRecord(time.GetUtcNow(), Actor.System, "workflow published", published.Id, $"From the workflow folder; SHA-256 {published.Sha256}.", "done"), cancellationToken);
                    }

                    logger.LogInformation("Workflow {Definition} version {Version} is published", published.DefinitionId, published.Version);
                }
            }
        }
        catch (DefinitionInvalidException invalid)
        {
            throw new StartRefusedException(ExitCodes.BadSettings, $"A workflow in '{folder}' cannot be published. {invalid.Message}", invalid);
        }
    }
}
